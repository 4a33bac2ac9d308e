package render

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
)

func TestJSONIsIndentedAndPlain(t *testing.T) {
	var out bytes.Buffer
	v := map[string]any{"b": []int{1, 2}, "a": "<&>\u2028\x1b\n", "secret": store.NewValue("canary-7f3a")}
	if err := JSON(&out, v); err != nil {
		t.Fatal(err)
	}
	want := `{
  "a": "<&>\u2028\u001b\n",
  "b": [
    1,
    2
  ],
  "secret": "[redacted]"
}
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestJSONTellsWhatItCannotRender(t *testing.T) {
	var out bytes.Buffer
	if err := JSON(&out, map[string]any{"f": func() {}}); err == nil || out.Len() != 0 {
		t.Errorf("%v, and %q is written", err, out.String())
	}
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{"", "plain", "\x1b[2J", "\u0085\u202e\x7f", "\U000e0041😀", "\xff", `\u0041"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var out bytes.Buffer
		if err := JSON(&out, map[string]string{s: s}); err != nil {
			t.Fatal(err)
		}
		if r := unsafeRune(strings.ReplaceAll(out.String(), "\n", "")); r != 0 || strings.Count(out.String(), "\n") != 3 {
			t.Fatalf("%U leaves: %q", r, out.String())
		}
		if !utf8.ValidString(s) {
			return // becomes U+FFFD
		}
		var back map[string]string
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || back[s] != s {
			t.Fatalf("%q became %q: %v", s, out.String(), err)
		}
	})
}

package formats

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
)

// FuzzRoundTrip checks that a format that carries two values gives both back.
func FuzzRoundTrip(f *testing.F) {
	all := values()
	for i, v := range all {
		f.Add(v, all[(i+1)%len(all)])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, format := range ImportNames() {
			var pairs []Pair
			for key, v := range map[string]string{"K_A": a, "K_B": b} {
				if store.NewValue(v).Check() == nil && carries(t, format, key, v) {
					pairs = append(pairs, Pair{key, store.NewValue(v)})
				}
			}
			got, err := Decode(strings.NewReader(string(encode(t, format, pairs, Options{}))), format, Options{})
			if err != nil || len(got) != len(pairs) {
				t.Fatalf("%s: %d of %d pairs, %v", format, len(got), len(pairs), err)
			}
			for _, p := range got {
				if want := map[string]string{"K_A": a, "K_B": b}[p.Key]; p.Value.Reveal() != want {
					t.Errorf("%s: %q came back as %q", format, want, p.Value.Reveal())
				}
			}
		}
	})
}

// FuzzJSONIsYAML checks that a JSON string has one value, whichever of the two its file is taken
// for: as JSON, as YAML that is JSON, and where it stands in other YAML, or that it is refused.
func FuzzJSONIsYAML(f *testing.F) {
	for _, text := range []string{
		"x", `https:\/\/x`, `\ud83d\ude00`, `\ud800`, "a\u0085b", "a\u2028b\u2029", `\u0085\u2028`, "a \u0085 b", `a\tb\"\\ \b\f\n\r`,
		"\ufeffx\ufeff", "\x7f", `\u0000`, "a\tb", "a\nb", "😀", "\U0010ffff\uffff", ": x", "#", "%YAML 1.2", "---", "\ue000",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted := `"` + text + `"`
		want, err := decode(`{"a":`+quoted+`}`, "json", Options{})
		if err != nil {
			return
		}
		for _, body := range []string{
			`{"a":` + quoted + `}`, " \ufeff{\n\"a\" : " + quoted + "\n}\n",
			"---\n{\"a\":" + quoted + "}", "{\"a\": " + quoted + ",}", "%YAML 1.2\n--- # c\na: " + quoted + "\n", "b: &x " + quoted + "\na: *x\n",
			"a: " + quoted + "\nz: |\n  \tx\n",
		} {
			got, err := decode(body, "yaml", Options{})
			if err == nil && !slices.Contains(got, want[0]) {
				t.Errorf("%q is %q as YAML in %q", want, got, body)
			}
			if err != nil && body == `{"a":`+quoted+`}` {
				t.Errorf("%q: as YAML %v", body, err)
			}
		}
	})
}

// FuzzWrittenOnly does the same for formats that only others read, by their rules.
func FuzzWrittenOnly(f *testing.F) {
	for _, v := range values() {
		f.Add(v)
	}
	readers := []struct {
		format, key, next string
		read              func(testing.TB, []byte) map[string]string
	}{
		{"systemd", "A", "B", readSystemdRules},
		{"github-env", "A", "B", readGitHubEnvOnLinux},
		{"github-env", "A", "B", readGitHubEnvOnWindows},
		{"gitlab", "A", "B", readGitLabRules},
		{"tfvars", "A", "B", readHCL},
		{"yaml", "A", "B", readGoYAML},
	}
	f.Fuzz(func(t *testing.T, value string) {
		if store.NewValue(value).Check() != nil {
			return
		}
		for _, r := range readers {
			if !carries(t, r.format, r.key, value) {
				continue
			}
			pairs := []Pair{{r.key, store.NewValue(value)}, {r.next, store.NewValue("next")}}
			got := r.read(t, encode(t, r.format, pairs, single))
			if diff := cmp.Diff(map[string]string{r.key: value, r.next: "next"}, got); diff != "" {
				t.Errorf("%s (-written +read)\n%s", r.format, diff)
			}
		}
	})
}

// FuzzDecode checks that no file makes a reader panic or quote it. The canary has a sign
// that no key has, so that it is never shown as one.
func FuzzDecode(f *testing.F) {
	const canary = "cAnArY!"
	for _, body := range []string{
		"", `{"a":"` + canary + `","b":{"c":[null]}}`, "a: &x " + canary + "\nb: *x\nc: [1, {d: e}]\n<<: *x\n",
		"a = 1.0\n[b]\nc = '''" + canary + "'''\nd = {e = [1]}\n[[f]]\n", "export A='" + canary + "' # c\nB=\"x\\n\"\nC=a#b\n",
		"a,\"" + canary + "\"\"\r\n\"\nb\tc\n", "! c\na\\ b : \\u00e9" + canary + "\\\n  x\n", "\ufeff\xff", "\x00",
	} {
		f.Add(body, uint16(3))
		f.Add(body, uint16(len(body)))
	}
	f.Fuzz(func(t *testing.T, body string, at uint16) {
		cut := int(at) % (len(body) + 1)
		for _, text := range []string{body, body[:cut] + canary + body[cut:]} {
			for _, format := range ImportNames() {
				for _, flatten := range []string{"", "_"} {
					pairs, err := Decode(strings.NewReader(text), format, Options{Flatten: flatten})
					if err != nil && (len(pairs) > 0 || strings.Contains(err.Error(), canary)) {
						t.Errorf("%s gives %d pairs and %v", format, len(pairs), err)
					}
					for _, p := range pairs {
						if store.CheckKey(p.Key) != nil || !utf8.ValidString(p.Value.Reveal()) {
							t.Errorf("%s gives a pair that cannot be stored", format)
						}
					}
				}
			}
		}
	})
}

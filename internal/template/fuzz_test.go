package template

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/coffer-secrets/coffer/internal/reference"
)

// FuzzParse: a text without the scheme stays as it is. What another text becomes has every byte of it that
// isn't within braces, in order, and its errors say where.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"a", "{{ .X }}", "{{ coffer://api/key }}", "{{{{ coffer://api/key | json }}}}\n{{coffer://a/b?version=2|lines \"  \"}}", "{{ coffer://{{ }}{{coffer://",
		"\"{{ coffer://a/b | json }}\"", "{{- coffer://a/b -}}", "{{ coffer://a/b | lines \"\\x\" }}", "\xff{{\t coffer://%61/b }}\r\n",
	} {
		f.Add(text, "value")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		parsed, errs := Parse("", text)
		for _, err := range errs {
			var at *Error
			if !errors.As(err, &at) || at.Line < 1 || at.Line > 1+strings.Count(text, "\n") || at.Column < 1 || at.Column > 1+utf8.RuneCountInString(text) {
				t.Errorf("%q: %v", text, err)
			}
		}
		if len(errs) > 0 {
			return
		}
		got, errs := parsed.Render(values(parsed, value))
		if !strings.Contains(text, reference.Scheme) && (got != text || len(errs) > 0) {
			t.Errorf("%q became %q, %v", text, got, errs)
		}
		if len(errs) > 0 {
			return
		}
		for _, p := range parsed.parts {
			i := strings.Index(got, p.text)
			if i < 0 {
				t.Fatalf("%q became %q: %q is missing or too early", text, got, p.text)
			}
			got = got[i+len(p.text):]
		}
	})
}

// FuzzFilters: a reader of each format gives the value back.
func FuzzFilters(f *testing.F) {
	for _, v := range []string{"", "x", "a\nb\n", "yes", "0123", `"'\$%`, "a\u0085b\u2028\ufeff\x7f", "\x00", "😀\U0010ffff\uffff", "\xff", "a\r\nb", " #;"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for name, read := range readers() {
			text, err := filter{name: name}.apply(value)
			if err != nil && utf8.ValidString(value) {
				t.Errorf("%s refuses %q: %v", name, value, err)
			}
			if got, readErr := read(text); err == nil && (readErr != nil || got != value) {
				t.Errorf("%s writes %q as %q, which is read as %q, %v", name, value, text, got, readErr)
			}
			if strings.Contains(text, "\n") {
				t.Errorf("%s writes %q on several lines: %q", name, value, text)
			}
		}
		text, err := filter{name: "lines", prefix: "> "}.apply(value)
		if err != nil {
			return
		}
		for line := range strings.SplitSeq(text, "\n") {
			if !strings.HasPrefix(line, "> ") {
				t.Errorf("lines writes %q as %q", value, text)
			}
		}
		if got := strings.ReplaceAll("\n"+text, "\n> ", "\n")[1:]; got != strings.TrimSuffix(value, "\n") && !strings.Contains(value, "> ") {
			t.Errorf("lines writes %q as %q", value, text)
		}
	})
}

// readers returns what reads the result of each filter.
func readers() map[string]func(string) (string, error) {
	return map[string]func(string) (string, error){
		"url": url.PathUnescape,
		"json": func(text string) (value string, err error) {
			err = json.Unmarshal([]byte(text), &value)
			return value, err
		},
		"yaml": func(text string) (string, error) {
			var m struct{ K, Z string }
			err := yaml.Unmarshal([]byte("k: "+text+" # c\nz: !!str "+text+"\n"), &m)
			if m.K != m.Z {
				return "", errors.New("the comment belongs to it")
			}
			return m.K, err
		},
		"base64": func(text string) (string, error) {
			value, err := base64.StdEncoding.DecodeString(text)
			return string(value), err
		},
	}
}

package template

import (
	"errors"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/reference"
	"github.com/coffer-secrets/coffer/store"
)

const canary = "canary-7f3a"

// values has one value for every reference of a template.
func values(t *Template, value string) map[reference.Reference]store.Value {
	all := map[reference.Reference]store.Value{}
	for _, u := range t.Uses() {
		all[u.Reference] = store.NewValue(value)
	}
	return all
}

// render fills a template that has no errors with one value.
func render(t *testing.T, text, value string) (string, []error) {
	t.Helper()
	parsed, errs := Parse("t", text)
	if len(errs) > 0 {
		t.Fatalf("%q: %v", text, errs)
	}
	return parsed.Render(values(parsed, value))
}

func TestAReferenceIsReplacedByTheValue(t *testing.T) {
	for text, want := range map[string]string{
		"{{ coffer://api/key }}":                    canary,
		"{{coffer://api/key}}":                      canary,
		"{{\t coffer://team/api/key?version=3\t}}":  canary,
		"a{{ coffer://api/key }}{{coffer://b/c}}z":  "a" + canary + canary + "z",
		"{{{ coffer://api/key }}}":                  "{" + canary + "}",
		"{{ coffer://api/key|base64|url }}":         "Y2FuYXJ5LTdmM2E%3D",
		`{{ coffer://api/key | url | json }}`:       `"` + canary + `"`,
		"{{ coffer://{{ }} coffer://api/key }}":     "{{ coffer://api/key }}",
		"{{coffer://{{}}{{ coffer://api/key }}\r\n": "{{" + canary + "\r\n",
	} {
		if got, errs := render(t, text, canary); got != want || len(errs) > 0 {
			t.Errorf("%q: %q, %v; want %q", text, got, errs, want)
		}
	}
}

func TestAllOtherTextStaysAsItIs(t *testing.T) {
	for _, text := range []string{
		"", "plain", "{{ .Values.x | quote }}", "{{- if .X }}{{ end -}}", "{% if x %}{{ x|e }}{% endif %}", "${X} $(x) <%= x %>", "{{", "}}", "{{}}",
		"coffer://api/key", "see coffer://api/key }}", "{ { coffer://api/key } }", "{{\ncoffer://api/key }}", "{{ \"coffer://\" }}", "{{ Coffer://api/key }}",
		"\x00\xff\xfe\r\n\t", strings.Repeat("{", 1<<16),
	} {
		if got, errs := render(t, text, canary); got != text || len(errs) > 0 {
			t.Errorf("%q became %q, %v", text, got, errs)
		}
	}
}

func TestAValueIsNeverReadAsATemplate(t *testing.T) {
	value := "{{ coffer://api/other }}"
	if got, errs := render(t, "<{{ coffer://api/key }}>", value); got != "<"+value+">" || len(errs) > 0 {
		t.Errorf("%q, %v", got, errs)
	}
}

func TestEveryMistakeOfATemplateIsReportedWithItsPlace(t *testing.T) {
	for text, want := range map[string]string{
		"{{ coffer://api }}":                                 "t:1:1: invalid: a reference needs a service and a key",
		"x\ny {{ coffer://api/ }}":                           "t:2:3: ",
		"ü {{ coffer://api/key }":                            "t:1:3: invalid: }} is missing after coffer://api/key",
		"{{ coffer://api/key\n}}":                            "}} is missing",
		"{{ coffer://api/key extra }}":                       "}} is missing",
		"{{ coffer://api/key -}}":                            "}} is missing",
		"{{- coffer://api/key }}":                            "{{- isn't supported",
		"{{ coffer://api/key | jsn }}":                       `unknown filter "jsn" (nearest: "json"); use one of json, yaml, `,
		"{{ coffer://api/key | JSON }}":                      `unknown filter "JSON"`,
		"{{ coffer://api/key | }}":                           `unknown filter ""`,
		"{{ coffer://api/key | json 3 }}":                    "json takes no argument",
		"{{ coffer://api/key | lines }}":                     "lines needs the text",
		`{{ coffer://api/key | lines "x }}`:                  "doesn't end",
		`{{ coffer://api/key | lines "\n" }}`:                "has a newline",
		`{{ coffer://api/key | lines "\q" }}`:                "unknown escape",
		`{{ coffer://api/key | lines "  " | json }}`:         "lines must be the last filter",
		`k: {{ coffer://api/key | lines "  " }}`:             "needs a line of its own",
		`{"k": "{{ coffer://api/key | json }}"}`:             `remove the " before and after`,
		`k: '{{ coffer://api/key | yaml }}'`:                 `remove the ' before and after`,
		`PW='{{ coffer://api/key | shell }}'`:                `remove the ' before and after`,
		"{{ coffer://api/key?version=x }}":                   "not a number",
		"{{ coffer://api/a }} {{ coffer://{{ coffer://b/c}}": "t:1:22: ",
	} {
		_, errs := Parse("t", text)
		if len(errs) == 0 || !errors.Is(errs[0], store.ErrInvalid) || !strings.Contains(errs[0].Error(), want) {
			t.Errorf("%q: %v; want %q", text, errs, want)
		}
	}
	if _, errs := Parse("t", "{{ coffer://a }}\n{{ coffer://b }}\n{{ coffer://c/d | x }}"); len(errs) != 3 {
		t.Errorf("of three mistakes these are reported: %v", errs)
	}
}

func TestEveryValueThatCannotStandAtItsPlaceIsReported(t *testing.T) {
	for text, value := range map[string]string{
		"a: {{ coffer://api/key | json }}":        "\xff",
		"a: {{ coffer://api/key | yaml }}":        "a\xc3",
		"A={{ coffer://api/key | shell }}":        "a\x00b",
		"a ={{ coffer://api/key | ini }}":         "a\nb",
		"b ={{ coffer://api/key | ini }}":         "a\rb",
		"c ={{ coffer://api/key | ini }}":         " a",
		"d ={{ coffer://api/key | ini }}":         "a\t",
		"e ={{ coffer://api/key | ini }}":         `"a`,
		"f ={{ coffer://api/key | ini }}":         "a'",
		"g ={{ coffer://api/key | ini }}":         `a\`,
		"h ={{ coffer://api/key | ini }}":         "a#b",
		"l ={{ coffer://api/key | ini }}":         "a%(b)s",
		"m ={{ coffer://api/key | ini }}":         "a\tb",
		"n ={{ coffer://api/key | ini }}":         "a\xff",
		"i ={{ coffer://api/key | ini }}":         "a ;b",
		"j ={{ coffer://api/key | ini }}":         "a\x00b",
		"k ={{ coffer://api/key | ini }}":         "a\u2028b",
		"  {{ coffer://api/key | lines \"  \" }}": "a\rb",
		"{{ coffer://api/key | lines \"# \" }}":   "a\u0085b",
	} {
		got, errs := render(t, text, value)
		var at *Error
		if len(errs) != 1 || !errors.As(errs[0], &at) || !errors.Is(at, store.ErrInvalid) || at.Line != 1 || at.Column != strings.Index(text, "{{")+1 ||
			!strings.Contains(at.Error(), "the value of coffer://api/key ") {
			t.Errorf("%q with %q: %q, %v", text, value, got, errs)
		}
	}
	_, errs := render(t, "{{ coffer://a/b | ini }}\n{{ coffer://c/d | ini }} {{ coffer://a/b | json }}", canary+"\n")
	if len(errs) != 2 || strings.Contains(errors.Join(errs...).Error(), canary) {
		t.Errorf("of two values that can't stand there: %v", errs)
	}
}

func TestLinesBeginsEachLineWithThePrefix(t *testing.T) {
	const pem = "-----BEGIN-----\nabc\n\n-----END-----\n"
	for text, want := range map[string]string{
		"k: |\n  {{ coffer://api/key | lines \"  \" }}\nz: 1\n": "k: |\n  -----BEGIN-----\n  abc\n  \n  -----END-----\nz: 1\n",
		"k: |\n{{ coffer://api/key | lines \"  \" }}\nz: 1\n":   "k: |\n  -----BEGIN-----\n  abc\n  \n  -----END-----\nz: 1\n",
		"{{ coffer://api/key | lines # }}":                      "#-----BEGIN-----\n#abc\n#\n#-----END-----",
		"{{ coffer://api/key | lines \"\\t\" }}":                "\t-----BEGIN-----\n\tabc\n\t\n\t-----END-----",
	} {
		if got, errs := render(t, text, pem); got != want || len(errs) > 0 {
			t.Errorf("%q: %q, %v; want %q", text, got, errs, want)
		}
	}
	if got, errs := render(t, "{{ coffer://api/key | lines x }}", "a\r\nb\r\n"); got != "xa\r\nxb\r" || len(errs) > 0 {
		t.Errorf("%q, %v", got, errs)
	}
}

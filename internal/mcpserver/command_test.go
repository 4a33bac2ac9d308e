package mcpserver

import (
	"strings"
	"testing"
)

func TestCommandsAreAllowedAsTheyAreWritten(t *testing.T) {
	for _, c := range []struct {
		text      string
		yes, no   []string // arguments are split at |
		asWritten string   // if it isn't the text
	}{
		{text: "make test", yes: []string{"make|test"}, no: []string{"make", "make|test|x", "make|tests", "make test", "/usr/bin/make|test", "", "make|test|"}},
		{text: " make\t'a b'  \"it's\" ''", asWritten: `make 'a b' 'it'"'"'s' ''`, yes: []string{"make|a b|it's|"}, no: []string{"make|a b|it's"}},
		{text: "npm run *", yes: []string{"npm|run", "npm|run|a|b"}, no: []string{"npm", "npm|test", "npm|run2"}},
		{text: "ls '*'", yes: []string{"ls|*"}, no: []string{"ls", "ls|a"}},
		{text: "a-b~c#d x=1,2 é", asWritten: "'a-b~c#d' x=1,2 é", yes: []string{"a-b~c#d|x=1,2|é"}},
	} {
		allowed, err := parseCommand(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		for _, argv := range c.yes {
			if !allowed.allows(strings.Split(argv, "|")) {
				t.Errorf("%q doesn't allow %q", c.text, argv)
			}
		}
		for _, argv := range c.no {
			if allowed.allows(strings.Split(argv, "|")) {
				t.Errorf("%q allows %q", c.text, argv)
			}
		}
		if allowed.allows(nil) {
			t.Errorf("%q allows no words at all", c.text)
		}
		want := c.asWritten
		if want == "" {
			want = c.text
		}
		if got := allowed.String(); got != want {
			t.Errorf("%q is written %q, not %q", c.text, got, want)
		}
	}
}

func TestWhatOnlyAShellUnderstandsIsRefused(t *testing.T) {
	for text, why := range map[string]string{
		"":                  "it has no program",
		"  ":                "it has no program",
		"'' x":              "it has no program",
		"*":                 "* can only be the last word",
		"* x":               "* can only be the last word",
		"make te*":          "* can only be the last word",
		"make * x":          "* can only be the last word",
		"a | b":             "no shell runs it, so | has no meaning",
		"a; b":              "no shell runs it, so ; has no meaning",
		"a && b":            "no shell runs it, so & has no meaning",
		"echo $X":           "no shell runs it, so $ has no meaning",
		"echo `id`":         "no shell runs it, so ` has no meaning",
		"a > b":             "no shell runs it, so > has no meaning",
		"cd ~/x":            "no shell runs it, so ~ has no meaning",
		`a \ b`:             `no shell runs it, so \ has no meaning`,
		"make 'te":          "a quote isn't closed",
		"make \"a b":        "a quote isn't closed",
		"make a\x00b":       "it has a NUL byte",
		"make {a,b} # note": "no shell runs it, so { has no meaning",
	} {
		if _, err := parseCommand(text); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, not %q", text, err, why)
		}
	}
}

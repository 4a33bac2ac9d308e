package project

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestThePageShowsAValidFile: the file on the page of running programs is valid and has every field, and the
// table there has every type.
func TestThePageShowsAValidFile(t *testing.T) {
	page, err := os.ReadFile("../../docs/running-programs.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```yaml\n(# coffer.yaml\n.*?)```").FindStringSubmatch(string(page))
	if m == nil {
		t.Fatal("there is no file that begins with # coffer.yaml")
	}
	if _, err := Parse([]byte(m[1])); err != nil {
		t.Errorf("%v\n%s", err, m[1])
	}
	for _, field := range slices.Concat(fieldNames, keyFieldNames) {
		if !strings.Contains(m[1], field+":") {
			t.Errorf("the file shows no %s", field)
		}
	}
	for _, name := range TypeNames() {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("the table doesn't have the type %s", name)
		}
	}
	for _, name := range []string{"LD_PRELOAD", "NODE_OPTIONS", "HTTPS_PROXY", "AWS_PROFILE"} { // that are said to be refused
		if !steers(name) || !strings.Contains(string(page), name) {
			t.Errorf("%s is not refused, or not on the page", name)
		}
	}
}

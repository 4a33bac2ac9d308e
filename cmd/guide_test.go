//go:build unix

package cmd_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	fence   = regexp.MustCompile("(?m)^( *)```(.*)$")
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	inProse = regexp.MustCompile("`((?:coffer|aws) [^`]*)`")
)

// guide is the document, cut at its headings: the commands below each.
type guide map[string]string

// readGuide takes the blocks of commands out of a document. There is nothing else in it that
// looks like a command.
func readGuide(t *testing.T, path string) guide {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found, section, block, indent := guide{}, "", false, ""
	for line := range strings.Lines(string(text)) {
		switch f := fence.FindStringSubmatch(line); {
		case f != nil && block && f[2] == "":
			block = false
		case f != nil:
			if f[2] != "sh" || block {
				t.Fatalf("%s: a block is no sh: %q", path, line)
			}
			block, indent = true, f[1]
		case block:
			found[section] += strings.TrimPrefix(line, indent)
		default:
			if h := heading.FindStringSubmatch(line); h != nil {
				section = h[1]
			}
			if m := inProse.FindStringSubmatch(line); m != nil {
				t.Errorf("%s: %q stands in no block, and is run by nobody", path, m[1])
			}
		}
	}
	if block {
		t.Fatalf("%s: a block does not end", path)
	}
	return found
}

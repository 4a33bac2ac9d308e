package cmd

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// A new command stands here or among the readers, which wait less, and say nothing of changes.
func TestEveryCommandIsKnownToReadOrToChange(t *testing.T) {
	changers := strings.Fields("write delete import rekey doctor restore edit copy migrate share init tag:write tag:delete policy:check")
	parser, err := kong.New(&CLI{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, leaf := range parser.Model.Leaves(false) {
		name := leaf.Name
		if leaf.Parent != nil && leaf.Parent.Type == kong.CommandNode {
			name = leaf.Parent.Name + ":" + name
		}
		all = append(all, name)
	}
	known := changers
	for _, name := range readers() {
		known = append(known, strings.ReplaceAll(name, " ", ":"))
	}
	slices.Sort(all)
	slices.Sort(known)
	if !slices.Equal(all, known) {
		t.Errorf("commands %v\nknown %v", all, known)
	}
}

package cmd

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// A command that changes something is named here; the others have the tag, wait less, and say nothing
// of changes.
func TestEveryCommandIsKnownToReadOrToChange(t *testing.T) {
	changers := strings.Fields("write delete import rekey doctor restore edit copy migrate share init tag:write tag:delete policy:check keys:grant keys:revoke keys:trust")
	parser, err := kong.New(&CLI{})
	if err != nil {
		t.Fatal(err)
	}
	var change []string
	for _, leaf := range parser.Model.Leaves(false) {
		name := leaf.Name
		if leaf.Parent != nil && leaf.Parent.Type == kong.CommandNode {
			name = leaf.Parent.Name + ":" + name
		}
		if !leaf.Tag.Has("reads") {
			change = append(change, name)
		}
	}
	slices.Sort(change)
	slices.Sort(changers)
	if !slices.Equal(change, changers) {
		t.Errorf("without the tag: %v\nknown to change: %v", change, changers)
	}
}

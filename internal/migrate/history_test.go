package migrate

import (
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
)

// Each letter is a value.
func TestWhatADestinationLacksOfAHistory(t *testing.T) {
	for _, test := range []struct {
		what, source, destination, lacks string
		relation                         relation
	}{
		{"nothing is there", "ABC", "", "ABC", behind},
		{"all is there", "ABC", "ABC", "", equal},
		{"a run was killed after one", "ABC", "A", "BC", behind},
		{"a run was killed where the newest value had been before", "ABA", "A", "BA", behind},
		{"a value was written twice", "AAB", "A", "AB", behind},
		{"and that was all", "AA", "A", "A", behind},
		{"only the newest was migrated", "ABC", "C", "", equal},
		{"and the source went on", "ABCD", "C", "D", behind},
		{"the source went on", "ABCD", "ABC", "D", behind},
		{"the source has forgotten its oldest", "CDE", "ABCD", "E", behind},
		{"and says nothing new", "CD", "ABCD", "", equal},
		{"the destination went on", "AB", "ABX", "", ahead},
		{"the destination was put back", "AB", "ABA", "", ahead},
		{"both went on", "ABC", "ABX", "C", diverged},
		{"they have nothing in common", "AB", "X", "B", diverged},
		{"the destination forgets", "ABCDE", "DE", "", equal},
	} {
		missing, relation := missingValues(values(test.source), values(test.destination))
		if got := letters(missing); got != test.lacks || relation != test.relation {
			t.Errorf("%s: of %q a destination with %q lacks %q (%d), want %q (%d)",
				test.what, test.source, test.destination, got, relation, test.lacks, test.relation)
		}
	}
}

func values(text string) []store.Value {
	var out []store.Value
	for _, letter := range text {
		out = append(out, store.NewValue(string(letter)))
	}
	return out
}

func letters(values []store.Value) string {
	var out strings.Builder
	for _, v := range values {
		out.WriteString(v.Reveal())
	}
	return out.String()
}

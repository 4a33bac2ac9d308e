package formats

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/formats.md")

const (
	page       = "../../docs/formats.md"
	tableBegin = "<!-- go test ./internal/formats -update writes from here -->\n"
	factsBegin = "<!-- and from here -->\n"
	tableEnd   = "<!-- to here -->\n"
)

func TestTheDocumentedTablesAreUpToDate(t *testing.T) {
	text := string(content(t, page))
	want := between(t, between(t, text, tableBegin, markdown(t)), factsBegin, factsTable())
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if text != want {
		t.Error("docs/formats.md is not up to date: go test ./internal/formats -update")
	}
}

// between replaces what stands after a mark and before the next end.
func between(t *testing.T, text, begin, table string) string {
	t.Helper()
	before, rest, begins := strings.Cut(text, begin)
	_, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		t.Fatal("docs/formats.md has lost the marks around its tables")
	}
	return before + begin + table + tableEnd + after
}

func TestEachFormatIsDocumented(t *testing.T) {
	text := string(content(t, page))
	for _, name := range Names() {
		if !strings.Contains(text, "\n**"+name+"**") {
			t.Errorf("docs/formats.md has no paragraph about %s", name)
		}
	}
}

// markdown is the table of values x formats, and the reasons for what is refused.
func markdown(t *testing.T) string {
	t.Helper()
	// One carries no values, the other has no reader but coffer's own.
	apart := []string{"github-mask", "shell-escaped"}
	formats := slices.DeleteFunc(Names(), func(name string) bool { return slices.Contains(apart, name) })
	var b strings.Builder
	b.WriteString("\n| value | " + strings.Join(formats, " | ") + " |\n|---" + strings.Repeat("|:-:", len(formats)) + "|\n")
	refused := map[string][]string{} // format and reason -> values
	var reasons []string
	for _, v := range tricky() {
		b.WriteString("| " + v.name)
		for _, format := range formats {
			mark := "✓"
			if !carries(t, format, "k", v.value) {
				mark = "–"
				because := format + " | " + reason(t, format, v.value)
				if refused[because] == nil {
					reasons = append(reasons, because)
				}
				refused[because] = append(refused[because], v.name)
			}
			b.WriteString(" | " + mark)
		}
		b.WriteString(" |\n")
	}
	fmt.Fprintf(&b, "\n%d values × %d formats. ✓ written, – refused:\n\n| format | because | values |\n|---|---|---|\n", len(tricky()), len(formats))
	slices.Sort(reasons)
	for _, because := range reasons {
		b.WriteString("| " + because + " | " + strings.Join(refused[because], ", ") + " |\n")
	}
	return b.String() + "\n"
}

func reason(t *testing.T, format, value string) string {
	t.Helper()
	err := Encode(new(strings.Builder), format, []Pair{{"k", store.NewValue(value)}}, single)
	var refusal *ValueError
	if !errors.As(err, &refusal) {
		t.Fatalf("%s: %v", format, err)
	}
	return refusal.Reason
}

package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/completion"
	"github.com/coffer-secrets/coffer/internal/help"
	"github.com/coffer-secrets/coffer/internal/testing/need"
)

var edition1 = edition{docs: "../../docs", version: "1.2.3-rc.1", date: "2026-11-28"}

// TestManualPagesAreValid: mandoc, the strictest reader of manual pages, has nothing to say about any of them, down to its
// notes on style.
func TestManualPagesAreValid(t *testing.T) {
	mandoc := need.Program(t, "mandoc", "apt-get install mandoc")
	folder := t.TempDir()
	if err := write(edition1, folder); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(folder, "*.[15]"))
	if err != nil || len(pages) < 50 {
		t.Fatal(len(pages), err)
	}
	output, err := exec.CommandContext(t.Context(), mandoc, append([]string{"-T", "lint"}, pages...)...).CombinedOutput()
	if err != nil || len(output) > 0 {
		t.Errorf("%v:\n%s", err, output)
	}
}

// TestEachCommandHasAManualPage: with the text of its help, every flag and every example, and no hidden command.
func TestEachCommandHasAManualPage(t *testing.T) {
	pages, err := edition1.pages()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"coffer.1", "coffer-config.5", "coffer-storage.5"}
	for _, name := range help.Entries() {
		file := "coffer-" + strings.ReplaceAll(name, " ", "-") + ".1"
		want = append(want, file)
		entry := help.Find(name)
		for _, e := range entry.Examples {
			if !strings.Contains(pages[file], escape(e.Line)) {
				t.Errorf("%s has no example %s", file, e.Line)
			}
		}
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(pages)); !slices.Equal(got, slices.Compact(want)) {
		t.Errorf("pages %v, want %v", got, want)
	}
	for file, has := range map[string]string{
		"coffer-exec.1":   `\fB\-\-only\fR \fIGLOB,...\fR`,
		"coffer.1":        `\fB\-\-json\fR`,
		"coffer-config.5": `\fBkms_key_alias\fR`,
	} {
		if !strings.Contains(pages[file], has) {
			t.Errorf("%s has no %s", file, has)
		}
	}
}

// TestPackagedCompletionsAreThePrinted: packages get the files of which coffer completion prints one.
func TestPackagedCompletionsAreThePrinted(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		packaged, err := os.ReadFile("../../internal/completion/coffer." + shell)
		if err != nil || string(packaged) != completion.Script(shell) {
			t.Errorf("%s: coffer completion prints something else (%v)", shell, err)
		}
	}
}

func TestTextIsSafeInRoff(t *testing.T) {
	p := &page{}
	p.text(`.so /etc/passwd \fB and 'quoted' ~ ^ ` + "` ·")
	p.text("'br")
	want := `\&.so /etc/passwd \efB and \(aqquoted\(aq \(ti \(ha \(ga \[u00B7]` + "\n" + `\(aqbr` + "\n"
	if p.String() != want {
		t.Errorf("%q, want %q", p.String(), want)
	}
}

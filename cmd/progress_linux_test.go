package cmd_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

func TestAnImportCountsAtATerminal(t *testing.T) {
	b := newBench(t, s3test.Options{})
	text, _ := manyKeys()
	file := b.file(text)
	slow := func(r s3test.Request) *s3test.Fault {
		if isSecret(r) {
			return &s3test.Fault{Kind: s3test.Delay, Delay: 150 * time.Millisecond}
		}
		return nil
	}
	b.Fault(slow)
	exit, screen := sit(t, b, "import many "+file).leaves()
	if exit != 0 || !regexp.MustCompile(`\rimported +\d+% \[[=>.]+\] \(\d+/200\)`).MatchString(screen) || !strings.Contains(screen, "\x1b[2K\rcoffer: many: 200 created\r\n") {
		t.Errorf("exit code %d, screen %q", exit, screen)
	}
	if _, screen := sit(t, b, "import -q more "+file).leaves(); screen != "" {
		t.Errorf("quiet, and still %q", screen)
	}
	if got := b.run("import piped "+file, ""); got.exit != 0 || got.stderr != "coffer: piped: 200 created\n" {
		t.Errorf("in a pipe: %+v", got)
	}
}

func TestATerminalIsShownExportsThatItDoesNotObey(t *testing.T) {
	b := newDesk(t)
	b.do("write api evil -", "a\x1b[2Jb\u202e\tc")
	for _, line := range []string{"export api -f shell", "env api", "export api -f csv", "export api -f tsv", "export api"} {
		exit, screen := sit(t, b, line).leaves()
		if exit != 0 || strings.ContainsAny(screen, "\x1b\u202e") || !strings.Contains(screen, "[2Jb") {
			t.Errorf("%s: exit code %d, screen %q", line, exit, screen)
		}
		if got := b.out(line); line != "export api" && !strings.Contains(got, "a\x1b[2Jb\u202e\tc") {
			t.Errorf("%s: a program gets %q", line, got)
		}
	}
}

func TestFindAsksForAValueWithoutEcho(t *testing.T) {
	b := newDesk(t)
	b.do("write api key -", canary)
	p := sit(t, b, "find --by-value")
	p.sees("Value to find: ")
	p.types(canary + "\n")
	if exit, screen := p.leaves(); exit != 0 || strings.Contains(screen, canary) || !strings.Contains(screen, "api      key") {
		t.Errorf("exit code %d, screen:\n%s", exit, screen)
	}
	if _, screen := sit(t, b, "find -v "+canary).leaves(); !strings.Contains(screen, "other users can see a value on the command line") {
		t.Errorf("screen:\n%s", screen)
	}
}

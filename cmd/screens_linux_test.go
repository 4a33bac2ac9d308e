package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// rewriteScreens makes TestGoldenScreens write its files instead of comparing them.
const rewriteScreens = "COFFER_REWRITE_SCREENS"

// screens are the commands whose output is kept, in this order.
var screens = []string{
	"services", "services -s", "list api", "list -e api", "list api api/worker", "history api db_url", "read api certificate",
	"keys", "doctor api api/worker", "audit api", "find d", "diff api api/worker --all --reveal", "config", "whoami",
	"rekey api --to alias/ops --dry-run", "import api settings.env --dry-run", "tag read api db_url", "read api nothing",
	"policy check reader api", "doctor api --probe", "init --yes",
}

// Each screen is what a person sees at a terminal of that width. NO_COLOR keeps the files readable;
// TestMarksAndColour has the colors. To write the files: COFFER_REWRITE_SCREENS=1 go test -run GoldenScreens ./cmd
func TestGoldenScreens(t *testing.T) {
	t.Parallel()
	for _, columns := range []int{60, 80, 120, 200} {
		b := newScreens(t) // anew, as init changes the bucket
		var all strings.Builder
		for _, line := range screens {
			text := b.screen(columns, line, "NO_COLOR=1")
			fmt.Fprintf(&all, "$ coffer %s\n%s\n", line, text)
			b.wantWithin(columns, line, text)
			b.wantToCopy(columns, line, text)
		}
		name := filepath.Join("testdata", "screens", fmt.Sprintf("%d.txt", columns))
		got := strings.ReplaceAll(all.String(), strings.Repeat("\n", 3), "\n\n")
		if os.Getenv(rewriteScreens) != "" {
			if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%d columns (-want +got); %s=1 writes the file anew:\n%s", columns, rewriteScreens, diff)
		}
	}
}

func TestMarksAndColour(t *testing.T) {
	t.Parallel()
	d := newScreens(t)
	const done, failed, warning = "\x1b[32m✓\x1b[0m ", "\x1b[31mX\x1b[0m ", "\x1b[33m!\x1b[0m "
	for _, c := range [][2]string{
		{"doctor api", failed + "\x1b[1merror: api/gone\x1b[0m (ghost)\n"},
		{"doctor", warning + "\x1b[1mwarning: b\x1b[0m (lifecycle)\n"},
		{"doctor api --fix", done + "coffer: fixed api/gone: ghost"},
		{"write api marked " + canary, done + "api/marked: version 1"},
		{"delete api marked", done + "api/marked: deleted"},
		{"import api settings.env", done + "coffer: api: "},
		{"read api nothing", failed + `coffer: no secret "nothing"`},
		{"policy check reader api", done + "yes"},
		{"list api", "\x1b[1mKey"},
	} {
		if got := d.screen(200, c[0]); !strings.Contains(got, c[1]) {
			t.Errorf("coffer %s: no %q in\n%s", c[0], c[1], got)
		}
	}
	for _, line := range []string{"write api marked " + canary, "read api nothing", "doctor api", "policy check reader api", "list api"} {
		for name, got := range map[string]string{
			"NO_COLOR":   d.screen(200, line, "NO_COLOR=1"),
			"TERM=dumb":  d.screen(200, line, "TERM=dumb"),
			"no TERM":    d.screen(200, line, "TERM="),
			"--no-color": d.screen(200, line+" --no-color"),
			"a pipe":     d.run(line, "").stdout + d.run(line, "").stderr,
		} {
			if strings.ContainsAny(got, "\x1b✓") || strings.Contains(got, "X ") || got == "" {
				t.Errorf("coffer %s, %s:\n%s", line, name, got)
			}
		}
	}
}

func TestTheWidthIsThatOfTheTerminal(t *testing.T) {
	d := newScreens(t)
	wide := strings.TrimSpace(d.screen(200, "list api", "NO_COLOR=1"))
	narrow := strings.TrimSpace(d.screen(60, "list api", "NO_COLOR=1"))
	usual := strings.TrimSpace(d.screen(80, "list api", "NO_COLOR=1"))
	for name, c := range map[string]struct{ got, want string }{
		"unsized: 80":         {d.screen(0, "list api", "NO_COLOR=1"), usual},
		"COLUMNS comes first": {d.screen(60, "list api", "NO_COLOR=1", "COLUMNS=200"), wide},
		"COLUMNS is no width": {d.screen(60, "list api", "NO_COLOR=1", "COLUMNS=wide"), narrow},
	} {
		if diff := cmp.Diff(c.want, strings.TrimSpace(c.got)); diff != "" || wide == narrow || narrow == usual {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// painted is a bench with a team's secrets, whose clock the test sets.
type painted struct {
	*bench
	dir string // where the person is
}

// secretsFrom is when the first secret was written.
var secretsFrom = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func newScreens(t *testing.T) painted {
	t.Helper()
	d := painted{newBench(t, s3test.Options{}), t.TempDir()}
	d.env = append(d.env, "HOME=/home/ann", "XDG_CONFIG_HOME=/home/ann/.config", "XDG_DATA_HOME=/home/ann/.local/share", "TERM=xterm")
	for i, w := range []struct{ line, value string }{
		{"write api db_url -", "postgres://api:first@db.example.com:5432/api"},
		{"write api db_url -", "postgres://api:" + canary + "@db.example.com:5432/api?sslmode=verify-full&application_name=api"},
		{"write api certificate -", "-----BEGIN CERTIFICATE-----\n" + strings.Repeat("MIIBszCCAVmgAwIBAgIUZ9\n", 6) + "-----END CERTIFICATE-----\n"},
		{"write api empty -", ""},
		{"write api greeting -", strings.Repeat("値", 40)},
		{"write api third_party_payment_provider_webhook_secret -", canary},
		{"write api gone -", canary},
		{"write api/worker db_url -", "postgres://worker@db.example.com:5432/worker"},
		{"write api/worker empty -", ""},
		{"write api/worker pager - --kms-key-alias alias/ops", canary},
		{"tag write api db_url owner=team-payments note=", ""},
	} {
		d.at(secretsFrom.Add(time.Duration(i) * 26 * time.Hour))
		d.do(w.line, w.value)
	}
	d.at(secretsFrom.Add(23 * 24 * time.Hour))
	d.bucket.Delete("api/gone.json") // by hand, and its value stays in the index
	d.bucket.Plant("api/notes.txt", []byte("not a secret"), "AES256", "")
	if err := os.WriteFile(filepath.Join(d.dir, "settings.env"), []byte("DB_URL=postgres://other\nTIMEOUT=30\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// at sets the clock of the program.
func (d *painted) at(now time.Time) { d.env = append(d.env, fixedNow+"="+now.Format(time.RFC3339)) }

// screen is what the program shows at a terminal of some width.
func (d *painted) screen(columns int, line string, env ...string) string {
	d.Helper()
	p := openTerminal(d.T)
	if err := unix.IoctlSetWinsize(int(p.tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(columns)}); err != nil {
		d.Fatal(err)
	}
	p.program = d.command(line)
	p.program.Dir = d.dir
	p.program.Env = append(p.program.Env, env...)
	if strings.Contains(line, "--probe") { // doctor compares the clock with the server's
		p.program.Env = append(p.program.Env, fixedNow+"="+time.Now().Format(time.RFC3339))
	}
	p.program.Stdin, p.program.Stdout, p.program.Stderr = p.tty, p.tty, p.tty
	p.program.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.program.Start(); err != nil {
		d.Fatal(err)
	}
	_, text := p.leaves()
	return anyPort.ReplaceAllString(strings.ReplaceAll(text, "\r\n", "\n"), "127.0.0.1:12345")
}

var anyPort = regexp.MustCompile(`127\.0\.0\.1:\d{5}`)

var wrapped = regexp.MustCompile(`^(coffer: |identity )`)

// toCopy is what a person copies from the screen: a command or a flag, and an ARN or URL in a hint.
var toCopy = regexp.MustCompile(`\b(coffer|aws) [a-z]|--[a-z]|^  .*(arn:|://)`)

// wantToCopy fails if something to copy is cut.
func (d *painted) wantToCopy(columns int, line, screen string) {
	d.Helper()
	for row := range strings.Lines(screen) {
		if toCopy.MatchString(row) && strings.Contains(row, "…") {
			d.Errorf("coffer %s at %d columns: a row is cut\n%s", line, columns, row)
		}
	}
}

// A refusal says what to do, at any width.
func TestNothingToCopyIsCut(t *testing.T) {
	t.Parallel()
	d := newScreens(t)
	d.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyListVersions: true, DenyDecrypt: []string{"alias/ops"}})
	for _, line := range []string{
		"policy check operator api", "doctor", "doctor api/worker --probe", "restore api --deleted", "list api/worker", "exec api/worker --require-all -- true",
		"copy api web --kms-key-alias alias/none --dry-run", "rekey api --to alias/none", "read api db_ur", "export api --format nope", "share api db_url", "keys api/worker",
		"import api settings.env --kms-key-alias alias/ops --dry-run", "import api settings.env --kms-key-alias alias/ops",
	} {
		d.wantToCopy(60, line, d.screen(60, line, "NO_COLOR=1"))
	}
}

// wantWithin fails if a table is wider than the terminal. The cells of a list, a command to copy, an
// endpoint or identity, and messages stay whole: the terminal wraps them.
func (d *painted) wantWithin(columns int, line, screen string) {
	d.Helper()
	list := line == "read api certificate" || strings.Contains(strings.TrimSpace(screen), "\n\n")
	for row := range strings.Lines(screen) {
		row = strings.TrimSuffix(row, "\n")
		if !list && !wrapped.MatchString(row) && render.Width(row) > columns {
			d.Errorf("coffer %s at %d columns: a line of %d\n%s", line, columns, render.Width(row), row)
		}
	}
}

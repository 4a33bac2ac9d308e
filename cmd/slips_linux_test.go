package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// pastedKey is what people paste: more lines than the prompt takes. Its last line is a command, so that a
// shell that gets it leaves a trace.
const pastedKey = "-----BEGIN KEY-----\n" + canary + "\ntouch ran; echo -----END KEY-----\n"

// pasted is a text as a terminal sends it, without bracketed paste and with it.
func pasted(text string) map[string]string {
	typed := strings.ReplaceAll(text, "\n", "\r")
	return map[string]string{"plain": typed, "bracketed": "\x1b[200~" + typed + "\x1b[201~"}
}

// An interactive shell runs the program, and gets nothing of what was pasted at its prompt.
func TestPromptRefusesSeveralLines(t *testing.T) {
	for how, keys := range pasted(pastedKey) {
		for _, shell := range []string{"bash --norc --noprofile -i", "sh -i"} {
			t.Run(how+" "+shell, func(t *testing.T) {
				b := newDesk(t)
				b.do("write api pem -", "the old one")
				p, dir := sitAtShell(t, b, shell)
				p.types("coffer write api pem\r")
				p.sees("Value of api/pem: ")
				p.types(keys)
				p.sees("that was several lines; use --from-file FILE or -; nothing was stored")
				p.types("echo exit=$?; exit\r")
				exit, screen := p.leaves()
				if exit != 0 || !strings.Contains(screen, "exit=2\r\n") || strings.Contains(screen, canary) || strings.Contains(screen, "END KEY") {
					t.Errorf("exit code %d, screen:\n%s", exit, screen)
				}
				if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
					t.Error("the shell has run a line of the paste")
				}
				if got := b.run("read api pem -n", ""); got.stdout != "the old one" {
					t.Errorf("%+v", got)
				}
			})
		}
	}
}

// sitAtShell starts an interactive shell at a terminal, in a directory of its own.
func sitAtShell(t *testing.T, b *bench, shell string) (p *person, dir string) {
	t.Helper()
	words := strings.Fields(shell)
	program, err := exec.LookPath(words[0])
	if err != nil {
		t.Skip("install", words[0], "to run this:", err)
	}
	c := exec.CommandContext(t.Context(), program, words[1:]...)
	dir = t.TempDir()
	c.Dir, c.Env = dir, append(b.env, "PS1=ready> ", "INPUTRC=/dev/null", "HISTFILE=")
	p = sitAt(t, c)
	p.sees("ready> ")
	return p, dir
}

// Every question takes one line and drops the rest, so that no "y" within a text counts either.
func TestEveryQuestionRefusesSeveralLines(t *testing.T) {
	for line, question := range map[string]string{
		"find --by-value":             "Value to find: ",
		"delete api --service":        "[y/N] ",
		"import api new.json --prune": "[y/N] ",
		"edit api":                    "[y/N] ",
	} {
		for how, keys := range pasted("y\n" + canary + "\n") {
			t.Run(how+" "+line, func(t *testing.T) {
				b := newDesk(t)
				b.do("write api a -", canary)
				b.editor("echo 'a: new' > \"$1\"")
				p := sit(t, b, strings.Replace(line, "new.json", b.file(`{"b": "new"}`), 1))
				p.sees(question)
				p.types(keys)
				if exit, screen := p.leaves(); exit != 2 || !strings.Contains(screen, "that was several lines") {
					t.Errorf("exit code %d, screen:\n%s", exit, screen)
				}
				if got := b.run("read api a -n", ""); got.stdout != canary {
					t.Errorf("%+v", got)
				}
			})
		}
	}
}

func TestPromptStoresNothingOnASlip(t *testing.T) {
	for name, slip := range map[string]struct {
		keys string
		exit int
		says string
	}{
		"Enter":             {"\r", 2, "coffer: the value is empty: nothing was stored\r\n  to give an empty value: printf '' | coffer write api db_url -\r\n"},
		"Ctrl-D":            {"\x04", 2, "coffer: no value was given: nothing was stored\r\n"},
		"Ctrl-D after text": {canary + "\x04", 2, "coffer: no value was given: nothing was stored\r\n"},
		"Ctrl-C":            {canary + "\x03", 130, "coffer: interrupted: nothing was stored\r\n"},
		"Ctrl-\\":           {canary + "\x1c", 130, "coffer: interrupted: nothing was stored\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newDesk(t)
			b.do("write api db_url -", "the old one")
			p := sit(t, b, "write api db_url")
			p.sees("Value of api/db_url: ")
			p.types(slip.keys)
			exit, screen := p.leaves()
			if exit != slip.exit || !strings.HasSuffix(screen, slip.says) || strings.Contains(screen, canary) || !strings.Contains(screen, "\x1b[?2004l") {
				t.Errorf("exit code %d, screen:\n%q", exit, screen)
			}
			if got := b.run("read api db_url -n", ""); got.stdout != "the old one" {
				t.Errorf("%+v", got)
			}
			b.do("write api db_url -", "") // the hint's way
			if got := b.run("read api db_url -n", ""); got.exit != 0 || got.stdout != "" {
				t.Errorf("the hint's command: %+v", got)
			}
		})
	}
	for keys, says := range map[string]string{
		"\r":   "  to give an empty value: printf '' | coffer find --by-value -\r\n",
		"\x04": "coffer: no value was given: nothing was searched\r\n",
	} {
		p := sit(t, newDesk(t), "find --by-value")
		p.sees("Value to find: ")
		p.types(keys)
		if exit, screen := p.leaves(); exit != 2 || !strings.HasSuffix(screen, says) {
			t.Errorf("exit code %d, screen:\n%q", exit, screen)
		}
	}
}

// The terminal is as it was after every end of a prompt.
func TestAPromptLeavesTheTerminalAsItWas(t *testing.T) {
	for name, end := range map[string]func(*person){
		"an answer":     func(p *person) { p.types(canary + "\r") },
		"several lines": func(p *person) { p.types("a\rb\r") },
		"Ctrl-C":        func(p *person) { p.types("\x03") },
		"SIGTERM":       func(p *person) { _ = p.program.Process.Signal(syscall.SIGTERM) },
		"an error":      func(p *person) { p.types("\x1b[200~nul\x00\x1b[201~\r") },
	} {
		p := sit(t, newDesk(t), "write api db_url")
		p.sees("Value of api/db_url: ")
		if p.echoes() {
			t.Error("the echo is on")
		}
		end(p)
		p.sees("\x1b[?2004l")
		_ = p.program.Wait()
		if !p.echoes() {
			t.Errorf("%s: the echo is still off", name)
		}
	}
}

// A terminal hands over no more than 4,095 bytes of a line unless it is in raw mode.
func TestALongValueIsStoredWhole(t *testing.T) {
	b := newDesk(t)
	p := sit(t, b, "write api token")
	p.sees("Value of api/token: ")
	long := strings.Repeat(canary, 1000)
	p.types(long + "\r")
	if exit, screen := p.leaves(); exit != 0 {
		t.Errorf("exit code %d, screen:\n%s", exit, screen)
	}
	if got := b.run("read api token -n", ""); got.stdout != long {
		t.Errorf("%d bytes of %d are stored", len(got.stdout), len(long))
	}
}

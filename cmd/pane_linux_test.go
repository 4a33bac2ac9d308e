package cmd_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/testing/need"
)

// pane is a terminal that tmux draws, with a shell.
type pane struct {
	*testing.T
	tmux   string
	socket string
	env    []string
}

// openPane starts an interactive shell, in a directory of its own.
func openPane(t *testing.T, b *bench) *pane {
	t.Helper()
	p := &pane{T: t, tmux: need.Program(t, "tmux", "apt-get install tmux"), socket: filepath.Join(t.TempDir(), "s")}
	p.env = append(append([]string{}, b.env...), "TERM=xterm-256color", "LC_ALL=C.UTF-8")
	p.do("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "-c", t.TempDir(), "bash --noprofile --rcfile "+b.file("PS1='ready>'; unset HISTFILE"))
	t.Cleanup(func() { p.do("kill-server") })
	p.sees("ready>")
	return p
}

func (p *pane) do(args ...string) string {
	p.Helper()
	c := exec.Command(p.tmux, append([]string{"-S", p.socket}, args...)...)
	c.Env = p.env
	out, err := c.CombinedOutput()
	if err != nil {
		p.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

// types types text, and then keys by their names, such as Enter or C-z.
func (p *pane) types(text string, keys ...string) {
	p.Helper()
	if text != "" {
		p.do("send-keys", "-l", text)
	}
	if len(keys) > 0 {
		p.do(append([]string{"send-keys"}, keys...)...)
	}
}

func (p *pane) screen() string { return p.do("capture-pane", "-p") }

// sees waits until the screen shows all the texts.
func (p *pane) sees(texts ...string) {
	p.Helper()
	p.seesWhen("shows "+strings.Join(texts, ", "), func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}

// seesWhen waits until something is true of the screen.
func (p *pane) seesWhen(what string, ok func(screen string) bool) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), 30*time.Second)
	defer cancel()
	for !ok(p.screen()) {
		if pace.Sleep(ctx, 20*time.Millisecond) != nil {
			p.Fatalf("the screen never %s:\n%s", what, p.screen())
		}
	}
}

// starts types a command at the shell, on an empty screen.
func (p *pane) starts(line string) {
	p.Helper()
	p.types("clear", "Enter")
	p.seesWhen("is clear", func(screen string) bool { return strings.TrimSpace(screen) == "ready>" })
	p.types(line+"; echo exit=$?.", "Enter")
}

// resumes types fg, and waits until the shell has left its own mode of the terminal: what is typed before has no
// line end for the program.
func (p *pane) resumes() {
	p.Helper()
	p.types("fg", "Enter")
	p.seesWhen("shows what goes on", func(screen string) bool {
		_, after, typed := strings.Cut(screen, "ready>fg\n")
		return typed && strings.TrimSpace(after) != ""
	})
}

// prompts waits for the shell's prompt, behind text.
func (p *pane) prompts(text string) {
	p.Helper()
	p.seesWhen("has the prompt after "+text, func(screen string) bool {
		return strings.Contains(screen, text) && strings.HasSuffix(strings.TrimSpace(screen), "ready>")
	})
}

// ends waits for the end of the command, and returns what is on the screen then.
func (p *pane) ends(code int) string {
	p.Helper()
	end := fmt.Sprintf("exit=%d.\nready>", code)
	p.seesWhen("shows the end", func(screen string) bool { return strings.HasSuffix(strings.TrimSpace(screen), end) })
	return p.screen()
}

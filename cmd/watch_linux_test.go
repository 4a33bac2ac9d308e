package cmd_test

import (
	"strings"
	"testing"
)

// TestWatchKeepsTheTerminal: keys, stops and the settings of a terminal, with the program's output hidden
// and not.
func TestWatchKeepsTheTerminal(t *testing.T) {
	t.Parallel()
	for _, mask := range []string{"", "--mask "} {
		t.Run("watch"+mask, func(t *testing.T) {
			t.Parallel()
			b := newMaskBench(t)
			p := openPane(t, b)
			dir := t.TempDir()
			watch := "coffer exec --watch --interval 1s --grace 300ms " + mask
			// dash 0.5.12 forgets a Ctrl-C that comes between its vfork and the execve of a command.
			p.starts("stty -g >" + dir + "/before; " + watch + "api -- sh -c 'echo started; read a'")
			p.sees("\nstarted")
			p.types("", "C-c")
			p.prompts("^C")

			p.starts(watch + "api -- sh -c 'trap \"exit 3\" INT; echo started; read a; echo got $a; while :; do sleep 0.1; done'")
			p.sees("\nstarted")
			p.types("", "C-z")
			p.sees("]+  Stopped")
			p.resumes()
			p.types("a line", "Enter")
			p.sees("got a line")
			p.types("", "C-c")
			p.prompts("got a line\n^C")

			// A program that leaves the terminal raw, and is killed, and one that takes its place.
			p.starts(watch + `api -- sh -c 'trap "" TERM; case $K in *again) echo again; read a; exit 4;; esac; stty raw -echo; echo started; while :; do sleep 0.1; done'`)
			p.sees("\nstarted")
			b.do("write api k -", canary+"-again")
			p.sees("\ncoffer: api/k changed: restarting sh\nagain")
			p.types("typed", "Enter")
			p.ends(4)
			p.starts("stty -g | cmp - " + dir + "/before")
			p.ends(0)
			if screen := p.screen(); strings.Contains(screen, canary) {
				t.Errorf("the screen shows\n%s", screen)
			}
		})
	}
}

package formats

import (
	"os/exec"
	"testing"

	"github.com/coffer-secrets/coffer/internal/render"
)

// TestATypedWordIsTheTextInEachShell, also after a terminal has got it, which shows no control character as it is.
func TestATypedWordIsTheTextInEachShell(t *testing.T) {
	texts := []string{"plain", "it's", "k\x1b[2J.json", "-\x01%s\\033\\'\"$(x)`é", "bad \xff%\\", "\u202e 1", "a\nb", "\x7f8", "", "end\n"}
	shells := 0
	for _, shell := range []string{"sh", "bash", "dash", "busybox"} {
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		shells++
		for _, text := range texts {
			word := ShellTyped(text)
			if shown := render.Escape(word); shown != word && text != "end\n" {
				t.Errorf("%q is shown as %s", text, shown)
			}
			args := []string{"-c", "printf '%s.' " + word}
			if shell == "busybox" {
				args = append([]string{"sh"}, args...)
			}
			got, err := exec.CommandContext(t.Context(), path, args...).Output()
			if err != nil || string(got) != text+"." {
				t.Errorf("%s: %s is %q, %v; want %q", shell, word, got, err, text)
			}
		}
	}
	if shells == 0 {
		t.Error("no shell was found")
	}
}

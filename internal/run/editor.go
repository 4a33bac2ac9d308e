package run

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/term"
)

// Editor lets a person edit a file, and returns when the editor ends. What ends this
// program meanwhile ends the editor, and the file goes, for which it calls remove; a Ctrl-C
// is the editor's own matter.
func Editor(a *app.App, path string, remove func() error) error {
	editor := cmp.Or(a.Getenv("VISUAL"), a.Getenv("EDITOR"), defaultEditor())
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	c := editorCommand(editor, path)
	c.Env, c.Stdin, c.Stdout, c.Stderr = a.Environ, a.Stdin, a.Stderr, a.Stderr
	if err := c.Start(); err != nil {
		return fmt.Errorf("start the editor %q: %w", editor, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for {
		select {
		case err := <-ended:
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return fmt.Errorf("the editor %q ended with %w; nothing was changed", editor, exit)
			}
			return err
		case s := <-signals:
			if s == os.Interrupt {
				continue
			}
			_ = c.Process.Signal(s)
			return errors.Join(term.ErrInterrupted, remove())
		}
	}
}

// editorCommand has a shell take the variable apart where it needs one, as other programs do. Where
// there is none, a Ctrl-C meets the editor alone, and not a shell that would end by it.
func editorCommand(editor, path string) *exec.Cmd {
	if runtime.GOOS != "windows" && strings.ContainsAny(editor, "|&;<>()$`\\\"'*?[#~=%\n") {
		return exec.Command("sh", "-c", editor+` "$1"`, editor, path)
	}
	words := append(strings.Fields(editor), path)
	return exec.Command(words[0], words[1:]...)
}

func defaultEditor() string {
	if runtime.GOOS == "windows" {
		return "notepad"
	}
	return "vi"
}

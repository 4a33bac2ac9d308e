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

// Editor opens a file in the user's editor and waits until the editor exits. On SIGTERM or SIGHUP it
// passes the signal on, calls remove to remove the file, and returns [term.ErrInterrupted]. It ignores
// a Ctrl-C, which is for the editor.
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

// editorCommand runs the editor through a shell if the variable needs one, as git does. Otherwise it
// runs the editor itself: a Ctrl-C would end the shell but not the editor.
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

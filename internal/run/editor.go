package run

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/term"
	"github.com/coffer-secrets/coffer/store"
)

// Editor opens a file in the user's editor and waits until the editor exits. On SIGTERM or SIGHUP it
// passes the signal on, calls remove to remove the file, and returns [term.ErrInterrupted]. It ignores
// a Ctrl-C, which is for the editor.
func Editor(a *app.App, path string, remove func() error) error {
	variable := "EDITOR" // what to set where the editor can't be started
	if strings.TrimSpace(a.Getenv("VISUAL")) != "" {
		variable = "VISUAL"
	}
	editor := cmp.Or(strings.TrimSpace(a.Getenv(variable)), defaultEditor())
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	c := editorCommand(editor, path)
	c.Env, c.Stdin, c.Stdout, c.Stderr = a.Environ, a.Stdin, a.Stderr, a.Stderr
	if err := c.Start(); err != nil {
		return noEditor(editor, variable, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for {
		select {
		case err := <-ended:
			var exit *exec.ExitError
			if needsShell(editor) && errors.As(err, &exit) && exit.ExitCode() == app.ExitNoCommand {
				return noEditor(editor, variable, exec.ErrNotFound)
			}
			if errors.As(err, &exit) {
				return fmt.Errorf("the editor %q failed (%w); nothing was changed", editor, exit)
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

// noEditor returns the error of an editor that doesn't start.
func noEditor(editor, variable string, err error) error {
	reason := err
	var path *fs.PathError
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		reason = errors.New("program not found")
	case errors.As(err, &path):
		reason = path.Err
	}
	return app.WithHint(fmt.Errorf("%w: can't start the editor %q: %w", store.ErrConfiguration, editor, reason),
		"set "+variable+" to an editor of this machine: "+variable+"=nano, for example")
}

// editorCommand runs the editor through a shell if the variable needs one, as git does. Otherwise it
// runs the editor itself: a Ctrl-C would end the shell but not the editor.
func editorCommand(editor, path string) *exec.Cmd {
	if needsShell(editor) {
		return exec.Command("sh", "-c", editor+` "$1"`, editor, path)
	}
	words := append(strings.Fields(editor), path)
	return exec.Command(words[0], words[1:]...)
}

func needsShell(editor string) bool {
	return runtime.GOOS != "windows" && strings.ContainsAny(editor, "|&;<>()$`\\\"'*?[#~=%\n")
}

func defaultEditor() string {
	if runtime.GOOS == "windows" {
		return "notepad"
	}
	return "vi"
}

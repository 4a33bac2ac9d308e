package run

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
)

// Words splits a command into words as a shell does, with its quotes and backslashes, but expands nothing.
// What a shell would expand or do, outside of quotes, is an error: there is no shell.
func Words(command string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune // that is open; 0 for none
	begun, escaped := false, false
	for _, r := range command {
		switch {
		case escaped:
			if quote == '"' && !strings.ContainsRune("\"\\$`", r) {
				word.WriteByte('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			begun, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0 && (quote == '\'' || !strings.ContainsRune("$`", r)):
			word.WriteRune(r)
		case quote == 0 && (r == '"' || r == '\''):
			begun, quote = true, r
		case quote == 0 && strings.ContainsRune(" \t\n", r):
			if begun {
				words, begun = append(words, word.String()), false
				word.Reset()
			}
		case strings.ContainsRune("|&;<>()$`*?[#~", r):
			return nil, app.WithHint(app.Usage("%c is for a shell, and the command is run without one", r), "quote it, or name the shell: --exec \"sh -c '...'\"")
		default:
			begun = true
			word.WriteRune(r)
		}
	}
	if quote != 0 || escaped {
		return nil, app.Usage("the command ends within quotes, or with a backslash")
	}
	if begun {
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, app.Usage("the command is empty")
	}
	return words, nil
}

// The times that a hook has when the context ends: to do its work, and to end after it was asked to.
const (
	hookPatience = 5 * time.Second
	hookGrace    = 10 * time.Second
)

// Hook returns a function that runs a command, and waits for it. It has the environment, standard output and
// standard error of this process. When the context ends, it may go on for [hookPatience]. The error is one of [FindCommand] or, of the function, that of a command that
// doesn't end with 0.
func Hook(a *app.App, argv []string) (func(context.Context) error, error) {
	path, err := FindCommand(argv[0])
	if err != nil {
		return nil, err
	}
	h := &hook{app: a, path: path, argv: argv, patience: hookPatience}
	return h.run, nil
}

type hook struct {
	app      *app.App
	path     string
	argv     []string
	patience time.Duration
}

func (h *hook) run(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s wasn't run: %w", h.argv[0], ctx.Err())
	}
	patient, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if pace.Sleep(patient, h.patience) == nil {
			cancel()
		}
	})()
	c := exec.CommandContext(patient, h.path, h.argv[1:]...)
	c.Args[0] = h.argv[0]
	c.Env, c.Stdout, c.Stderr = h.app.Environ, h.app.Stdout, h.app.Stderr
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = hookGrace
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s failed: %w", h.argv[0], err)
	}
	return nil
}

// SignalTo returns a function that sends a signal to the process whose id is in a file.
func SignalTo(name, pidFile string) (func(context.Context) error, error) {
	s := signalNamed(name)
	if s == 0 {
		return nil, app.WithHint(app.Usage("there is no signal %q", name), "use its name, such as HUP or USR1")
	}
	return func(context.Context) error {
		pid, err := readPID(pidFile)
		if err != nil {
			return err
		}
		process, err := os.FindProcess(pid)
		if err == nil {
			err = process.Signal(s)
		}
		if err != nil {
			return fmt.Errorf("process %d of %s can't be sent a signal: %w", pid, pidFile, err)
		}
		return nil
	}, nil
}

// readPID reads the id of a process. It refuses a file that everybody can write: it would send the signal to
// any process.
func readPID(path string) (int, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if everybody := runtime.GOOS != "windows" && info.Mode().Perm()&0o002 != 0; everybody || !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%w: %s is not a file, or everybody can write it", store.ErrConfiguration, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	var text [32]byte
	n, err := f.Read(text[:])
	pid, bad := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil || bad != nil || pid <= 1 || pid > math.MaxInt32 { // of a larger one the system would take the last 32 bits
		return 0, fmt.Errorf("%w: %s has no process id", store.ErrConfiguration, path)
	}
	return pid, nil
}

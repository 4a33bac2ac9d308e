// Package app is what every command works with: the process's streams, environment and clock, the
// settings in force, the backends, and how results and errors are told to people and programs.
package app

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coffer-secrets/coffer/internal/progress"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/term"
	"github.com/coffer-secrets/coffer/internal/waiting"
)

// App is what a command works with. It is all that it knows of the world.
type App struct {
	Stdin          *os.File
	Stdout, Stderr *os.File
	Environ        []string
	Now            func() time.Time
	Version        string

	Behind  []string // what stands behind the first "--" of an exec
	Globals *Globals
	InForce *Settings // once resolved

	Watch    *waiting.Watch
	Patience time.Duration                  // of the command, unless a setting says otherwise
	Line     *atomic.Pointer[progress.Line] // what is drawn at the terminal now

	Restore    func() // puts the limits back that exec's command shall have
	Unverified bool   // of ReadFlags: what the store must know before it is opened
}

// Process returns the App of this process.
func Process(version, commit string) *App {
	if commit != "" {
		version += " (" + commit + ")"
	}
	return &App{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(),
		Now: time.Now, Version: version,
	}
}

// Getenv returns a variable of the environment that the program was started with, or "".
func (a *App) Getenv(name string) string {
	v, _ := a.lookupEnv(name)
	return v
}

// lookupEnv takes the last of variables that stand twice, as most programs do.
func (a *App) lookupEnv(name string) (value string, ok bool) {
	for _, entry := range slices.Backward(a.Environ) {
		if found, value, ok := strings.Cut(entry, "="); ok && (found == name || FoldNames && strings.EqualFold(found, name)) {
			return value, true
		}
	}
	return "", false
}

// Say tells a person one sentence. What comes from storage is escaped here.
func (a *App) Say(format string, args ...any) {
	fmt.Fprintln(a.Stderr, "coffer: "+render.Escape(fmt.Sprintf(format, args...)))
}

// Note is say, silent under --quiet.
func (a *App) Note(format string, args ...any) {
	if !a.Globals.Quiet {
		a.Say(format, args...)
	}
}

// noteOnce returns a note for one goroutine that says nothing twice, as what makes a plan and then
// carries it out would.
func (a *App) noteOnce() func(text string) {
	said := map[string]bool{}
	return func(text string) {
		if !said[text] {
			said[text] = true
			a.Note("%s", text)
		}
	}
}

// Logger returns the logger of requests, which only --verbose lets speak.
func (a *App) Logger() *slog.Logger {
	if !a.Globals.Verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Print writes a command's data.
func (a *App) Print(data string) error {
	_, err := io.WriteString(a.Stdout, data)
	return err
}

// PrintValues writes data that is made of values. At a terminal, what could command it is
// escaped; programs get it as it is.
func (a *App) PrintValues(data string) error {
	if !term.IsTerminal(a.Stdout) {
		return a.Print(data)
	}
	var out strings.Builder
	for data != "" {
		end := strings.IndexAny(data, "\n\t")
		if end < 0 {
			end = len(data)
		}
		out.WriteString(render.Escape(data[:end]))
		if end < len(data) {
			out.WriteByte(data[end])
			end++
		}
		data = data[end:]
	}
	return a.Print(out.String())
}

// Progress returns a line that counts, for a person who waits; nil, which is silent, for others.
func (a *App) Progress(total int, what string) *progress.Line {
	if a.Globals.Quiet {
		return nil
	}
	line := progress.New(a.Stderr, a.Now, total, what)
	if a.Line != nil {
		a.Line.Store(line)
	}
	return line
}

// hideProgress takes the line of [App.Progress] away, until it is drawn again.
func (a *App) hideProgress() {
	if a.Line != nil {
		a.Line.Load().Hide()
	}
}

// OpenStdin returns standard input for readers that close what they have read.
func (a *App) OpenStdin() (io.ReadCloser, error) { return io.NopCloser(a.Stdin), nil }

// Interactive reports whether a person can be asked.
func (a *App) Interactive() bool { return term.IsTerminal(a.Stdin) && term.IsTerminal(a.Stderr) }

// Table collects the rows of one output.
type Table struct {
	app    *App
	header []string
	Rows   [][]any
}

// Table begins a table.
func (a *App) Table(header ...string) *Table { return &Table{app: a, header: header} }

// Row adds a row, of as many cells as the header has.
func (t *Table) Row(cells ...any) { t.Rows = append(t.Rows, cells) }

// Print writes the table to standard output, in the manner of where that goes.
func (t *Table) Print() error {
	a := t.app
	terminal := term.IsTerminal(a.Stdout)
	return render.Table(a.Stdout, render.Style{
		Terminal: terminal, Now: a.Now(),
		Color: terminal && !a.Globals.NoColor && a.Getenv("NO_COLOR") == "",
	}, t.header, t.Rows)
}

// FoldNames reports whether names of variables are compared without case, as Windows does.
const FoldNames = runtime.GOOS == "windows"

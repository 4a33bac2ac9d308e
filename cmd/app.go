// Package cmd is the command line: it turns arguments into calls of a store, and what comes
// of them into output, sentences and exit codes.
package cmd

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

	behind  []string // what stands behind the first "--" of an exec
	globals *Globals
	inForce *settings // once resolved

	watch    *waiting.Watch
	patience time.Duration                  // of the command, unless a setting says otherwise
	line     *atomic.Pointer[progress.Line] // what is drawn at the terminal now

	restore    func() // puts the limits back that exec's command shall have
	unverified bool   // of ReadFlags: what the store must know before it is opened
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
		if found, value, ok := strings.Cut(entry, "="); ok && (found == name || foldNames && strings.EqualFold(found, name)) {
			return value, true
		}
	}
	return "", false
}

// say tells a person one sentence. What comes from storage is escaped here.
func (a *App) say(format string, args ...any) {
	fmt.Fprintln(a.Stderr, "coffer: "+render.Escape(fmt.Sprintf(format, args...)))
}

// note is say, silent under --quiet.
func (a *App) note(format string, args ...any) {
	if !a.globals.Quiet {
		a.say(format, args...)
	}
}

// noteOnce returns a note for one goroutine that says nothing twice, as what makes a plan and then
// carries it out would.
func (a *App) noteOnce() func(text string) {
	said := map[string]bool{}
	return func(text string) {
		if !said[text] {
			said[text] = true
			a.note("%s", text)
		}
	}
}

// log returns the logger of requests, which only --verbose lets speak.
func (a *App) log() *slog.Logger {
	if !a.globals.Verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// print writes a command's data.
func (a *App) print(data string) error {
	_, err := io.WriteString(a.Stdout, data)
	return err
}

// printValues writes data that is made of values. At a terminal, what could command it is
// escaped; programs get it as it is.
func (a *App) printValues(data string) error {
	if !term.IsTerminal(a.Stdout) {
		return a.print(data)
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
	return a.print(out.String())
}

// progress returns a line that counts, for a person who waits; nil, which is silent, for others.
func (a *App) progress(total int, what string) *progress.Line {
	if a.globals.Quiet {
		return nil
	}
	line := progress.New(a.Stderr, a.Now, total, what)
	if a.line != nil {
		a.line.Store(line)
	}
	return line
}

// hideProgress takes the line of [App.progress] away, until it is drawn again.
func (a *App) hideProgress() {
	if a.line != nil {
		a.line.Load().Hide()
	}
}

func (a *App) stdin() (io.ReadCloser, error) { return io.NopCloser(a.Stdin), nil }

func (a *App) interactive() bool { return term.IsTerminal(a.Stdin) && term.IsTerminal(a.Stderr) }

// table collects the rows of one output.
type table struct {
	app    *App
	header []string
	rows   [][]any
}

func (a *App) table(header ...string) *table { return &table{app: a, header: header} }

func (t *table) row(cells ...any) { t.rows = append(t.rows, cells) }

// print writes the table to standard output, in the manner of where that goes.
func (t *table) print() error {
	a := t.app
	terminal := term.IsTerminal(a.Stdout)
	return render.Table(a.Stdout, render.Style{
		Terminal: terminal, Now: a.Now(),
		Color: terminal && !a.globals.NoColor && a.Getenv("NO_COLOR") == "",
	}, t.header, t.rows)
}

// foldNames: names of variables are compared without case.
const foldNames = runtime.GOOS == "windows"

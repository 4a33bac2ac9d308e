// Package app has what every command uses: the streams, the environment and the clock of the
// process, the settings in force, the backends, and how results and errors are printed.
package app

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coffer-secrets/coffer/internal/progress"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/term"
	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
)

// App is what a command works with. A command reads no global state beside it.
type App struct {
	Program        string // the name or path that the process was started under
	Stdin          *os.File
	Stdout, Stderr *os.File
	Environ        []string
	Now            func() time.Time
	Build          Build // set by the linker

	CommandName string   // the command as it was typed: its name or an alias
	CommandLine []string // of exec: the arguments after the first "--"
	Globals     *Globals
	InForce     *Settings // set by [App.Settings]

	Watch          *waiting.Watch
	DefaultTimeout time.Duration                  // of the command; a setting overrides it
	Line           *atomic.Pointer[progress.Line] // the progress bar on the terminal now

	concealed *concealed // what no sentence may contain
	self      *self      // who the caller is to a store whose keys are held by members

	Restore    func()                                 // resets the limits of the process before exec runs its command
	Unattended bool                                   // nobody is at the terminal for this command, so nothing is asked there
	Silent     bool                                   // no sentence is printed, by a copy that repeats what was said
	Wrap       func(store.Store) (store.Store, error) // if not nil, what [App.Open] makes of the store that it opens
	Unverified bool                                   // ReadFlags.Unverified, which the store needs when it is opened

	cacheTime time.Duration // how long secrets of an earlier command may be used; 0: not at all
	patience  time.Duration // how long requests wait without progress, if nothing else is configured; 0: the default

	barInUse *atomic.Bool // by [App.reading]

	noticed func(sentence string) // if not nil, is told what is printed; of a [Call]
	asker   asker                 // if not nil, asks instead of the terminal
}

// asker asks a person.
type asker interface {
	Secret(prompt string) (string, error) // without echo
	Line(prompt string) (string, error)
	Confirm(prompt, yes, no string) (bool, error)
}

// Process returns the App of this process.
func Process(build Build) *App {
	environ := os.Environ()
	_ = os.Unsetenv(identityVariable) // from here, nothing that is started gets it by inheritance
	return &App{
		Program: os.Args[0],
		Stdin:   os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: environ,
		Now: time.Now, Build: build, concealed: new(concealed), self: new(self), barInUse: new(atomic.Bool),
	}
}

// Getenv returns a variable of the environment that the program was started with, or "".
func (a *App) Getenv(name string) string {
	v, _ := a.lookupEnv(name)
	return v
}

// lookupEnv returns the last variable of a name, as most programs do when there are several.
func (a *App) lookupEnv(name string) (value string, ok bool) {
	for _, entry := range slices.Backward(a.Environ) {
		if found, value, ok := strings.Cut(entry, "="); ok && (found == name || FoldNames && strings.EqualFold(found, name)) {
			return value, true
		}
	}
	return "", false
}

// Say prints a sentence to standard error, without credentials and with control characters escaped.
func (a *App) Say(format string, args ...any) { a.say(render.NoMark, fmt.Sprintf(format, args...)) }

func (a *App) say(mark render.Mark, text string) {
	if a.Silent {
		return
	}
	begin, end := "", "\n"
	if term.Raw(a.Stderr) { // by a program that runs beside this one
		begin, end = "\r", "\r\n"
	}
	text = a.shown(text)
	fmt.Fprint(a.Stderr, begin+a.Style(a.Stderr).Mark(mark)+"coffer: "+text+end)
	if a.noticed != nil {
		a.noticed(text)
	}
}

// SayFailed is [App.Say], with the mark of a failure.
func (a *App) SayFailed(format string, args ...any) {
	a.say(render.Failed, fmt.Sprintf(format, args...))
}

// Note is [App.Say], but prints nothing with --quiet.
func (a *App) Note(format string, args ...any) { a.note(render.NoMark, format, args...) }

// NoteDone is [App.Note], with the mark of something done.
func (a *App) NoteDone(format string, args ...any) { a.note(render.Done, format, args...) }

// NoteWarning is [App.Note], with the mark of a warning.
func (a *App) NoteWarning(format string, args ...any) { a.note(render.Warning, format, args...) }

func (a *App) note(mark render.Mark, format string, args ...any) {
	if !a.Globals.Quiet {
		a.say(mark, fmt.Sprintf(format, args...))
	}
}

// noteOnce returns a function that prints each note once, for a command that plans first and then
// does the same again.
func (a *App) noteOnce() func(text string) {
	return once(func(text string) { a.Note("%s", text) })
}

// once returns a function that passes each text on once.
func once(do func(text string)) func(text string) {
	printed := map[string]bool{}
	var mu sync.Mutex
	return func(text string) {
		mu.Lock()
		defer mu.Unlock()
		if !printed[text] {
			printed[text] = true
			do(text)
		}
	}
}

// Logger returns the logger of requests. It discards everything without --verbose.
func (a *App) Logger() *slog.Logger {
	if !a.Globals.Verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: a.logged}))
}

// logged returns an attribute of the log without credentials.
func (a *App) logged(_ []string, attr slog.Attr) slog.Attr {
	switch attr.Value.Kind() {
	case slog.KindString, slog.KindAny:
		return slog.String(attr.Key, a.setting(attr.Value.String()))
	}
	return attr
}

// Print writes the output of a command to standard output.
func (a *App) Print(data string) error {
	_, err := io.WriteString(a.Stdout, data)
	return err
}

// PrintValues writes output that contains values. On a terminal it escapes control characters;
// a pipe or a file gets the exact bytes.
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

// Progress returns a progress bar; nil, which draws nothing, with --quiet or without a terminal.
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

// reading returns what a store calls while it reads many objects one by one, for a progress bar. Of several stores or
// services that do so at the same time, one has a bar.
func (a *App) reading(objects int) (read, done func()) {
	none := func() {}
	if a.Silent || a.barInUse == nil || !a.barInUse.CompareAndSwap(false, true) {
		return none, none
	}
	line := a.Progress(objects, "read")
	return line.Add, func() {
		line.Done()
		a.barInUse.Store(false)
	}
}

// hideProgress clears the progress bar until its next step.
func (a *App) hideProgress() {
	if a.Line != nil {
		a.Line.Load().Hide()
	}
}

// Interactive reports whether a person can be asked: standard input and standard error are a terminal.
func (a *App) Interactive() bool { return term.IsTerminal(a.Stdin) && term.IsTerminal(a.Stderr) }

// FoldNames reports whether names of environment variables ignore case, as on Windows.
const FoldNames = runtime.GOOS == "windows"

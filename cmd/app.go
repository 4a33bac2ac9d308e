// Package cmd is the command line: it turns arguments into calls of a store, and what comes
// of them into output, sentences and exit codes.
package cmd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

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

// Main runs one command line and returns the exit code.
func Main(args []string, app *App) int {
	debug.SetTraceback("none") // a trace of a crash tells arguments
	app.restore = noCore()
	app.watch, app.line = waiting.New(context.Background(), app.waitFor), new(atomic.Pointer[progress.Line])
	defer app.watch.Close()
	ctx, stop := untilInterrupted(app.watch)
	defer stop()

	if len(args) == 0 || args[0] == "help" { // chamber has it as a command
		args = append([]string{"--help"}, args[min(1, len(args)):]...)
	}
	// exec starts with a grammar of its own: the whole one takes longer than all else it does.
	hot := &execGrammar{}
	parser, exited, err := app.parser(ctx, hot, &hot.Globals)
	if err != nil {
		return app.fail(err)
	}
	if name := commandName(parser.Model, args); name == "exec" || name == "run" {
		// It waits far more than it computes: on one processor nobody spins while it waits.
		runtime.GOMAXPROCS(1)
		// Here, not in the grammar: to it everything behind "--" is more services.
		if at := slices.Index(args, "--"); at >= 0 {
			args, app.behind = args[:at], args[at+1:]
		}
	} else {
		whole := &CLI{}
		if parser, exited, err = app.parser(ctx, whole, &whole.Globals); err != nil {
			return app.fail(err)
		}
	}
	parsed, err := parser.Parse(attachValues(args))
	if *exited {
		return exitDone
	}
	if err != nil {
		return app.fail(usageError(args, err))
	}
	app.patience = timeoutOf(parsed)
	if err := parsed.Run(); err != nil {
		return app.fail(err)
	}
	return exitDone
}

// parser makes the parser of a grammar. exited says, after a parse, that it was for help.
func (a *App) parser(ctx context.Context, grammar any, globals *Globals) (parser *kong.Kong, exited *bool, err error) {
	a.globals, exited = globals, new(bool)
	parser, err = kong.New(grammar,
		kong.Name("coffer"),
		kong.Description("Encrypted secrets in a bucket: S3 with KMS, or a directory. No server to run."),
		kong.Writers(a.Stdout, a.Stderr),
		kong.Exit(func(int) { *exited = true }), // after --help; parsing goes on, and its result is dropped
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(a),
	)
	return parser, exited, err
}

// untilInterrupted returns a context that ends with the first interrupt; a second one ends the
// program at once. A Ctrl-C that is ignored, as in a job in the background of a script, stays
// ignored, also by the command that exec becomes.
func untilInterrupted(watch *waiting.Watch) (context.Context, context.CancelFunc) {
	signals := []os.Signal{syscall.SIGTERM}
	if !signal.Ignored(os.Interrupt) {
		signals = append(signals, os.Interrupt)
	}
	watch.Resume()
	ctx, stop := signal.NotifyContext(watch.Context(), signals...)
	context.AfterFunc(ctx, func() {
		stop()
		watch.Interrupt()
	})
	return ctx, stop
}

// attachValues makes -b=s3, which chamber takes, into the -bs3 of our parser.
func attachValues(args []string) []string {
	out := slices.Clone(args)
	for i, arg := range out {
		if arg == "--" {
			break
		}
		if len(arg) > 3 && arg[0] == '-' && arg[1] != '-' && arg[2] == '=' {
			out[i] = arg[:2] + arg[3:]
		}
	}
	return out
}

// commandName returns the word that names the command, whatever global flags stand before it.
func commandName(model *kong.Application, args []string) string {
	for i := 0; i < len(args); i++ {
		if !strings.HasPrefix(args[i], "-") {
			return args[i]
		}
		for _, f := range model.Flags {
			if takesNext(f, args[i]) {
				i++
				break
			}
		}
	}
	return ""
}

// takesNext reports whether an argument is a flag whose value is the next argument.
func takesNext(f *kong.Flag, arg string) bool {
	if f.IsBool() {
		return false
	}
	names := append([]string{f.Name}, f.Aliases...)
	bundle := !strings.HasPrefix(arg, "--") && strings.HasSuffix(arg, string(f.Short)) // -qb local
	return f.Short != 0 && bundle ||
		slices.ContainsFunc(names, func(name string) bool { return arg == "--"+name })
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

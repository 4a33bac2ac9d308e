// Package cmd is the command line: it turns arguments into calls of a store, and what comes
// of them into output.
package cmd

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/progress"
	"github.com/coffer-secrets/coffer/internal/waiting"
)

// Main runs one command line and returns the exit code.
func Main(args []string, a *app.App) int {
	debug.SetTraceback("none") // a trace of a crash tells arguments
	a.Restore = noCore()
	a.Watch, a.Line = waiting.New(context.Background(), a.WaitFor), new(atomic.Pointer[progress.Line])
	defer a.Watch.Close()
	ctx, stop := untilInterrupted(a.Watch)
	defer stop()

	if len(args) == 0 || args[0] == "help" { // chamber has it as a command
		args = append([]string{"--help"}, args[min(1, len(args)):]...)
	}
	// exec starts with a grammar of its own: the whole one takes longer than all else it does.
	hot := &execGrammar{}
	parser, exited, err := newParser(ctx, a, hot, &hot.Globals)
	if err != nil {
		return a.Fail(err)
	}
	if name := commandName(parser.Model, args); name == "exec" || name == "run" {
		// It waits far more than it computes: on one processor nobody spins while it waits.
		runtime.GOMAXPROCS(1)
		// Here, not in the grammar: to it everything behind "--" is more services.
		if at := slices.Index(args, "--"); at >= 0 {
			args, a.Behind = args[:at], args[at+1:]
		}
	} else {
		whole := &CLI{}
		if parser, exited, err = newParser(ctx, a, whole, &whole.Globals); err != nil {
			return a.Fail(err)
		}
	}
	parsed, err := parser.Parse(attachValues(args))
	if *exited {
		return app.ExitDone
	}
	if err != nil {
		return a.Fail(usageError(args, err))
	}
	a.Patience = timeoutOf(parsed)
	if err := parsed.Run(); err != nil {
		return a.Fail(err)
	}
	return app.ExitDone
}

// newParser makes the parser of a grammar. exited says, after a parse, that it was for help.
func newParser(ctx context.Context, a *app.App, grammar any, globals *app.Globals) (parser *kong.Kong, exited *bool, err error) {
	a.Globals, exited = globals, new(bool)
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

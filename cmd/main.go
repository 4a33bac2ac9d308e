// Package cmd is the command line: it turns arguments into calls of a store, and their results into
// output.
package cmd

import (
	"context"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/coffer-secrets/coffer/internal/ageplugin"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/progress"
	"github.com/coffer-secrets/coffer/internal/run"
	"github.com/coffer-secrets/coffer/internal/runfiles"
	"github.com/coffer-secrets/coffer/internal/waiting"
)

// Main runs one command line and returns the exit code.
func Main(args []string, a *app.App) int {
	debug.SetTraceback("none")                     // the trace of a crash contains arguments
	slog.SetDefault(slog.New(slog.DiscardHandler)) // net/http logs what a server sends unasked
	debug.SetGCPercent(200)                        // a read or a write of few secrets finishes before the first collection
	a.Restore = run.ForbidCore()
	if len(args) == 1 && args[0] == run.LeaderCommand { // of exec --mask
		return run.Lead(a)
	}
	if ageplugin.Named(a.Program) {
		return agePlugin(args, a)
	}
	runfiles.Sweep(a.Getenv, a.Now())
	a.Watch, a.Line = waiting.New(context.Background(), a.WaitFor), new(atomic.Pointer[progress.Line])
	defer a.Watch.Close()
	ctx, stop := run.UntilInterrupted(a.Watch)
	defer stop()

	args = ownForms(args)
	var exited bool
	parser, name, err := parserFor(ctx, a, args, &exited)
	if err != nil {
		return a.Fail(err)
	}
	ofExec := name == "exec" || name == "run"
	if ofExec {
		// This isn't done by the grammar, which would take everything after "--" as more
		// services.
		if at := slices.Index(args, "--"); at >= 0 {
			args, a.CommandLine = args[:at], slices.Clone(args[at+1:])
		}
	}
	a.CommandName = name
	a.DefaultTimeout = app.ReadTimeout // of the help, which the parser prints
	parsed, err := parser.Parse(attachValues(args))
	if exited {
		return app.ExitDone
	}
	if ofExec && a.CommandLine == nil && (err == nil || strings.HasPrefix(err.Error(), "un")) { // unknown flag, unexpected argument
		return a.Fail(noCommand(parser.Model.Children[0], args))
	}
	if err != nil {
		return a.Fail(usageError(args, err))
	}
	if err := refuseEmptyFlags(parsed); err != nil {
		return a.Fail(err)
	}
	a.DefaultTimeout = app.ChangeTimeout
	if parsed.Selected().Tag.Has("reads") {
		a.DefaultTimeout = app.ReadTimeout
	}
	if err := parsed.Run(); err != nil {
		return a.Fail(err)
	}
	return app.ExitDone
}

// ownForms rewrites the lines that name no command: no words at all are --help, and --version or -V is
// the command version. Commands have flags of that name, so it can't be one of all commands.
func ownForms(args []string) []string {
	if len(args) == 0 {
		return []string{"--help"}
	}
	at := slices.IndexFunc(args, func(arg string) bool { return arg == "--version" || arg == "-V" })
	if at < 0 || slices.ContainsFunc(args, func(arg string) bool { return commandField(arg) != nil || arg == "--" }) {
		return args
	}
	out := slices.Clone(args)
	out[at] = "version"
	return out
}

// attachValues rewrites -b=s3, which chamber accepts, as -bs3, which our parser accepts.
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

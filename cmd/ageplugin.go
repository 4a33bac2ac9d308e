package cmd

import (
	"context"

	"github.com/coffer-secrets/coffer/internal/ageplugin"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/run"
	"github.com/coffer-secrets/coffer/internal/waiting"
)

// agePlugin answers age, which has started the program as its plugin, and returns the exit code. It has no
// flags but those of the protocol.
func agePlugin(args []string, a *app.App) int {
	watch := waiting.New(context.Background(), func(waiting.Report) {}) // each file has a limit of its own
	defer watch.Close()
	ctx, stop := run.UntilInterrupted(watch)
	defer stop()
	streams := ageplugin.Streams{Stdin: a.Stdin, Stdout: a.Stdout, Stderr: a.Stderr}
	return ageplugin.Run(args, streams, a.PluginKeys(ctx))
}

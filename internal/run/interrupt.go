package run

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/coffer-secrets/coffer/internal/waiting"
)

// UntilInterrupted returns a context that ends with the first interrupt; a second one ends the
// program at once. A Ctrl-C that is ignored, as in a job in the background of a script, stays
// ignored, also by the command that exec becomes.
func UntilInterrupted(watch *waiting.Watch) (context.Context, context.CancelFunc) {
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

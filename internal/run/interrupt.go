package run

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/coffer-secrets/coffer/internal/waiting"
)

// UntilInterrupted returns a context that is canceled by SIGTERM or Ctrl-C. A second signal ends the
// program at once. If the parent ignores Ctrl-C, as a script does for a background job, it stays
// ignored, also in the command that exec runs.
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

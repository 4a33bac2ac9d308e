package app

import (
	"context"
	"sync"

	"github.com/coffer-secrets/coffer/internal/waiting"
)

// Call is the App of one call of a server. Calls run at the same time, and what goes wrong in one, such
// as a storage that doesn't answer, ends no other.
type Call struct {
	*App
	mu      sync.Mutex
	notices []string
}

// NewCall returns the App of a call, and its context. A call asks nobody, and prints nothing to standard
// output. end has to be called at its end.
func (a *App) NewCall(ctx context.Context) (c *Call, callContext context.Context, end func()) {
	own := *a
	c = &Call{App: &own}
	own.Stdout, own.Unattended, own.noticed = a.Stderr, true, c.notice
	own.Watch = waiting.New(ctx, a.waitForCall)
	if own.InForce != nil { // which Settings would have done
		_, _ = own.setTimeout(own.InForce)
	}
	return c, own.Watch.Context(), own.Watch.Close
}

// waitForCall prints what a call is waiting for. The client isn't told: it may still succeed.
func (a *App) waitForCall(r waiting.Report) {
	if !a.Globals.Quiet {
		a.Say("waiting for %s", r)
	}
}

func (c *Call) notice(sentence string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notices = append(c.notices, sentence)
}

// Notices returns the sentences that were printed in this call, without credentials.
func (c *Call) Notices() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.notices
}

// Credentials returns the credentials that this process has, as far as they are known.
func (a *App) Credentials() []string { return a.secrets() }

package waiting

import (
	"context"
	"slices"
	"time"
)

// Rate is the number of bytes of a body, sent or received, that count as progress. Fewer bytes
// within the limit don't: a response of a byte a second would never end.
const Rate = 16 << 10

// Wait is one operation that is being waited for. The methods of a nil Wait, from a context without
// a watch, do nothing.
type Wait struct {
	w         *Watch
	report    Report
	change    string // what it changes; "" for an operation that only reads
	sent      bool   // the current attempt has reached its server, as far as is known
	uncertain bool   // an earlier attempt may have made the change
	over      bool
	deadline  time.Time // of its context; zero if there is none
	ends      time.Time // when it ends by itself; zero if that isn't known
}

// Outcome is how a wait ended.
type Outcome int

// The outcomes. Done and Refused are progress: a final response was received.
const (
	Done    Outcome = iota // the operation succeeded, and made its change if it has one
	Refused                // the change wasn't made, unless an earlier attempt made it
	Failed                 // there was no final response
)

// Begin starts a wait, which lasts until [Wait.End] is called. what describes it.
func Begin(ctx context.Context, what string) *Wait { return begin(ctx, Report{What: what}, "") }

// BeginChange is Begin for a request that changes the object called name.
func BeginChange(ctx context.Context, what, name string) *Wait {
	return begin(ctx, Report{What: what}, name)
}

func begin(ctx context.Context, r Report, change string) *Wait {
	w := from(ctx)
	if w == nil {
		return nil
	}
	t := &Wait{w: w, report: r, change: change}
	t.deadline, _ = ctx.Deadline()
	t.ends = t.deadline
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = append(w.open, t)
	w.arm()
	return t
}

// Attempt records that a request is about to be sent to host, as attempt n of at most of.
func (t *Wait) Attempt(host string, n, of int) {
	if t == nil {
		return
	}
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	t.report.Host, t.report.Attempt, t.report.Of, t.sent = host, n, of, false
}

// Sent records that there is a connection: from now on the server may execute the request.
func (t *Wait) Sent() {
	if t == nil {
		return
	}
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	t.sent = true
}

// Lost records why an attempt failed, and with doubt that its change may have been made anyway.
// Without a response, this also requires that the request was sent.
func (t *Wait) Lost(reason string, answered, doubt bool) {
	if t == nil {
		return
	}
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	t.report.Last = firstLine(reason)
	t.uncertain = t.uncertain || doubt && (answered || t.sent)
	t.sent = false
}

// Within records that the operation ends within d, as no more attempts follow then; 0 if that isn't so.
func (t *Wait) Within(d time.Duration) {
	if t == nil {
		return
	}
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	t.ends = t.deadline
	if at := now().Add(d); d > 0 && (t.ends.IsZero() || at.Before(t.ends)) {
		t.ends = at
	}
}

// Progress restarts the clock.
func (t *Wait) Progress() {
	if t == nil {
		return
	}
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	t.w.progress()
}

// Beside starts another wait for the same operation, such as for the body of the response.
func (t *Wait) Beside() *Wait {
	if t == nil {
		return nil
	}
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	other := &Wait{w: t.w, report: t.report, deadline: t.deadline, ends: t.deadline}
	t.w.open = append(t.w.open, other)
	t.w.arm()
	return other
}

// End ends the wait. Later calls have no effect.
func (t *Wait) End(o Outcome) {
	if t == nil {
		return
	}
	w := t.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.over {
		return
	}
	t.over = true
	w.open = slices.DeleteFunc(w.open, func(other *Wait) bool { return other == t })
	switch {
	case t.change == "":
	case o == Done:
		w.record(t.change, true)
	case t.uncertain || o == Failed && t.sent:
		w.record(t.change, false)
	}
	if o != Failed {
		w.progress()
	}
	w.arm()
}

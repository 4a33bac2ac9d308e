package waiting

import (
	"context"
	"slices"
)

// Rate is how many bytes of a body, coming or going, are progress. Fewer within the limit are
// none: an answer of a byte a second would never end.
const Rate = 16 << 10

// Wait is one thing that is waited for. A nil Wait, of a context without a watch, takes every
// call and does nothing.
type Wait struct {
	w         *Watch
	report    Report
	change    string // what it changes; "" for what only reads
	sent      bool   // the attempt under way has reached its server, so far as is known
	uncertain bool   // an attempt before may have made the change
	over      bool
}

// Outcome is how a wait ended.
type Outcome int

// The outcomes. Done and Refused are progress: an answer came that is final.
const (
	Done    Outcome = iota // a change was made
	Refused                // it was not, unless an earlier attempt has made it
	Failed                 // there was no final answer
)

// Begin notes that something is waited for, until [Wait.End] is called.
func Begin(ctx context.Context, what string) *Wait { return begin(ctx, Report{What: what}, "") }

// BeginChange is Begin for a request that changes what name names.
func BeginChange(ctx context.Context, what, name string) *Wait {
	return begin(ctx, Report{What: what}, name)
}

func begin(ctx context.Context, r Report, change string) *Wait {
	w := from(ctx)
	if w == nil {
		return nil
	}
	t := &Wait{w: w, report: r, change: change}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = append(w.open, t)
	w.arm()
	return t
}

// Attempt notes that a request is about to go to host, for the n-th time of at most of.
func (t *Wait) Attempt(host string, n, of int) {
	if t == nil {
		return
	}
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	t.report.Host, t.report.Attempt, t.report.Of, t.sent = host, n, of, false
}

// Sent notes that there is a connection: from now on the server may do what it is asked.
func (t *Wait) Sent() {
	if t == nil {
		return
	}
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	t.sent = true
}

// Lost notes how an attempt failed, and whether it may have been made all the same. Of
// one without an answer, that depends on whether it was sent.
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

// Progress begins the clock anew.
func (t *Wait) Progress() {
	if t == nil {
		return
	}
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	t.w.progress()
}

// Beside begins another wait for the same, such as for the body of an answer.
func (t *Wait) Beside() *Wait {
	if t == nil {
		return nil
	}
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	other := &Wait{w: t.w, report: t.report}
	t.w.open = append(t.w.open, other)
	t.w.arm()
	return other
}

// End ends the wait. Only the first call counts.
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

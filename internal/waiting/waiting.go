// Package waiting watches how long a command waits without any progress: it tells what is
// waited for, ends the wait after a limit, and knows which changes may have been made by then.
//
// What waits reports to the [Watch] of its context. Without one every function here does
// nothing, so that a Go program that uses the library has its own deadlines alone.
package waiting

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// Silence is how long a person is left without a word of what is waited for. It is also what
	// is left to a request that is under way when an interrupt comes.
	Silence = 2 * time.Second

	firstGap   = 8 * time.Second // from the first line to the next; it doubles
	longestGap = time.Minute
)

// NoProgressError is the cause of a context that a [Watch] has ended.
type NoProgressError struct {
	Limit time.Duration
	For   Report
}

func (e *NoProgressError) Error() string {
	return fmt.Sprintf("no progress for %s while waiting for %s", Words(e.Limit), e.For)
}

// Words writes a time as a person does: "2m", not "2m0s".
func Words(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Report describes one wait.
type Report struct {
	What    string // such as "GetObject api/db_url.json"
	Host    string // host and port; "" for a wait for no server, or before there is a request
	Attempt int    // from 1; 0 where nothing is repeated
	Of      int    // the most attempts; 0 where that is not known
	Last    string // how the attempt before ended; "" when there was none
	Others  int    // what else is waited for at the same time

	Limit time.Duration // after which the watch ends; 0 where there is none yet
}

// String is the report in the words of a sentence that begins with "waiting for".
func (r Report) String() string {
	text := r.What
	if r.Host != "" {
		text = fmt.Sprintf("%s (%s)", r.Host, r.What)
	}
	switch {
	case r.Attempt > 1 && r.Of > 0:
		text += fmt.Sprintf(", attempt %d of %d", r.Attempt, r.Of)
	case r.Attempt > 1:
		text += fmt.Sprintf(", attempt %d", r.Attempt)
	}
	if r.Last != "" {
		text += ", last try: " + r.Last
	}
	if r.Others > 0 {
		text += fmt.Sprintf(", and %d more", r.Others)
	}
	return text
}

// Watch is the clock of one command. It runs while something is waited for, not while the
// program computes or a person thinks, and begins anew with each progress.
type Watch struct {
	say        func(Report)
	soft, hard context.Context
	endSoft    context.CancelCauseFunc
	endHard    context.CancelCauseFunc

	mu          sync.Mutex
	limit       time.Duration // 0: none yet
	interrupted bool
	ended       *NoProgressError
	open        []*Wait       // in the order in which they began
	waited      time.Duration // without progress, until since
	since       time.Time     // the clock runs from here; zero: it stands
	timer       *time.Timer
	silentUntil time.Time
	gap         time.Duration

	made, uncertain []string // changes, in the order in which their outcome was known
}

type watchKey struct{}

// New returns a watch that has no limit yet. say is called, on another goroutine, when a person
// should know what is waited for: after [Silence], and then ever more rarely.
func New(ctx context.Context, say func(Report)) *Watch {
	w := &Watch{say: say, gap: firstGap}
	w.hard, w.endHard = context.WithCancelCause(context.WithValue(ctx, watchKey{}, w))
	w.soft, w.endSoft = context.WithCancelCause(w.hard)
	w.timer = time.AfterFunc(longestGap, w.tick)
	w.timer.Stop()
	return w
}

// Context returns the context of the command. It ends when the watch does.
func (w *Watch) Context() context.Context { return w.soft }

// Close ends the watch, and with it its context.
func (w *Watch) Close() {
	w.mu.Lock()
	w.timer.Stop()
	w.since, w.open = time.Time{}, nil
	w.mu.Unlock()
	w.endSoft(context.Canceled)
	w.endHard(context.Canceled)
}

// Limit sets how long a wait may last without progress. Of several limits the longest holds.
func (w *Watch) Limit(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit = max(w.limit, d)
	w.arm()
}

// Interrupt leaves [Silence] to what is under way: from now on that is the limit. What has been
// waited for as long already ends at once.
func (w *Watch) Interrupt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.interrupted = true
	w.arm()
}

// Resume forgets an interrupt that was meant for another program, such as an editor.
func (w *Watch) Resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.interrupted = false
	w.arm()
}

// Ended returns the error with which the limit was reached, or nil.
func (w *Watch) Ended() *NoProgressError {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended
}

// Changes returns the names of what was changed, and of what may have been: a request to change
// it was sent, and no answer told what became of it.
func (w *Watch) Changes() (made, doubtful []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	doubtful = slices.Clone(w.uncertain)
	for _, t := range w.open {
		if t.change != "" && (t.uncertain || t.sent) && !slices.Contains(doubtful, t.change) {
			doubtful = append(doubtful, t.change)
		}
	}
	return slices.Clone(w.made), doubtful
}

// arm has the clock run while something is waited for, and sets the timer for what comes next.
func (w *Watch) arm() {
	if len(w.open) == 0 || w.ended != nil {
		w.waited, w.since = w.elapsed(), time.Time{}
		w.timer.Stop()
		return
	}
	if w.since.IsZero() {
		w.since = now()
	}
	next := max(Silence-w.elapsed(), w.silentUntil.Sub(now()))
	if limit := w.inForce(); limit > 0 {
		next = min(next, limit-w.elapsed())
	}
	w.timer.Reset(max(0, next))
}

// elapsed is how long has been waited without progress.
func (w *Watch) elapsed() time.Duration {
	if w.since.IsZero() {
		return w.waited
	}
	return w.waited + now().Sub(w.since)
}

func (w *Watch) inForce() time.Duration {
	if w.interrupted && (w.limit == 0 || w.limit > Silence) {
		return Silence
	}
	return w.limit
}

// progress begins the clock anew.
func (w *Watch) progress() {
	w.waited = 0
	if !w.since.IsZero() {
		w.since = now()
	}
	w.arm()
}

// tick is called by the timer.
func (w *Watch) tick() {
	w.mu.Lock()
	if len(w.open) == 0 || w.ended != nil {
		w.mu.Unlock()
		return
	}
	limit := w.inForce()
	if limit > 0 && w.elapsed() >= limit {
		w.end(limit)
		w.mu.Unlock()
		return
	}
	at := now()
	due := w.elapsed() >= Silence && !at.Before(w.silentUntil) && !w.interrupted
	report := w.report()
	if due {
		w.silentUntil = at.Add(w.gap)
		w.gap = min(2*w.gap, longestGap)
	}
	w.arm()
	w.mu.Unlock()
	if due {
		w.say(report)
	}
}

// end ends the contexts: that of the command first, so that what outlives it finds it ended.
func (w *Watch) end(limit time.Duration) {
	cause := context.Canceled
	if !w.interrupted {
		w.ended = &NoProgressError{Limit: limit, For: w.report()}
		cause = w.ended
	}
	w.timer.Stop()
	w.endSoft(cause)
	w.endHard(cause)
}

// report describes the oldest wait that has a request under way, else the oldest.
func (w *Watch) report() Report {
	at := max(0, slices.IndexFunc(w.open, func(t *Wait) bool { return t.report.Host != "" }))
	r := w.open[at].report
	others := map[string]bool{}
	for _, t := range w.open {
		others[t.report.What] = true
	}
	r.Others, r.Limit = len(others)-1, w.limit
	return r
}

// from returns the watch of a context, or nil.
func from(ctx context.Context) *Watch {
	w, _ := ctx.Value(watchKey{}).(*Watch)
	return w
}

func now() time.Time { return time.Now() } //nolint:forbidigo // how long something took, on the monotonic clock; never shown

// Beyond returns a context that continues when ctx is interrupted, with its values. The end of
// its watch ends it.
func Beyond(ctx context.Context) context.Context {
	w := from(ctx)
	if w == nil {
		return context.WithoutCancel(ctx)
	}
	return beyond{w.hard, ctx}
}

type beyond struct {
	context.Context
	values context.Context //nolint:containedctx // it is a context
}

func (b beyond) Value(key any) any { return b.values.Value(key) }

// Limit returns the limit of the watch of ctx where it is shorter than d, else d.
func Limit(ctx context.Context, d time.Duration) time.Duration {
	w := from(ctx)
	if w == nil {
		return d
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.limit == 0 {
		return d
	}
	return min(d, w.limit)
}

// Made notes a change that was made without a wait.
func Made(ctx context.Context, name string) {
	if w := from(ctx); w != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.record(name, true)
	}
}

// MaybeMade notes a change of which it is not known whether it was made.
func MaybeMade(ctx context.Context, name string) {
	if w := from(ctx); w != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.record(name, false)
	}
}

// record notes what became of a change. The last word on one name holds.
func (w *Watch) record(name string, made bool) {
	same := func(other string) bool { return other == name }
	to := &w.uncertain
	if made {
		to = &w.made
		w.uncertain = slices.DeleteFunc(w.uncertain, same)
	}
	if !slices.Contains(*to, name) {
		*to = append(*to, name)
	}
}

// firstLine is what a failure says before its details.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

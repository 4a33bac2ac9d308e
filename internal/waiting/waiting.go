// Package waiting watches how long a command waits without any progress. It reports what the
// command waits for, ends the wait after a limit, and records which changes may have been made by
// then.
//
// Code that waits reports to the [Watch] of its context. Without a watch every function here does
// nothing, so a Go program that uses the library has only its own deadlines.
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
	// Silence is the time after which a person is shown what the command waits for. It is also how
	// long a request in progress may continue after an interrupt.
	Silence = 2 * time.Second

	firstGap   = 8 * time.Second // between the first line and the next; it doubles
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

// Words formats a duration without zero units: "2m", not "2m0s".
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
	Host    string // host and port; "" before there is a request, or if no server is involved
	Attempt int    // from 1; 0 if nothing is retried
	Of      int    // the maximum number of attempts; 0 if it isn't known
	Last    string // how the attempt before failed; "" if there was none
	Others  int    // number of other operations being waited for

	Limit time.Duration // after which the watch ends; 0 if none is set yet
	Ends  time.Duration // after which the wait ends by itself at the latest; 0 if it isn't known
}

// String describes the report so that it can follow "waiting for".
func (r Report) String() string {
	text := r.What
	if r.Host != "" {
		text = fmt.Sprintf("%s (%s)", r.Host, r.What)
	}
	switch {
	case r.Attempt > 0 && r.Of > 1:
		text += fmt.Sprintf(", attempt %d of %d", r.Attempt, r.Of)
	case r.Attempt > 1:
		text += fmt.Sprintf(", attempt %d", r.Attempt)
	}
	if r.Last != "" {
		text += ", last try: " + r.Last
	}
	if r.Others > 0 {
		noun := "operation"
		if r.Host != "" {
			noun = "request"
		}
		if r.Others > 1 {
			noun += "s"
		}
		text += fmt.Sprintf(", and %d more %s", r.Others, noun)
	}
	return text
}

// Watch is the clock of one command. It runs while the command waits for something, not while the
// program computes or a person thinks, and restarts with each progress.
type Watch struct {
	say        func(Report)
	soft, hard context.Context
	endSoft    context.CancelCauseFunc
	endHard    context.CancelCauseFunc

	mu          sync.Mutex
	limit       time.Duration // 0: not set yet
	interrupted bool
	paused      int // how many persons are being asked
	ended       *NoProgressError
	open        []*Wait       // in the order in which they began
	waited      time.Duration // time without progress, until since
	since       time.Time     // when the clock was started; zero: it is stopped
	timer       *time.Timer
	silentUntil time.Time
	gap         time.Duration

	made, uncertain []string // changes, in the order in which their outcomes were known
}

type watchKey struct{}

// New returns a watch without a limit. say is called on another goroutine when a person should be
// shown what the command waits for: after [Silence], and then less and less often.
func New(ctx context.Context, say func(Report)) *Watch {
	w := &Watch{say: say, gap: firstGap}
	w.hard, w.endHard = context.WithCancelCause(context.WithValue(ctx, watchKey{}, w))
	w.soft, w.endSoft = context.WithCancelCause(w.hard)
	w.timer = time.AfterFunc(longestGap, w.tick)
	w.timer.Stop()
	return w
}

// Context returns the context of the command. It ends with the watch.
func (w *Watch) Context() context.Context { return w.soft }

// Close ends the watch and its context.
func (w *Watch) Close() {
	w.mu.Lock()
	w.timer.Stop()
	w.since, w.open = time.Time{}, nil
	w.mu.Unlock()
	w.endSoft(context.Canceled)
	w.endHard(context.Canceled)
}

// Limit sets how long a wait may last without progress. Of several limits the longest applies.
func (w *Watch) Limit(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit = max(w.limit, d)
	w.arm()
}

// Interrupt limits requests in progress to [Silence]. If the command has already waited that long
// without progress, it ends at once.
func (w *Watch) Interrupt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.interrupted = true
	w.arm()
}

// Resume cancels an interrupt that was meant for another program, such as an editor.
func (w *Watch) Resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.interrupted = false
	w.arm()
}

// Ended returns the error if the limit was reached, or nil.
func (w *Watch) Ended() *NoProgressError {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended
}

// Changes returns the names of the objects that were changed, and of those that may have been: a
// request to change them was sent, and its outcome isn't known.
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

// arm runs the clock while there are open waits, and sets the timer for the next report or the
// limit.
func (w *Watch) arm() {
	if len(w.open) == 0 || w.ended != nil || w.paused > 0 {
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

// elapsed returns the time without progress.
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

// progress restarts the clock.
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
	if len(w.open) == 0 || w.ended != nil || w.paused > 0 {
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

// end ends the contexts. The command's context ends first, so that code running beyond it sees that
// it has ended.
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

// report describes the oldest wait with a request in progress, or else the oldest.
func (w *Watch) report() Report {
	at := max(0, slices.IndexFunc(w.open, func(t *Wait) bool { return t.report.Host != "" }))
	r := w.open[at].report
	if ends := w.open[at].ends; !ends.IsZero() {
		r.Ends = max(1, ends.Sub(now()))
	}
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

// Beyond returns a context with the values of ctx that continues when ctx is interrupted. It ends
// when its watch does.
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

// Limit returns the limit of ctx's watch if it is shorter than d, and d otherwise.
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

// Pause stops the clock while a person is asked in the midst of a wait. resume starts it anew.
func Pause(ctx context.Context) (resume func()) {
	w := from(ctx)
	if w == nil {
		return func() {}
	}
	pause := func(by int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.paused += by
		w.progress()
	}
	pause(1)
	return func() { pause(-1) }
}

// Made records a change that was made without a wait.
func Made(ctx context.Context, name string) {
	if w := from(ctx); w != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.record(name, true)
	}
}

// MaybeMade records a change that may have been made.
func MaybeMade(ctx context.Context, name string) {
	if w := from(ctx); w != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.record(name, false)
	}
}

// record stores the outcome of a change. A change that was made is no longer uncertain.
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

// firstLine returns the first line of a message, which comes before its details.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

package waiting_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coffer-secrets/coffer/internal/waiting"
)

// watched runs f with a watch in virtual time. lines are what a person was told, with the second.
func watched(t *testing.T, limit time.Duration, f func(t *testing.T, w *waiting.Watch, lines *[]string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var lines []string
		var mu sync.Mutex // each line comes on a goroutine of the timer's; the test reads them after synctest.Wait
		w := waiting.New(t.Context(), func(r waiting.Report) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, time.Since(start).String()+" "+r.String())
		})
		defer w.Close()
		if limit > 0 {
			w.Limit(limit)
		}
		f(t, w, &lines)
	})
}

// after lets so much time pass.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestAWaitIsToldAfterTwoSecondsAndThenRarely(t *testing.T) {
	watched(t, time.Hour, func(t *testing.T, w *waiting.Watch, lines *[]string) {
		wait := waiting.Begin(w.Context(), "GetObject api/db_url.json")
		wait.Attempt("minio.lan:9000", 2, 5)
		after(5 * time.Minute)
		wait.End(waiting.Done)
		after(time.Hour)
		var times []string
		for _, line := range *lines {
			at, text, _ := strings.Cut(line, " ")
			times = append(times, at)
			if text != "minio.lan:9000 (GetObject api/db_url.json), attempt 2 of 5" {
				t.Errorf("told %q", text)
			}
		}
		if want := []string{"2s", "10s", "26s", "58s", "1m58s", "2m58s", "3m58s", "4m58s"}; !slices.Equal(times, want) {
			t.Errorf("told after %v, want %v", times, want)
		}
	})
}

func TestAWaitWithoutProgressEnds(t *testing.T) {
	watched(t, 30*time.Second, func(t *testing.T, w *waiting.Watch, _ *[]string) {
		ctx := w.Context()
		start := time.Now()
		wait := waiting.Begin(ctx, "ListObjectsV2 api/")
		wait.Attempt("minio.lan:9000", 1, 5)
		<-ctx.Done()
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("it took %v", took)
		}
		var ended *waiting.NoProgressError
		if !errors.As(context.Cause(ctx), &ended) || ended != w.Ended() ||
			ended.Error() != "no progress for 30s while waiting for minio.lan:9000 (ListObjectsV2 api/), attempt 1 of 5" {
			t.Errorf("the cause is %v", context.Cause(ctx))
		}
	})
}

func TestProgressAndIdleTimeDoNotCount(t *testing.T) {
	watched(t, 10*time.Second, func(t *testing.T, w *waiting.Watch, lines *[]string) {
		ctx := w.Context()
		silent := waiting.Begin(ctx, "one that never ends")
		for range 10 { // others are answered
			after(9 * time.Second)
			waiting.Begin(ctx, "another").End(waiting.Refused)
		}
		silent.End(waiting.Done)
		after(time.Hour) // a person thinks
		for range 2 {    // what fails is no progress: the time adds up
			failing := waiting.Begin(ctx, "failing")
			after(4 * time.Second)
			failing.End(waiting.Failed)
			after(time.Minute)
		}
		if ctx.Err() != nil {
			t.Fatalf("ended early: %v", context.Cause(ctx))
		}
		start := time.Now()
		waiting.Begin(ctx, "the last")
		<-ctx.Done()
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("ended after %v, want the 2s that were left", took)
		}
	})
}

func TestAnInterruptLeavesTwoSecondsToWhatIsUnderWay(t *testing.T) {
	for name, test := range map[string]struct {
		before time.Duration // without an answer
		left   time.Duration
	}{
		"just begun":           {0, 2 * time.Second},
		"after half a second":  {500 * time.Millisecond, 1500 * time.Millisecond},
		"after it was told of": {3 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			watched(t, time.Minute, func(t *testing.T, w *waiting.Watch, _ *[]string) {
				soft, interrupt := context.WithCancel(w.Context())
				outlives := waiting.Beyond(soft)
				waiting.Begin(soft, "PutObject api/a.json")
				after(test.before)
				start := time.Now()
				interrupt()
				w.Interrupt()
				if outlives.Err() != nil {
					t.Error("an interrupt alone ends what should outlive it")
				}
				<-outlives.Done()
				if took := time.Since(start); took != test.left {
					t.Errorf("%v were left, want %v", took, test.left)
				}
				if w.Ended() != nil || context.Cause(w.Context()) != context.Canceled {
					t.Error("an interrupt is told as a lack of progress")
				}
			})
		})
	}
}

func TestAnInterruptOfTheEditorIsForgotten(t *testing.T) {
	watched(t, time.Minute, func(t *testing.T, w *waiting.Watch, _ *[]string) {
		w.Interrupt()
		w.Resume()
		waiting.Begin(w.Context(), "PutObject api/a.json")
		start := time.Now()
		<-w.Context().Done()
		if took := time.Since(start); took != time.Minute {
			t.Errorf("ended after %v", took)
		}
	})
}

func TestWhatMayHaveBeenChangedIsKnown(t *testing.T) {
	const name = "api/db_password.json"
	for what, test := range map[string]struct {
		act      func(*waiting.Wait)
		made     bool
		doubtful bool
	}{
		"under way, not sent": {func(w *waiting.Wait) { w.Attempt("h", 1, 2) }, false, false},
		"under way, sent":     {func(w *waiting.Wait) { w.Attempt("h", 1, 2); w.Sent() }, false, true},
		"done":                {func(w *waiting.Wait) { w.Attempt("h", 1, 2); w.Sent(); w.End(waiting.Done) }, true, false},
		"refused":             {func(w *waiting.Wait) { w.Attempt("h", 1, 2); w.Sent(); w.End(waiting.Refused) }, false, false},
		"no connection": {func(w *waiting.Wait) {
			w.Attempt("h", 1, 2)
			w.Lost("connection refused", false, true)
			w.End(waiting.Failed)
		}, false, false},
		"answer lost": {func(w *waiting.Wait) {
			w.Attempt("h", 1, 2)
			w.Sent()
			w.Lost("EOF", false, true)
			w.End(waiting.Failed)
		}, false, true},
		"answer lost, then refused": {func(w *waiting.Wait) {
			w.Attempt("h", 1, 2)
			w.Sent()
			w.Lost("EOF", false, true)
			w.Attempt("h", 2, 2)
			w.Sent()
			w.End(waiting.Refused)
		}, false, true},
		"failed at the server": {func(w *waiting.Wait) {
			w.Attempt("h", 1, 2)
			w.Sent()
			w.Lost("500", true, true)
			w.End(waiting.Failed)
		}, false, true},
		"no answer, then asked again, not sent": {func(w *waiting.Wait) {
			w.Attempt("h", 1, 2)
			w.Sent()
			w.Lost("timed out", false, true)
			w.Attempt("h", 2, 2)
		}, false, true},
	} {
		t.Run(what, func(t *testing.T) {
			watched(t, time.Minute, func(t *testing.T, w *waiting.Watch, _ *[]string) {
				test.act(waiting.BeginChange(w.Context(), "PutObject "+name, name))
				made, doubtful := w.Changes()
				if slices.Contains(made, name) != test.made || slices.Contains(doubtful, name) != test.doubtful {
					t.Errorf("made %q, doubtful %q", made, doubtful)
				}
				waiting.BeginChange(w.Context(), "PutObject "+name, name).End(waiting.Done)
				made, doubtful = w.Changes()
				if !slices.Contains(made, name) {
					t.Errorf("after a success: made %q, doubtful %q", made, doubtful)
				}
			})
		})
	}
}

func TestWithoutAWatchNothingHappens(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	wait := waiting.BeginChange(ctx, "PutObject", "a")
	wait.Attempt("h", 1, 1)
	wait.Sent()
	wait.Lost("EOF", false, true)
	wait.Progress()
	wait.Beside().End(waiting.Done)
	wait.End(waiting.Done)
	waiting.Made(ctx, "a")
	waiting.MaybeMade(ctx, "a")
	if d := waiting.Limit(ctx, time.Minute); d != time.Minute {
		t.Errorf("a limit of %v", d)
	}
	outlives := waiting.Beyond(ctx)
	cancel()
	if outlives.Err() != nil {
		t.Error("the cancellation of a library's caller ends what should outlive it")
	}
}

// A report says how long the wait lasts at most: until its context's deadline, or until no attempt follows.
func TestAReportTellsWhenTheWaitEnds(t *testing.T) {
	for name, test := range map[string]struct {
		deadline, within []time.Duration
		ends             time.Duration
	}{
		"unknown":                   {},
		"by a deadline":             {deadline: []time.Duration{7 * time.Second}, ends: 5 * time.Second},
		"by the attempts":           {within: []time.Duration{5 * time.Second}, ends: 3 * time.Second},
		"by more attempts again":    {within: []time.Duration{5 * time.Second, 0}},
		"by the attempts, sooner":   {deadline: []time.Duration{7 * time.Second}, within: []time.Duration{4 * time.Second}, ends: 2 * time.Second},
		"by the deadline, sooner":   {deadline: []time.Duration{3 * time.Second}, within: []time.Duration{4 * time.Second}, ends: time.Second},
		"by the deadline as it was": {deadline: []time.Duration{7 * time.Second}, within: []time.Duration{4 * time.Second, 0}, ends: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var reports []waiting.Report
				w := waiting.New(t.Context(), func(r waiting.Report) { reports = append(reports, r) })
				defer w.Close()
				ctx := w.Context()
				for _, d := range test.deadline {
					limited, cancel := context.WithTimeout(ctx, d)
					defer cancel()
					ctx = limited
				}
				wait := waiting.Begin(ctx, "GetObject api/k.json")
				for _, d := range test.within {
					wait.Within(d)
				}
				after(waiting.Silence)
				wait.End(waiting.Done)
				if len(reports) != 1 || reports[0].Ends != test.ends {
					t.Errorf("%+v, want one that ends in %s", reports, test.ends)
				}
			})
		})
	}
}

func TestAReportCountsWhatElseIsWaitedFor(t *testing.T) {
	for _, test := range []struct {
		report waiting.Report
		want   string
	}{
		{waiting.Report{What: "GetObject k", Host: "h", Others: 1}, "h (GetObject k), and 1 more request"},
		{waiting.Report{What: "GetObject k", Host: "h", Others: 2}, "h (GetObject k), and 2 more requests"},
		{waiting.Report{What: "the lock l", Others: 1}, "the lock l, and 1 more operation"},
	} {
		if got := test.report.String(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

func TestLostAnswersOfAPut(t *testing.T) {
	for name, test := range map[string]struct {
		spoil    func(c *client)
		versions int
	}{
		"applied":              {func(c *client) { c.loses("put", "a.json", 1, bucket.ErrUnavailable) }, 2},
		"not applied":          {func(c *client) { c.fails("put", "a.json", 1, bucket.ErrUnavailable) }, 2},
		"torn":                 {func(c *client) { c.loses("put", "a.json", 1, bucket.ErrTorn) }, 2},
		"412 of our own write": {func(c *client) { c.loses("put", "a.json", 1, bucket.ErrChanged) }, 2},
		"busy":                 {func(c *client) { c.fails("put", "a.json", 1, bucket.ErrBusy) }, 2},
		"twice": {func(c *client) {
			c.fails("put", "a.json", 1, bucket.ErrBusy)
			c.loses("put", "a.json", 2, bucket.ErrTorn)
		}, 2},
		"index applied":        {func(c *client) { c.loses("put", appIndex, 1, bucket.ErrUnavailable) }, 2},
		"index not applied":    {func(c *client) { c.fails("put", appIndex, 1, bucket.ErrUnavailable) }, 2},
		"index 412 of our own": {func(c *client) { c.loses("put", appIndex, 1, bucket.ErrChanged) }, 2},
		"index vanished":       {func(c *client) { c.before("put", appIndex, 1, func() { c.w.erase(indexName(app)) }) }, 2},
		"somebody was faster":  {func(c *client) { c.before("put", "a.json", 1, func() { c.w.client(app).put("a", "theirs") }) }, 3},
		"overtaken after": {func(c *client) {
			c.loses("put", "a.json", 1, bucket.ErrUnavailable)
			c.before("get", "a.json", 2, func() { c.w.client(app).put("a", "theirs") })
		}, 3},
		"the index was changed": {func(c *client) { c.before("put", appIndex, 1, func() { c.w.client(app).put("b", "theirs") }) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, membucket.Options{})
			w.client(app).put("a", "one")
			c := w.client(app)
			test.spoil(c)
			r := c.put("a", "ours")
			d := w.object("a")
			if len(d.Values) != test.versions || d.Values[fmt.Sprint(r.Meta.Version)].Value != "ours" {
				t.Errorf("said to be version %d of %+v", r.Meta.Version, d.Values)
			}
			_, newest := d.newest()
			want := map[string]string{"a": newest}
			if w.object("b") != nil {
				want["b"] = "theirs"
			}
			w.wantIndex(app, want)
		})
	}
}

func TestRecreatedWithLowerNumbersIsWrittenOnce(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	for range 5 {
		c.put("a", "old")
	}
	c.before("put", "a.json", 1, func() { // chamber deletes it and makes it anew
		w.chamberPuts(app, "a", "theirs")
	})
	c.loses("put", "a.json", 2, bucket.ErrUnavailable)
	c.put("a", "ours")
	n := 0
	for _, v := range w.object("a").Values {
		if v.Value == "ours" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("it was written %d times", n)
	}
}

func TestADeletedSecretIsNotResurrectedByARetry(t *testing.T) {
	for name, o := range map[string]membucket.Options{"delete": {}, "tombstone": {NoConditionalDelete: true}} {
		t.Run(name, func(t *testing.T) {
			for name, spoil := range map[string]func(*client){
				"before the put": func(c *client) {
					c.before("put", "a.json", 1, func() { _ = c.w.client(app).remove("a") })
				},
				"after a lost put": func(c *client) {
					c.loses("put", "a.json", 1, bucket.ErrUnavailable)
					c.before("get", "a.json", 2, func() { _ = c.w.client(app).remove("a") })
				},
			} {
				w := newWorld(t, o)
				w.client(app).put("a", "one")
				c := w.client(app)
				spoil(c)
				_, err := c.write("a", canary, store.WriteOptions{})
				w.want(err, store.ErrConflict, store.ErrUnknown)
				if d := w.object("a"); d != nil && !d.Deleted {
					t.Errorf("%s: it is back: %+v", name, d)
				}
				w.wantIndex(app, map[string]string{})
			}
		})
	}
}

func TestUnknownOutcomesAreSaid(t *testing.T) {
	for name, spoil := range map[string]func(*client){
		"put and get unavailable": func(c *client) {
			c.loses("put", "a.json", 1, bucket.ErrUnavailable)
			c.fails("get", "a.json", 2, bucket.ErrUnavailable)
		},
		"412 and get unavailable": func(c *client) {
			c.loses("put", "a.json", 1, bucket.ErrChanged)
			c.fails("get", "a.json", 2, bucket.ErrUnavailable)
		},
		"put unavailable and get denied": func(c *client) {
			c.loses("put", "a.json", 1, bucket.ErrUnavailable)
			c.fails("get", "a.json", 2, bucket.ErrDenied)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, membucket.Options{})
			w.client(app).put("a", "one")
			c := w.client(app)
			spoil(c)
			r, err := c.write("a", canary, store.WriteOptions{})
			w.want(err, store.ErrUnknown)
			if r.Outcome != store.Failed {
				t.Errorf("outcome %s", r.Outcome)
			}
			w.wantIndex(app, map[string]string{"a": canary}) // whatever happened, the index says it
		})
	}
}

func TestSomebodyElsesObjectIsNamed(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.mem.DenyKeys(w.mem.KeyID(ops))
	c.before("put", "a.json", 1, func() { w.client(ops).put("a", "theirs") })
	_, err := c.write("a", "ours", store.WriteOptions{})
	w.want(err, store.ErrDenied)
	if errors.Is(err, store.ErrUnknown) {
		t.Errorf("what was refused is called unknown: %v", err)
	}
	c.before("put", "b.json", 1, func() { w.mem.Plant("api/b.json", []byte("x"), w.kms(app)) })
	_, err = c.write("b", "ours", store.WriteOptions{})
	w.want(err, store.ErrCorrupt)
}

func TestAWriteGivesUpInTime(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.fails("put", "a.json", every, bucket.ErrBusy)
	start := w.Now()
	_, err := c.write("a", canary, store.WriteOptions{})
	w.want(err, store.ErrUnavailable)
	if took := w.Now().Sub(start); took < engine.RetryTime || took > 2*engine.RetryTime {
		t.Errorf("it took %v", took)
	}
	// And for its index.
	w = newWorld(t, membucket.Options{})
	c = w.client(app)
	c.fails("put", appIndex, every, bucket.ErrChanged)
	r, err := c.write("a", canary, store.WriteOptions{})
	w.want(err, store.ErrIndexBehind, store.ErrUnavailable)
	if r.Outcome != store.Created || r.Err != nil {
		t.Errorf("the secret is stored, and the result is %+v", r)
	}
	w.client(app).wantLoad(map[string]string{"a": canary})
}

// A storage that answers a change with failures alone, after the driver's own attempts, is no contention.
func TestAPutThatFailsAgainAndAgainIsGivenUp(t *testing.T) {
	for object, want := range map[string][]error{"a.json": {store.ErrUnavailable}, appIndex: {store.ErrIndexBehind, store.ErrUnavailable}} {
		w := newWorld(t, membucket.Options{})
		c := w.client(app)
		c.fails("put", object, every, bucket.ErrUnavailable)
		_, err := c.write("a", canary, store.WriteOptions{})
		w.want(err, want...)
		puts := 0
		for _, call := range c.calls() {
			if strings.HasPrefix(call, "put ") && strings.HasSuffix(call, object) {
				puts++
			}
		}
		if puts != engine.MaxUnclear {
			t.Errorf("%s was put %d times, want %d", object, puts, engine.MaxUnclear)
		}
	}
}

func TestDefinitePutFailuresAreReported(t *testing.T) {
	for fault, want := range map[error]error{
		bucket.ErrDenied: store.ErrDenied, bucket.ErrKey: store.ErrConfiguration, bucket.ErrCredentials: store.ErrConfiguration,
		bucket.ErrUnsupported: store.ErrUnsupported, bucket.ErrNoBucket: store.ErrConfiguration,
	} {
		w := newWorld(t, membucket.Options{})
		w.client(app).put("b", "two")
		c := w.client(app)
		c.fails("put", "a.json", 1, fault)
		_, err := c.write("a", canary, store.WriteOptions{})
		w.want(err, want)
		if errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrIndexBehind) || w.object("a") != nil {
			t.Errorf("%v: %v", fault, err)
		}
		if calls := c.calls(); slices.Contains(calls, "put "+appIndex) {
			t.Errorf("%v: requests %q", fault, calls)
		}
	}
}

func TestAProgramWithoutConditionsIsReported(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", "one")
	c.before("list", "", 2, func() { w.chamberPuts(app, "a", "one", "theirs") }) // after our put
	r, err := c.write("a", canary, store.WriteOptions{})
	w.want(err, store.ErrConflict)
	if !strings.Contains(err.Error(), "a: overwritten") || r.Outcome != store.Updated {
		t.Errorf("%s: %v", r.Outcome, err)
	}
	w.wantIndex(app, map[string]string{"a": "theirs"})

	// One who builds on ours takes nothing away.
	c.before("list", "", 2, func() { w.client(app).put("a", "next") })
	c.put("a", "ours")
	w.wantIndex(app, map[string]string{"a": "next"})
	// Neither does one who deletes it.
	c.before("list", "", 2, func() { _ = w.client(app).remove("a") })
	c.put("a", "ours")
	w.wantIndex(app, map[string]string{})
}

func TestOneFailureDoesNotEndTheOthers(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(ops).put("b", "theirs")
	c := w.client(app)
	var mu sync.Mutex
	seen := map[string]store.Outcome{}
	results, err := c.WriteAll(t.Context(), service, map[string]store.Value{
		"a": store.NewValue("1"), "b": store.NewValue("2"), "c": store.NewValue("3"),
	}, store.WriteOptions{Progress: func(r store.Result) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.Meta.ID.Key] = r.Outcome
	}})
	w.want(err, store.ErrConflict)
	if len(results) != 3 || results[0].Outcome != store.Created || results[1].Outcome != store.Failed || results[2].Outcome != store.Created {
		t.Errorf("results %+v", results)
	}
	w.want(results[1].Err, store.ErrConflict)
	if len(seen) != 3 || seen["b"] != store.Failed {
		t.Errorf("progress %v", seen)
	}
	w.wantIndex(app, map[string]string{"a": "1", "c": "3"})

	// An index that stays behind is said beside it.
	c.fails("put", appIndex, 1, bucket.ErrDenied)
	_, err = c.WriteAll(t.Context(), service, map[string]store.Value{"a": store.NewValue("4"), "b": store.NewValue("5")}, store.WriteOptions{})
	w.want(err, store.ErrConflict, store.ErrIndexBehind)
}

func TestAnInterruptedImportFinishesItsIndex(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	var once sync.Once
	values := map[string]store.Value{}
	for i := range 200 {
		values[fmt.Sprintf("k%d", i)] = store.NewValue(canary)
	}
	results, err := c.WriteAll(ctx, service, values, store.WriteOptions{Progress: func(store.Result) {
		once.Do(func() { cancel(interrupted) })
	}})
	w.want(err)
	stored, failed := map[string]string{}, 0
	for _, r := range results {
		switch {
		case r.Outcome == store.Created:
			stored[r.Meta.ID.Key] = canary
		case errors.Is(r.Err, interrupted) || errors.Is(r.Err, store.ErrUnknown):
			failed++
		default:
			t.Errorf("%s: %s, %v", r.Meta.ID, r.Outcome, r.Err)
		}
	}
	if len(stored) == 0 || failed == 0 {
		t.Errorf("%d stored, %d failed: the interrupt came too late or too early", len(stored), failed)
	}
	if x := w.index(app); len(x.Entries) < len(stored) || len(x.Entries) != len(w.documents()) {
		t.Errorf("%d stored, %d said to be, %d in the index", len(w.documents()), len(stored), len(x.Entries))
	}

	// Interrupted in the midst of the index update itself.
	ctx2, cancel2 := context.WithCancel(t.Context())
	c2 := w.client(app)
	c2.before("list", "", 2, cancel2)
	if _, err := c2.Write(ctx2, id("last"), store.NewValue("v"), store.WriteOptions{}); err != nil {
		t.Errorf("write: %v", err)
	}
	if _, ok := w.index(app).Entries["last"]; !ok {
		t.Error("the index was left behind")
	}
}

func TestAnInterruptLetsAPutEnd(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	ctx, cancel := context.WithCancel(t.Context())
	c.before("put", "a.json", 1, cancel)
	_, err := c.Write(ctx, id("a"), store.NewValue(canary), store.WriteOptions{})
	if _, ok := w.index(app).Entries["a"]; err != nil || !ok {
		t.Errorf("%v; in the index: %v", err, ok)
	}

	ctx, cancel = context.WithCancel(t.Context())
	c.before("put", "b.json", 1, cancel)
	c.fails("put", "b.json", 1, bucket.ErrUnavailable)
	_, err = c.Write(ctx, id("b"), store.NewValue(canary), store.WriteOptions{})
	w.want(err, store.ErrUnknown)

	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	_, err = c.Write(ctx, id("c"), store.NewValue(canary), store.WriteOptions{})
	w.want(err, context.Canceled)
}

func TestWriterWhoMayNotListIsRefused(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "one")
	c := w.client(app)
	c.mem.DenyListing()
	_, err := c.write("a", canary, store.WriteOptions{})
	w.want(err, store.ErrDenied)
	w.want(c.remove("a"), store.ErrDenied)
	if len(w.object("a").Values) != 1 {
		t.Error("it was written")
	}
}

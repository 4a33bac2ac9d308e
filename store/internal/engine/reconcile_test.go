package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

func TestTheNextWriterRepairsEverything(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("behind", "old")
	c.put("ghost", canary)
	c.put("moved", canary)
	c.put("kept", "one")
	c.fails("put", appIndex, 1, bucket.ErrDenied)
	_, err := c.write("behind", "new", store.WriteOptions{})
	w.want(err, store.ErrIndexBehind)
	c.rules = nil
	c.fails("put", appIndex, 1, bucket.ErrDenied)
	_, err = c.write("unseen", "never in the index", store.WriteOptions{})
	w.want(err, store.ErrIndexBehind)
	w.erase("api/ghost.json")
	w.erase("api/moved.json")
	w.client(ops).put("moved", "elsewhere")
	w.chamberPuts(app, "kept", "one", "by chamber")

	w.client(app).put("next", "n")
	w.wantIndex(app, map[string]string{"behind": "new", "unseen": "never in the index", "kept": "by chamber", "next": "n"})
	w.wantNowhere(canary)
	// It knows now whose moved is.
	if x := w.index(app); x.Other["moved"] != w.object("moved").tag || len(x.Other) != 1 {
		t.Errorf("other: %v", x.Other)
	}
	c = w.client(app)
	c.load()
	c.wantCalls("list ", "get "+appIndex, "get "+opsIndex)
}

func TestTheIndexIsReadBeforeTheListing(t *testing.T) {
	// An entry that is made between the two would look like a ghost, and the put would succeed.
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "one")
	c := w.client(app)
	c.before("put", appIndex, 1, func() { w.client(app).put("b", "two") }) // so that ours must be repeated
	c.before("list", "", 3, func() { w.client(app).put("c", "three") })    // after the second look at the index
	c.put("a", "four")
	w.wantIndex(app, map[string]string{"a": "four", "b": "two", "c": "three"})
}

func TestObjectsThatMayNotBeReadKeepTheirEntries(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(w *world, c *client)
		kept  bool
	}{
		"denied by name, our key": {func(_ *world, c *client) { c.fails("get", "k.json", every, bucket.ErrDenied) }, true},
		"denied by name, HEAD as well": {func(_ *world, c *client) {
			c.fails("get", "k.json", every, bucket.ErrDenied)
			c.fails("head", "k.json", every, bucket.ErrDenied)
		}, true},
		"HEAD refused": {func(_ *world, c *client) {
			c.fails("get", "k.json", every, bucket.ErrDenied)
			c.fails("head", "k.json", every, bucket.ErrRefused)
		}, true},
		"gone before HEAD": {func(_ *world, c *client) {
			c.fails("get", "k.json", every, bucket.ErrDenied)
			c.fails("head", "k.json", every, bucket.ErrNotFound)
		}, false},
		"under another key, denied too": {func(w *world, c *client) { w.chamberPuts(ops, "k", "theirs"); c.mem.DenyKeys(w.mem.KeyID(ops)) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, membucket.Options{})
			w.client(app).put("k", "old")
			w.chamberPuts(app, "k", "old", "new")
			c := w.client(app)
			test.spoil(w, c)
			c.put("next", "n")
			if e, kept := w.index(app).Entries["k"]; kept != test.kept || kept && e.Value.Reveal() != "old" {
				t.Errorf("entry %+v, kept %v", e, kept)
			}
			if _, verified := w.index(app).Verified("k", w.object("k").tag); verified {
				t.Error("an old value is taken for the current one")
			}
		})
	}
	// One that was never in the index stays out of it.
	w := newWorld(t, membucket.Options{})
	w.chamberPuts(app, "k", "v")
	c := w.client(app)
	c.fails("get", "k.json", every, bucket.ErrDenied)
	c.put("next", "n")
	w.wantIndex(app, map[string]string{"next": "n"})
	// Faults are no denials.
	c = w.client(app)
	c.fails("get", "k.json", every, bucket.ErrDenied)
	c.fails("head", "k.json", every, bucket.ErrUnavailable)
	w.chamberPuts(app, "k", "v", "w")
	_, err := c.write("next", "m", store.WriteOptions{})
	w.want(err, store.ErrIndexBehind, store.ErrUnavailable)
}

func TestAnObjectOfUnknownOwnerIsNotMarked(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "one")
	w.chamberPuts(web, "k", "whose?")
	w.client(app).put("a", "two")
	if x := w.index(app); len(x.Other) != 0 || len(x.Entries) != 1 {
		t.Errorf("other %v, %d entries", x.Other, len(x.Entries))
	}
	// A reader who lacks another key sees it all the same.
	w.client(ops).put("b", "three")
	c := w.client(app)
	c.mem.DenyKeys(w.mem.KeyID(ops))
	c.wantLoad(map[string]string{"a": "two", "k": "whose?"})
}

func TestChambersObjectsAreOursByTheKeyOfOurPut(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.chamberPuts(app, "k", "v")               // its index was lost
	w.client(app, knows(nil)).put("next", "n") // KMS may not be asked
	w.wantIndex(app, map[string]string{"k": "v", "next": "n"})
}

func TestOtherIndexesSpareRequests(t *testing.T) {
	w := newWorld(t, membucket.Options{NoConditionalDelete: true})
	o := w.client(ops)
	o.put("b", "two")
	o.put("dead", "x")
	if err := o.remove("dead"); err != nil {
		t.Fatal(err)
	}
	c := w.client(app)
	c.put("a", "one")
	for _, call := range c.calls() {
		if call == "get b.json" || call == "get dead.json" {
			t.Errorf("%q, which index %s knows", call, ops)
		}
	}
	x := w.index(app)
	if x.Other["b"] != w.object("b").tag || x.Gone["dead"] != w.object("dead").tag {
		t.Errorf("other %v, gone %v", x.Other, x.Gone)
	}
	// And stays known.
	c.put("a", "two")
	c.wantCalls("get a.json", "get "+appIndex, "list ", "put a.json", "list ", "put "+appIndex)
}

func TestAnIndexThatWouldBeTooLargeIsNotPut(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	values := map[string]store.Value{}
	for i := range 17 {
		values["k"+string(rune('a'+i))] = store.NewValue(strings.Repeat("x", store.MaxValue))
	}
	results, err := c.WriteAll(t.Context(), service, values, store.WriteOptions{})
	w.want(err, store.ErrIndexBehind, store.ErrInvalid)
	if len(results) != 17 || results[0].Outcome != store.Created || w.index(app) != nil {
		t.Errorf("%d results; an index of more than %d bytes was put", len(results), index.MaxSize)
	}
	if got := len(c.load().Secrets); got != 17 {
		t.Errorf("%d secrets can be read", got)
	}
}

func TestFaultsOfTheIndexUpdateAreSaid(t *testing.T) {
	for name, spoil := range map[string]func(*client){
		"listing": func(c *client) { c.fails("list", "", 2, bucket.ErrUnavailable) },
		"another object": func(c *client) {
			c.w.chamberPuts(app, "drifted", "v")
			c.fails("get", "drifted.json", 1, bucket.ErrUnavailable)
		},
		"another index": func(c *client) {
			c.w.client(ops).put("o", "v")
			c.fails("get", opsIndex, 1, bucket.ErrUnavailable)
		},
		"index get": func(c *client) {
			c.fails("put", appIndex, 1, bucket.ErrBusy)
			c.fails("get", appIndex, 2, bucket.ErrUnavailable)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, membucket.Options{})
			w.client(app).put("a", "one")
			c := w.client(app)
			spoil(c)
			r, err := c.write("a", canary, store.WriteOptions{})
			w.want(err, store.ErrIndexBehind, store.ErrUnavailable)
			if r.Outcome != store.Updated {
				t.Errorf("outcome %s", r.Outcome)
			}
			w.client(app).put("b", "two")
			if e := w.index(app).Entries["a"]; e.Value.Reveal() != canary {
				t.Error("the next writer has not repaired it")
			}
		})
	}
	// Interrupted for so long that the grace is over.
	w := newWorld(t, membucket.Options{})
	c := w.client(app, func(o *engine.Options) {
		o.Sleep = func(context.Context, time.Duration) error { return context.DeadlineExceeded }
	})
	c.fails("put", appIndex, 1, bucket.ErrBusy)
	_, err := c.write("a", "one", store.WriteOptions{})
	w.want(err, store.ErrIndexBehind, context.DeadlineExceeded)
}

func TestAnEngineHasDefaults(t *testing.T) {
	mem := membucket.New(membucket.Options{})
	e := engine.New(engine.Options{Bucket: mem, Alias: app})
	before := time.Now()
	r, err := e.Write(t.Context(), id("a"), store.NewValue("one"), store.WriteOptions{})
	if err != nil || r.Meta.Created.Before(before.Add(-time.Second)) || r.Meta.CreatedBy != "" {
		t.Errorf("written %+v, error %v", r.Meta, err)
	}
	// It waits, and stops waiting when the context ends.
	if err := e.Sleep(t.Context(), time.Nanosecond); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if err := e.Sleep(ctx, time.Hour); !errors.Is(err, enough) {
		t.Errorf("error %v", err)
	}
}

func TestErrorsSayWhatTheStorageSaid(t *testing.T) {
	for _, test := range []struct {
		err  *bucket.Error
		want error
	}{
		{&bucket.Error{Op: "get", Name: "n", Code: "KMS.DisabledException", Status: 400, Err: bucket.ErrKey}, store.ErrUnavailable},
		{&bucket.Error{Op: "get", Name: "n", Code: "KMS.KMSInvalidStateException", Err: bucket.ErrKey}, store.ErrUnavailable},
		{&bucket.Error{Op: "get", Name: "n", Code: "KMS.NotFoundException", Err: bucket.ErrKey}, store.ErrConfiguration},
		{&bucket.Error{Op: "get", Name: "n", Code: "AccessDenied", Status: 403, Reason: "no", Err: bucket.ErrDenied}, store.ErrDenied},
		{&bucket.Error{Op: "get", Name: "n", Err: bucket.ErrTorn}, store.ErrCorrupt},
		{&bucket.Error{Op: "get", Name: "n", Err: bucket.ErrChanged}, store.ErrConflict},
		{&bucket.Error{Op: "get", Name: "n", Err: bucket.ErrNoBucket}, store.ErrConfiguration},
	} {
		w := newWorld(t, membucket.Options{})
		if _, err := w.client(app).Write(t.Context(), id("k"), store.NewValue("v"), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		c := w.client(app)
		c.fails("get", "k.json", 1, test.err)
		_, err := c.Read(t.Context(), id("k"), store.Latest)
		w.want(err, test.want)
		var said *store.StorageError
		if !errors.As(err, &said) || said.Code != test.err.Code || said.Reason != test.err.Reason || said.Status != test.err.Status {
			t.Errorf("error %+v", said)
		}
	}
}

// S3 answers 403 for what is missing to who may list by prefix alone: the listing knows better.
func TestAMissingSecretIsNotCalledDenied(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	if _, err := w.client(app).Write(t.Context(), id("key"), store.NewValue("v"), store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	c := w.client(app)
	c.fails("get", "keys.json", 1, &bucket.Error{Op: "get", Name: "api/keys.json", Code: "AccessDenied", Status: 403, Err: bucket.ErrDenied})
	_, err := c.Read(t.Context(), id("keys"), store.Latest)
	var missing *store.NotFoundError
	if !errors.As(err, &missing) || missing.Nearest != "key" {
		t.Errorf("error %v; want not found, nearest key", err)
	}
}

// Who has lost the race for the index ends when the winner has carried its change along, but
// not before it has seen that what it stored is still there (W5).
func TestAnOverwrittenSecretIsReportedAfterALostRace(t *testing.T) {
	const ours = "ours"
	carried := func(w *world) { w.client(app).put("b", "winner") }
	overwrite := func(w *world) { w.chamberPuts(app, "a", "one", "by chamber") }
	for name, test := range map[string]struct {
		meanwhile []func(w *world)
		lost      bool
	}{
		"carried along":                       {[]func(*world){carried}, false},
		"carried along, then overwritten":     {[]func(*world){carried, overwrite}, true},
		"overwritten, and that carried along": {[]func(*world){overwrite, carried}, true},
		"written on top of":                   {[]func(*world){func(w *world) { w.client(app).put("a", "three") }}, false},
		"chamber's index":                     {[]func(*world){overwrite, func(w *world) { w.chamberIndexes(app, map[string]string{"a": "by chamber"}) }}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, membucket.Options{})
			w.client(app).put("a", "one")
			c := w.client(app)
			c.before("put", appIndex, 1, func() {
				for _, do := range test.meanwhile {
					do(w)
				}
			})
			r, err := c.write("a", ours, store.WriteOptions{})
			if test.lost {
				w.want(err, store.ErrConflict)
				if !strings.Contains(err.Error(), "overwritten by a program that writes without conditions") {
					t.Errorf("error %v", err)
				}
			} else if err != nil || r.Meta.Version != 2 {
				t.Errorf("version %d, error %v", r.Meta.Version, err)
			}
			w.client(app).put("next", "n")
			if got := w.index(app).Entries["a"].Value.Reveal(); len(got) == 0 || test.lost && got == ours {
				t.Errorf("the index has %q for a", got)
			}
		})
	}
}

func TestWhoMakesAnIndexLooksAgain(t *testing.T) {
	// A writer has stored the first secret of a service and read that there is no index. Before it
	// puts one, the secret is moved, and the rekey has found no index of the old alias.
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.before("put", appIndex, 1, func() {
		if _, err := w.client(ops).Rekey(t.Context(), service, admin.RekeyOptions{}); err != nil {
			t.Error(err)
		}
	})
	c.put("k", canary)
	if w.index(app) != nil {
		t.Errorf("an index of %s is left", app)
	}
	w.wantIndex(ops, map[string]string{"k": canary})

	// A writer who does not know whether its put was made lists first, and makes none where a
	// rekey was there before.
	w = newWorld(t, membucket.Options{})
	c = w.client(app)
	c.loses("put", "k.json", 1, bucket.ErrUnavailable)
	c.fails("get", "k.json", 2, bucket.ErrRefused)
	c.before("list", "", 2, func() {
		if _, err := w.client(ops).Rekey(t.Context(), service, admin.RekeyOptions{}); err != nil {
			t.Error(err)
		}
	})
	_, err := c.write("k", canary, store.WriteOptions{})
	w.want(err, store.ErrUnknown)
	w.wantIndex(ops, map[string]string{"k": canary})
	if calls := c.calls(); slices.Contains(calls, "put "+appIndex) || w.index(app) != nil {
		t.Errorf("it makes an index without entries: %q", calls)
	}

	// An index whose making a delete has forced is left alone, empty as it is: it keeps those out
	// who want to put back what they have read.
	w = newWorld(t, membucket.Options{})
	c = w.client(app)
	c.before("put", appIndex, 1, func() {
		d := w.client(app)
		if err := d.remove("k"); err != nil {
			t.Error(err)
		}
	})
	c.put("k", canary)
	w.wantNowhere(canary)
	if x := w.index(app); x == nil || len(x.Entries) != 0 {
		t.Errorf("the index is %+v", x)
	}
}

func TestRekeyTellsWhatCameMeanwhile(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("k", "v")
	rekey := w.client(ops)
	rekey.before("put", opsIndex, 2, func() { w.client(app).put("new", "n") })
	results, err := rekey.Rekey(t.Context(), service, admin.RekeyOptions{})
	w.want(err, store.ErrConflict)
	if len(results) != 1 || results[0].Outcome != store.Moved || !strings.Contains(err.Error(), "new") {
		t.Errorf("%+v, error %v", results, err)
	}
	w.wantIndex(app, map[string]string{"new": "n"})
	if _, err := w.client(ops).Rekey(t.Context(), service, admin.RekeyOptions{}); err != nil || w.index(app) != nil {
		t.Errorf("again: error %v", err)
	}
	w.wantIndex(ops, map[string]string{"k": "v", "new": "n"})
}

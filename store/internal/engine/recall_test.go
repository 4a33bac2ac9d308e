package engine_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
	"github.com/coffer-secrets/coffer/store/internal/verified"
)

// remembering gives a client what it remembers below a directory, as a process of its own.
func remembering(dir, place string) func(*engine.Options) {
	return func(o *engine.Options) {
		o.Verified = verified.New(verified.Options{
			Dir: filepath.Join(dir, "cache"), KeyFile: filepath.Join(dir, "state", "key"), Place: func() string { return place }, Now: time.Now,
		})
	}
}

// ofChamber is a service that chamber wrote last: n secrets of ours, one of chamber's, and chamber's index.
func (w *world) ofChamber(alias string, n int) map[string]string {
	w.Helper()
	want := map[string]string{}
	latest := map[string]any{}
	entry := func(key, value string, version int) {
		want[key] = value
		latest[key] = map[string]any{"version": version, "value": value, "KMSAlias": alias}
		if alias == "" {
			latest[key] = value
		}
	}
	c := w.client(alias)
	for i := range n {
		key := fmt.Sprintf("k%d", i)
		c.put(key, canary)
		c.put(key, canary+key)
		entry(key, canary+key, 2)
	}
	w.chamberPuts(alias, "theirs", "one", canary+"three")
	entry("theirs", canary+"three", 2)
	w.plant(indexName(alias), map[string]any{"latest": latest}, w.kms(alias))
	return want
}

func gets(keys map[string]string, more ...string) []string {
	for key := range keys {
		more = append(more, "get "+key+".json")
	}
	return more
}

func TestWhatWasVerifiedIsNotReadAgain(t *testing.T) {
	for name, o := range map[string]membucket.Options{"unique ETags": {}, "MD5 ETags": {ETags: membucket.MD5ETags}} {
		for _, alias := range []string{app, ""} {
			t.Run(name+" of "+alias, func(t *testing.T) {
				w, dir := newWorld(t, o), t.TempDir()
				want := w.ofChamber(alias, 60)
				file := strings.TrimPrefix(indexName(alias), service+"/")
				first := w.client(alias, remembering(dir, "b"))
				before := first.wantLoad(want)
				first.wantCalls(gets(want, "list ", "get "+file)...)
				if len(before.Notices) != 1 || !strings.Contains(before.Notices[0], "its 61 secrets were read one by one") {
					t.Errorf("notices %q", before.Notices)
				}

				again := w.client(alias, remembering(dir, "b"))
				after := again.wantLoad(want)
				again.wantCalls("list ", "get "+file)
				for i := range before.Secrets {
					before.Secrets[i].Salt = store.Salt{} // nobody remembers it
				}
				before.Notices = nil
				if diff := cmp.Diff(before, after, cmpopts.EquateComparable(store.Value{}, store.Salt{})); diff != "" {
					t.Error("the second load differs:", diff)
				}

				// chamber writes one secret: that one is read.
				latest := map[string]any{}
				w.chamberPuts(alias, "theirs", "one", "three", "four")
				want["theirs"] = "four"
				for key, v := range want {
					latest[key] = map[string]any{"version": map[bool]int{true: 3, false: 2}[key == "theirs"], "value": v, "KMSAlias": alias}
					if alias == "" {
						latest[key] = v
					}
				}
				w.plant(indexName(alias), map[string]any{"latest": latest}, w.kms(alias))
				for range 2 {
					third := w.client(alias, remembering(dir, "b"))
					if c := third.wantLoad(want); len(c.Notices) > 0 {
						t.Errorf("notices %q", c.Notices)
					}
					if calls := third.calls(); len(calls) > 3 || len(calls) == 3 && calls[1] != "get theirs.json" {
						t.Errorf("requests %q", calls)
					}
				}
				w.wantNoTrace(dir)
			})
		}
	}
}

// wantNoTrace looks for values and names in what is remembered, and for its modes.
func (w *world) wantNoTrace(dir string) {
	w.Helper()
	files := 0
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		switch {
		case err != nil || path == dir:
			return err
		case info.IsDir():
			if info.Mode().Perm() != 0o700 {
				w.Errorf("%s has mode %v", path, info.Mode())
			}
			return nil
		}
		files++
		if info.Mode().Perm() != 0o600 {
			w.Errorf("%s has mode %v", path, info.Mode())
		}
		body, err := os.ReadFile(path)
		for _, word := range []string{canary, "theirs", "k7", service + "/"} {
			if strings.Contains(string(body)+path[len(dir):], word) {
				w.Errorf("%s has %q", path, word)
			}
		}
		return err
	})
	if err != nil || files != 2 {
		w.Errorf("%d files, error %v", files, err)
	}
}

// A wrong value must not appear, whatever is in the cache or changes in the bucket: in doubt, the object is read.
func TestWhatIsRememberedIsNeverTakenForMore(t *testing.T) {
	for name, change := range afterRemembering {
		t.Run(name, func(t *testing.T) {
			w, dir := newWorld(t, membucket.Options{ETags: membucket.MD5ETags}), t.TempDir()
			want := w.ofChamber(app, 1)
			w.client(app, remembering(dir, "b")).wantLoad(want)
			change.do(w, dir)
			read := change.gets
			if read == nil {
				read = []string{"k0", "theirs"}
			}
			for key, v := range change.want {
				if want[key] = v; v == "" {
					delete(want, key)
				}
			}
			c := w.client(app, remembering(dir, "b"))
			c.calls()
			c.wantLoad(want)
			var got []string
			for _, call := range c.calls() {
				if key, ok := strings.CutSuffix(strings.TrimPrefix(call, "get "), ".json"); ok && !strings.HasPrefix(key, "__") {
					got = append(got, key)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(read) {
				t.Errorf("read %q; want %q", got, read)
			}
		})
	}
}

// An object with a seal that is not accepted is not remembered, and what is remembered is for one place.
func TestWhatIsRememberedIsOfOnePlace(t *testing.T) {
	w, dir := newWorld(t, membucket.Options{}), t.TempDir()
	want := w.ofChamber(app, 1)
	w.client(app, remembering(dir, "b")).wantLoad(want)
	other := w.client(app, remembering(dir, "other"))
	other.wantLoad(want)
	other.wantCalls(gets(want, "list ", "get "+appIndex)...)

	forged := w.stored()["api/theirs.json"]
	w.mem.Plant(forged.Name, forged.Body, bucket.Seal{Method: "AES256"})
	for range 2 {
		_, err := w.client(app, remembering(dir, "b")).Load(t.Context(), service)
		w.want(err, store.ErrCorrupt)
	}
}

// What chose a version may need its salt.
func TestAChoiceReadsObjects(t *testing.T) {
	w, dir := newWorld(t, membucket.Options{}), t.TempDir()
	want := w.ofChamber(app, 1)
	c := w.client(app, remembering(dir, "b"))
	c.wantLoad(want)
	c.calls()
	newest := store.Choice{Newest: func(s store.Secret) bool { return s.Salt != store.Salt{} }, Pick: func(v []store.Version) int { return v[len(v)-1].Version }}
	contents, err := c.LoadChosen(t.Context(), service, newest)
	if err != nil || len(contents.Secrets) != 2 || contents.Secrets[0].Salt == (store.Salt{}) {
		t.Errorf("%d secrets, error %v", len(contents.Secrets), err)
	}
	c.wantCalls(gets(want, "list ", "get "+appIndex)...)
}

// A load that fails keeps what it has read until then.
func TestALoadThatFailsRemembersWhatItHasRead(t *testing.T) {
	w, dir := newWorld(t, membucket.Options{}), t.TempDir()
	want := w.ofChamber(app, 100)
	c := w.client(app, remembering(dir, "b"))
	c.fails("get", "theirs.json", 1, bucket.ErrUnavailable)
	_, err := c.Load(t.Context(), service)
	w.want(err, store.ErrUnavailable)
	again := w.client(app, remembering(dir, "b"))
	again.wantLoad(want)
	if calls := again.calls(); len(calls) > 60 {
		t.Errorf("%d requests", len(calls))
	}
}

func TestManyProcessesRememberAtOnce(t *testing.T) {
	w, dir := newWorld(t, membucket.Options{}), t.TempDir()
	want := w.ofChamber(app, 20)
	var all sync.WaitGroup
	for range 8 {
		c := w.client(app, remembering(dir, "b"))
		all.Go(func() { c.wantLoad(want) })
	}
	all.Wait()
	w.client(app, remembering(dir, "b")).wantLoad(want) // in case that the key of another stayed
	c := w.client(app, remembering(dir, "b"))
	c.wantLoad(want)
	c.wantCalls("list ", "get "+appIndex)
}

// Where nothing can be written, nothing is remembered, and that is no error.
func TestADirectoryThatCannotBeWrittenIsNoError(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	want := w.ofChamber(app, 2)
	for _, name := range []string{"cache", "state"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil { // a file instead of the directory
			t.Fatal(err)
		}
		for range 2 {
			c := w.client(app, remembering(dir, "b"))
			c.wantLoad(want)
			c.wantCalls(gets(want, "list ", "get "+appIndex)...)
		}
	}
}

// A secret that was put back to an older state is refused, also if that state was seen before.
func TestARollbackIsRefusedAlthoughTheStateIsRemembered(t *testing.T) {
	w, dir := newWorld(t, membucket.Options{}), t.TempDir()
	want := w.ofChamber(app, 1)
	w.client(app, remembering(dir, "b")).wantLoad(want)
	w.client(ops).put("o", "o")
	x := w.index(ops)
	x.Seen["theirs"] = 3
	w.plantIndex(ops, x)
	_, err := w.client(app, remembering(dir, "b")).Load(t.Context(), service)
	var rollback *store.RollbackError
	if w.want(err, store.ErrCorrupt); !errors.As(err, &rollback) || rollback.Newest != 3 {
		t.Errorf("error %v", err)
	}
}

// What is read after the listing may be another state than the listing shows: nothing is said of the latter then.
func TestWhatChangesDuringALoadIsNotRemembered(t *testing.T) {
	w, dir := newWorld(t, membucket.Options{}), t.TempDir()
	want := w.ofChamber(app, 1)
	listed := w.object("theirs").tag
	w.plantEntries(map[string]string{"k0": canary + "k0", "theirs": "four"}, 2)
	want["theirs"] = "four"
	c := w.client(app, remembering(dir, "b"))
	c.before("get", "theirs.json", 1, func() { w.chamberPuts(app, "theirs", "one", "four") })
	c.wantLoad(want)
	files, err := filepath.Glob(filepath.Join(dir, "cache", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files, error %v", len(files), err)
	}
	body, err := os.ReadFile(files[0])
	if err != nil || strings.Contains(string(body), listed) || !strings.Contains(string(body), w.object("k0").tag) {
		t.Errorf("remembered %s, error %v", body, err)
	}
}

func TestTheProgressOfAManyObjectsIsReported(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	want := w.ofChamber(app, 200)
	var mu sync.Mutex
	total, read, done := 0, 0, 0
	w.client(app, func(o *engine.Options) {
		o.Reading = func(n int) (func(), func()) {
			total = n
			return func() {
				mu.Lock()
				defer mu.Unlock()
				read++
			}, func() { done++ }
		}
	}).wantLoad(want)
	if total != 201 || read != 201 || done != 1 {
		t.Errorf("%d of %d, ended %d times", read, total, done)
	}
	if x := w.index(app); len(x.Unverifiable()) == 0 {
		t.Error("a read changed the index")
	}
}

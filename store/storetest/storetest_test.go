package storetest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
)

func TestReferenceStoreKeepsEverySentence(t *testing.T) {
	shared := newMapStore()
	for name, open := range map[string]func(*testing.T) store.Store{
		"one storage for each": func(*testing.T) store.Store { return newMapStore() },
		"one storage for all":  func(*testing.T) store.Store { return shared },
	} {
		t.Run(name, func(t *testing.T) { Run(t, open, Capabilities{Plant: plantInMap}) })
	}
}

func TestReferenceStoreWithSmallValues(t *testing.T) {
	small := func(*testing.T) store.Store {
		m := newMapStore()
		m.maxValue = 100
		return m
	}
	Run(t, small, Capabilities{
		MaxValue: 100,
		Skips:    map[string]string{"two keys that differ only in case are ambiguous": "shows that a skip is printed"},
	})
}

func plantInMap(t *testing.T, s store.Store, id store.ID, value string) {
	m := s.(*mapStore)
	if _, err := m.put(id, store.NewValue(value), store.WriteOptions{PreserveCase: true}, exactly); err != nil {
		t.Fatal(err)
	}
}

// broken maps a fault to the store that has it.
var broken = map[string]struct {
	open  func() store.Store
	fails string // a sentence that must fail
}{
	"loses_a_write":       {func() store.Store { return losesWrites{newMapStore()} }, "writers_of_different_keys_lose_none"},
	"ignores_IfVersion":   {func() store.Store { return ignoresIfVersion{newMapStore()} }, "IfVersion_writes_over_that_version_only"},
	"trims_values":        {func() store.Store { return trims{newMapStore()} }, "values/newline_at_the_end"},
	"tells_the_value":     {func() store.Store { return tells{newMapStore()} }, "a_value_with_a_NUL_is_refused"},
	"ignores_its_context": {func() store.Store { return noContext{newMapStore()} }, "a_cancelled_context_ends_every_method"},
	"deletes_nothing":     {func() store.Store { return deletesNothing{newMapStore()} }, "delete_removes_every_version"},
	"chooses_newest":      {func() store.Store { return choosesNewest{newMapStore()} }, "chosen_versions_of_a_service_are_loaded"},
	"revises_by_value":    {func() store.Store { return revisesByValue{newMapStore()} }, "a_write_changes_the_revision_of_its_secret"},
	"mixes_services":      {func() store.Store { return mixes{newMapStore()} }, "nested_services_do_not_mix"},
}

// TestSuiteFindsBrokenStores runs the suite on broken stores, each in a process of its own:
// a failure there must not be a failure here.
func TestSuiteFindsBrokenStores(t *testing.T) {
	for fault, b := range broken {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), self, "-test.run=^TestBrokenStore$/^"+fault+"$").CombinedOutput()
			if err == nil {
				t.Fatalf("the suite passes on a store that %s", strings.ReplaceAll(fault, "_", " "))
			}
			if want := "--- FAIL: TestBrokenStore/" + fault + "/" + b.fails; !strings.Contains(string(out), want) {
				t.Errorf("the suite fails elsewhere; want %q in:\n%s", want, out)
			}
		})
	}
}

func TestBrokenStore(t *testing.T) {
	if !strings.HasPrefix(flag.Lookup("test.run").Value.String(), "^TestBrokenStore$/") {
		t.Skip("fails by design; TestSuiteFindsBrokenStores runs it in a process of its own")
	}
	for fault, b := range broken {
		t.Run(fault, func(t *testing.T) {
			Run(t, func(*testing.T) store.Store { return b.open() }, Capabilities{})
		})
	}
}

type losesWrites struct{ *mapStore }

func (b losesWrites) Write(ctx context.Context, id store.ID, v store.Value, o store.WriteOptions) (store.Result, error) {
	if id.Key == "key17" {
		return store.Result{Meta: store.Meta{ID: id, Version: 1}, Outcome: store.Created}, nil
	}
	return b.mapStore.Write(ctx, id, v, o)
}

type ignoresIfVersion struct{ *mapStore }

func (b ignoresIfVersion) Write(ctx context.Context, id store.ID, v store.Value, o store.WriteOptions) (store.Result, error) {
	o.IfVersion = nil
	return b.mapStore.Write(ctx, id, v, o)
}

type trims struct{ *mapStore }

func (b trims) Write(ctx context.Context, id store.ID, v store.Value, o store.WriteOptions) (store.Result, error) {
	return b.mapStore.Write(ctx, id, store.NewValue(strings.TrimSpace(v.Reveal())), o)
}

type tells struct{ *mapStore }

func (b tells) Write(ctx context.Context, id store.ID, v store.Value, o store.WriteOptions) (store.Result, error) {
	r, err := b.mapStore.Write(ctx, id, v, o)
	if err != nil {
		err = &store.Error{Op: "write " + v.Reveal(), ID: id, Err: err}
	}
	return r, err
}

type noContext struct{ *mapStore }

func (b noContext) Load(_ context.Context, service string) (store.Contents, error) {
	return b.mapStore.Load(context.Background(), service)
}

type deletesNothing struct{ *mapStore }

func (b deletesNothing) Delete(_ context.Context, service string, keys ...string) ([]store.Result, error) {
	var results []store.Result
	for _, key := range keys {
		results = append(results, store.Result{Meta: store.Meta{ID: store.ID{Service: service, Key: key}}, Outcome: store.Deleted})
	}
	return results, nil
}

type mixes struct{ *mapStore }

func (b mixes) Load(ctx context.Context, service string) (store.Contents, error) {
	contents, err := b.mapStore.Load(ctx, service)
	if err != nil {
		return contents, err
	}
	deeper, err := b.mapStore.Load(ctx, service+"/worker")
	contents.Secrets = append(contents.Secrets, deeper.Secrets...)
	contents.Listed += deeper.Listed
	return contents, err
}

// revisesByValue takes the number of different values for a revision.
type revisesByValue struct{ *mapStore }

func (b revisesByValue) Revisions(ctx context.Context, service string) (map[string]string, error) {
	revisions, err := b.mapStore.Revisions(ctx, service)
	for key := range revisions {
		revisions[key] = fmt.Sprint(len(b.versions[store.ID{Service: service, Key: key}][0].Value.Reveal()))
	}
	return revisions, err
}

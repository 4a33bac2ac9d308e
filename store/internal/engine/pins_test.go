package engine_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// pinned refuses to put anything under the aliases, and records which it was asked for.
func pinned(asked *[]string, refused ...string) func(*engine.Options) {
	return func(o *engine.Options) {
		o.PinnedKey = func(_ context.Context, _, alias string) (string, error) {
			*asked = append(*asked, alias)
			if slices.Contains(refused, alias) {
				return "", &store.PinError{Alias: alias, KeyID: "stranger"}
			}
			return "", nil
		}
	}
}

// A delete also puts the other indexes that hold the value: what they are put under is looked up
// before anything is deleted.
func TestADeleteLooksUpEveryAliasThatItPutsUnder(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("k", "v")
	w.chamberIndexes(ops, map[string]string{"k": "v"})
	before := w.stored()
	var asked []string
	var pin *store.PinError
	if err := w.client(app, pinned(&asked, ops)).remove("k"); !errors.As(err, &pin) || pin.Alias != ops {
		t.Errorf("deleted: %v", err)
	}
	if !slices.Equal(asked, []string{app, ops}) {
		t.Errorf("asked for %q", asked)
	}
	if diff := cmp.Diff(before, w.stored()); diff != "" {
		t.Errorf("the bucket changed: %s", diff)
	}
	asked = nil
	if err := w.client(app, pinned(&asked)).remove("k"); err != nil || !slices.Equal(asked, []string{app, ops}) {
		t.Errorf("with both: %v, asked for %q", err, asked)
	}
}

// An index that a rekey leaves empty is deleted and not put: the way out from under an alias that
// was pointed at a stranger's key stays open.
func TestARekeyLeavesAnAliasThatIsNotPinnedAnyMore(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("k", "v")
	var asked []string
	if _, err := w.client(ops, pinned(&asked, app)).Rekey(t.Context(), service, admin.RekeyOptions{From: app}); err != nil {
		t.Fatal(err)
	}
	if names := slices.Sorted(maps.Keys(w.stored())); len(names) != 2 || !slices.Equal(asked, []string{ops}) {
		t.Errorf("left are %q; asked for %q", names, asked)
	}
}

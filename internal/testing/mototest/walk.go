package mototest

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/store"
)

// Run is one run of a command that changes secrets.
type Run struct {
	Told   []string // the results by secret: see [Told]
	Stands []string // the service's secrets afterwards
	Seen   []Request
	Err    error
}

// Told returns the results of a command, one line each.
func Told(results []store.Result) []string {
	var all []string
	for _, r := range results {
		all = append(all, fmt.Sprintf("%s %d %s", r.Meta.ID.Key, r.Meta.Version, r.Outcome))
	}
	return all
}

// Walk runs a command once for each request and each fault, with the program's client. In each run
// that one request fails, executed or not. After one lost response the command must succeed, return
// the same results as an undisturbed run, which are want, and leave the same state. run creates its
// own service.
//
// Without the whole proof it uses two faults, and only the operations in bounded. If bounded is nil
// it runs nothing.
func Walk(t *testing.T, want, bounded []string, run func(t *testing.T, choose func(Request) *Fault) Run) {
	t.Helper()
	whole := proof.Whole()
	if bounded == nil && !whole {
		return
	}
	faults := Faults()
	if !whole {
		maps.DeleteFunc(faults, func(name string, _ Fault) bool { return name != "made, answer lost" && name != "dropped" })
	}
	undisturbed := run(t, nil)
	if undisturbed.Err != nil {
		t.Fatal(undisturbed.Err)
	}
	if diff := cmp.Diff(want, undisturbed.Told); diff != "" {
		t.Error(diff)
	}
	for _, at := range undisturbed.Seen {
		if !whole && !slices.Contains(bounded, at.Operation) {
			continue
		}
		for fault, f := range faults {
			t.Run(fmt.Sprintf("%s %d/%s", at.Operation, at.N, fault), func(t *testing.T) {
				t.Parallel()
				got := run(t, func(r Request) *Fault {
					if r.Operation == at.Operation && r.N == at.N {
						return &f
					}
					return nil
				})
				if got.Err != nil {
					t.Errorf("error: %v", got.Err)
				}
				if diff := cmp.Diff(undisturbed.Told, got.Told); diff != "" {
					t.Errorf("it says %s", diff)
				}
				if diff := cmp.Diff(undisturbed.Stands, got.Stands); diff != "" {
					t.Errorf("there is %s", diff)
				}
			})
		}
	}
}

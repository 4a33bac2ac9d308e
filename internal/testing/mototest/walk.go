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
	Told   []string // what it says of each secret: [Told]
	Stands []string // what the service has of them afterwards
	Seen   []Request
	Err    error
}

// Told are the results of a command, a line each.
func Told(results []store.Result) []string {
	var all []string
	for _, r := range results {
		all = append(all, fmt.Sprintf("%s %d %s", r.Meta.ID.Key, r.Meta.Version, r.Outcome))
	}
	return all
}

// Walk has each request of a command go wrong once, made and not made, under the client that the
// program has. One lost answer is nobody else's doing: the command succeeds, says what an
// undisturbed one says, which is want, and leaves what that leaves. run makes a service of its own.
//
// Where the whole proof is not asked for it takes two faults, and the operations in bounded alone;
// none of a command for which there are none.
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

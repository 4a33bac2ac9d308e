package ssm

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/clienttest"
	"github.com/coffer-secrets/coffer/internal/mototest"
	"github.com/coffer-secrets/coffer/store"
)

// command is one that changes secrets of a service that has "k" in two versions, labelled and
// tagged, "gone" and "pager", which is under another key.
type command struct {
	run  func(ctx context.Context, s *Store, service string) ([]store.Result, error)
	want []string // the outcomes
	only string   // the operation that is walked where time is short; "" none
}

func commands() map[string]command {
	write := func(key, value string, o store.WriteOptions) command {
		return command{only: "PutParameter", run: func(ctx context.Context, s *Store, service string) ([]store.Result, error) {
			r, err := s.Write(ctx, id(service, key), store.NewValue(value), o)
			return []store.Result{r}, err
		}}
	}
	wanting := func(c command, outcomes ...string) command { c.want = outcomes; return c }
	version := func(n int) *int { return &n }
	return map[string]command{
		"create":         wanting(write("new", canary, store.WriteOptions{Tags: map[string]string{"team": "x"}}), "new 1 created"),
		"create only":    wanting(write("new", canary, store.WriteOptions{IfVersion: version(0)}), "new 1 created"),
		"update":         wanting(write("k", canary, store.WriteOptions{}), "k 3 updated"),
		"update only":    wanting(write("k", canary, store.WriteOptions{IfVersion: version(2)}), "k 3 updated"),
		"update to same": wanting(write("k", "two", store.WriteOptions{}), "k 3 updated"),
		"update, tagged": wanting(write("k", canary, store.WriteOptions{Tags: map[string]string{"team": "y"}}), "k 3 updated"),
		"import": {want: []string{"gone 2 updated", "k 2 unchanged", "new 1 created"}, run: func(ctx context.Context, s *Store, service string) ([]store.Result, error) {
			return s.WriteAll(ctx, service, map[string]store.Value{
				"k": store.NewValue("two"), "gone": store.NewValue(canary), "new": store.NewValue(canary),
			}, store.WriteOptions{SkipUnchanged: true})
		}},
		"delete": {only: "DeleteParameters", want: []string{"gone 0 deleted"}, run: func(ctx context.Context, s *Store, service string) ([]store.Result, error) {
			return s.Delete(ctx, service, "gone")
		}},
		"delete in another case": {want: []string{"gone 0 deleted", "k 0 deleted"}, run: func(ctx context.Context, s *Store, service string) ([]store.Result, error) {
			return s.Delete(ctx, service, "GONE", "k")
		}},
		"tag": {run: func(ctx context.Context, s *Store, service string) ([]store.Result, error) {
			return nil, s.WriteTags(ctx, id(service, "k"), map[string]string{"team": "y"})
		}},
		"untag": {run: func(ctx context.Context, s *Store, service string) ([]store.Result, error) {
			return nil, s.DeleteTags(ctx, id(service, "k"), "team", "none")
		}},
		"rekey": {only: "PutParameter", want: []string{"pager 1 moved"}, run: func(ctx context.Context, s *Store, service string) ([]store.Result, error) {
			return s.Rekey(ctx, service, store.RekeyOptions{})
		}},
	}
}

// prepare makes the service that the commands change.
func prepare(t *testing.T, moto, service string) {
	t.Helper()
	put(t, moto, "/"+service+"/k", "one", "1")
	put(t, moto, "/"+service+"/k", "two", "2")
	put(t, moto, "/"+service+"/gone", "gone", "1")
	label(t, moto, "/"+service+"/k", 2, "prod")
	if err := open(t, moto).WriteTags(t.Context(), id(service, "k"), map[string]string{"team": "x"}); err != nil {
		t.Fatal(err)
	}
	s, err := New(patient(moto), Options{KeyAlias: opsAlias})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), id(service, "pager"), store.NewValue("pager"), store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	label(t, moto, "/"+service+"/pager", 1, "prod")
}

// stands tells all that Parameter Store has of a service: each version with its labels, and the tags.
func stands(t *testing.T, moto, service string) []string {
	t.Helper()
	s := open(t, moto)
	keys, err := s.keys(t.Context(), service)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, key := range slices.Sorted(slices.Values(keys)) {
		for _, line := range recordedAs(t, moto, "/"+service+"/"+key) {
			all = append(all, key+": "+line)
		}
		tags, err := s.ReadTags(t.Context(), id(service, key))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(key, " ", tags))
	}
	return all
}

func told(results []store.Result) []string {
	var all []string
	for _, r := range results {
		all = append(all, fmt.Sprintf("%s %d %s", r.Meta.ID.Key, r.Meta.Version, r.Outcome))
	}
	return all
}

// TestFaultWalkWithTheProgramsClient has each request of each changing command go wrong once, made
// and not made, under the client that the program has. One lost answer is nobody else's doing: the
// command succeeds, says what an undisturbed one says, and has made exactly as many versions.
func TestFaultWalkWithTheProgramsClient(t *testing.T) {
	moto := mototest.Start(t)
	mototest.Isolate(t)
	full := os.Getenv("COFFER_WALK") == "full"
	faults := mototest.Faults()
	if !full {
		maps.DeleteFunc(faults, func(name string, _ mototest.Fault) bool { return name != "made, answer lost" && name != "dropped" })
	}
	for name, c := range commands() {
		if c.only == "" && !full {
			continue
		}
		undisturbed := walked(t, moto, c, nil)
		if undisturbed.err != nil {
			t.Fatalf("%s: %v", name, undisturbed.err)
		}
		if diff := cmp.Diff(c.want, undisturbed.told); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		for _, at := range undisturbed.seen {
			if !full && at.Operation != c.only {
				continue
			}
			for fault, f := range faults {
				t.Run(fmt.Sprintf("%s/%s %d/%s", name, at.Operation, at.N, fault), func(t *testing.T) {
					t.Parallel()
					got := walked(t, moto, c, func(r mototest.Request) *mototest.Fault {
						if r.Operation == at.Operation && r.N == at.N {
							return &f
						}
						return nil
					})
					if got.err != nil {
						t.Errorf("error: %v", got.err)
					}
					if diff := cmp.Diff(undisturbed.told, got.told); diff != "" {
						t.Errorf("it says %s", diff)
					}
					if diff := cmp.Diff(undisturbed.stands, got.stands); diff != "" {
						t.Errorf("there is %s", diff)
					}
				})
			}
		}
	}
}

type walk struct {
	told, stands []string
	seen         []mototest.Request
	err          error
}

// walked runs a command on a service of its own.
func walked(t *testing.T, moto string, c command, choose func(mototest.Request) *mototest.Fault) walk {
	t.Helper()
	api := "walk-" + strings.ToLower(rand.Text()[:8])
	prepare(t, moto, api)
	front := mototest.NewFront(t, moto)
	s := openWith(t, clienttest.SSM(t, front.URL))
	front.Fault(choose)
	results, err := c.run(t.Context(), s, api)
	return walk{told(results), stands(t, moto, api), front.Seen(), err}
}

package ssm

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/clienttest"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// command is one that changes secrets of a service that has "k" in two versions, labelled and
// tagged, "gone" and "pager", which is under another key.
type command struct {
	run   func(ctx context.Context, s *Store, service string) ([]store.Result, error)
	want  []string // the outcomes
	short []string // the operations that are walked where time is short
}

func commands() map[string]command {
	write := func(key, value string, o store.WriteOptions) command {
		return command{short: []string{"PutParameter"}, run: func(ctx context.Context, s *Store, service string) ([]store.Result, error) {
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
		"delete": {short: []string{"DeleteParameters"}, want: []string{"gone 0 deleted"}, run: func(ctx context.Context, s *Store, service string) ([]store.Result, error) {
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
		"rekey": {short: []string{"PutParameter"}, want: []string{"pager 1 moved"}, run: func(ctx context.Context, s *Store, service string) ([]store.Result, error) {
			return s.Rekey(ctx, service, admin.RekeyOptions{})
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

func TestFaultWalkWithTheProgramsClient(t *testing.T) {
	moto := mototest.Start(t)
	mototest.Isolate(t)
	for name, c := range commands() {
		t.Run(name, func(t *testing.T) {
			mototest.Walk(t, c.want, c.short, func(t *testing.T, choose func(mototest.Request) *mototest.Fault) mototest.Run {
				return walked(t, moto, c, choose)
			})
		})
	}
}

// walked runs a command on a service of its own.
func walked(t *testing.T, moto string, c command, choose func(mototest.Request) *mototest.Fault) mototest.Run {
	t.Helper()
	api := "walk-" + strings.ToLower(rand.Text()[:8])
	prepare(t, moto, api)
	front := mototest.NewFront(t, moto)
	s := openWith(t, clienttest.SSM(t, front.URL))
	front.Fault(choose)
	results, err := c.run(t.Context(), s, api)
	return mototest.Run{Told: mototest.Told(results), Stands: stands(t, moto, api), Seen: front.Seen(), Err: err}
}

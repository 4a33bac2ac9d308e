package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// hasty is an engine that does not wait, and whose clock runs instead.
func hasty(b bucket.Bucket, alias string) *engine.Engine {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	return engine.New(engine.Options{
		Bucket: b, Alias: alias,
		Now:   func() time.Time { now = now.Add(time.Second); return now },
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
}

const (
	rekeyA = "alias/app"
	rekeyB = "alias/ops"
	moving = 5 // secrets
)

// filled is a bucket with secrets of service api under A, the first with two versions, and
// one more under B.
func filled(t *testing.T, o membucket.Options) *membucket.Bucket {
	t.Helper()
	b := membucket.New(o)
	write := func(alias, key, value string) {
		if _, err := hasty(b, alias).Write(t.Context(), store.ID{Service: "api", Key: key}, store.NewValue(value), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	write(rekeyA, "k0", "old")
	for i := range moving {
		write(rekeyA, fmt.Sprintf("k%d", i), fmt.Sprintf("v%d", i))
	}
	write(rekeyB, "own", "of b")
	return b
}

// newest reads service api as a caller with both keys does.
func newest(t *testing.T, s store.Store) map[string]string {
	t.Helper()
	c, err := s.Load(t.Context(), "api")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, secret := range c.Secrets {
		out[secret.ID.Key] = fmt.Sprintf("%s@%d", secret.Value.Reveal(), secret.Version)
	}
	return out
}

func rekeyed(t *testing.T, b *membucket.Bucket, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, newest(t, hasty(b, rekeyB))); diff != "" {
		t.Errorf("values after the rekey (-want +got):\n%s", diff)
	}
	for name, o := range b.Objects() {
		if strings.Contains(name, "alias_app") || o.Seal.KeyID != membucket.KeyID(rekeyB) {
			t.Errorf("%s is left under %s", name, o.Seal.KeyID)
		}
	}
	history, err := hasty(b, rekeyB).History(t.Context(), store.ID{Service: "api", Key: "k0"})
	if err != nil || len(history) != 2 {
		t.Errorf("%d versions of k0, %v; want 2", len(history), err)
	}
}

func TestRekeyMovesSecretsWithTheirHistory(t *testing.T) {
	for name, o := range map[string]membucket.Options{
		"unique ETags": {}, "MD5 ETags": {ETags: membucket.MD5ETags}, "no conditional delete": {NoConditionalDelete: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := filled(t, o)
			before := newest(t, hasty(b, rekeyA))
			results, err := hasty(b, rekeyB).Rekey(t.Context(), "api", admin.RekeyOptions{})
			if err != nil || len(results) != moving {
				t.Fatalf("%d results, %v; want %d", len(results), err, moving)
			}
			rekeyed(t, b, before)

			again := buckettest.NewFaulty(b, nil)
			if results, err := hasty(again, rekeyB).Rekey(t.Context(), "api", admin.RekeyOptions{}); err != nil || len(results) != 0 {
				t.Errorf("again: %d results, %v; want none", len(results), err)
			}
			for _, call := range again.Calls() {
				if call.Op == "put" || call.Op == "delete" {
					t.Errorf("again: %s %s; want no change", call.Op, call.Name)
				}
			}
		})
	}
}

func TestRekeyFromOneAliasLeavesOthers(t *testing.T) {
	b := filled(t, membucket.Options{})
	if _, err := hasty(b, "alias/new").Rekey(t.Context(), "api", admin.RekeyOptions{From: rekeyA}); err != nil {
		t.Fatal(err)
	}
	c, err := hasty(b, rekeyB).Load(t.Context(), "api")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Secrets {
		if want := map[bool]string{true: rekeyB, false: "alias/new"}[s.ID.Key == "own"]; s.KeyAlias != want {
			t.Errorf("%s is under %s; want %s", s.ID.Key, s.KeyAlias, want)
		}
	}
}

func TestADryRunOfARekeyChangesNothing(t *testing.T) {
	b := buckettest.NewFaulty(filled(t, membucket.Options{}), nil)
	results, err := hasty(b, rekeyB).Rekey(t.Context(), "api", admin.RekeyOptions{DryRun: true})
	if err != nil || len(results) != moving || results[0].Meta.KeyAlias != rekeyA {
		t.Errorf("%d results, %v; want %d from %s", len(results), err, moving, rekeyA)
	}
	for _, call := range b.Calls() {
		if call.Op == "put" || call.Op == "delete" {
			t.Errorf("%s %s", call.Op, call.Name)
		}
	}
}

// A rekey dies before, or after, each of its requests: readers with both keys, and those with
// the new key once it is done, see every value at every moment, and a second run finishes.
func TestRekeyKilledAnywhereIsFinishedByASecondRun(t *testing.T) {
	died := errors.New("killed")
	for name, o := range map[string]membucket.Options{
		"unique ETags": {}, "MD5 ETags": {ETags: membucket.MD5ETags}, "no conditional delete": {NoConditionalDelete: true},
	} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, after %t", name, after), func(t *testing.T) {
				for n := 1; ; n++ {
					b := filled(t, o)
					before := newest(t, hasty(b, rekeyA))
					dying := buckettest.NewFaulty(b, func(c buckettest.Call) buckettest.Fault {
						switch {
						case c.N < n:
							return buckettest.Fault{}
						case c.N == n:
							return buckettest.Fault{Err: died, After: after}
						}
						return buckettest.Fault{Err: died}
					})
					_, err := hasty(dying, rekeyB).Rekey(t.Context(), "api", admin.RekeyOptions{})
					if len(dying.Calls()) < n {
						if err != nil || n < 10 {
							t.Fatalf("a whole run ended with %v after %d requests", err, n-1)
						}
						t.Logf("%d places to die", n-1)
						return
					}
					if diff := cmp.Diff(before, newest(t, hasty(b, rekeyA))); diff != "" {
						t.Fatalf("died at request %d: a reader of both keys sees (-want +got):\n%s", n, diff)
					}
					// A reader of the old key alone sees at least what was not moved, and nothing wrong.
					old := b.Client()
					old.DenyKeys(membucket.KeyID(rekeyB))
					for key, value := range newest(t, hasty(old, rekeyA)) {
						if before[key] != value {
							t.Fatalf("died at request %d: a reader of the old key sees %s = %s", n, key, value)
						}
					}
					if _, err := hasty(b, rekeyB).Rekey(t.Context(), "api", admin.RekeyOptions{}); err != nil {
						t.Fatalf("died at request %d: the second run: %v", n, err)
					}
					rekeyed(t, b, before)
				}
			})
		}
	}
}

// Lost answers of any request do not lose a secret either, within one run.
func TestRekeySurvivesLostAnswers(t *testing.T) {
	lost := &bucket.Error{Op: "put", Err: bucket.ErrUnavailable}
	for _, after := range []bool{false, true} {
		for n := 1; n < 40; n++ {
			b := filled(t, membucket.Options{})
			before := newest(t, hasty(b, rekeyA))
			flaky := buckettest.NewFaulty(b, func(c buckettest.Call) buckettest.Fault {
				if c.N == n && (c.Op == "put" || c.Op == "delete") {
					return buckettest.Fault{Err: lost, After: after}
				}
				return buckettest.Fault{}
			})
			if _, err := hasty(flaky, rekeyB).Rekey(t.Context(), "api", admin.RekeyOptions{}); err != nil {
				t.Fatalf("answer %d lost: %v", n, err)
			}
			rekeyed(t, b, before)
		}
	}
}

// Who may no longer seal with the old key can still move secrets away from it: the fence that
// a rekey after a compromise wants.
func TestRekeyNeedsNotSealWithTheOldKey(t *testing.T) {
	b := filled(t, membucket.Options{})
	before := newest(t, hasty(b, rekeyA))
	fenced := buckettest.NewFaulty(b, nil)
	fenced.Reset(func(c buckettest.Call) buckettest.Fault {
		if c.Op == "put" && strings.Contains(c.Name, "alias_app") {
			return buckettest.Fault{Err: &bucket.Error{Op: "put", Name: c.Name, Err: bucket.ErrDenied}}
		}
		return buckettest.Fault{}
	})
	if _, err := hasty(fenced, rekeyB).Rekey(t.Context(), "api", admin.RekeyOptions{}); err != nil {
		t.Fatal(err)
	}
	rekeyed(t, b, before)
}

func TestRewriteUsesTheKeyThatTheAliasStandsForNow(t *testing.T) {
	now := "arn:aws:kms:us-east-1:123456789012:key/first"
	b := membucket.New(membucket.Options{KeyID: func(string) string { return now }})
	e := engine.New(engine.Options{
		Bucket: b, Alias: rekeyA, Now: time.Now,
		KeyID: func(context.Context, string) string { return now },
	})
	for i := range 3 {
		if _, err := e.Write(t.Context(), store.ID{Service: "api", Key: fmt.Sprintf("k%d", i)}, store.NewValue("v"), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	now = "arn:aws:kms:us-east-1:123456789012:key/second"
	results, err := e.Rekey(t.Context(), "api", admin.RekeyOptions{Rewrite: true})
	if err != nil || len(results) != 3 {
		t.Fatalf("%d results, %v; want 3", len(results), err)
	}
	for name, o := range b.Objects() {
		if o.Seal.KeyID != now {
			t.Errorf("%s is left under %s", name, o.Seal.KeyID)
		}
	}
	if results, err := e.Rekey(t.Context(), "api", admin.RekeyOptions{Rewrite: true}); err != nil || len(results) != 0 {
		t.Errorf("again: %d results, %v; want none", len(results), err)
	}
}

// A server without conditional deletes keeps a tombstone for each deleted secret. It has no value, but it must not be
// the one object that still needs the earlier key.
func TestARewriteMovesTombstonesToo(t *testing.T) {
	now := "arn:aws:kms:us-east-1:123456789012:key/first"
	b := membucket.New(membucket.Options{NoConditionalDelete: true, KeyID: func(string) string { return now }})
	e := engine.New(engine.Options{
		Bucket: b, Alias: rekeyA, Now: time.Now,
		KeyID: func(context.Context, string) string { return now },
	})
	write := func(key string) int {
		result, err := e.Write(t.Context(), store.ID{Service: "api", Key: key}, store.NewValue("v"), store.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return result.Meta.Version
	}
	write("kept")
	write("gone")
	write("gone")
	if _, err := e.Delete(t.Context(), "api", "gone"); err != nil {
		t.Fatal(err)
	}
	now = "arn:aws:kms:us-east-1:123456789012:key/second"
	for _, dry := range []bool{true, false} {
		told := 0
		results, err := e.Rekey(t.Context(), "api", admin.RekeyOptions{Rewrite: true, DryRun: dry, Progress: func(store.Result) { told++ }})
		if err != nil || len(results) != 1 || results[0].Meta.ID.Key != "kept" || !dry && told != 1 {
			t.Fatalf("dry run %v: results %+v, %d of them told, %v; want the secret that is there", dry, results, told, err)
		}
	}
	before := b.Objects()
	for name, o := range before {
		if o.Seal.KeyID != now {
			t.Errorf("%s is left under %s", name, o.Seal.KeyID)
		}
	}
	if results, err := e.Rekey(t.Context(), "api", admin.RekeyOptions{Rewrite: true}); err != nil || len(results) != 0 {
		t.Errorf("again: %d results, %v; want none", len(results), err)
	}
	if after := b.Objects(); after["api/gone.json"].Tag != before["api/gone.json"].Tag {
		t.Error("again: the tombstone was put once more")
	}
	if n := write("gone"); n != 3 {
		t.Errorf("the secret goes on with version %d; want 3", n)
	}
}

// lyingBucket says of its first deletes that they were made.
type lyingBucket struct {
	bucket.Bucket
	lies int
}

func (b *lyingBucket) Delete(ctx context.Context, name string, cond bucket.If) error {
	if b.lies--; b.lies >= 0 {
		return nil
	}
	return b.Bucket.Delete(ctx, name, cond)
}

func TestRekeyLooksWhetherTheOldIndexIsGone(t *testing.T) {
	b := filled(t, membucket.Options{})
	before := newest(t, hasty(b, rekeyA))
	if _, err := hasty(&lyingBucket{b, 1}, rekeyB).Rekey(t.Context(), "api", admin.RekeyOptions{}); err != nil {
		t.Fatal(err)
	}
	rekeyed(t, b, before)

	b = filled(t, membucket.Options{})
	_, err := hasty(&lyingBucket{b, 100}, rekeyB).Rekey(t.Context(), "api", admin.RekeyOptions{})
	if !errors.Is(err, store.ErrIndexBehind) || !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "still lists it") {
		t.Errorf("error %v", err)
	}
	if _, err := hasty(b, rekeyB).Rekey(t.Context(), "api", admin.RekeyOptions{}); err != nil {
		t.Fatal(err)
	}
	rekeyed(t, b, before)
}

package s3kms_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3kms"
)

// Versioning is turned on while twenty writers put one new key, each a process of its own that
// rests on the verdict of an earlier run. From then on Ceph ignores If-None-Match and refuses
// every If-Match: who is told a version finds it there in the end.
func TestNothingAcknowledgedIsLostWhenVersioningVoidsConditions(t *testing.T) {
	for name, quirks := range map[string]s3test.Quirks{
		"Ceph":                    s3test.Ceph(),
		"with conditional delete": {Settings: s3test.SettingsQuirks{VersionsVoidPuts: true}},
	} {
		for _, after := range []int32{1, 2, 12, 20, 33} {
			t.Run(fmt.Sprintf("%s, after %d puts", name, after), func(t *testing.T) {
				writersWhile(t, quirks, false, after)
			})
		}
	}
}

// The same where the answers to every third put are lost.
func TestNothingAcknowledgedIsLostWhenAnswersAreLostAsWell(t *testing.T) {
	for _, after := range []int32{1, 12} {
		t.Run(fmt.Sprintf("after %d puts", after), func(t *testing.T) {
			writersWhile(t, s3test.Quirks{Settings: s3test.SettingsQuirks{VersionsVoidPuts: true}}, true, after)
		})
	}
}

// On a server that keeps conditions in every bucket all twenty are done.
func TestVersioningMayBeTurnedOnDuringAWriteWhereConditionsStay(t *testing.T) {
	if done := writersWhile(t, s3test.Quirks{}, false, 12); done != writersAtOnce {
		t.Errorf("%d of %d writers were acknowledged", done, writersAtOnce)
	}
}

const writersAtOnce = 20

func writersWhile(t *testing.T, quirks s3test.Quirks, losing bool, after int32) (acknowledged int) {
	server, cfg := newServer(t, s3test.Options{Quirks: quirks})
	cfg.RetryMaxAttempts = 1
	o := s3kms.Options{
		Bucket: "b", KeyAlias: "alias/app", CacheDir: t.TempDir(),
		Now: clock(), KeyNames: map[string]string{},
	}
	id := store.ID{Service: "api", Key: "k"}
	if _, err := open(t, cfg, o).Write(t.Context(), store.ID{Service: "other", Key: "k"}, store.NewValue("canary"), store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	var puts atomic.Int32
	server.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Op != "PutObject" || r.Key != "api/k.json" {
			return nil
		}
		n := puts.Add(1)
		if n == after {
			server.Bucket("b").KeepVersions(true)
		}
		if losing && n%3 == 0 {
			return &s3test.Fault{Kind: s3test.Drop, After: true}
		}
		return nil
	})
	results := make([]store.Result, writersAtOnce)
	errs := make([]error, writersAtOnce)
	var all sync.WaitGroup
	for i := range writersAtOnce {
		s := open(t, cfg, o)
		all.Go(func() {
			results[i], errs[i] = s.Write(t.Context(), id, store.NewValue(fmt.Sprint("canary-", i)), store.WriteOptions{})
		})
	}
	all.Wait()
	server.Fault(nil)
	reader := open(t, cfg, o)
	for i := range writersAtOnce {
		v := results[i].Meta.Version
		if v == 0 {
			if errs[i] == nil {
				t.Errorf("writer %d: neither a version nor an error", i)
			}
			continue
		}
		acknowledged++
		if got, err := reader.Read(t.Context(), id, v); err != nil || got.Value.Reveal() != fmt.Sprint("canary-", i) {
			t.Errorf("writer %d was told version %d, which is gone (%v; its own error: %v)", i, v, err, errs[i])
		}
	}
	return acknowledged
}

func clock() func() time.Time {
	var passed atomic.Int64
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	return func() time.Time { return start.Add(time.Duration(passed.Add(1)) * 100 * time.Millisecond) }
}

package sealed_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/sealed"
	"github.com/coffer-secrets/coffer/store/internal/seal"
)

const (
	faultyName = "api/a.json"
	clearText  = "canary-51c7 "
)

// life creates an object, replaces it and deletes it, with all kinds of requests between, and returns the first
// error. It begins with whatever is there.
func life(t *testing.T, b bucket.Bucket) error {
	cond := bucket.IfAbsent()
	head, err := b.Head(t.Context(), faultyName)
	switch {
	case err == nil:
		cond = bucket.IfMatch(head.Tag)
	case !errors.Is(err, bucket.ErrNotFound):
		return err
	}
	for _, body := range []string{clearText + "one", clearText + "two"} {
		put, err := b.Put(t.Context(), faultyName, []byte(body), bucket.PutOptions{If: cond, KeyAlias: "alias/app"})
		if err != nil {
			return err
		}
		o, err := b.Get(t.Context(), faultyName)
		if err != nil {
			return err
		}
		if string(o.Body) != body || o.Tag != put.Tag || o.Seal != put.Seal {
			return fmt.Errorf("put %+v and got %+v with %q", put, o.Info, o.Body)
		}
		for info, err := range b.List(t.Context(), "api/") {
			if err != nil {
				return err
			}
			if info.Tag != put.Tag {
				return fmt.Errorf("put %+v and listed %+v", put, info)
			}
		}
		cond = bucket.IfMatch(put.Tag)
	}
	return b.Delete(t.Context(), faultyName, cond)
}

// TestAFaultAtAnyRequestLosesNothing: whichever request of the storage fails, done or not, the error is that of
// the storage, the object is whole or absent, and the same can be done again by the same client. Nothing is ever
// stored in clear.
func TestAFaultAtAnyRequestLosesNothing(t *testing.T) {
	for _, storage := range storages {
		if strings.HasPrefix(storage.name, "S3") {
			continue // the driver's own tests have the faults of servers
		}
		for _, sealer := range sealers {
			t.Run(storage.name+"/"+sealer.name, func(t *testing.T) {
				for n := 1; ; n++ {
					for _, sentinel := range []error{bucket.ErrUnavailable, bucket.ErrDenied, bucket.ErrTorn} {
						for _, after := range []bool{false, true} {
							open := func(b bucket.Bucket) seal.Sealer { return sealer.open(t, b) }
							if !failAt(t, storage.open(t), open, n, buckettest.Fault{Err: sentinel, After: after}) {
								return
							}
						}
					}
				}
			})
		}
	}
}

// failAt lets the n-th request fail, and reports whether there was one.
func failAt(t *testing.T, raw sealed.Storage, open func(bucket.Bucket) seal.Sealer, n int, fault buckettest.Fault) bool {
	t.Helper()
	storage := buckettest.NewFaulty(raw, buckettest.Nth(n, fault))
	b := sealed.New(storage, open(storage))
	err := life(t, b)
	calls := storage.Calls()
	if len(calls) < n {
		return false
	}
	at := fmt.Sprintf("%s of %s fails with %v (after %v)", calls[n-1].Op, calls[n-1].Name, fault.Err, fault.After)
	key := strings.HasPrefix(calls[n-1].Name, seal.KeysPrefix)
	if !key && !errors.Is(err, fault.Err) { // a request for a key may be made again
		t.Errorf("%s: error %v", at, err)
	}
	for info, err := range raw.Walk(t.Context(), "") {
		o, getErr := raw.Get(t.Context(), info.Name)
		if err != nil || getErr != nil || bytes.Contains(o.Body, []byte(clearText)) {
			t.Errorf("%s: stored %q, %v, %v", at, o.Body, err, getErr)
		}
	}
	storage.Reset(nil)
	if o, err := b.Get(t.Context(), faultyName); err == nil && !strings.HasPrefix(string(o.Body), clearText) || err != nil && !errors.Is(err, bucket.ErrNotFound) && !key {
		t.Errorf("%s: then %q, %v", at, o.Body, err)
	}
	if err := life(t, b); err != nil && !key { // that a key was refused is remembered for a minute
		t.Errorf("%s: again: %v", at, err)
	}
	return true
}

package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
	"github.com/coffer-secrets/coffer/store/internal/engine/inspect"
	"github.com/coffer-secrets/coffer/store/internal/seal"
)

const (
	service = "api"
	app     = "alias/app"
	ops     = "alias/ops"
	web     = "alias/web"
)

// world is one bucket and a clock that waits for nobody: who sleeps moves it on.
type world struct {
	*testing.T
	mem    *membucket.Bucket               // may do everything; nil where the bucket is another
	under  func() bucket.Bucket            // another client of it
	stored func() map[string]bucket.Object // all that is in it
	kept   func() map[string][]bucket.Object
	kms    func(alias string) bucket.Seal
	sealer seal.Sealer // of every client; nil: the bucket encrypts

	openedStates map[string]bucket.Object // what a sealed object holds

	mu  sync.Mutex
	now time.Time
}

func newWorld(t *testing.T, o membucket.Options) *world {
	mem := membucket.New(o)
	return &world{
		T: t, mem: mem, stored: mem.Objects, kept: mem.Kept, now: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC),
		kms: func(alias string) bucket.Seal { return bucket.Seal{Method: "aws:kms", KeyID: mem.KeyID(alias)} },
	}
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Millisecond)
	return w.now
}

func (w *world) Sleep(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
	return context.Cause(ctx)
}

// through sends the requests of a client to another client of the bucket.
func (c *client) through(storage bucket.Bucket) {
	c.bucket = buckettest.NewFaulty(storage, nil)
	c.Bucket = c.w.over(c.bucket)
}

// client is one engine with grants of its own, whose requests are recorded.
type client struct {
	*engine.Engine
	*inspect.Inspector
	w      *world
	mem    *membucket.Bucket
	bucket *buckettest.Faulty

	mu    sync.Mutex
	rules []*rule
}

// rule is what happens at one request.
type rule struct {
	op, object string // object: how its name ends
	n          int    // which of those requests, from 1
	do         func() // before it
	fault      buckettest.Fault
	seen       int
}

func (w *world) client(alias string, options ...func(*engine.Options)) *client {
	c := &client{w: w}
	var under bucket.Bucket
	if w.mem != nil {
		c.mem = w.mem.Client()
		under = c.mem
	} else {
		under = w.under()
	}
	c.bucket = buckettest.NewFaulty(under, c.apply)
	o := engine.Options{
		Bucket: w.over(c.bucket), Alias: alias, Vouch: vouch, Now: w.Now, Sleep: w.Sleep,
		Author: func(context.Context) string { return author },
	}
	w.vouches(&o)
	for _, change := range options {
		change(&o)
	}
	c.Engine = engine.New(o)
	c.Inspector = inspect.New(c.Engine)
	return c
}

// vouch demands of objects what the S3-KMS backend demands.
func vouch(object string, s bucket.Seal) error {
	if s.Method != "aws:kms" {
		return &store.SealError{Object: object, Method: s.Method, KeyID: s.KeyID, Want: "aws:kms"}
	}
	return nil
}

func (c *client) apply(call buckettest.Call) buckettest.Fault {
	c.mu.Lock()
	var hit []*rule
	for _, r := range c.rules {
		if r.op == call.Op && strings.HasSuffix(call.Name, r.object) {
			if r.seen++; r.n == every || r.seen == r.n {
				hit = append(hit, r)
			}
		}
	}
	c.mu.Unlock()
	var fault buckettest.Fault
	for _, r := range hit {
		if r.do != nil {
			r.do()
		}
		if r.fault.Err != nil {
			fault = r.fault
		}
	}
	return fault
}

// every is the number of all requests of a kind.
const every = 0

// before runs do just before the n-th request of this kind.
func (c *client) before(op, object string, n int, do func()) {
	c.rules = append(c.rules, &rule{op: op, object: object, n: n, do: do})
}

// fails makes the n-th request of this kind fail before it is applied.
func (c *client) fails(op, object string, n int, err error) {
	c.rules = append(c.rules, &rule{op: op, object: object, n: n, fault: buckettest.Fault{Err: err}})
}

// loses applies the n-th request of this kind, and loses its answer.
func (c *client) loses(op, object string, n int, err error) {
	c.rules = append(c.rules, &rule{op: op, object: object, n: n, fault: buckettest.Fault{Err: err, After: true}})
}

// calls returns the requests since the last call of it, each "op object", sorted: those made
// at once have no order.
func (c *client) calls() []string {
	var out []string
	for _, call := range c.bucket.Calls() {
		out = append(out, call.Op+" "+strings.TrimPrefix(call.Name, service+"/"))
	}
	slices.Sort(out)
	c.bucket.Reset(c.apply)
	return out
}

func (c *client) wantCalls(want ...string) {
	c.w.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, c.calls()); diff != "" {
		c.w.Error("requests:", diff)
	}
}

func id(key string) store.ID { return store.ID{Service: service, Key: key} }

// put must succeed.
func (c *client) put(key, value string) store.Result {
	c.w.Helper()
	r, err := c.write(key, value, store.WriteOptions{})
	if err != nil {
		c.w.Fatalf("write %s: %v", key, err)
	}
	return r
}

func (c *client) write(key, value string, o store.WriteOptions) (store.Result, error) {
	return c.Write(c.w.Context(), id(key), store.NewValue(value), o)
}

func (c *client) remove(keys ...string) error {
	_, err := c.Delete(c.w.Context(), service, keys...)
	return err
}

// load must succeed.
func (c *client) load() store.Contents {
	c.w.Helper()
	contents, err := c.Load(c.w.Context(), service)
	if err != nil {
		c.w.Fatalf("load: %v", err)
	}
	return contents
}

// wantLoad loads and compares values by key.
func (c *client) wantLoad(want map[string]string) store.Contents {
	c.w.Helper()
	contents := c.load()
	if diff := cmp.Diff(want, values(contents), cmpopts.EquateEmpty()); diff != "" {
		c.w.Error("loaded:", diff)
	}
	return contents
}

func values(c store.Contents) map[string]string {
	out := map[string]string{}
	for _, s := range c.Secrets {
		out[s.ID.Key] = s.Value.Reveal()
	}
	return out
}

// want checks the sentinels of an error, and that it tells no value.
func (w *world) want(err error, sentinels ...error) {
	w.Helper()
	if err == nil {
		w.Fatalf("no error; want %v", sentinels)
	}
	var typed *store.Error
	if !errors.As(err, &typed) {
		w.Errorf("error is no *store.Error: %v", err)
	}
	for _, s := range sentinels {
		if !errors.Is(err, s) {
			w.Errorf("error is %v; want %v", err, s)
		}
	}
	if strings.Contains(err.Error(), canary) {
		w.Errorf("the error tells a value: %v", err)
	}
	parts := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok { // what failed, and what failed after it: a sentence each
		parts = joined.Unwrap()
	}
	for _, part := range parts {
		if strings.Contains(part.Error(), "\n") { // errors.Join, below a sentence
			w.Errorf("the error is more than a line: %q", part)
		}
	}
}

// canary is part of every value whose appearance in an error would be a leak.
const canary = "c4n4ry"

func ptr(n int) *int { return &n }

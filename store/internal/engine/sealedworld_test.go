package engine_test

import (
	"context"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/sealed"
	"github.com/coffer-secrets/coffer/store/internal/engine"
	"github.com/coffer-secrets/coffer/store/internal/seal"
	"github.com/coffer-secrets/coffer/store/internal/seal/kmsseal"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
)

// sealing is a sealer under which the walks run too. A further one is a row of sealings.
type sealing struct {
	open func(t *testing.T) seal.Sealer // for a caller who may use every key

	// Of the cases that a walk has on a bucket that encrypts itself, make test has one in inTest here, and
	// make walk one in inWalk.
	inTest, inWalk int
}

// sample is [proof.Sample] for a walk, of which make test takes one case in n.
func (s sealing) sample(n int) (take func() bool) {
	if s.open == nil {
		return proof.Sample(n)
	}
	return proof.Thinned(n*s.inTest, s.inWalk)
}

// newSealedWorld is a world whose bucket gets only sealed objects. Without a sealing it is a [newWorld].
func newSealedWorld(t *testing.T, s sealing, o membucket.Options) *world {
	if s.open == nil {
		return newWorld(t, o)
	}
	o.NoSeal = true // it says nothing of the kind, and is asked for nothing
	w := newWorld(t, o)
	w.seal(s)
	return w
}

// seal makes every client of a world seal what it stores, and opens what the world looks at.
func (w *world) seal(s sealing) {
	w.Helper()
	if s.open == nil {
		return
	}
	w.sealer, w.openedStates = s.open(w.T), map[string]bucket.Object{}
	w.kms = w.sealOf
	stored, kept := w.stored, w.kept
	w.stored = func() map[string]bucket.Object {
		all := stored()
		for name, o := range all {
			all[name] = w.opened(o)
		}
		return all
	}
	w.kept = func() map[string][]bucket.Object {
		all := kept()
		for name, states := range all {
			for i, o := range states {
				o.Name = name
				states[i] = w.opened(o)
			}
		}
		return all
	}
}

// sealOf returns the seal of what is stored under an alias now.
func (w *world) sealOf(alias string) bucket.Seal {
	w.Helper()
	_, s, err := w.sealer.Seal(w.Context(), alias, "api/any.json", nil)
	if err != nil {
		w.Fatalf("seal under %s: %v", alias, err)
	}
	return s
}

// keyOfWeb is the alias whose key an index of alias/web has in these tests: a sealer may refuse one of another
// alias, where a bucket can't tell.
func (w *world) keyOfWeb() string {
	if w.sealer != nil {
		return web
	}
	return app
}

// opened returns an object as it was before it was sealed.
func (w *world) opened(o bucket.Object) bucket.Object {
	w.Helper()
	state := o.Name + string(o.Body)
	known, ok := w.openedStates[state] // walks look at each many times
	if !ok {
		var err error
		known.Body, known.Seal, err = w.sealer.Open(w.Context(), o.Name, o.Body)
		if err != nil {
			w.Fatalf("%s can't be opened: %v", o.Name, err)
		}
		w.openedStates[state] = known
	}
	o.Body, o.Seal = known.Body, known.Seal
	return o
}

// sealed returns the bytes of an object as a client of this world stores them, and the seal that the
// bucket itself reports.
func (w *world) sealed(alias, name string, body []byte) ([]byte, bucket.Seal) {
	w.Helper()
	if w.sealer == nil {
		return body, w.kms(alias)
	}
	out, _, err := w.sealer.Seal(w.Context(), alias, name, body)
	if err != nil {
		w.Fatalf("seal %s: %v", name, err)
	}
	return out, bucket.Seal{}
}

// over returns the bucket of a client whose requests go to storage.
func (w *world) over(storage sealed.Storage) bucket.Bucket {
	if w.sealer == nil {
		return storage
	}
	return sealed.New(storage, w.sealer)
}

// vouchSealed demands of objects what a backend that seals them demands: what opens was sealed by a
// holder of the key.
func vouchSealed(object string, s bucket.Seal) error {
	if s.Method == "" {
		return &store.SealError{Object: object, Want: "age"}
	}
	return nil
}

func (w *world) vouches(o *engine.Options) {
	if w.sealer != nil {
		o.Vouch = vouchSealed
	}
}

// sealings are the sealers of the backends.
var sealings = map[string]sealing{
	"keys of KMS":    {open: kmsSealer, inTest: 23, inWalk: 7}, // a request for each, and nothing else that the engine sees
	"keys of a team": {open: func(*testing.T) seal.Sealer { return teamseal.New(&teamKeys{}, "") }, inTest: 7, inWalk: 1},
}

// kmsInProcess is one KMS for all tests; it ends with them.
var kmsInProcess = sync.OnceValue(func() *s3test.Server {
	server := s3test.New(s3test.Options{})
	for _, alias := range []string{app, ops, web} {
		server.KMS.CreateKey(alias)
	}
	return server
})

func kmsSealer(*testing.T) seal.Sealer {
	server := kmsInProcess()
	return kmsseal.New(aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: server.Client(),
		Credentials: credentials.NewStaticCredentialsProvider(s3test.AdminKeyID, s3test.AdminSecret, ""),
	}, kmsseal.Options{})
}

// teamKeys has a key for each alias that it is asked for.
type teamKeys struct {
	mu   sync.Mutex
	keys map[string]teamseal.Key
}

func (k *teamKeys) Current(_ context.Context, alias string) (teamseal.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.keys[alias]; !ok {
		if k.keys == nil {
			k.keys = map[string]teamseal.Key{}
		}
		k.keys[alias] = teamseal.NewKey(alias)
	}
	return k.keys[alias], nil
}

func (k *teamKeys) Find(ctx context.Context, alias, id string) (teamseal.Key, error) {
	key, err := k.Current(ctx, alias)
	if err == nil && key.ID != id {
		err = seal.Fault{Err: bucket.ErrTorn, Reason: "there is no such key"}
	}
	return key, err
}

func (*teamKeys) Prefetch(context.Context, string) {}

// Package kmsseal seals objects with keys of KMS. An object is an age file (age-encryption.org/v1)
// whose file key kms:Encrypt has wrapped, in a stanza of our own:
//
//	-> aws-kms KEY-ARN NAME
//	the answer of kms:Encrypt
//
// NAME is the name of the object, escaped as a segment of a path. The encryption context names the
// object too, so that policies can allow one service, CloudTrail says what was opened, and the wrapped
// key of one object opens no other:
//
//	coffer:service   the service
//	coffer:key       the key of the secret; "__index" for an index
//	coffer:index     of an index: its file name, which tells apart the aliases of one key
//
// The bucket is not in it: a copy of the whole bucket opens.
//
// # Which keys are asked
//
// Who can write to the bucket can name any key in a stanza: one of an account of theirs, which would
// learn of each read and would decrypt whatever they made up. So a stanza is only a claim, and
// kms:Decrypt is called
//
//   - with pinned keys ([Options.Pinned]): only if the key is one of them;
//   - for a key that [Options.KeyNames] gives an alias;
//   - otherwise only with the bare id of the key, which KMS looks up in the account and the region
//     of the caller and nowhere else. If the account is known (the credentials name it, or an answer
//     of KMS did), a key of another one, or of another region, costs no request at all.
//
// So a key of another account works only if it is pinned or named. Keys of the caller's own account are
// not compared with what an alias points to now: after an alias was pointed to another key, objects
// under the old one must open until they are moved. Who has a key in that account which the reader
// may use, and may write to the bucket, can forge an object: only pinning excludes that.
//
// The answer must name the key of the stanza. A replica of a multi-region key (mrk-...) is the same key.
package kmsseal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"filippo.io/age"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal"
)

// Method is the method of the seals of this package.
const Method = bucket.FormatKMS

// KMS is the part of the client of KMS that a [Sealer] uses.
type KMS interface {
	Encrypt(context.Context, *kms.EncryptInput, ...func(*kms.Options)) (*kms.EncryptOutput, error)
	Decrypt(context.Context, *kms.DecryptInput, ...func(*kms.Options)) (*kms.DecryptOutput, error)
}

// Options configure a [Sealer].
type Options struct {
	Pinned   []string          // ARNs: only these keys are used. Empty: those of the caller's account
	KeyNames map[string]string // the names of keys that aren't called by their alias, by alias
}

// Sealer implements [seal.Sealer].
type Sealer struct {
	o       Options
	client  KMS
	region  string // "" on a server other than AWS, whose ARNs have the regions that it likes
	caller  func(context.Context) (account string)
	account atomic.Pointer[string] // of the caller, once it is known

	mu    sync.Mutex
	ready map[place]*envelope
}

// place is what an envelope is for.
type place struct{ alias, name string }

// New returns the Sealer for the KMS of a configuration. It makes no request.
func New(cfg aws.Config, o Options) *Sealer {
	region := cfg.Region
	if awsconf.OtherKMS(cfg) != "" {
		region = ""
	}
	return newSealer(awsconf.KMSForData(cfg), region, o, func(ctx context.Context) string {
		if cfg.Credentials == nil {
			return ""
		}
		c, err := cfg.Credentials.Retrieve(ctx)
		if err != nil {
			return "" // the request will say why
		}
		return c.AccountID
	})
}

func newSealer(client KMS, region string, o Options, caller func(context.Context) string) *Sealer {
	return &Sealer{o: o, client: client, region: region, caller: caller, ready: map[place]*envelope{}}
}

// Seal implements [seal.Sealer], with one request to KMS unless [Sealer.Ready] has made it. Its error
// is a [*store.PinError] if the alias points to a key that isn't pinned.
func (s *Sealer) Seal(ctx context.Context, alias, name string, body []byte) ([]byte, bucket.Seal, error) {
	e := s.take(place{alias, name})
	if e == nil || ctx.Err() == nil && ended(e.wait(ctx)) {
		e = s.address(ctx, alias, name)
	}
	if err := e.wait(ctx); err != nil {
		return nil, bucket.Seal{}, err
	}
	if _, err := e.body.Write(body); err != nil {
		return nil, bucket.Seal{}, err
	}
	if err := e.body.Close(); err != nil {
		return nil, bucket.Seal{}, err
	}
	return e.sealed.Bytes(), bucket.Seal{Method: Method, KeyID: e.key}, nil
}

// Open implements [seal.Sealer], with one request to KMS if the key may be asked. The error about a
// key that may not is a [*store.SealError].
func (s *Sealer) Open(ctx context.Context, name string, sealed []byte) ([]byte, bucket.Seal, error) {
	if !isAge(sealed) || bucket.FormatOf(sealed) == bucket.FormatTeam {
		return nil, bucket.Seal{}, unsealed(name, sealed)
	}
	id := &identity{ctx: ctx, s: s, name: name}
	var body []byte
	plain, err := age.Decrypt(bytes.NewReader(sealed), id)
	if err == nil {
		body, err = io.ReadAll(plain)
	}
	switch {
	case id.err != nil:
		return nil, bucket.Seal{}, id.err
	case err != nil: // age's error may quote what it couldn't parse
		return nil, bucket.Seal{}, seal.Fault{Err: bucket.ErrTorn, Reason: "it was cut off or changed after it was encrypted"}
	}
	return body, bucket.Seal{Method: Method, KeyID: id.key}, nil
}

// Inspect implements [seal.Sealer].
func (s *Sealer) Inspect(header []byte) bucket.Seal {
	if !isAge(header) {
		return bucket.Seal{}
	}
	key, _, ok := firstStanza(header)
	switch {
	case bucket.FormatOf(header) == bucket.FormatTeam:
		return bucket.Seal{Method: bucket.FormatTeam}
	case !ok:
		return bucket.Seal{Method: "age"}
	}
	return bucket.Seal{Method: Method, KeyID: key}
}

// Key returns the ARN of the key that an alias points to, as the answer of kms:Encrypt for an object
// names it. The answer is kept for the next [Sealer.Seal] of that object. Its errors are those of Seal.
func (s *Sealer) Key(ctx context.Context, alias, name string) (arn string, err error) {
	at := place{alias, name}
	e := s.prepare(ctx, at)
	if ended(e.wait(ctx)) && ctx.Err() == nil { // of whoever began to make it
		s.take(at)
		e = s.prepare(ctx, at)
	}
	err = e.wait(ctx)
	if err != nil {
		return "", err
	}
	return e.key, nil
}

// ended reports whether an error is that of a context.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// Ready asks KMS in the background for what the next [Sealer.Seal] of each of these objects needs, so
// that a write doesn't wait for it. The caller calls done when nothing more will be sealed.
func (s *Sealer) Ready(ctx context.Context, alias string, names ...string) (done func()) {
	ctx, cancel := context.WithCancel(ctx)
	for _, name := range names {
		s.prepare(ctx, place{alias, name})
	}
	return func() {
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, name := range names {
			delete(s.ready, place{alias, name})
		}
	}
}

// prepare returns the envelope that is ready for a place, or makes it.
func (s *Sealer) prepare(ctx context.Context, at place) *envelope {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.ready[at]
	if e == nil {
		e = s.address(ctx, at.alias, at.name)
		s.ready[at] = e
	}
	return e
}

// take returns the envelope that is ready for a place, for nobody else; nil if there is none.
func (s *Sealer) take(at place) *envelope {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.ready[at]
	delete(s.ready, at)
	return e
}

// envelope is an age file with its header, and without its body. It is for one body.
type envelope struct {
	done   chan struct{} // closed when the fields below are set
	sealed bytes.Buffer
	body   io.WriteCloser
	key    string
	err    error
}

// address starts to make an envelope for an object.
func (s *Sealer) address(ctx context.Context, alias, name string) *envelope {
	e := &envelope{done: make(chan struct{})}
	go func() {
		defer close(e.done)
		to := &recipient{ctx: ctx, s: s, alias: alias, name: name}
		var err error
		if e.body, err = age.Encrypt(&e.sealed, to); err != nil {
			e.err = err
		}
		if to.err != nil { // without age's words around it
			e.err = to.err
		}
		e.key = to.key
	}()
	return e
}

func (e *envelope) wait(ctx context.Context) error {
	select {
	case <-e.done:
		return e.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unsealed returns the error about an object without an age header. An object of another store is not
// damaged: it is just not sealed.
func unsealed(name string, body []byte) error {
	if format := bucket.FormatOf(body); format != "" {
		return &store.SealError{Object: name, Want: Method, Format: format}
	}
	return seal.Fault{Err: bucket.ErrTorn, Reason: "it does not begin as an encrypted object does"}
}

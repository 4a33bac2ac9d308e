// Package ageseal encrypts each object with age to the identity of its alias, which is a file on
// this machine. What it seals is an ordinary age file: "age -d -i KEYDIR/alias_app.age FILE" opens it.
//
// A new identity is a post-quantum hybrid one, and needs age 1.3 there. Older identities remain in
// use, and may be beside it.
package ageseal

import (
	"bytes"
	"context"
	"errors"
	"io"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/files"
	"github.com/coffer-secrets/coffer/store/internal/seal"
)

const method = "age" // of a [bucket.Seal]

// Options are the settings of a sealer. Dir is required.
type Options struct {
	// Dir has the identities: one file for each alias, "alias_app.age" for alias/app. It need not
	// exist: Seal creates it with mode 0700.
	Dir string

	Created func(alias, path string) // is told of each identity that is created; nil: nobody is
}

// Sealer implements [seal.Sealer] with the identities of a directory.
type Sealer struct{ keys *keyring }

var _ seal.Sealer = (*Sealer)(nil)

// New returns the sealer. It accesses no file.
func New(o Options) *Sealer { return &Sealer{&keyring{dir: o.Dir, created: o.Created}} }

// Seal implements [seal.Sealer]. The first call for an alias creates its identity. Without an alias
// Seal is [bucket.ErrRefused], as there are no other keys.
func (s *Sealer) Seal(ctx context.Context, alias, _ string, body []byte) ([]byte, bucket.Seal, error) {
	if err := ctx.Err(); err != nil {
		return nil, bucket.Seal{}, err
	}
	to, err := s.keys.forAlias(alias)
	if err != nil {
		return nil, bucket.Seal{}, failure(err)
	}
	sealed, err := encrypt(body, to.public())
	if err != nil {
		return nil, bucket.Seal{}, seal.Fault{Err: bucket.ErrRefused, Reason: err.Error()}
	}
	return sealed, bucket.Seal{Method: method, KeyID: to.id()}, nil
}

// Open implements [seal.Sealer]. An object that no identity opens is [bucket.ErrDenied], or
// [bucket.ErrKey] if an identity file could not be used, which might have been the right one. What is
// incomplete or not encrypted is [bucket.ErrTorn]. An age file doesn't name its object, so an
// object that was copied from another name opens.
func (s *Sealer) Open(ctx context.Context, _ string, sealed []byte) ([]byte, bucket.Seal, error) {
	if err := ctx.Err(); err != nil {
		return nil, bucket.Seal{}, err
	}
	var body []byte
	by, err := s.keys.first(func(all age.Identity) error {
		plain, err := age.Decrypt(bytes.NewReader(sealed), all)
		if err == nil {
			body, err = readAll(plain, len(sealed))
		}
		return err
	})
	if err != nil {
		return nil, bucket.Seal{}, failure(err)
	}
	return body, bucket.Seal{Method: method, KeyID: by.id()}, nil
}

// Inspect implements [seal.Sealer]. An age file doesn't name its recipient, so Inspect tries the
// identities. If none fits, or the header is too long, the seal has no key.
func (s *Sealer) Inspect(header []byte) bucket.Seal {
	if !isAge(header) {
		return bucket.Seal{}
	}
	size := HeaderSize(header)
	if size == 0 {
		return bucket.Seal{Method: method}
	}
	by, err := s.keys.first(func(all age.Identity) error {
		_, err := age.DecryptHeader(header[:size], all)
		return err
	})
	if err != nil {
		return bucket.Seal{Method: method}
	}
	return bucket.Seal{Method: method, KeyID: by.id()}
}

// KeyID returns the id of an alias's identity, as a [bucket.Seal] names it: the recipient, or the first
// 32 characters of a hybrid one. An id, or a whole recipient, returns its id if its identity exists
// here. KeyID returns "" if there is no such identity, and a [*bucket.Error] for an identity file that
// cannot be used, with [bucket.ErrKey] for one that needs to be changed.
func (s *Sealer) KeyID(name string) (string, error) {
	id, err := s.keys.known(name)
	if err == nil {
		return id, nil
	}
	e := &bucket.Error{Op: "look for the identity of", Name: name, Err: err}
	var fault seal.Fault
	if errors.As(failure(err), &fault) {
		e.Err, e.Code, e.Reason = fault.Err, fault.Code, fault.Reason
	}
	return "", e
}

// failure returns the [seal.Fault] of an error. One about a file has the code [store.CodeFile].
func failure(err error) error {
	var known seal.Fault
	if errors.As(err, &known) {
		return known
	}
	return seal.Fault{Err: files.Kind(err), Code: store.CodeFile, Reason: err.Error()}
}

func keyFault(reason string) error { return seal.Fault{Err: bucket.ErrKey, Reason: reason} }

// encrypt returns body as an age file for one recipient.
func encrypt(body []byte, to age.Recipient) ([]byte, error) {
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, to)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return sealed.Bytes(), nil
}

// readAll returns what r has, at most about size bytes, without growing a buffer again and again.
func readAll(r io.Reader, size int) ([]byte, error) {
	body := bytes.NewBuffer(make([]byte, 0, size))
	if _, err := body.ReadFrom(r); err != nil {
		return nil, err
	}
	return body.Bytes(), nil
}

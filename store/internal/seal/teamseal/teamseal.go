// Package teamseal encrypts objects under the key of a team: an alias key, which all members of a key
// alias hold. It needs no key service.
//
// An object is an age file with one stanza:
//
//	-> coffer-alias ALIAS KEY-ID SALT NAME
//
// ALIAS is the key alias and NAME the object's name, both as [url.PathEscape] writes them. KEY-ID is
// that of [KeyID], and SALT 32 random bytes in the base64 of age. The body is the file key, encrypted
// with ChaCha20-Poly1305 under a key that HKDF-SHA-256 derives from the alias key with the salt, once
// only, so that the nonce is zero. The alias, the key id and the name are additional data: an object
// that was copied over another one doesn't open. The bucket isn't, so a replica does.
package teamseal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal"
)

// Method is the method of all seals of this package. Their KeyID is that of [KeyID].
const Method = bucket.FormatTeam

// Keys has the alias keys that the caller may use. Package teamkeys implements it. All methods are
// safe for concurrent use, and are called for each object: what they have fetched, they keep. Their
// errors are those of a [seal.Sealer].
type Keys interface {
	// Current returns the key under which new objects of an alias are sealed. It may create the
	// first one. Error: [bucket.ErrDenied] if the caller isn't a member of the alias.
	Current(ctx context.Context, alias string) (Key, error)

	// Find returns a key of an alias, the current one or an earlier one. Errors: [bucket.ErrDenied]
	// if the caller isn't a member; [bucket.ErrTorn] if the alias has never had such a key.
	Find(ctx context.Context, alias, id string) (Key, error)

	// Prefetch begins to fetch the keys of an alias, if they are not there yet, and returns at once.
	Prefetch(ctx context.Context, alias string)
}

// Sealer is a [seal.Sealer] and a [seal.Preparer].
type Sealer struct {
	keys  Keys
	alias string
}

var (
	_ seal.Sealer   = (*Sealer)(nil)
	_ seal.Preparer = (*Sealer)(nil)
)

// New returns a sealer. Alias is the one that objects are most likely under, as far as their names
// don't tell; it may be "".
func New(keys Keys, alias string) *Sealer { return &Sealer{keys, alias} }

// Seal implements [seal.Sealer].
func (s *Sealer) Seal(ctx context.Context, alias, name string, body []byte) ([]byte, bucket.Seal, error) {
	if alias == "" {
		return nil, bucket.Seal{}, seal.Fault{Err: bucket.ErrRefused, Reason: "no alias to encrypt the object under"}
	}
	key, err := s.keys.Current(ctx, alias)
	if err != nil {
		return nil, bucket.Seal{}, err
	}
	var sealed bytes.Buffer
	sealed.Grow(len(body) + len(body)/1024 + 512 + len(name))
	w, err := age.Encrypt(&sealed, recipient{key, name})
	if err == nil {
		_, err = w.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, bucket.Seal{}, seal.Fault{Err: bucket.ErrRefused, Reason: err.Error()}
	}
	return sealed.Bytes(), bucket.Seal{Method: Method, KeyID: key.ID}, nil
}

// Open implements [seal.Sealer].
func (s *Sealer) Open(ctx context.Context, name string, sealed []byte) ([]byte, bucket.Seal, error) {
	if format := bucket.FormatOf(sealed); format == bucket.FormatKMS || format == bucket.FormatJSON {
		return nil, bucket.Seal{}, &store.SealError{Object: name, Want: "encrypted with the key of a team", Format: format}
	}
	id := &identity{ctx: ctx, keys: s.keys, name: name}
	body, err := decrypt(sealed, id)
	switch {
	case id.fault != nil:
		return nil, bucket.Seal{}, id.fault
	case err != nil: // age's own text quotes lines of the file
		return nil, bucket.Seal{}, errDamaged
	}
	return body, bucket.Seal{Method: Method, KeyID: id.stanza.KeyID}, nil
}

// Inspect implements [seal.Sealer].
func (s *Sealer) Inspect(header []byte) bucket.Seal {
	if !bytes.HasPrefix(header, []byte(intro)) {
		return bucket.Seal{}
	}
	if bucket.FormatOf(header) == bucket.FormatKMS {
		return bucket.Seal{Method: bucket.FormatKMS}
	}
	_, id, _ := KeyOf(header)
	return bucket.Seal{Method: Method, KeyID: id}
}

// intro begins an age file.
const intro = "age-encryption.org/v1\n-> "

// KeyOf returns the alias and the id of the key under which an object claims to be, by its first [seal.HeaderSize]
// bytes. Anybody who can write the storage can have written them.
func KeyOf(header []byte) (alias, id string, ok bool) {
	rest, _ := bytes.CutPrefix(header, []byte(intro))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	words := strings.Split(string(line), " ")
	if len(words) < 4 || words[0] != stanzaType || !isKeyID(words[2]) {
		return "", "", false
	}
	alias, err := unescape(words[1])
	if err != nil {
		return "", "", false
	}
	return alias, words[2], true
}

// Prepare implements [seal.Preparer]. An index is named after its alias, though "/" and "_" look the
// same in its name. A wrong guess costs one request, to a key object that doesn't exist.
func (s *Sealer) Prepare(ctx context.Context, name string) {
	alias, base := s.alias, path.Base(name)
	if index.Is(base, false) && (alias == "" || base != index.FileName(alias)) {
		rest, ok := strings.CutPrefix(index.Label(base), "alias_")
		if !ok {
			return
		}
		alias = "alias/" + rest
	}
	if _, err := store.NormalizeAlias(alias); err == nil {
		s.keys.Prefetch(ctx, alias)
	}
}

// errDamaged is the error about an object that has no valid header of ours, or whose bytes were changed.
var errDamaged = seal.Fault{Err: bucket.ErrTorn, Reason: "it is incomplete, was changed, or isn't encrypted with the key of a team"}

// identity opens one object. It keeps the reason for a failure, since age wraps errors that
// mean "not mine", and the reader of a header gives up at any other.
type identity struct {
	ctx    context.Context
	keys   Keys
	name   string
	stanza Stanza
	fault  error
}

// Unwrap implements [age.Identity].
func (i *identity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	fileKey, err := i.unwrap(stanzas)
	i.fault = err
	return fileKey, err
}

func (i *identity) unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) != 1 {
		return nil, errDamaged
	}
	stanza, err := ParseStanza(stanzas[0])
	if err != nil {
		return nil, errDamaged
	}
	i.stanza = stanza
	if stanza.Name != i.name {
		// It doesn't open in any case, as the name is additional data. This is the reason to tell.
		return nil, seal.Fault{Err: bucket.ErrTorn, Code: store.CodeCopied, Reason: fmt.Sprintf("it is a copy of %q", stanza.Name)}
	}
	if base := path.Base(i.name); index.Is(base, false) && base != index.FileName(stanza.Alias) {
		// A member of one alias must not be able to say what is under another.
		return nil, seal.Fault{Err: bucket.ErrTorn, Reason: "it is an index of another alias, encrypted under " + stanza.Alias}
	}
	key, err := i.keys.Find(i.ctx, stanza.Alias, stanza.KeyID)
	if err != nil {
		return nil, err
	}
	fileKey, err := stanza.Unwrap(key)
	if err != nil {
		return nil, errDamaged
	}
	return fileKey, nil
}

// recipient seals one object.
type recipient struct {
	key  Key
	name string
}

// Wrap implements [age.Recipient].
func (r recipient) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	if r.name == "" {
		return nil, errors.New("an object without a name") // age can't write an empty argument
	}
	s, err := wrap(r.key, r.name, fileKey)
	if err != nil {
		return nil, err
	}
	return []*age.Stanza{s}, nil
}

package teamkeys

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal"
	"github.com/coffer-secrets/coffer/store/internal/seal/agekeys"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
	"github.com/coffer-secrets/coffer/store/internal/survey"
)

// read returns the keys of an alias as they are now, if they can be trusted; none with an error.
func (k *Keys) read(ctx context.Context, alias string) (*ring, error) {
	for {
		before, err := k.recall(alias)
		if err != nil {
			return nil, err
		}
		r, err := k.open(ctx, alias)
		if err == nil {
			err = k.believe(alias, r)
		}
		if err == nil {
			return r, nil
		}
		// While the answer was on its way, another command may have made a key, and remembered it.
		var doubt *store.KeyTrustError
		if now, failed := k.recall(alias); failed != nil || now.ID == before.ID || !errors.As(err, &doubt) && !isLost(err) {
			return nil, err
		}
	}
}

// open returns the keys of an alias as they are now, whoever made them.
func (k *Keys) open(ctx context.Context, alias string) (*ring, error) {
	o, err := k.Bucket.Get(ctx, ObjectName(alias))
	switch {
	case errors.Is(err, bucket.ErrNotFound):
		return nil, k.absent(alias)
	case err != nil:
		return nil, err
	case len(o.Body) > maxObject:
		return nil, damaged(alias, "it is too large")
	}
	identities, err := k.Identities()
	if err != nil {
		return nil, err
	}
	body, err := unseal(alias, o.Body, identities)
	if err != nil {
		return nil, err
	}
	r, err := parse(alias, body)
	if err != nil {
		return nil, err
	}
	r.tag = o.Tag
	return r, nil
}

// absent returns the error about an alias without a key object. Its code says whether the alias may
// get one.
func (k *Keys) absent(alias string) error {
	seen, err := k.recall(alias)
	if err != nil {
		return err
	}
	if id := cmp.Or(k.Pins[alias], seen.ID); id != "" {
		return lost(alias, "has had the key "+id)
	}
	return seal.Fault{Err: bucket.ErrDenied, Code: store.CodeNoTeamKey, Reason: alias + " has no key yet: there is no object " + ObjectName(alias)}
}

// lost returns the error about an alias whose key object must have been deleted. No new key is made
// in its place: what is sealed under the old one could never be opened again, without a word.
func lost(alias, evidence string) error {
	return seal.Fault{Err: bucket.ErrDenied, Code: store.CodeLostTeamKey, Reason: fmt.Sprintf("%s is missing, but %s %s", ObjectName(alias), alias, evidence)}
}

func isAbsent(err error) bool { return hasCode(err, store.CodeNoTeamKey) }
func isLost(err error) bool   { return hasCode(err, store.CodeLostTeamKey) }

func hasCode(err error, code string) bool {
	var fault seal.Fault
	return errors.As(err, &fault) && fault.Code == code
}

func damaged(alias, reason string) error {
	return seal.Fault{Err: bucket.ErrTorn, Code: store.CodeDamagedTeamKey, Reason: "the key object of " + alias + ": " + reason}
}

// checkFirst returns an error if the alias must not get its first key: an index of the alias exists in some service, so
// that its key was deleted, as also a client notices that remembers nothing; or the bucket is that of another kind of store.
func (k *Keys) checkFirst(ctx context.Context, alias string) error {
	base := index.FileName(alias)
	own := survey.Store{Bucket: k.Name, BackendFormat: store.BackendFormat{Format: teamseal.Method, Aliases: true}}
	storage, _ := k.Bucket.(survey.Storage) // as every driver is
	var all survey.Survey
	for info, err := range k.Bucket.Walk(ctx, "") {
		switch {
		case err != nil:
			return err
		case path.Base(info.Name) == base && storage != nil:
			return cmp.Or(survey.IsOther(ctx, storage, info.Name, own), lost(alias, "has had a key: there is "+info.Name))
		case path.Base(info.Name) == base:
			return lost(alias, "has had a key: there is "+info.Name)
		}
		all.Note(info.Name)
	}
	if storage == nil {
		return nil
	}
	return all.Other(ctx, storage, own)
}

// unseal decrypts a key object. An identity that fails doesn't keep the others from being tried.
func unseal(alias string, sealed []byte, identities []age.Identity) ([]byte, error) {
	header, err := age.ExtractHeader(bytes.NewReader(sealed))
	switch {
	case err != nil: // it quotes lines of the file
		return nil, damaged(alias, "it is incomplete, or not encrypted with age")
	case bytes.Contains(header, []byte("\n-> "+teamseal.StanzaType+" ")):
		return nil, damaged(alias, "it is a secret")
	}
	if len(identities) == 0 {
		return nil, notMember(alias, "you have no age identity")
	}
	var failed error
	r, err := age.Decrypt(bytes.NewReader(sealed), noting(identities, &failed)...)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(r)
	}
	var mismatch *age.NoIdentityMatchError
	switch {
	case err == nil:
		return body, nil
	case !errors.As(err, &mismatch):
		return nil, damaged(alias, "it is incomplete, or was changed")
	case failed != nil:
		return nil, identityFault(alias, failed)
	case agekeys.Failure(err) != "":
		code := ""
		if errors.Is(err, agekeys.ErrNotAsked) {
			code = store.CodeNotAsked
		}
		return nil, seal.Fault{Err: bucket.ErrKey, Code: code, Reason: "an age identity failed on the key of " + alias + ": " + agekeys.Failure(err)}
	}
	return nil, notMember(alias, "no age identity of yours opens its key")
}

func notMember(alias, reason string) error {
	return seal.Fault{Err: bucket.ErrDenied, Code: store.CodeNotMember, Reason: "you are not a member of " + alias + ": " + reason}
}

// identityFault returns the error about an identity that failed. It may have been the right one.
func identityFault(alias string, err error) error {
	var fault seal.Fault
	var invalid *invalidStanza
	switch {
	case errors.As(err, &invalid):
		return damaged(alias, "it was changed: a recipient in it is invalid")
	case errors.As(err, &fault), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, store.ErrConfiguration):
		return err
	}
	return seal.Fault{Err: bucket.ErrKey, Reason: "an age identity failed on the key of " + alias + ": " + err.Error()}
}

// noting returns identities that note the first failure and let age try the next, where it would give up.
// Those of age itself come first: they ask nobody.
func noting(identities []age.Identity, failed *error) []age.Identity {
	var out []age.Identity
	for _, native := range []bool{true, false} {
		for _, i := range identities {
			if isNative(i) == native {
				out = append(out, &noted{i, failed})
			}
		}
	}
	return slices.Clip(out)
}

func isNative(i age.Identity) bool {
	switch i.(type) {
	case *age.X25519Identity, *age.HybridIdentity:
		return true
	}
	return false
}

type noted struct {
	age.Identity
	failed *error
}

// Unwrap implements [age.Identity].
func (n *noted) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	fileKey, err := n.Identity.Unwrap(stanzas)
	if err == nil || errors.Is(err, age.ErrIncorrectIdentity) {
		return fileKey, err
	}
	if isNative(n.Identity) {
		err = &invalidStanza{err}
	}
	if *n.failed == nil {
		*n.failed = err
	}
	return nil, age.ErrIncorrectIdentity
}

// invalidStanza is the error of age about a stanza that can't be for anybody.
type invalidStanza struct{ error }

// seal encrypts a document for its members.
func (k *Keys) seal(doc document) ([]byte, error) {
	if len(doc.Members) > MaxMembers {
		return nil, fmt.Errorf("%w: %s would have %d members; the limit is %d", store.ErrInvalid, doc.Alias, len(doc.Members), MaxMembers)
	}
	var to []age.Recipient
	for _, m := range doc.Members {
		r, err := k.Recipient(m.Recipient)
		if err != nil {
			return nil, &recipientError{m.Name, err}
		}
		to = append(to, unlabelled{m.Name, r})
	}
	body, err := strictjson.Marshal(doc)
	if err != nil {
		return nil, err
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, to...)
	if err == nil {
		_, err = w.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		var recipient *recipientError
		if errors.As(err, &recipient) { // without age's number of the recipient
			err = recipient
		}
		return nil, err
	}
	// age writes headers that it doesn't read: of over 2 MiB, or over 1,024 stanzas, of which a plugin
	// may make several (age 1.3.2).
	if _, err := age.ExtractHeader(bytes.NewReader(sealed.Bytes())); err != nil || sealed.Len() > maxObject {
		return nil, fmt.Errorf("%w: the recipients of %s don't fit in one age file", store.ErrInvalid, doc.Alias)
	}
	return sealed.Bytes(), nil
}

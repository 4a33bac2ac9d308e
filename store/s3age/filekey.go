package s3age

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/sealed"
	"github.com/coffer-secrets/coffer/store/internal/engine"
	"github.com/coffer-secrets/coffer/store/internal/seal/agekeys"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

// StanzaType is the type of the stanza in the age header of an object.
const StanzaType = teamseal.StanzaType

// FileKey returns the age file key of an object of which the caller has a copy, from the stanza in its
// header: its arguments and its body. about says which object it is, and of which alias; both are
// authenticated. The key object is read from the bucket. Errors are those of reading a secret.
func FileKey(ctx context.Context, cfg aws.Config, o Options, args []string, body []byte) (fileKey []byte, about string, err error) {
	s, err := newSecrets(cfg, o)
	if err != nil {
		return nil, "", err
	}
	return s.fileKey(ctx, args, body)
}

// CopiedFileKey is [FileKey] without a server: keyObject returns the bytes of a key object, by its name in
// the bucket. o.StateDir isn't used, as nothing tells which bucket the copy is of: a key that isn't pinned is
// trusted, and o.Notice is told its id.
func CopiedFileKey(ctx context.Context, keyObject func(name string) ([]byte, error), o Options, args []string, body []byte) (fileKey []byte, about string, err error) {
	pins, err := normalPins(o.KeyIDs)
	if err != nil {
		return nil, "", err
	}
	ring := agekeys.New(agekeys.Options{Text: o.Identity, From: o.IdentityFrom, File: o.IdentityFile, UI: agekeys.UI(o.Prompts)})
	t := &team{ring: ring, keys: teamkeys.New(teamkeys.Options{
		Bucket: copied(keyObject), Identities: ring.Identities, Pins: pins, TrustOnFirstUse: true, Notice: o.Notice, Now: o.Now,
	})}
	return t.fileKey(ctx, args, body)
}

func (t *team) fileKey(ctx context.Context, args []string, body []byte) ([]byte, string, error) {
	fileKey, of, err := teamseal.New(t.keys, "").FileKey(ctx, args, body)
	if err != nil {
		return nil, "", engine.StorageError(sealed.Error("decrypt", of.Name, err))
	}
	return fileKey, fmt.Sprintf("%s, encrypted under %s", of.Name, of.Alias), nil
}

// copied is a bucket of which only key objects are read.
type copied func(name string) ([]byte, error)

var errOnlyKeys = errors.New("only key objects are read here")

// Get implements [bucket.Bucket].
func (c copied) Get(_ context.Context, name string) (bucket.Object, error) {
	body, err := c(name)
	return bucket.Object{Info: bucket.Info{Name: name, Size: int64(len(body))}, Body: body}, err
}

// Head implements [bucket.Bucket].
func (copied) Head(context.Context, string) (bucket.Info, error) { return bucket.Info{}, errOnlyKeys }

// Put implements [bucket.Bucket].
func (copied) Put(context.Context, string, []byte, bucket.PutOptions) (bucket.Info, error) {
	return bucket.Info{}, errOnlyKeys
}

// Delete implements [bucket.Bucket].
func (copied) Delete(context.Context, string, bucket.If) error { return errOnlyKeys }

// List implements [bucket.Bucket].
func (copied) List(context.Context, string) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) { yield(bucket.Info{}, errOnlyKeys) }
}

// Walk implements [bucket.Bucket].
func (c copied) Walk(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return c.List(ctx, prefix)
}

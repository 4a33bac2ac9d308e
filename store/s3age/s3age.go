// Package s3age keeps secrets in an S3 bucket, encrypted before they are stored, with keys that the
// members of a team hold. It needs no KMS, so it works on any S3 server. Each key alias has one
// random key, in an object of the bucket that is encrypted to the age recipients of its members.
package s3age

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/s3open"
	"github.com/coffer-secrets/coffer/store/internal/seal/agekeys"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

// DefaultAlias is used when no alias is configured.
const DefaultAlias = "alias/default"

// ErrNoIdentity means that the caller has no age identity, and something is to be opened. It is a
// [store.ErrConfiguration].
var ErrNoIdentity = agekeys.ErrNoIdentity

// ErrNotAsked means that an identity has a passphrase, or a plugin that asks, and nobody can be asked.
var ErrNotAsked = agekeys.ErrNotAsked

// Options configure the store. Bucket is required, and to open anything an identity.
type Options struct {
	Bucket   string
	KeyAlias string // of new secrets; "" means [DefaultAlias]

	// Identity has the caller's age identities, as an identity file has them, or an SSH private key.
	// IdentityFrom names it in errors.
	Identity     string
	IdentityFrom string
	// IdentityFile is read if Identity is empty: an identity file of age, which may have a passphrase, or
	// an SSH private key. It is refused if others can read it.
	IdentityFile string
	Prompts      Prompts
	// MemberName is the name of the caller as the first member of a new alias.
	MemberName string

	// KeyIDs pins the key of an alias: it must have this key now, or have had it.
	KeyIDs map[string]string
	// StateDir is where the newest key of each alias that was seen is remembered. If it is empty, as in
	// CI, an alias must be pinned, unless TrustOnFirstUse accepts what is there.
	StateDir        string
	TrustOnFirstUse bool
	// KeyNotice receives the sentences about a key that is believed on first use, or is new. nil: Notice.
	KeyNotice func(text string)

	// The other options are those of package s3kms.
	ExpectedOwner string
	SingleWriter  bool
	Notice        func(text string)
	CacheDir      string
	PrivateDir    string
	Unverified    bool
	AllowRollback bool
	Now           func() time.Time
	Log           *slog.Logger
}

// Prompts are how the caller is asked, for a passphrase or by a plugin. With the zero Prompts nobody is
// asked.
type Prompts struct {
	Secret  func(prompt string) (string, error)        // without echo; nil: nobody can be asked
	Line    func(prompt string) (string, error)        // nil: nobody can be asked
	Confirm func(prompt, yes, no string) (bool, error) // to choose between two words; nil: nobody can be asked
	Notice  func(text string)                          // receives a sentence, which may have text of a plugin; nil: none
	Wait    time.Duration                              // how long a plugin may show no life; 0: a minute
	Done    <-chan struct{}                            // ends the wait for a plugin; nil: nothing does
}

// New returns the store, which is an [admin.Teams]. It makes no request.
func New(cfg aws.Config, o Options) (store.Store, error) {
	s, err := newSecrets(cfg, o)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func newSecrets(cfg aws.Config, o Options) (*secrets, error) {
	if o.KeyAlias == "" {
		o.KeyAlias = DefaultAlias
	}
	alias, err := store.NormalizeAlias(o.KeyAlias)
	if err != nil {
		return nil, err
	}
	if store.IsKeyName(alias) {
		return nil, fmt.Errorf("%w: the keys of this backend have no ids of KMS, such as %s; use an alias", store.ErrConfiguration, o.KeyAlias)
	}
	shared, err := o.shared(alias).WithDefaults()
	if err != nil {
		return nil, err
	}
	pins, err := normalPins(o.KeyIDs)
	if err != nil {
		return nil, err
	}
	b := s3open.Bucket(cfg, shared)
	ring := agekeys.New(agekeys.Options{Text: o.Identity, From: o.IdentityFrom, File: o.IdentityFile, UI: agekeys.UI(o.Prompts)})
	t := &team{ring: ring, ui: agekeys.UI(o.Prompts), name: o.MemberName}
	settings := teamkeys.Options{
		Bucket: b, Name: o.Bucket, Identities: ring.Identities, Recipient: t.recipient, Self: t.self,
		Pins: pins, TrustOnFirstUse: o.TrustOnFirstUse,
		By: awsconf.Author(cfg, shared.Log), Notice: o.Notice, KeyNotice: o.KeyNotice, Now: shared.Now,
	}
	if o.StateDir != "" {
		state := newState(o.StateDir, awsconf.OtherServer(cfg), o.Bucket)
		if o.Now != nil {
			state.now = o.Now
		}
		settings.State = state
	}
	t.keys = teamkeys.New(settings)
	shared.Sealer, shared.KeyID, shared.HasKey, shared.Vouch = teamseal.New(t.keys, alias), t.keyID, t.hasKey, vouch
	return &secrets{s3open.NewSealed(cfg, b, shared), t}, nil
}

func (o Options) shared(alias string) s3open.Options {
	return s3open.Options{
		Bucket: o.Bucket, ExpectedOwner: o.ExpectedOwner, KeyAlias: alias, Format: teamseal.Method,
		SingleWriter: o.SingleWriter, Notice: o.Notice, CacheDir: o.CacheDir, PrivateDir: o.PrivateDir,
		Unverified: o.Unverified, AllowRollback: o.AllowRollback, Now: o.Now, Log: o.Log,
	}
}

// secrets is the engine's store with its team.
type secrets struct {
	*s3open.Store
	*team
}

func normalPins(ids map[string]string) (map[string]string, error) {
	pins := make(map[string]string, len(ids))
	for name, id := range ids {
		alias, err := store.NormalizeAlias(name)
		if err == nil && !isKeyID(id) {
			err = fmt.Errorf("%w: the key id %q has not 32 hexadecimal digits", store.ErrConfiguration, id)
		}
		if err != nil {
			return nil, fmt.Errorf("the pinned key of %s: %w", name, err)
		}
		pins[alias] = id
	}
	return pins, nil
}

// keyID is for the engine: the id of the key under which an alias seals now.
func (t *team) keyID(ctx context.Context, alias string) string {
	id, err := t.keys.ID(ctx, alias)
	if err != nil {
		return "" // whoever needs the key gets the error
	}
	return id
}

// hasKey is for the engine: whether an alias has a key, now or as an earlier one.
func (t *team) hasKey(ctx context.Context, alias, id string) bool {
	_, err := t.keys.Find(ctx, alias, id)
	return err == nil
}

// vouch accepts objects that are encrypted with the key of a team. What is opened is authentic; what only its
// beginning was read of, may claim to be.
func vouch(object string, s bucket.Seal) error {
	if s.Method != teamseal.Method {
		return &store.SealError{Object: object, Method: s.Method, KeyID: s.KeyID, Want: "encrypted with the key of a team"}
	}
	return nil
}

// Fingerprint tells the caller's identities apart from any others. It asks nobody, and makes no request. Nothing of a
// key follows from it. The error is that of opening something without them.
func (o Options) Fingerprint() (string, error) {
	return agekeys.Fingerprint(agekeys.Options{Text: o.Identity, File: o.IdentityFile})
}

// CreateIdentity makes an identity file with a new post-quantum identity, and returns its recipient. Only the
// caller can read the file. It never replaces one: the error is [os.ErrExist].
func CreateIdentity(path string, now time.Time) (recipient string, err error) {
	return agekeys.Create(path, now)
}

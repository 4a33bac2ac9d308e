// Package s3open is the common part of the backends on S3: it opens a bucket, and implements
// what a store on S3 can do besides keeping secrets.
package s3open

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/sealed"
	"github.com/coffer-secrets/coffer/store/internal/engine"
	"github.com/coffer-secrets/coffer/store/internal/engine/inspect"
	"github.com/coffer-secrets/coffer/store/internal/seal"
	"github.com/coffer-secrets/coffer/store/internal/sharing"
	"github.com/coffer-secrets/coffer/store/internal/survey"
	"github.com/coffer-secrets/coffer/store/internal/verified"
)

// Options configure a store on S3. The backends document the options that they pass on.
type Options struct {
	Bucket        string // required
	ExpectedOwner string
	SingleWriter  bool
	Notice        func(text string)
	CacheDir      string
	PrivateDir    string
	StateDir      string // with CacheDir: what objects were seen to hold is remembered
	Reading       func(objects int) (read, done func())
	Unverified    bool
	AllowRollback bool
	Now           func() time.Time
	Log           *slog.Logger

	// Sealer encrypts objects before they are stored. Then Encryption is "": AWS is asked to encrypt
	// with AES256 beneath, and another server does what it does by default. Some refuse AES256.
	Sealer     seal.Sealer
	Format     string            // of what Sealer makes, as in [store.SealError]; "" if the server encrypts
	Encryption string            // of new objects by the server: "AES256" or "aws:kms"
	KeyAlias   string            // "" if there are no keys, or with ReadOnly
	ReadOnly   bool              // there are keys, and none is configured
	KeyNames   map[string]string // the names of the keys on a server other than AWS, by alias
	Vouch      func(object string, s bucket.Seal) error
	Trust      string // what Vouch accepts: what was seen under another rule is seen again

	// KeyID, HasKey and PinnedKey are those of [engine.Options].
	KeyID     func(ctx context.Context, alias string) string
	HasKey    func(ctx context.Context, alias, id string) bool
	PinnedKey func(ctx context.Context, service, alias string) (string, error)
}

// WithDefaults checks the options and sets the defaults.
func (o Options) WithDefaults() (Options, error) {
	if o.Bucket == "" {
		return o, fmt.Errorf("%w: no bucket", store.ErrConfiguration)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the default of a library; the command line hands its own in
	}
	return o, nil
}

// Bucket opens the bucket, with its objects as they are stored. It makes no request. A server other
// than AWS is probed before the first change. If o.Encryption is "", what is stored must be sealed.
func Bucket(cfg aws.Config, o Options) s3bucket.Whole {
	server := awsconf.OtherServer(cfg)
	options := s3bucket.Options{
		Bucket: o.Bucket, ExpectedOwner: o.ExpectedOwner, Encryption: o.Encryption, KeyNames: o.KeyNames, ConditionalDelete: server == "",
	}
	if o.Encryption == "" {
		options.ContentType, o.Vouch = "application/octet-stream", nil // Vouch is about how objects are sealed
		if server == "" {
			options.Encryption = "AES256"
		}
	}
	b := s3bucket.New(awsconf.S3(cfg), options)
	if server == "" {
		return b
	}
	return s3bucket.Probed(b, s3bucket.ProbeOptions{
		KeyAlias: o.KeyAlias, Vouch: o.Vouch, SingleWriter: o.SingleWriter, Notice: o.Notice,
		Endpoint: server, CacheDir: o.CacheDir, PrivateDir: o.PrivateDir, Now: o.Now,
	})
}

// Store is the engine's store with the other operations of S3.
type Store struct {
	*engine.Engine
	*inspect.Inspector
	bucket s3bucket.Whole
	own    survey.Store
}

// Sharing is a Store whose server decrypts, so that a link to an object hands out its value.
type Sharing struct {
	*Store
	admin.Sharer
}

// New returns the store of a bucket whose server encrypts. It makes no request.
func New(cfg aws.Config, b s3bucket.Whole, o Options) *Sharing {
	s := newStore(cfg, b, b, o)
	e := s.Engine
	return &Sharing{s, sharing.Shares{Bucket: b, Read: e.Read, Vouch: o.Vouch, Pinned: e.PinnedKey, Now: e.Now}}
}

// NewSealed returns the store of the objects that o.Sealer seals in a bucket. It makes no request.
// The store tries permissions and asks about conditions on the bucket itself.
func NewSealed(cfg aws.Config, b s3bucket.Whole, o Options) *Store {
	return newStore(cfg, b, sealed.New(b, o.Sealer), o)
}

func newStore(cfg aws.Config, b s3bucket.Whole, objects bucket.Bucket, o Options) *Store {
	e := engine.New(engine.Options{
		Bucket:     objects,
		Alias:      o.KeyAlias,
		ReadOnly:   o.ReadOnly,
		Chamber:    o.Sealer == nil,
		Vouch:      o.Vouch,
		KeyID:      o.KeyID,
		HasKey:     o.HasKey,
		PinnedKey:  o.PinnedKey,
		Verified:   remembered(cfg, o),
		Reading:    o.Reading,
		Author:     awsconf.Author(cfg, o.Log),
		Unverified: o.Unverified, AllowRollback: o.AllowRollback, SingleWriter: o.SingleWriter,
		DeniedWhenExpired: awsconf.OtherServer(cfg) != "",
		Notice:            o.Notice,
		Now:               o.Now,
	})
	format := o.Format
	if format == "" {
		format = bucket.FormatJSON
	}
	own := survey.Store{Bucket: o.Bucket, BackendFormat: store.BackendFormat{Format: format, Aliases: o.Encryption != "AES256"}}
	return &Store{e, inspect.New(e), b, own}
}

// remembered returns where a store keeps what objects were seen to hold. Where objects are sealed, no other program
// writes an index without tags.
func remembered(cfg aws.Config, o Options) *verified.Cache {
	if o.Sealer != nil || o.CacheDir == "" || o.StateDir == "" {
		return nil
	}
	return verified.New(verified.Options{
		Dir: filepath.Join(o.CacheDir, "verified"), KeyFile: filepath.Join(o.StateDir, "verified.key"), Now: o.Now,
		Place: func() string {
			where := []string{cfg.Region, awsconf.PlaceOf(context.Background(), cfg, "S3").URL, o.Bucket, o.ExpectedOwner, o.Encryption, o.Trust}
			return fmt.Sprintf("%q", where)
		},
	})
}

// OtherBackend implements [admin.Surveyor].
func (s *Store) OtherBackend(ctx context.Context) error {
	err := survey.Other(ctx, s.bucket, s.own)
	return engine.Fail("look for another backend", store.ID{}, err)
}

// Conditions implements [admin.ConditionProber].
func (s *Store) Conditions(ctx context.Context, service string, ask bool) (admin.Conditions, error) {
	c, err := s3bucket.Conditions(ctx, s.bucket, service+"/conditions", ask)
	return c, engine.Fail("ask about conditions", store.ID{Service: service}, err)
}

// Inquire implements [admin.Inquirer].
func (s *Store) Inquire(ctx context.Context, service string) ([]admin.Inquiry, error) {
	all, err := s.bucket.Inquire(ctx, service+"/inquiry", s.Alias)
	return all, engine.Fail("ask the server", store.ID{Service: service}, err)
}

// Try implements [admin.Prober] for the actions of S3, and for those of KMS that S3 needs.
func (s *Store) Try(ctx context.Context, service string, actions []string) ([]admin.Trial, error) {
	trials, err := s.bucket.Try(ctx, service, service+"/"+index.FileName(s.Alias), s.Alias, actions)
	if err != nil {
		return nil, engine.Fail("try permissions", store.ID{Service: service}, err)
	}
	out := make([]admin.Trial, len(actions))
	for i, action := range actions {
		out[i] = trials[action]
	}
	return out, nil
}

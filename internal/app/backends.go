package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/local"
	"github.com/coffer-secrets/coffer/store/null"
	"github.com/coffer-secrets/coffer/store/s3"
	"github.com/coffer-secrets/coffer/store/s3age"
	"github.com/coffer-secrets/coffer/store/s3envelope"
	"github.com/coffer-secrets/coffer/store/s3kms"
	"github.com/coffer-secrets/coffer/store/secretsmanager"
	"github.com/coffer-secrets/coffer/store/ssm"
)

// Backend is a row of the table of backends. No other code compares the name of a backend.
type Backend struct {
	name    string
	About   string // where secrets are, for help: no full stop
	Service string // the AWS service that keeps the secrets, as the SDK calls it; "" without one

	// Where secrets are. At most one is set; if none is, region and endpoint tell stores apart.
	Bucket    bool // in an S3 bucket
	Directory bool // in a directory of this machine
	Nowhere   bool // writes are discarded

	// What the backend has.
	Keys     bool // a key alias for each secret
	KMS      bool // the keys are KMS keys
	Sealed   bool // objects are encrypted on this machine before they are stored in the bucket, which never has a value
	Teams    bool // the keys are held by members, and the first write under an alias creates its key
	Index    bool // an index of the newest values for each alias
	Links    bool // links that read one value
	Tags     bool
	Versions bool // deleted secrets can be restored, if the bucket has versioning
	Dated    bool // the storage itself dates versions, and none can be replaced by another
	Grouped  bool // all secrets of a service are in one object of the storage

	DefaultAlias     string // of new secrets, if no alias is configured
	RetryMode        string // if none is configured; "": the default of the program
	RetryReason      string // why RetryMode is not the default
	EndpointVariable string // chamber's variable for what COFFER_ENDPOINT_URL sets

	opPrefix string // the operations in its errors begin with this, as in "ssm:GetParameters"; "" for S3
	actions  string // for hints: the IAM actions that reading and writing need

	open  func(context.Context, *App, *Settings) (store.Store, error)
	files fileKeys // of a Sealed backend
}

// backends is the table. A new backend is a package of store/ and a row here.
func backends() []Backend {
	return []Backend{
		{
			name: "s3-kms", About: "An S3 bucket, encrypted with KMS. Each key alias has its own readers", Service: "S3", Bucket: true,
			Keys: true, KMS: true, Index: true, Links: true, Tags: true, Versions: true,
			DefaultAlias: chamberAlias,
			open:         openS3KMS,
		},
		{
			name: "s3", About: "An S3 bucket, encrypted with the key of S3 itself (SSE-S3)", Service: "S3", Bucket: true,
			Index: true, Links: true, Tags: true, Versions: true,
			open: openS3,
		},
		{
			name: "s3-envelope", About: "An S3 bucket of any server, encrypted on this machine under KMS keys", Service: "S3", Bucket: true,
			Keys: true, KMS: true, Sealed: true, Index: true, Tags: true, Versions: true,
			DefaultAlias: chamberAlias,
			open:         openS3Envelope, files: fileKeys{s3envelope.StanzaType, unwrapS3Envelope},
		},
		{
			name: "s3-age", About: "An S3 bucket on any server, encrypted before it is stored, with keys that the members of a team hold", Service: "S3", Bucket: true,
			Keys: true, Sealed: true, Teams: true, Index: true, Tags: true, Versions: true,
			DefaultAlias: s3age.DefaultAlias,
			open:         openS3Age, files: fileKeys{s3age.StanzaType, unwrapS3Age},
		},
		{
			name: "ssm", About: "Parameter Store, as SecureString parameters", Service: "SSM",
			Keys: true, KMS: true, Tags: true, Dated: true,
			DefaultAlias: chamberAlias,
			RetryMode:    awsconf.PatientRetryMode, RetryReason: "Parameter Store throttles early",
			EndpointVariable: "CHAMBER_AWS_SSM_ENDPOINT",
			opPrefix:         "ssm:", actions: "ssm:GetParametersByPath, ssm:GetParameters and kms:Decrypt to read; ssm:PutParameter, ssm:DeleteParameters and kms:Encrypt to write",
			open: openSSM,
		},
		{
			name: "secretsmanager", About: "Secrets Manager, one secret for each service", Service: "Secrets Manager", Grouped: true,
			opPrefix: "secretsmanager:", actions: "secretsmanager:GetSecretValue to read; secretsmanager:PutSecretValue and secretsmanager:UpdateSecretVersionStage to write",
			open: openSecretsManager,
		},
		{
			name: "local", About: "A directory of this machine, encrypted with age", Directory: true,
			Keys: true, Index: true,
			DefaultAlias: local.DefaultAlias,
			open:         openLocal,
		},
		{
			name: "null", About: "Nowhere: writes are refused and reads find nothing", Nowhere: true,
			open: func(context.Context, *App, *Settings) (store.Store, error) { return null.New(), nil },
		},
	}
}

// chamberAlias is the default alias of chamber.
const chamberAlias = "alias/parameter_store_key"

// BackendRows returns the table.
func BackendRows() []Backend { return backends() }

// Features names what a backend has, for help.
func (b Backend) Features() []string {
	var names []string
	for _, f := range []struct {
		has  bool
		name string
	}{{b.Keys, "key aliases"}, {b.Tags, "tags"}, {b.Links, "links"}, {b.Versions, "restoring deleted secrets"}} {
		if f.has {
			names = append(names, f.name)
		}
	}
	return names
}

// Backends returns the names of all backends.
func Backends() []string { return BackendsThat(func(Backend) bool { return true }) }

// CacheRules reports whether the owner of an alias can forbid readers to cache its secrets: the rule is in
// the index of the alias. What is in a directory of this machine isn't cached.
func (b Backend) CacheRules() bool { return b.Keys && b.Index && !b.Directory }

// Chamber reports whether chamber can read and write what is stored: nothing is encrypted before that.
func (b Backend) Chamber() bool { return b.Service != "" && !b.Sealed }

// String returns the name, for messages. To decide something, use the other fields of the row.
func (b Backend) String() string { return b.name }

// BackendsThat returns the names of the backends for which have is true.
func BackendsThat(have func(Backend) bool) []string {
	var names []string
	for _, b := range backends() {
		if have(b) {
			names = append(names, b.name)
		}
	}
	return names
}

// JoinNames joins names for a sentence: "s3-kms, s3 and local".
func JoinNames(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// BackendsOf returns the names of the backends whose objects have a format, as a [store.SealError] gives it, and are
// encrypted by the server with a method.
func BackendsOf(format, method string) []string {
	return BackendsThat(func(b Backend) bool {
		if format == "json" {
			return b.Bucket && !b.Sealed && (method == "" || b.KMS == strings.HasPrefix(method, "aws:kms"))
		}
		return b.files.stanza != "" && format == "age:"+b.files.stanza
	})
}

// backend returns the row of a name, in any case; the zero Backend for an unknown name.
func backend(name string) Backend {
	table := backends()
	if i := slices.IndexFunc(table, func(b Backend) bool { return b.name == strings.ToLower(name) }); i >= 0 {
		return table[i]
	}
	return Backend{}
}

// Kind returns the row of the backend in force.
func (s *Settings) Kind() Backend { return backend(s.Backend.Value) }

// neededActions returns the IAM actions of the backend that an operation belongs to; "" for S3.
func neededActions(op string) string {
	for _, b := range backends() {
		if b.opPrefix != "" && strings.HasPrefix(op, b.opPrefix) {
			return b.actions
		}
	}
	return ""
}

// defaultBackend returns the backend to use when none is configured. chamber reports whether a
// CHAMBER_ variable is set.
func defaultBackend(s *Settings, chamber bool) Setting {
	switch {
	case s.Bucket.Value != "":
		return Setting{"s3-kms", "default, because a bucket is set"}
	case chamber:
		// It is chamber's default. The secrets of a team on chamber must not end up in a directory.
		return Setting{"ssm", "default, because CHAMBER_ variables are set"}
	}
	return Setting{"local", fromDefault}
}

// LocalAliases returns the aliases of the identities on this machine, if the backend keeps secrets
// in a directory; otherwise none.
func (s *Settings) LocalAliases() []string {
	if !s.Kind().Directory {
		return nil
	}
	return local.Aliases(s.KeyDir.Value)
}

// LocalFile returns the path of an object of the local backend.
func (s *Settings) LocalFile(object string) string { return local.File(s.Dir.Value, object) }

// useLocalAlias replaces the configured alias, if it has no identity, by the only one that differs from it just
// in case and has one.
func (s *Settings) useLocalAlias() error {
	if s.KMSKeyAlias.isDefault() {
		return nil
	}
	alias, err := store.NormalizeAlias(s.KMSKeyAlias.Value)
	if err != nil || store.IsKeyName(alias) {
		return nil //nolint:nilerr // local.New tells what is wrong with it
	}
	found, err := store.MatchAlias(alias, local.Aliases(s.KeyDir.Value))
	if err != nil {
		return fmt.Errorf("key alias %s: %w", alias, err)
	}
	s.KMSKeyAlias.Value = found
	return nil
}

func openLocal(_ context.Context, a *App, s *Settings) (store.Store, error) {
	if err := s.useLocalAlias(); err != nil {
		return nil, err
	}
	return local.New(local.Options{
		Dir: s.Dir.Value, KeyDir: s.KeyDir.Value, KeyAlias: s.KMSKeyAlias.Value,
		AllowRollback: a.Globals.AllowRollback, Notice: func(text string) { a.Note("%s", text) }, Author: a.UserName(), Now: a.Now,
	})
}

func openS3KMS(ctx context.Context, a *App, s *Settings) (store.Store, error) {
	cfg, err := a.AWS(ctx, s)
	if err != nil {
		return nil, err
	}
	return s3kms.New(ctx, cfg, s3kms.Options{
		Bucket: s.Bucket.Value, KeyAlias: s.KMSKeyAlias.Value, ExpectedOwner: s.ExpectedBucketOwner.Value,
		KeyARNs: s.PinnedARNs(), KeyNames: s.File.Keys,
		AllowUnencrypted: s.File.AllowUnencrypted, SingleWriter: a.Globals.SingleWriter || s.File.SingleWriter,
		CacheDir: a.CacheDirectory(), PrivateDir: a.privateDirectory(), StateDir: a.stateHome(), Reading: a.reading, Notice: func(text string) { a.Note("%s", text) },
		Unverified: a.Unverified, AllowRollback: a.Globals.AllowRollback, Now: a.Now, Log: a.Logger(),
	})
}

func openS3(ctx context.Context, a *App, s *Settings) (store.Store, error) {
	cfg, err := a.AWS(ctx, s)
	if err != nil {
		return nil, err
	}
	return s3.New(cfg, s3.Options{
		Bucket: s.Bucket.Value, ExpectedOwner: s.ExpectedBucketOwner.Value,
		AllowUnencrypted: s.File.AllowUnencrypted, SingleWriter: a.Globals.SingleWriter || s.File.SingleWriter,
		CacheDir: a.CacheDirectory(), PrivateDir: a.privateDirectory(), StateDir: a.stateHome(), Reading: a.reading, Notice: func(text string) { a.Note("%s", text) },
		Unverified: a.Unverified, AllowRollback: a.Globals.AllowRollback, Now: a.Now, Log: a.Logger(),
	})
}

func openS3Envelope(ctx context.Context, a *App, s *Settings) (store.Store, error) {
	cfg, err := a.AWS(ctx, s)
	if err != nil {
		return nil, err
	}
	return s3envelope.New(ctx, cfg, s3envelope.Options{
		Bucket: s.Bucket.Value, KeyAlias: s.KMSKeyAlias.Value, ExpectedOwner: s.ExpectedBucketOwner.Value,
		KeyARNs: s.PinnedARNs(), KeyNames: s.File.Keys,
		SingleWriter: a.Globals.SingleWriter || s.File.SingleWriter,
		CacheDir:     a.CacheDirectory(), PrivateDir: a.privateDirectory(), Notice: func(text string) { a.Note("%s", text) },
		Unverified: a.Unverified, AllowRollback: a.Globals.AllowRollback, Now: a.Now, Log: a.Logger(),
	})
}

func openSSM(ctx context.Context, a *App, s *Settings) (store.Store, error) {
	cfg, err := a.AWS(ctx, s)
	if err != nil {
		return nil, err
	}
	opened, err := ssm.New(awsconf.SSM(cfg), ssm.Options{KeyAlias: s.KMSKeyAlias.Value, Notice: a.noteOnce()})
	if err != nil {
		return nil, err
	}
	return parameters{opened, awsconf.NewKeys(cfg)}, nil
}

func openSecretsManager(ctx context.Context, a *App, s *Settings) (store.Store, error) {
	cfg, err := a.AWS(ctx, s)
	if err != nil {
		return nil, err
	}
	return secretsmanager.New(awsconf.SecretsManager(cfg), secretsmanager.Options{
		Author: awsconf.Author(cfg, a.Logger()), Now: a.Now, Notice: a.noteOnce(),
	}), nil
}

package app

import (
	"context"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/local"
	"github.com/coffer-secrets/coffer/store/null"
	"github.com/coffer-secrets/coffer/store/s3"
	"github.com/coffer-secrets/coffer/store/s3kms"
	"github.com/coffer-secrets/coffer/store/secretsmanager"
	"github.com/coffer-secrets/coffer/store/ssm"
)

// Backend is a row of the table of backends: all that the program knows of one by its name.
type Backend struct {
	name    string
	Service string // the AWS service that keeps the secrets, as the SDK calls it; "" without one

	// Where secrets are. At most one is set; with none, it is the region and the endpoint.
	Bucket    bool // in an S3 bucket
	Directory bool // in a directory of this machine
	Nowhere   bool // nothing is kept

	// What a store of it has.
	Keys     bool // a key alias for each secret
	KMS      bool // and the keys are KMS's
	Index    bool // an index of the newest values for each alias
	Links    bool // links that read one value
	Tags     bool
	Versions bool // what is deleted can be kept, and restored
	Grouped  bool // all secrets of a service are one secret of the service that keeps them

	DefaultAlias     string // for new secrets, where no alias is configured
	RetryMode        string // where none is configured; "": the program's default
	RetryReason      string
	EndpointVariable string // of chamber, beside COFFER_ENDPOINT_URL

	ops    string // how the operations of its errors begin, as in "ssm:GetParameters"; "" for those of S3
	askFor string // the actions that a caller who was denied needs

	open func(context.Context, *App, *Settings) (store.Store, error)
}

// backends is the table. A new backend is a package of store/ and a row here.
func backends() []Backend {
	return []Backend{
		{
			name: "s3-kms", Service: "S3", Bucket: true,
			Keys: true, KMS: true, Index: true, Links: true, Tags: true, Versions: true,
			DefaultAlias: chamberAlias,
			open:         openS3KMS,
		},
		{
			name: "s3", Service: "S3", Bucket: true,
			Index: true, Links: true, Tags: true, Versions: true,
			open: openS3,
		},
		{
			name: "ssm", Service: "SSM",
			Keys: true, KMS: true, Tags: true,
			DefaultAlias: chamberAlias,
			RetryMode:    awsconf.PatientRetryMode, RetryReason: "Parameter Store throttles early",
			EndpointVariable: "CHAMBER_AWS_SSM_ENDPOINT",
			ops:              "ssm:", askFor: "ssm:GetParametersByPath, ssm:GetParameters and kms:Decrypt to read; ssm:PutParameter, ssm:DeleteParameters and kms:Encrypt to write",
			open: openSSM,
		},
		{
			name: "secretsmanager", Service: "Secrets Manager", Grouped: true,
			ops: "secretsmanager:", askFor: "secretsmanager:GetSecretValue to read; secretsmanager:PutSecretValue and secretsmanager:UpdateSecretVersionStage to write",
			open: openSecretsManager,
		},
		{
			name: "local", Directory: true,
			Keys: true, Index: true,
			open: openLocal,
		},
		{
			name: "null", Nowhere: true,
			open: func(context.Context, *App, *Settings) (store.Store, error) { return null.New(), nil },
		},
	}
}

// chamberAlias is chamber's default, in its own buckets and parameters.
const chamberAlias = "alias/parameter_store_key"

// Backends returns the names of all.
func Backends() []string { return BackendsThat(func(Backend) bool { return true }) }

// String returns the name. It is for people: what a backend has is in its row.
func (b Backend) String() string { return b.name }

// BackendsThat returns the names of those that have something.
func BackendsThat(have func(Backend) bool) []string {
	var names []string
	for _, b := range backends() {
		if have(b) {
			names = append(names, b.name)
		}
	}
	return names
}

// Listed writes names as a sentence does: "s3-kms, s3 and local".
func Listed(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// backend returns a row of the table; without a name that is in it, an empty one.
func backend(name string) Backend {
	table := backends()
	if i := slices.IndexFunc(table, func(b Backend) bool { return b.name == strings.ToLower(name) }); i >= 0 {
		return table[i]
	}
	return Backend{}
}

// Kind returns the row of the backend in force.
func (s *Settings) Kind() Backend { return backend(s.Backend.Value) }

// askFor returns the actions that a caller needs who was denied an operation; "" for those of S3.
func askFor(op string) string {
	for _, b := range backends() {
		if b.ops != "" && strings.HasPrefix(op, b.ops) {
			return b.askFor
		}
	}
	return ""
}

// defaultBackend is the one of who names none.
func defaultBackend(s *Settings, chamber bool) Setting {
	switch {
	case s.Bucket.Value != "":
		return Setting{"s3-kms", "default, because a bucket is set"}
	case chamber:
		// Its default. A secret of a team on chamber must not end in a directory.
		return Setting{"ssm", "default, because CHAMBER_ variables are set"}
	}
	return Setting{"local", fromDefault}
}

// LocalAliases returns the aliases that this machine has identities of; none but of the backend
// in a directory.
func (s *Settings) LocalAliases() []string {
	if !s.Kind().Directory {
		return nil
	}
	return local.Aliases(s.KeyDir.Value)
}

// LocalFile returns the file of an object of the backend in a directory.
func (s *Settings) LocalFile(object string) string { return local.File(s.Dir.Value, object) }

func openLocal(_ context.Context, a *App, s *Settings) (store.Store, error) {
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
		CacheDir: a.CacheDirectory(), PrivateDir: a.privateDirectory(), Notice: func(text string) { a.Note("%s", text) },
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
		CacheDir: a.CacheDirectory(), PrivateDir: a.privateDirectory(), Notice: func(text string) { a.Note("%s", text) },
		Unverified: a.Unverified, AllowRollback: a.Globals.AllowRollback, Now: a.Now, Log: a.Logger(),
	})
}

func openSSM(ctx context.Context, a *App, s *Settings) (store.Store, error) {
	cfg, err := a.AWS(ctx, s)
	if err != nil {
		return nil, err
	}
	return ssm.New(awsconf.SSM(cfg), ssm.Options{KeyAlias: s.KMSKeyAlias.Value, Notice: a.noteOnce()})
}

func openSecretsManager(ctx context.Context, a *App, s *Settings) (store.Store, error) {
	cfg, err := a.AWS(ctx, s)
	if err != nil {
		return nil, err
	}
	return secretsmanager.New(awsconf.SecretsManager(cfg), secretsmanager.Options{
		Author: awsconf.Author(cfg, a.Logger()), Now: a.Now,
	}), nil
}

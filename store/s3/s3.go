// Package s3 keeps secrets in an S3 bucket, each sealed with SSE-S3, with one index. A chamber
// bucket of its S3 backend is read and written as it is.
package s3

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// Options say where the secrets are. Bucket is required.
type Options struct {
	Bucket string

	// ExpectedOwner, an account id, makes every request fail on another account's bucket.
	ExpectedOwner string
	// AllowUnencrypted accepts a store that does not encrypt, and says so in no answer.
	AllowUnencrypted bool
	// SingleWriter allows changes on a server that ignores conditions: of writers who meet,
	// the last wins. Notice is told so, once. Without it such a server is
	// [store.ErrUnsupported]. A server of AWS is never asked, any other before the first
	// change, and its answer kept in CacheDir for seven days, or else in PrivateDir,
	// which is made and used only while it is the user's alone; without either in memory.
	SingleWriter bool
	Notice       func(text string) // a sentence for a person; nil: silent
	CacheDir     string
	PrivateDir   string

	Unverified    bool // see [engine.Options]
	AllowRollback bool

	Now func() time.Time // nil: the system's clock
	Log *slog.Logger     // nil: silent
}

// New returns the store. It makes no request.
func New(cfg aws.Config, o Options) (store.Store, error) {
	if o.Bucket == "" {
		return nil, fmt.Errorf("%w: no bucket", store.ErrConfiguration)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b := o.bucket(cfg)
	return o.secrets(b, engine.New(engine.Options{
		Bucket:     b,
		Vouch:      o.vouch,
		Author:     awsconf.Author(cfg, o.Log),
		Unverified: o.Unverified, AllowRollback: o.AllowRollback, SingleWriter: o.SingleWriter,
		DeniedWhenExpired: awsconf.OtherServer(cfg) != "",
		Notice:            o.Notice,
		Now:               o.Now,
	})), nil
}

func (o Options) bucket(cfg aws.Config) s3bucket.Whole {
	server := awsconf.OtherServer(cfg)
	b := s3bucket.New(awsconf.S3(cfg), s3bucket.Options{
		Bucket: o.Bucket, ExpectedOwner: o.ExpectedOwner, Encryption: "AES256", ConditionalDelete: server == "",
	})
	if server == "" {
		return b
	}
	now := o.Now
	if now == nil {
		now = time.Now //nolint:forbidigo // the default of a library; the command line hands its own in
	}
	return s3bucket.Probed(b, s3bucket.ProbeOptions{
		Vouch: o.vouch, SingleWriter: o.SingleWriter, Notice: o.Notice,
		Endpoint: server, CacheDir: o.CacheDir, PrivateDir: o.PrivateDir, Now: now,
	})
}

func (o Options) vouch(object string, s bucket.Seal) error {
	if s.Method == "" && !o.AllowUnencrypted {
		return &store.SealError{Object: object, Want: "AES256"}
	}
	return nil
}

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
	// ConditionalDelete says that a server other than AWS keeps the condition of a delete.
	// Elsewhere a delete leaves a tombstone, which is safe on every server.
	ConditionalDelete bool

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
	return engine.New(engine.Options{
		Bucket: s3bucket.New(awsconf.S3(cfg), s3bucket.Options{
			Bucket: o.Bucket, ExpectedOwner: o.ExpectedOwner, Encryption: "AES256",
			ConditionalDelete: o.ConditionalDelete || awsconf.Endpoint(cfg) == "",
		}),
		Vouch:      o.vouch,
		Author:     awsconf.Author(cfg, o.Log),
		Unverified: o.Unverified, AllowRollback: o.AllowRollback,
		Now: o.Now,
	}), nil
}

func (o Options) vouch(object string, s bucket.Seal) error {
	if s.Method == "" && !o.AllowUnencrypted {
		return &store.SealError{Object: object, Want: "AES256"}
	}
	return nil
}

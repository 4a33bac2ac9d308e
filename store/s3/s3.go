// Package s3 keeps secrets in an S3 bucket, each sealed with SSE-S3, with one index. A chamber
// bucket of its S3 backend is read and written as it is.
package s3

import (
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/s3open"
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
	shared, err := o.shared().WithDefaults()
	if err != nil {
		return nil, err
	}
	return s3open.New(cfg, s3open.Bucket(cfg, shared), shared), nil
}

func (o Options) shared() s3open.Options {
	return s3open.Options{
		Bucket: o.Bucket, ExpectedOwner: o.ExpectedOwner, Encryption: "AES256", Vouch: o.vouch,
		SingleWriter: o.SingleWriter, Notice: o.Notice, CacheDir: o.CacheDir, PrivateDir: o.PrivateDir,
		Unverified: o.Unverified, AllowRollback: o.AllowRollback, Now: o.Now, Log: o.Log,
	}
}

func (o Options) vouch(object string, s bucket.Seal) error {
	if s.Method == "" && !o.AllowUnencrypted {
		return &store.SealError{Object: object, Want: "AES256"}
	}
	return nil
}

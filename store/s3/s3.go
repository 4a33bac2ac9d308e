// Package s3 keeps secrets in an S3 bucket, encrypted with SSE-S3, with one index. It reads and
// writes the buckets of chamber's S3 backend unchanged.
package s3

import (
	"log/slog"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/s3open"
)

// Options configure the store. Bucket is required.
type Options struct {
	Bucket string

	// ExpectedOwner is an account id. Every request fails on another account's bucket.
	ExpectedOwner string
	// AllowUnencrypted accepts servers that don't report encryption.
	AllowUnencrypted bool
	// SingleWriter allows changes on a server that ignores conditions: of concurrent writers, the
	// last one wins. Notice reports that once. Without SingleWriter such a server is
	// [store.ErrUnsupported]. A server of AWS is never tested. Any other is tested before the first
	// change, and the result is kept for seven days in CacheDir, or else in PrivateDir, which is
	// created, and used only if no other user can access it. Without either it is kept in memory.
	SingleWriter bool
	Notice       func(text string) // receives a sentence for the user; nil: none
	CacheDir     string
	PrivateDir   string

	// StateDir, with CacheDir, lets loads remember which objects had the value that an index of chamber has. There is
	// a keyed hash of the value in CacheDir, and the key in StateDir. Such a secret is loaded again without its salt.
	StateDir string
	// Reading is called before many objects are read one by one: read after each, done at the end. Nil: none.
	Reading func(objects int) (read, done func())

	// Unverified lets [store.Store.Load] trust an index if the caller has no permission to list the
	// service. Then deletions and changes that the index doesn't show are not noticed.
	Unverified bool
	// AllowRollback accepts a secret with a lower version than its index has seen, as after a backup
	// was restored. Otherwise it is a [store.RollbackError].
	AllowRollback bool

	Now func() time.Time // nil: the system's clock
	Log *slog.Logger     // nil: no log
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
		StateDir: o.StateDir, Reading: o.Reading, Trust: strconv.FormatBool(o.AllowUnencrypted),
		Unverified: o.Unverified, AllowRollback: o.AllowRollback, Now: o.Now, Log: o.Log,
	}
}

func (o Options) vouch(object string, s bucket.Seal) error {
	if s.Method == "" && !o.AllowUnencrypted {
		return &store.SealError{Object: object, Want: "AES256"}
	}
	return nil
}

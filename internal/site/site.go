// Package site checks and sets up the bucket and the KMS key of a store. On a server other than AWS it
// tries each setting first, and undoes those that the server doesn't support.
package site

import (
	"context"
	"fmt"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/policy"
	"github.com/coffer-secrets/coffer/store"
)

// Site is the bucket of a store and the key of new secrets, on AWS or on another server with the API
// of S3. init creates what is missing of them, doctor reports it.
type Site struct {
	Scope   policy.Scope
	keys    *awsconf.Keys
	Buckets *awsconf.Buckets
	keyName string // the server's name for the key: the alias or, by the configuration, another one; "" without keys
	keyARN  string // "" until the key is found or created
	pinned  []string
	sealed  bool // objects are encrypted before they are stored, so the bucket's own encryption doesn't matter

	Other         string // the URL of a server other than AWS; "" on AWS
	Unconditional bool   // the policy allows puts without a condition
}

// Open returns the site of the settings in force. It makes no request. The error is
// [store.ErrUnsupported] for a backend without a bucket.
func Open(ctx context.Context, a *app.App) (*Site, error) {
	s, err := a.Settings()
	if err != nil {
		return nil, err
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	if !s.Kind().Bucket {
		return nil, fmt.Errorf("%w: the %s backend has nothing to create", store.ErrUnsupported, s.Kind())
	}
	cfg, err := a.AWS(ctx, s)
	if err != nil {
		return nil, err
	}
	out := &Site{
		Scope: policy.Scope{Region: cfg.Region, Bucket: s.Bucket.Value, PlainHTTP: awsconf.PlainHTTP(cfg), Sealed: s.Kind().Sealed},
		Other: awsconf.OtherServer(cfg),
		keys:  awsconf.NewKeys(cfg), Buckets: awsconf.NewBuckets(cfg, s.ExpectedBucketOwner.Value),
		pinned: s.PinnedARNs(), sealed: s.Kind().Sealed,
	}
	if s.Kind().KMS {
		alias, err := store.NormalizeAlias(s.KMSKeyAlias.Value)
		if err != nil {
			return nil, err
		}
		out.Scope.Keys, out.keyName = []policy.Key{{Alias: alias}}, alias
		if name, ok := s.File.Keys[alias]; ok {
			out.keyName = name
		}
	}
	return out, nil
}

// key asks KMS for the key of new secrets.
func (s *Site) key(ctx context.Context) (info awsconf.KeyInfo, found bool, err error) {
	info, found, err = s.keys.Find(ctx, s.keyName)
	s.keyARN = info.ARN
	return info, found, err
}

// checkPin returns an error if keys are pinned and this one is not among them.
func (s *Site) checkPin() error {
	if len(s.pinned) > 0 && !slices.Contains(s.pinned, s.keyARN) {
		return &store.PinError{Alias: s.Scope.Keys[0].Alias, KeyID: s.keyARN}
	}
	return nil
}

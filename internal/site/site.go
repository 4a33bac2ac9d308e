// Package site is the bucket and the key of a store, as a whole: what they lack, the trial of each
// setting before it is made for good, and what is wrong with them.
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

// Site is the bucket of a store and the key that it writes under, on AWS or on a server that
// speaks its language. init makes what they lack, doctor tells it.
type Site struct {
	Scope   policy.Scope
	keys    *awsconf.Keys
	Buckets *awsconf.Buckets
	keyName string // what KMS calls the key: the alias, or another server's name for it; "" without keys
	keyARN  string // once it is there
	pinned  []string

	Other         string // the URL of a server that is not AWS's, else ""
	Unconditional bool   // puts without a condition stay allowed
}

// Open returns what the settings describe. [store.ErrUnsupported] for a backend without a bucket.
func Open(ctx context.Context, a *app.App) (*Site, error) {
	s, err := a.Settings()
	if err != nil {
		return nil, err
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	if !s.Kind().Bucket {
		return nil, fmt.Errorf("%w: the %s backend needs nothing that could be made", store.ErrUnsupported, s.Kind())
	}
	cfg, err := a.AWS(ctx, s)
	if err != nil {
		return nil, err
	}
	out := &Site{
		Scope: policy.Scope{Region: cfg.Region, Bucket: s.Bucket.Value, PlainHTTP: awsconf.PlainHTTP(cfg)},
		Other: awsconf.OtherServer(cfg),
		keys:  awsconf.NewKeys(cfg), Buckets: awsconf.NewBuckets(cfg, s.ExpectedBucketOwner.Value),
		pinned: s.PinnedARNs(),
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

// key asks KMS for the key.
func (s *Site) key(ctx context.Context) (info awsconf.KeyInfo, found bool, err error) {
	info, found, err = s.keys.Find(ctx, s.keyName)
	s.keyARN = info.ARN
	return info, found, err
}

// checkPin refuses a key that is not pinned, where keys are.
func (s *Site) checkPin() error {
	if len(s.pinned) > 0 && !slices.Contains(s.pinned, s.keyARN) {
		return &store.PinError{Alias: s.Scope.Keys[0].Alias, KeyID: s.keyARN}
	}
	return nil
}

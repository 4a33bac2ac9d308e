package cmd

import (
	"context"
	"fmt"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/policy"
	"github.com/coffer-secrets/coffer/store"
)

// site is the bucket of a store and the key that it writes under, on AWS or on a server that
// speaks its language. init makes what they lack, doctor tells it.
type site struct {
	scope   policy.Scope
	keys    *awsconf.Keys
	buckets *awsconf.Buckets
	keyName string // what KMS calls the key: the alias, or another server's name for it; "" without keys
	keyARN  string // once it is there
	pinned  []string

	other         string // the URL of a server that is not AWS's, else ""
	unconditional bool   // puts without a condition stay allowed
}

// openSite returns what the settings describe. [store.ErrUnsupported] for a backend without a bucket.
func openSite(ctx context.Context, a *app.App) (*site, error) {
	s, err := a.Settings()
	if err != nil {
		return nil, err
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.Backend.Value != "s3-kms" && s.Backend.Value != "s3" {
		return nil, fmt.Errorf("%w: the %s backend needs nothing that could be made", store.ErrUnsupported, s.Backend.Value)
	}
	cfg, err := a.Aws(ctx, s)
	if err != nil {
		return nil, err
	}
	out := &site{
		scope: policy.Scope{Region: cfg.Region, Bucket: s.Bucket.Value, PlainHTTP: awsconf.PlainHTTP(cfg)},
		other: awsconf.OtherServer(cfg),
		keys:  awsconf.NewKeys(cfg), buckets: awsconf.NewBuckets(cfg, s.ExpectedBucketOwner.Value),
		pinned: s.PinnedARNs(),
	}
	if s.Backend.Value == "s3-kms" {
		alias, err := store.NormalizeAlias(s.KMSKeyAlias.Value)
		if err != nil {
			return nil, err
		}
		out.scope.Keys, out.keyName = []policy.Key{{Alias: alias}}, alias
		if name, ok := s.File.Keys[alias]; ok {
			out.keyName = name
		}
	}
	return out, nil
}

// key asks KMS for the key.
func (s *site) key(ctx context.Context) (info awsconf.KeyInfo, found bool, err error) {
	info, found, err = s.keys.Find(ctx, s.keyName)
	s.keyARN = info.ARN
	return info, found, err
}

// checkPin refuses a key that is not pinned, where keys are.
func (s *site) checkPin() error {
	if len(s.pinned) > 0 && !slices.Contains(s.pinned, s.keyARN) {
		return &store.PinError{Alias: s.scope.Keys[0].Alias, KeyID: s.keyARN}
	}
	return nil
}

package app

import (
	"context"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3age"
)

func openS3Age(ctx context.Context, a *App, s *Settings) (store.Store, error) {
	cfg, err := a.AWS(ctx, s)
	if err != nil {
		return nil, err
	}
	prompts, err := a.prompts(s)
	if err != nil {
		return nil, err
	}
	opened, err := s3age.New(cfg, s3age.Options{
		Bucket: s.Bucket.Value, KeyAlias: s.KMSKeyAlias.Value, ExpectedOwner: s.ExpectedBucketOwner.Value,
		Identity: s.AgeIdentity, IdentityFrom: s.Identity.From, IdentityFile: s.IdentityFile(), Prompts: prompts, MemberName: a.memberName(),
		KeyIDs: s.File.KeyIDs, StateDir: a.stateDirectory(s), TrustOnFirstUse: a.Globals.TrustFirstUse,
		SingleWriter: a.Globals.SingleWriter || s.File.SingleWriter,
		CacheDir:     a.CacheDirectory(), PrivateDir: a.privateDirectory(), Notice: a.noteOnce(),
		Unverified: a.Unverified, AllowRollback: a.Globals.AllowRollback, Now: a.Now, Log: a.Logger(),
	})
	a.knowSelf(opened)
	return opened, err
}

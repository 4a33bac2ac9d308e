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
	o, err := a.teamOptions(s)
	if err != nil {
		return nil, err
	}
	opened, err := s3age.New(cfg, o)
	a.knowSelf(opened)
	return opened, err
}

// teamOptions returns the options of s3-age.
func (a *App) teamOptions(s *Settings) (s3age.Options, error) {
	prompts, err := a.prompts(s)
	return s3age.Options{
		Bucket: s.Bucket.Value, KeyAlias: s.KMSKeyAlias.Value, ExpectedOwner: s.ExpectedBucketOwner.Value,
		Identity: s.AgeIdentity, IdentityFrom: s.Identity.From, IdentityFile: s.IdentityFile(), Prompts: prompts, MemberName: a.memberName(),
		KeyIDs: s.File.KeyIDs, StateDir: a.stateDirectory(s), TrustOnFirstUse: a.Globals.TrustFirstUse,
		SingleWriter: a.Globals.SingleWriter || s.File.SingleWriter,
		CacheDir:     a.CacheDirectory(), PrivateDir: a.privateDirectory(), Notice: a.noteOnce(), KeyNotice: once(func(text string) { a.Say("%s", text) }),
		Unverified: a.Unverified, AllowRollback: a.Globals.AllowRollback, Now: a.Now, Log: a.Logger(),
	}, err
}

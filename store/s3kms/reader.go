package s3kms

import (
	"context"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
)

// Open returns the store, with the AWS configuration that the SDK finds: environment variables, the
// profile, SSO, a web identity, the role of the instance. It refuses an http:// endpoint on another
// machine with [store.ErrConfiguration]. A program that has an [aws.Config] calls [New].
func Open(ctx context.Context, o Options) (store.Store, error) {
	cfg, err := awsconf.Load(ctx, awsconf.Options{})
	if err != nil {
		return nil, err
	}
	return New(ctx, cfg, o)
}

// Read opens the store with [Open] and returns the newest value of one secret, for a program that
// needs no more than that:
//
//	password, err := s3kms.Read(ctx, s3kms.Options{Bucket: "acme-secrets"}, "api/db_password")
//
// The name is SERVICE/KEY. The caller needs s3:GetObject on the object and kms:Decrypt on its key.
// Each call makes a new connection: to read several secrets, call [Open] once. Errors:
// [store.ErrInvalid], [store.ErrNotFound], [store.ErrDenied], [store.ErrConfiguration].
func Read(ctx context.Context, o Options, name string) (store.Value, error) {
	id, err := store.ParseID(name)
	if err != nil {
		return store.Value{}, err
	}
	s, err := Open(ctx, o)
	if err != nil {
		return store.Value{}, err
	}
	secret, err := s.Read(ctx, id, store.Latest)
	return secret.Value, err
}

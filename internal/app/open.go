package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/local"
	"github.com/coffer-secrets/coffer/store/null"
	"github.com/coffer-secrets/coffer/store/s3"
	"github.com/coffer-secrets/coffer/store/s3kms"
	"github.com/coffer-secrets/coffer/store/secretsmanager"
	"github.com/coffer-secrets/coffer/store/ssm"
)

// Open returns the store that the settings describe. It is the one place that knows
// backends by name.
func (a *App) Open(ctx context.Context) (store.Store, error) {
	s, err := a.Settings()
	if err != nil {
		return nil, err
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	switch s.Backend.Value {
	case "null":
		return null.New(), nil
	case "local":
		return local.New(local.Options{
			Dir: s.Dir.Value, KeyDir: s.KeyDir.Value, KeyAlias: s.KMSKeyAlias.Value,
			AllowRollback: a.Globals.AllowRollback, Notice: func(text string) { a.Note("%s", text) }, Author: a.UserName(), Now: a.Now,
		})
	}
	cfg, err := a.Aws(ctx, s)
	if err != nil {
		return nil, err
	}
	switch s.Backend.Value {
	case "s3":
		return s3.New(cfg, s3.Options{
			Bucket: s.Bucket.Value, ExpectedOwner: s.ExpectedBucketOwner.Value,
			AllowUnencrypted: s.File.AllowUnencrypted, SingleWriter: a.Globals.SingleWriter || s.File.SingleWriter,
			CacheDir: a.CacheDirectory(), PrivateDir: a.privateDirectory(), Notice: func(text string) { a.Note("%s", text) },
			Unverified: a.Unverified, AllowRollback: a.Globals.AllowRollback, Now: a.Now, Log: a.Logger(),
		})
	case "ssm":
		return ssm.New(awsconf.SSM(cfg), ssm.Options{KeyAlias: s.KMSKeyAlias.Value, Notice: a.noteOnce()})
	case "secretsmanager":
		return secretsmanager.New(awsconf.SecretsManager(cfg), secretsmanager.Options{
			Author: awsconf.Author(cfg, a.Logger()), Now: a.Now,
		}), nil
	default:
		return s3kms.New(ctx, cfg, s3kms.Options{
			Bucket: s.Bucket.Value, KeyAlias: s.KMSKeyAlias.Value, ExpectedOwner: s.ExpectedBucketOwner.Value,
			KeyARNs: s.PinnedARNs(), KeyNames: s.File.Keys,
			AllowUnencrypted: s.File.AllowUnencrypted, SingleWriter: a.Globals.SingleWriter || s.File.SingleWriter,
			CacheDir: a.CacheDirectory(), PrivateDir: a.privateDirectory(), Notice: func(text string) { a.Note("%s", text) },
			Unverified: a.Unverified, AllowRollback: a.Globals.AllowRollback, Now: a.Now, Log: a.Logger(),
		})
	}
}

var Backends = []string{"s3-kms", "s3", "ssm", "secretsmanager", "local", "null"}

// Check refuses settings that contradict one another, before anything is asked of a store.
func (s *Settings) Check() error {
	backend := s.Backend.Value
	switch {
	case !slices.Contains(Backends, backend):
		return fmt.Errorf("%w: there is no backend %q (%s); there are %s", store.ErrInvalid, backend, s.Backend.From, strings.Join(Backends, ", "))
	case slices.Contains([]string{"s3", "secretsmanager", "null"}, backend) && s.KMSKeyAlias.From == "--kms-key-alias":
		return fmt.Errorf("%w: the %s backend has no KMS key: use s3-kms, or drop --kms-key-alias", store.ErrInvalid, backend)
	case (backend == "s3" || backend == "s3-kms") && s.Bucket.Value == "":
		return fmt.Errorf("%w: the %s backend needs a bucket: --bucket, or COFFER_S3_BUCKET", store.ErrConfiguration, backend)
	case len(s.PinnedARNs()) == 0 && (s.KeyARNs.Value != "" || len(s.File.KeyARNs) > 0):
		// Believing every key then would be the opposite of what was meant.
		return fmt.Errorf("%w: key_arns, or COFFER_KEY_ARNS, names no key", store.ErrConfiguration)
	}
	return nil
}

// AliasOfWrites returns the alias that new versions go under, "" where it cannot be told
// without asking KMS, and for backends without keys.
func (s *Settings) AliasOfWrites() string {
	name := s.KMSKeyAlias.Value
	if name == "" && s.Backend.Value == "local" {
		return local.DefaultAlias
	}
	alias, err := store.NormalizeAlias(name)
	if err != nil || store.IsKeyName(name) {
		return ""
	}
	return alias
}

// Service is the AWS service that keeps the secrets, as the SDK calls it; "" without one.
func (s *Settings) Service() string {
	switch s.Backend.Value {
	case "s3", "s3-kms":
		return "S3"
	case "ssm":
		return "SSM"
	case "secretsmanager":
		return "Secrets Manager"
	}
	return ""
}

// Aws loads the AWS configuration.
func (a *App) Aws(ctx context.Context, s *Settings) (awsconf.Config, error) {
	o, err := a.AwsOptions(s)
	if err != nil {
		return awsconf.Config{}, err
	}
	return awsconf.Load(ctx, o)
}

func (a *App) AwsOptions(s *Settings) (awsconf.Options, error) {
	retries, err := s.retries()
	if err != nil {
		return awsconf.Options{}, err
	}
	timeout, err := a.limit(s)
	return awsconf.Options{
		Timeout: timeout,
		Region:  s.Region.Value, Profile: s.Profile.Value, EndpointURL: s.EndpointURL.Value, Service: s.Service(),
		Retries: retries, RetryMode: s.RetryMode.Value, AllowHTTP: a.Globals.AllowHTTP || s.File.AllowHTTP,
		Log: a.Logger(), Now: a.Now,
	}, err
}

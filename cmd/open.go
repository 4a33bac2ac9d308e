package cmd

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
	s, err := a.settings()
	if err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	switch s.Backend.Value {
	case "null":
		return null.New(), nil
	case "local":
		return local.New(local.Options{
			Dir: s.Dir.Value, KeyDir: s.KeyDir.Value, KeyAlias: s.KMSKeyAlias.Value,
			AllowRollback: a.globals.AllowRollback, Notice: func(text string) { a.note("%s", text) }, Author: a.userName(), Now: a.Now,
		})
	}
	cfg, err := a.aws(ctx, s)
	if err != nil {
		return nil, err
	}
	switch s.Backend.Value {
	case "s3":
		return s3.New(cfg, s3.Options{
			Bucket: s.Bucket.Value, ExpectedOwner: s.ExpectedBucketOwner.Value,
			AllowUnencrypted: s.file.AllowUnencrypted, SingleWriter: a.globals.SingleWriter || s.file.SingleWriter,
			CacheDir: a.cacheDirectory(), PrivateDir: a.privateDirectory(), Notice: func(text string) { a.note("%s", text) },
			Unverified: a.unverified, AllowRollback: a.globals.AllowRollback, Now: a.Now, Log: a.log(),
		})
	case "ssm":
		return ssm.New(awsconf.SSM(cfg), ssm.Options{KeyAlias: s.KMSKeyAlias.Value, Notice: a.noteOnce()})
	case "secretsmanager":
		return secretsmanager.New(awsconf.SecretsManager(cfg), secretsmanager.Options{
			Author: awsconf.Author(cfg, a.log()), Now: a.Now,
		}), nil
	default:
		return s3kms.New(ctx, cfg, s3kms.Options{
			Bucket: s.Bucket.Value, KeyAlias: s.KMSKeyAlias.Value, ExpectedOwner: s.ExpectedBucketOwner.Value,
			KeyARNs: s.keyARNs(), KeyNames: s.file.Keys,
			AllowUnencrypted: s.file.AllowUnencrypted, SingleWriter: a.globals.SingleWriter || s.file.SingleWriter,
			CacheDir: a.cacheDirectory(), PrivateDir: a.privateDirectory(), Notice: func(text string) { a.note("%s", text) },
			Unverified: a.unverified, AllowRollback: a.globals.AllowRollback, Now: a.Now, Log: a.log(),
		})
	}
}

var backends = []string{"s3-kms", "s3", "ssm", "secretsmanager", "local", "null"}

// check refuses settings that contradict one another, before anything is asked of a store.
func (s *settings) check() error {
	backend := s.Backend.Value
	switch {
	case !slices.Contains(backends, backend):
		return fmt.Errorf("%w: there is no backend %q (%s); there are %s", store.ErrInvalid, backend, s.Backend.From, strings.Join(backends, ", "))
	case slices.Contains([]string{"s3", "secretsmanager", "null"}, backend) && s.KMSKeyAlias.From == "--kms-key-alias":
		return fmt.Errorf("%w: the %s backend has no KMS key: use s3-kms, or drop --kms-key-alias", store.ErrInvalid, backend)
	case (backend == "s3" || backend == "s3-kms") && s.Bucket.Value == "":
		return fmt.Errorf("%w: the %s backend needs a bucket: --bucket, or COFFER_S3_BUCKET", store.ErrConfiguration, backend)
	case len(s.keyARNs()) == 0 && (s.KeyARNs.Value != "" || len(s.file.KeyARNs) > 0):
		// Believing every key then would be the opposite of what was meant.
		return fmt.Errorf("%w: key_arns, or COFFER_KEY_ARNS, names no key", store.ErrConfiguration)
	}
	return nil
}

// aliasOfWrites returns the alias that new versions go under, "" where it cannot be told
// without asking KMS, and for backends without keys.
func (s *settings) aliasOfWrites() string {
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

// service is the AWS service that keeps the secrets, as the SDK calls it; "" without one.
func (s *settings) service() string {
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

// aws loads the AWS configuration.
func (a *App) aws(ctx context.Context, s *settings) (awsconf.Config, error) {
	o, err := a.awsOptions(s)
	if err != nil {
		return awsconf.Config{}, err
	}
	return awsconf.Load(ctx, o)
}

func (a *App) awsOptions(s *settings) (awsconf.Options, error) {
	retries, err := s.retries()
	if err != nil {
		return awsconf.Options{}, err
	}
	timeout, err := a.limit(s)
	return awsconf.Options{
		Timeout: timeout,
		Region:  s.Region.Value, Profile: s.Profile.Value, EndpointURL: s.EndpointURL.Value, Service: s.service(),
		Retries: retries, RetryMode: s.RetryMode.Value, AllowHTTP: a.globals.AllowHTTP || s.file.AllowHTTP,
		Log: a.log(), Now: a.Now,
	}, err
}

package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/local"
	"github.com/coffer-secrets/coffer/store/s3"
	"github.com/coffer-secrets/coffer/store/s3kms"
)

// Open returns the store that the settings describe. It is the one place that knows
// backends by name.
func (a *App) Open(ctx context.Context) (store.Store, error) {
	s, err := a.settings()
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(s.Backend.Value) { // chamber takes any case
	case "local":
		return local.New(local.Options{
			Dir: s.Dir.Value, KeyDir: s.KeyDir.Value, KeyAlias: s.KMSKeyAlias.Value,
			Author: a.userName(), Now: a.Now,
		})
	case "s3-kms":
		cfg, err := a.aws(ctx, s)
		if err != nil {
			return nil, err
		}
		return s3kms.New(ctx, cfg, s3kms.Options{
			Bucket: s.Bucket.Value, KeyAlias: s.alias(), Now: a.Now, Log: a.log(),
		})
	case "s3":
		if s.KMSKeyAlias.Value != "" && s.KMSKeyAlias.From == "--kms-key-alias" {
			return nil, fmt.Errorf("%w: the s3 backend has no KMS key; use s3-kms, or drop --kms-key-alias", store.ErrInvalid)
		}
		cfg, err := a.aws(ctx, s)
		if err != nil {
			return nil, err
		}
		return s3.New(cfg, s3.Options{Bucket: s.Bucket.Value, Now: a.Now, Log: a.log()})
	}
	return nil, fmt.Errorf("%w: there is no backend %q (%s); there are s3-kms, s3 and local", store.ErrInvalid, s.Backend.Value, s.Backend.From)
}

func (s *settings) alias() string {
	if s.KMSKeyAlias.Value == "" {
		return defaultKMSKeyAlias
	}
	return s.KMSKeyAlias.Value
}

// aws loads the AWS configuration for an S3 backend, which needs a bucket.
func (a *App) aws(ctx context.Context, s *settings) (aws.Config, error) {
	if s.Bucket.Value == "" {
		return aws.Config{}, fmt.Errorf("%w: the %s backend needs a bucket: --bucket, or COFFER_S3_BUCKET", store.ErrConfiguration, s.Backend.Value)
	}
	retries, err := s.retries()
	if err != nil {
		return aws.Config{}, err
	}
	return awsconf.Load(ctx, awsconf.Options{
		Region: s.Region.Value, Profile: s.Profile.Value, EndpointURL: s.EndpointURL.Value,
		Retries: retries, RetryMode: s.RetryMode.Value, AllowHTTP: a.globals.AllowHTTP,
		Log: a.log(), Now: a.Now,
	})
}

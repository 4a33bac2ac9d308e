package app

import (
	"context"
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/bucketname"
	"github.com/coffer-secrets/coffer/store"
)

// Open returns the store that the settings describe.
func (a *App) Open(ctx context.Context) (store.Store, error) {
	s, err := a.Settings()
	if err != nil {
		return nil, err
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	opened, err := s.Kind().open(ctx, a, s)
	if err != nil || a.Wrap == nil {
		return opened, err
	}
	return a.Wrap(opened)
}

// Check returns an error if settings are missing or contradict one another. It makes no request.
func (s *Settings) Check() error {
	b := s.Kind()
	switch {
	case b.name == "":
		return fmt.Errorf("%w: unknown backend %q (%s); the backends are %s", store.ErrInvalid, s.Backend.Value, s.Backend.From, strings.Join(Backends(), ", "))
	case !b.Keys && s.KMSKeyAlias.From == "--kms-key-alias":
		return fmt.Errorf("%w: the %s backend has no KMS key: use s3-kms, or omit --kms-key-alias", store.ErrInvalid, b.name)
	case b.Bucket && s.Bucket.Value == "":
		return fmt.Errorf("%w: the %s backend needs a bucket: set --bucket or COFFER_S3_BUCKET", store.ErrConfiguration, b.name)
	case len(s.PinnedARNs()) == 0 && (s.KeyARNs.Value != "" || len(s.File.KeyARNs) > 0):
		// Without this error, every key would be accepted: the opposite of what was meant.
		return fmt.Errorf("%w: key_arns, or COFFER_KEY_ARNS, is empty", store.ErrConfiguration)
	case b.Bucket:
		if err := bucketname.Check(s.Bucket.Value); err != nil {
			return s.badBucket(err)
		}
	}
	return nil
}

// AliasOfWrites returns the key alias of new versions; "" if the key is configured by its ID or ARN,
// and for backends without keys.
func (s *Settings) AliasOfWrites() string {
	name := s.KMSKeyAlias.Value
	alias, err := store.NormalizeAlias(name)
	if err != nil || store.IsKeyName(name) {
		return ""
	}
	return alias
}

// AWS loads the AWS configuration of the settings.
func (a *App) AWS(ctx context.Context, s *Settings) (awsconf.Config, error) {
	o, err := a.AWSOptions(s)
	if err != nil {
		return awsconf.Config{}, err
	}
	cfg, err := awsconf.Load(ctx, o)
	if err != nil {
		return cfg, err
	}
	return cfg, s.checkBucketAt(cfg)
}

// AWSOptions returns the options for [awsconf.Load].
func (a *App) AWSOptions(s *Settings) (awsconf.Options, error) {
	retries, err := s.retries()
	if err != nil {
		return awsconf.Options{}, err
	}
	timeout, err := a.setTimeout(s)
	o := awsconf.Options{
		Timeout: timeout,
		Region:  s.Region.Value, Profile: s.Profile.Value, EndpointURL: s.EndpointURL.Value, Service: s.Kind().Service,
		Retries: retries, RetryMode: s.RetryMode.Value, AllowHTTP: a.Globals.AllowHTTP || s.File.AllowHTTP,
		SessionCache: a.awsDirectory("cli", "cache"),
		Fetched:      a.Conceal,
		Log:          a.Logger(), Now: a.Now,
	}
	if !a.Unattended {
		o.AskCode, o.Terminal = a.askAtTerminal, a.Interactive()
	}
	if s.Retries.isDefault() { // the SDK's own settings come before a default
		o.Retries = 0
	}
	if s.RetryMode.isDefault() {
		o.RetryMode, o.DefaultRetryMode = "", s.RetryMode.Value
	}
	return o, err
}

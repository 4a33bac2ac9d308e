package app

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
)

// Unreached reports whether an error is that the storage, or the service that issues its credentials,
// can't be reached: there was no answer that shows who sent it, or after all attempts one of 5xx. It is
// false for every answer that refuses something, also that a key is disabled.
func Unreached(err error) bool {
	var ended *waiting.NoProgressError
	var credentials *store.CredentialsError
	var refused *store.StorageError
	switch {
	case errors.As(err, &credentials):
		return credentials.Unreached
	case errors.As(err, &ended):
		return true
	case errors.As(err, &refused):
		return notReached(refused) || errors.Is(refused, store.ErrUnavailable) && passes(refused)
	}
	return errors.Is(err, context.DeadlineExceeded)
}

// passes reports whether there was no answer, or one that says nothing but that the service can't answer now. What
// throttles says so with status 400, as all services do whose API is AWS's JSON.
func passes(e *store.StorageError) bool {
	code := strings.TrimPrefix(e.Code, "KMS.")
	return e.Status == 0 || e.Status >= 500 || e.Status == 408 || e.Status == 429 || strings.HasPrefix(code, "Throttl") ||
		slices.Contains([]string{"RequestLimitExceeded", "LimitExceededException", "RequestTimeout"}, code)
}

// refused reports whether an error is that the caller has no access any more: a denial, credentials that
// the storage doesn't know, or a key that was disabled. It is false if a session has ended or a clock is
// wrong: that says nothing about what the caller may do.
func refused(err error) bool {
	var credentials *store.CredentialsError
	var answer *store.StorageError
	switch {
	case errors.As(err, &credentials):
		return credentials.Refused
	case errors.As(err, &answer) && !errors.Is(answer, store.ErrDenied):
		return slices.Contains([]string{
			"InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidToken", "InvalidTokenId", "XMinioAdminNoSuchAccessKey",
			"DecryptionFailure", "DecryptionFailureException", // Secrets Manager: the key is disabled or deleted
			"KMS.DisabledException", "KMS.KMSInvalidStateException", "KMS.NotFoundException",
		}, answer.Code) || strings.HasPrefix(answer.Code, "kms:") // MinIO
	}
	return errors.Is(err, store.ErrDenied)
}

// obey does what the answer of the storage means for the cache, also in commands that don't use it: what a
// caller may no longer read, and what its owner forbids to keep, is deleted. name is the service as it was
// typed.
func (a *App) obey(ctx context.Context, name string, l labeled, err error) {
	c := l.Contents
	services := []string{name, serviceWithLabel(serviceNamed(err, name), name), serviceWithLabel(c.Service, name)}
	switch {
	case a.Wrap != nil && !refused(err): // of other versions than the newest
	case err != nil && (refused(err) || IsMissingService(err)), err == nil && len(c.Secrets) == 0:
		a.forget(ctx, services, nil)
	case err == nil && len(c.Denied)+len(c.Hidden)+len(c.NoCache) > 0:
		a.forget(ctx, services, func(s store.Secret) bool { return slices.Contains(c.Hidden, s.ID.Key) || forbidden(c, s) })
	}
}

// obeyAll is obey for a store that couldn't be opened.
func (a *App) obeyAll(ctx context.Context, services []string, err error) {
	for _, name := range ServiceNames(services) {
		a.obey(ctx, name, labeled{}, err)
	}
}

// ObeyRead does what an error of reading one secret means for the cache.
func (a *App) ObeyRead(ctx context.Context, service, key string, err error) {
	if !refused(err) {
		return
	}
	var is func(store.Secret) bool
	if errors.Is(err, store.ErrDenied) { // of this secret; the others may be readable
		is = func(s store.Secret) bool { return strings.EqualFold(s.ID.Key, key) }
	}
	a.forget(ctx, []string{service, serviceWithLabel(serviceNamed(err, service), service)}, is)
}

// forget deletes what the reader has of services. If has is not nil, only copies with such a secret.
func (a *App) forget(ctx context.Context, services []string, has func(store.Secret) bool) {
	if a.InForce.Kind().Service == "" {
		return
	}
	if _, err := os.Stat(a.cacheOfSecrets()); err != nil {
		return // nothing was ever kept
	}
	place, err := a.cachedPlace(ctx)
	if err != nil {
		return
	}
	for _, service := range slices.Compact(services) {
		if has != nil {
			kept, err := place.files.Get(place.of(service))
			if err != nil || !slices.ContainsFunc(kept.Contents.Secrets, has) {
				continue
			}
		}
		place.forget(service)
	}
}

package site

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

const probePrefix = "probe-"

// Check writes, reads and deletes a secret, to show that the store works. It also removes what
// earlier checks that were killed have left.
func Check(ctx context.Context, a *app.App) error {
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	err = probe(ctx, a, s)
	for n := 0; n < 2 && errors.Is(err, store.ErrNotFound); n++ { // another init has removed the secret in its cleanup
		err = probe(ctx, a, s)
	}
	if err != nil {
		return err
	}
	a.Note("a secret was written, read and deleted")
	if err := removeProbes(ctx, s); err != nil && !errors.Is(err, store.ErrUnsupported) {
		a.Note("parts of it may be left: %s", app.Sentence(err))
	}
	return nil
}

// probe writes, reads and deletes one secret with a random name.
func probe(ctx context.Context, a *app.App, s store.Store) error {
	id := store.ID{Service: store.Scratch, Key: probePrefix + strings.ToLower(rand.Text())}
	value := store.NewValue(rand.Text())
	_, err := s.Write(ctx, id, value, store.WriteOptions{})
	var read store.Secret
	if err == nil {
		read, err = s.Read(ctx, id, store.Latest)
	}
	if err == nil && read.Value != value {
		err = fmt.Errorf("%w: the store returned another value than was written", store.ErrCorrupt)
	}
	// Delete the secret, whatever happened.
	_, deleteErr := s.Delete(waiting.Beyond(ctx), id.Service, id.Key)
	if err != nil {
		return fmt.Errorf("checking the store with a test secret: %w", err)
	}
	if errors.Is(deleteErr, store.ErrIndexBehind) && errors.Is(deleteErr, store.ErrDenied) { // the secret is gone
		a.Note("the index of the test secret is left: %s", app.Sentence(deleteErr))
	} else if deleteErr != nil {
		return fmt.Errorf("deleting the test secret: %w", deleteErr)
	}
	return nil
}

// removeProbes removes the secrets of checks that were killed, and the versions that the bucket keeps
// of all checks.
func removeProbes(ctx context.Context, s store.Store) error {
	p, ok := s.(admin.Purger)
	if !ok {
		return nil
	}
	kept, err := p.Residue(ctx, store.Scratch)
	var keys []string
	for _, k := range kept {
		if strings.HasPrefix(k.ID.Key, probePrefix) {
			keys = append(keys, k.ID.Key)
		}
	}
	if len(keys) > 0 {
		_, _, err = p.Purge(ctx, store.Scratch, keys...)
	}
	return err
}

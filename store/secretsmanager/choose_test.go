package secretsmanager

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/coffer-secrets/coffer/store"
)

func write(t *testing.T, s *Store, service, key, value string) {
	t.Helper()
	if _, err := s.Write(t.Context(), id(service, key), store.NewValue(value), store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TestSaltsThatChamberDropsAreFoundInTheHistory: chamber rewrites the metadata of all keys, and drops what it
// doesn't know.
func TestSaltsThatChamberDropsAreFoundInTheHistory(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	s := open(url)
	write(t, s, api, "k", "one")
	before, err := s.Read(t.Context(), id(api, "k"), store.Latest)
	if err != nil || len(before.Salt.Reveal()) != 26 {
		t.Fatalf("a salt of %d bytes, error %v", len(before.Salt.Reveal()), err)
	}
	chamber{t, newClient(url)}.write(api, "other", "x")
	if now, err := s.Read(t.Context(), id(api, "k"), store.Latest); err != nil || now.Salt != (store.Salt{}) {
		t.Fatalf("chamber keeps salts now, error %v", err)
	}
	newest := func(versions []store.Version) int { return versions[len(versions)-1].Version }
	c, err := s.LoadChosen(t.Context(), api, store.Choice{Pick: newest})
	if err != nil || len(c.Secrets) != 2 || c.Secrets[0].Salt != before.Salt || c.Secrets[1].Salt != (store.Salt{}) {
		t.Errorf("error %v, or other salts", err)
	}
}

func TestOlderVersionsOfAServiceAreReadOnce(t *testing.T) {
	var mu sync.Mutex
	counts := map[string]int{}
	url, api := serve(t, func(operation string, _ []byte, _ *server) (int, []byte) {
		mu.Lock()
		defer mu.Unlock()
		counts[operation]++
		return 0, nil
	}), serviceName(t)
	s := open(url)
	for _, value := range []string{"one", "two"} {
		for _, key := range []string{"a", "b", "gone"} {
			write(t, s, api, key, value)
		}
	}
	if _, err := s.Delete(t.Context(), api, "gone"); err != nil {
		t.Fatal(err)
	}
	clear(counts)
	c, err := s.LoadChosen(t.Context(), api, store.Choice{Pick: func(versions []store.Version) int { return versions[0].Version }})
	if err != nil || len(c.Secrets) != 2 || c.Secrets[0].Value.Reveal() != "one" || c.Secrets[1].Value.Reveal() != "one" {
		t.Fatalf("%d secrets, or other versions, error %v", len(c.Secrets), err)
	}
	if !slices.Equal(c.Deleted, []string{"gone"}) {
		t.Errorf("deleted: %q", c.Deleted)
	}
	if counts["ListSecretVersionIds"] != 1 || counts["GetSecretValue"] != 7 {
		t.Errorf("requests: %v; want one listing, and the current version with six older ones", counts)
	}
}

func TestAChoiceOfAServiceThatMayNotBeReadIsDenied(t *testing.T) {
	s := open(serve(t, func(operation string, _ []byte, _ *server) (int, []byte) {
		if operation == "GetSecretValue" {
			return http.StatusBadRequest, refusal("AccessDeniedException", "not authorized")
		}
		return 0, nil
	}))
	if _, err := s.LoadChosen(t.Context(), serviceName(t), store.Choice{}); !errors.Is(err, store.ErrDenied) {
		t.Errorf("error is %v; want denied", err)
	}
}

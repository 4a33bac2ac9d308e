package storetest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// canary is part of every value that could leak into an error text.
const canary = "canary-7f3a9c41"

func secret(text string) store.Value { return store.NewValue(canary + " " + text) }

func ptr(version int) *int { return &version }

func (s *session) id(key string) store.ID {
	s.Helper()
	id, err := store.NewID(s.service, key)
	if err != nil {
		s.Fatal(err)
	}
	return id
}

// write stores a value. It must be accepted.
func (s *session) write(key, text string, o store.WriteOptions) store.Result {
	s.Helper()
	r, err := s.store.Write(s.ctx, s.id(key), secret(text), o)
	if err != nil {
		s.Fatalf("write %s: %v", key, err)
	}
	return r
}

// plant stores a secret with exactly this key.
func (s *session) plant(key, text string) {
	s.Helper()
	if s.caps.Plant != nil {
		s.caps.Plant(s.T, s.store, s.id(key), secret(text).Reveal())
		return
	}
	if r := s.write(key, text, store.WriteOptions{PreserveCase: true}); r.Meta.ID.Key != key {
		s.Skipf("this store will not make %q beside %q, and Capabilities.Plant is not set", key, r.Meta.ID.Key)
	}
}

// wantSecret reads a secret and compares its value and version.
func (s *session) wantSecret(key string, version int, text string, wantVersion int) store.Secret {
	s.Helper()
	got, err := s.store.Read(s.ctx, s.id(key), version)
	if err != nil {
		s.Fatalf("read %s, version %d: %v", key, version, err)
	}
	if got.Value != secret(text) {
		s.Errorf("read %s, version %d: another value than the one written", key, version)
	}
	if got.Version != wantVersion {
		s.Errorf("read %s, version %d: got version %d, want %d", key, version, got.Version, wantVersion)
	}
	return got
}

// wantResult compares the result of a write.
func (s *session) wantResult(r store.Result, key string, version int, outcome store.Outcome) {
	s.Helper()
	if r.Outcome != outcome || r.Meta.Version != version || r.Meta.ID != s.id(key) || r.Err != nil {
		s.Errorf("result: %s version %d of %s (error %v); want %s version %d of %s",
			r.Outcome, r.Meta.Version, r.Meta.ID, r.Err, outcome, version, s.id(key))
	}
}

// wantError checks an error against the contract: its sentinel, its type, its service, and that its
// text contains no value.
func (s *session) wantError(err, sentinel error) {
	s.Helper()
	if !errors.Is(err, sentinel) {
		s.Fatalf("error is %v; want one that wraps %v", err, sentinel)
	}
	var typed *store.Error
	switch {
	case !errors.As(err, &typed):
		s.Errorf("error %v is a %T; want a *store.Error", err, err)
	case typed.Op == "" || typed.Op != strings.ToLower(typed.Op):
		s.Errorf("error %v: its operation is %q; want the method in lower case", err, typed.Op)
	}
	if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, canary) {
		s.Error("the error's text contains the value")
	}
}

// wantLoad compares the keys and values of the whole service, and returns its secrets.
func (s *session) wantLoad(want map[string]string) []store.Secret {
	s.Helper()
	contents, err := s.store.Load(s.ctx, s.service)
	if err != nil {
		s.Fatalf("load: %v", err)
	}
	if contents.Service != s.service || contents.Listed != len(want) || len(contents.Secrets) != len(want) {
		s.Fatalf("load %s: %d listed, %d secrets; want %d of %s",
			contents.Service, contents.Listed, len(contents.Secrets), len(want), s.service)
	}
	for i, got := range contents.Secrets {
		if i > 0 && contents.Secrets[i-1].ID.Key >= got.ID.Key {
			s.Errorf("load is not sorted: %q before %q", contents.Secrets[i-1].ID.Key, got.ID.Key)
		}
		text, ok := want[got.ID.Key]
		if !ok || got.ID.Service != s.service {
			s.Errorf("load has %s, which was not written there", got.ID)
		} else if got.Value != secret(text) {
			s.Errorf("load: %s has another value than the one written", got.ID)
		}
	}
	return contents.Secrets
}

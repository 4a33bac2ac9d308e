package kmsseal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal"
)

var _ seal.Sealer = (*Sealer)(nil)

func TestWhatIsSealedOpensAgain(t *testing.T) {
	s, m := inAccount("", Options{})
	for _, n := range []int{0, 1, 100, 64 << 10, 64<<10 + 1, 1 << 20} {
		body := bytes.Repeat([]byte{'x'}, n)
		sealed, at, err := s.Seal(t.Context(), "alias/app", name, body)
		want := bucket.Seal{Method: Method, KeyID: own}
		if err != nil || at != want || bytes.Contains(sealed, []byte("xxxxxxxx")) {
			t.Fatalf("%d bytes: %v, %v", n, at, err)
		}
		if got := s.Inspect(sealed[:min(len(sealed), seal.HeaderSize)]); got != want {
			t.Errorf("%d bytes: looks like %v", n, got)
		}
		if opened, at, err := s.Open(t.Context(), name, sealed); err != nil || at != want || !bytes.Equal(opened, body) {
			t.Errorf("%d bytes: %v, %v", n, at, err)
		}
	}
	if asked := m.asked[1]; asked != strings.TrimPrefix(own, "arn:aws:kms:eu-west-1:111122223333:key/") {
		t.Errorf("KMS was asked for %s, want the bare id of the key", asked)
	}
}

func TestTheEncryptionContextNamesTheObject(t *testing.T) {
	seen := map[string]string{}
	for object, want := range map[string]map[string]string{
		"api/db_password.json":             {"coffer:service": "api", "coffer:key": "db_password"},
		"team/api/a.b.json":                {"coffer:service": "team/api", "coffer:key": "a.b"},
		"api/__kms_alias_app__latest.json": {"coffer:service": "api", "coffer:key": "__index", "coffer:index": "__kms_alias_app__latest.json"},
		"api/__index.json":                 {"coffer:service": "api", "coffer:key": "__index", "coffer:index": "__index.json"},
		"api/notes.txt":                    {"coffer:service": "api", "coffer:key": "__index", "coffer:index": "notes.txt"},
		"api/.json":                        {"coffer:service": "api", "coffer:key": "__index", "coffer:index": ".json"},
		"top.json":                         {"coffer:service": "", "coffer:key": "top"},
		"/top.json":                        {"coffer:service": "", "coffer:key": "top"},
	} {
		s, m := inAccount("", Options{})
		sealed := seal1(t, s, "alias/app", object)
		if _, _, err := s.Open(t.Context(), object, sealed); err != nil {
			t.Fatal(err)
		}
		for _, got := range m.context {
			if !maps.Equal(got, want) {
				t.Errorf("%s: %v, want %v", object, got, want)
			}
		}
		if key := fmt.Sprint(want); seen[key] != "" && strings.TrimPrefix(object, "/") != strings.TrimPrefix(seen[key], "/") {
			t.Errorf("%s and %s have the same context", object, seen[key])
		} else {
			seen[key] = object
		}
	}
}

// Objects under the key that an alias pointed to before open until they are moved.
func TestAnAliasThatPointsToAnotherKeyHidesNothing(t *testing.T) {
	s, _ := inAccount("111122223333", Options{})
	if _, at, err := s.Open(t.Context(), name, seal1(t, s, "alias/old", name)); err != nil || at.KeyID != old {
		t.Errorf("%v, %v", at, err)
	}
}

func TestAKeyOfAnotherAccountOpensIfItIsPinnedOrNamed(t *testing.T) {
	for what, o := range map[string]Options{
		"pinned and named": {Pinned: []string{own, foreign}, KeyNames: map[string]string{"alias/app": foreign}},
		"named":            {KeyNames: map[string]string{"alias/app": foreign}},
	} {
		s, m := inAccount("111122223333", o)
		if _, _, err := s.Open(t.Context(), name, seal1(t, s, "alias/app", name)); err != nil || m.asked[1] != foreign {
			t.Errorf("%s: asked for %q, %v", what, m.asked, err)
		}
	}
}

// A bucket that is replicated to another region opens there with the replica of its key.
func TestAReplicaOfAKeyOpensWhatTheKeyHasSealed(t *testing.T) {
	const there = "arn:aws:kms:us-east-1:111122223333:key/mrk-00000000000000000000000000000003"
	for what, o := range map[string]Options{"any key": {}, "the key pinned": {Pinned: []string{there}}, "the replica pinned": {Pinned: []string{replica}}} {
		s, _ := inAccount("", o)
		if _, _, err := s.Open(t.Context(), name, forge(t, there)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	s, _ := inAccount("", Options{})
	refuses(t, s, name, forge(t, strings.Replace(there, "111122223333", "999999999999", 1)), "a key of another account with the same id")
}

// Nothing is sealed for which a reader would have no key to ask.
func TestNothingIsSealedUnderAKeyThatIsNotPinned(t *testing.T) {
	for what, c := range map[string]struct {
		account, alias string
		o              Options
	}{
		"another key is pinned":                  {"", "alias/old", Options{Pinned: []string{own}}},
		"an alias of another account":            {"111122223333", "alias/app", Options{KeyNames: map[string]string{"alias/app": foreignAlias}}},
		"an alias of an account, our own or not": {"", "alias/app", Options{KeyNames: map[string]string{"alias/app": foreignAlias}}},
	} {
		s, _ := inAccount(c.account, c.o)
		sealed, _, err := s.Seal(t.Context(), c.alias, name, []byte(secret))
		var pin *store.PinError
		if sealed != nil || !errors.As(err, &pin) || pin.Alias != c.alias {
			t.Errorf("%s: error %v", what, err)
		}
	}
}

func TestNothingIsSealedWithoutAnAlias(t *testing.T) {
	s, m := inAccount("", Options{})
	if _, _, err := s.Seal(t.Context(), "", name, nil); !errors.Is(err, bucket.ErrRefused) || m.requests() != 0 {
		t.Errorf("%v, %d requests", err, m.requests())
	}
}

func TestAnObjectThatIsNotSealedIsNoSealedObject(t *testing.T) {
	s, m := inAccount("", Options{})
	var unsealed *store.SealError
	if _, _, err := s.Open(t.Context(), name, []byte(" {}")); !errors.As(err, &unsealed) || unsealed.Method != "" {
		t.Errorf("JSON: %v", err)
	}
	if _, _, err := s.Open(t.Context(), name, []byte("age-encryption.org/v1\n-> X25519 AAAA\nAAAA\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n")); !errors.As(err, &unsealed) || unsealed.Method != "age" {
		t.Errorf("for an age key: %v", err)
	}
	for text, want := range map[string]bucket.Seal{
		"": {}, "{}": {}, "age-encryption.org/v1\n-> X25519 A": {Method: "age"}, "age-encryption.org/v1\n-> aws-kms arn": {Method: "age"},
		"age-encryption.org/v1\n-> aws-kms arn:x api%2Fk\n": {Method: Method, KeyID: "arn:x"},
	} {
		if got := s.Inspect([]byte(text)); got != want {
			t.Errorf("%q looks like %v", text, got)
		}
	}
	if m.requests() != 0 {
		t.Errorf("%d requests", m.requests())
	}
}

// What was made ready saves a request once: no file key seals two bodies.
func TestWhatWasMadeReadyIsUsedOnce(t *testing.T) {
	s, m := inAccount("", Options{})
	done := s.Ready(t.Context(), "alias/app", name, "api/other.json")
	for _, of := range []string{name, "api/other.json"} {
		if key, err := s.Key(t.Context(), "alias/app", of); err != nil || key != own {
			t.Fatalf("%s: %s, %v", of, key, err)
		}
	}
	first := seal1(t, s, "alias/app", name)
	if m.requests() != 2 {
		t.Errorf("%d requests, want those for two objects", m.requests())
	}
	second := seal1(t, s, "alias/app", name)
	if m.requests() != 3 || bytes.Equal(header(first), header(second)) {
		t.Errorf("%d requests; the second body has the header of the first", m.requests())
	}
	done()
	seal1(t, s, "alias/app", "api/other.json")
	if m.requests() != 4 || len(s.ready) != 0 {
		t.Errorf("%d requests, %d left", m.requests(), len(s.ready))
	}
}

func header(sealed []byte) []byte {
	head, _, _ := bytes.Cut(sealed, []byte("\n--- "))
	return head
}

// A request that was cancelled with whoever began it is made again for who still needs it.
func TestACancelledPreparationIsMadeAgain(t *testing.T) {
	s, _ := inAccount("", Options{})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	s.Ready(gone, "alias/app", name)
	if _, err := s.Key(t.Context(), "alias/app", name); err != nil {
		t.Error(err)
	}
	s.Ready(gone, "alias/app", "api/b.json")
	seal1(t, s, "alias/app", "api/b.json")
	if _, _, err := s.Seal(gone, "alias/app", "api/c.json", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("sealed for a caller that is gone: %v", err)
	}
}

func TestManyMaySealAndOpenAtOnce(t *testing.T) {
	s, _ := inAccount("", Options{})
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			defer s.Ready(t.Context(), "alias/app", name)()
			sealed, _, err := s.Seal(t.Context(), "alias/app", name, []byte(secret))
			if err != nil {
				t.Error(err)
				return
			}
			if body, _, err := s.Open(t.Context(), name, sealed); err != nil || string(body) != secret {
				t.Errorf("%q, %v", body, err)
			}
		})
	}
	group.Wait()
}

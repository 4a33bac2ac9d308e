package ageseal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal"
	"github.com/coffer-secrets/coffer/store/internal/seal/ageseal"
)

// sealers are a sealer with an identity of each kind, and what it has sealed.
func sealers(t *testing.T) map[string]struct {
	*ageseal.Sealer
	sealed []byte
} {
	t.Helper()
	all := map[string]struct {
		*ageseal.Sealer
		sealed []byte
	}{}
	for name, identity := range map[string]fmt.Stringer{"X25519": classic(t), "hybrid": hybrid(t)} {
		h := newHome(t)
		h.keep(t, "alias_app.age", identity.String())
		s := ageseal.New(ageseal.Options{Dir: h.KeyDir})
		sealed, _, err := s.Seal(t.Context(), app, "api/a.json", []byte(canary))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = struct {
			*ageseal.Sealer
			sealed []byte
		}{s, sealed}
	}
	return all
}

// wantShut checks that bytes don't open, and that the error says nothing of them.
func wantShut(t *testing.T, s *ageseal.Sealer, what string, data []byte) {
	t.Helper()
	body, by, err := s.Open(t.Context(), "api/a.json", data)
	var fault seal.Fault
	if body != nil || by != (bucket.Seal{}) || !errors.As(err, &fault) || fault.Err != bucket.ErrTorn && fault.Err != bucket.ErrDenied {
		t.Errorf("%s: %q, %+v, %v", what, body, by, err)
	}
	if strings.Contains(fmt.Sprint(err), canary) {
		t.Errorf("%s: %v quotes the object", what, err)
	}
}

func TestAFlippedBitAnywhereIsNoticed(t *testing.T) {
	for name, s := range sealers(t) {
		for i := range s.sealed {
			flipped := bytes.Clone(s.sealed)
			flipped[i] ^= 1 << (i % 8)
			wantShut(t, s.Sealer, fmt.Sprintf("%s, bit %d of byte %d", name, i%8, i), flipped)
		}
	}
}

func TestAnObjectCutAnywhereIsNoticed(t *testing.T) {
	for name, s := range sealers(t) {
		for n := range s.sealed {
			wantShut(t, s.Sealer, fmt.Sprintf("%s, %d bytes", name, n), s.sealed[:n])
		}
		wantShut(t, s.Sealer, name+", one byte more", append(bytes.Clone(s.sealed), 0))
		wantShut(t, s.Sealer, name+", twice", append(bytes.Clone(s.sealed), s.sealed...))
	}
}

// TestAHeaderAndAPayloadOfTwoObjectsDoNotOpen: a tag is a hash of the header, so no other payload may open with it.
func TestAHeaderAndAPayloadOfTwoObjectsDoNotOpen(t *testing.T) {
	for name, s := range sealers(t) {
		other, _, err := s.Seal(t.Context(), app, "api/a.json", []byte(canary))
		if err != nil {
			t.Fatal(err)
		}
		header, payload := s.sealed[:ageseal.HeaderSize(s.sealed)], other[ageseal.HeaderSize(other):]
		wantShut(t, s.Sealer, name, append(bytes.Clone(header), payload...))
	}
}

// TestHostileHeadersAreRefused: none opens, costs much, or ends the program.
func TestHostileHeadersAreRefused(t *testing.T) {
	password, err := age.NewScryptRecipient("pw")
	if err != nil {
		t.Fatal(err)
	}
	password.SetWorkFactor(10)
	const version, mac = "age-encryption.org/v1\n", "--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
	for _, s := range sealers(t) {
		for what, data := range map[string][]byte{
			"nothing":               nil,
			"the version alone":     []byte(version),
			"no recipients":         []byte(version + mac + strings.Repeat("x", 100)),
			"2,000 recipients":      []byte(version + strings.Repeat("-> X25519 AAAA\nAAAA\n", 2000) + mac),
			"a header of 4 MB":      []byte(version + "-> X25519 " + strings.Repeat("A", 4<<20) + "\n\n" + mac),
			"a body that is cut":    []byte(version + "-> X25519 AAAA\nAAAA"),
			"not base64":            []byte(version + "-> X25519 ***\n***\n" + mac),
			"no argument":           []byte(version + "-> X25519\n\n" + mac),
			"a short hybrid stanza": []byte(version + "-> mlkem768x25519 AAAA\nAAAA\n" + mac),
			"an unknown stanza":     []byte(version + "-> " + canary + " AAAA\nAAAA\n" + mac),
			"control characters":    []byte(version + "-> \x1b[31m\x00 a\n\n" + mac),
			"a password's":          sealedFor(t, canary, password),
			"a stranger's":          sealedFor(t, canary, classic(t).Recipient()),
			"a stranger's hybrid":   sealedFor(t, canary, hybrid(t).Recipient()),
			"an armored file":       []byte("-----BEGIN AGE ENCRYPTED FILE-----\n" + canary),
			"plaintext":             []byte(canary),
		} {
			wantShut(t, s.Sealer, what, data)
			s.Inspect(data)
		}
	}
}

// TestAHostileAliasMakesNoFile: outside of the key directory least of all.
func TestAHostileAliasMakesNoFile(t *testing.T) {
	h := newHome(t)
	s := ageseal.New(ageseal.Options{Dir: h.KeyDir})
	for _, alias := range []string{
		"alias/a\nb", "alias/a\x00", "alias/\xff", "alias/ä", "alias/../../x", "alias/./x", "/alias/app", "alias/app/", "alias/a:b", "alias/%2e%2e",
		strings.Repeat("alias/", 200_000) + "a\n",
	} {
		_, _, err := s.Seal(t.Context(), alias, "api/a.json", []byte(canary))
		wantError(t, err, bucket.ErrRefused)
	}
	_, _, err := s.Seal(t.Context(), strings.Repeat("a", 1<<20), "api/a.json", []byte(canary)) // the file system's limit
	wantError(t, err, bucket.ErrRefused)
	if left, err := os.ReadDir(h.KeyDir); err == nil && len(left) > 0 {
		t.Errorf("made %v", left)
	}
}

// TestAnIdentityThatACrashCutIsNone: create was killed before the file got its name.
func TestAnIdentityThatACrashCutIsNone(t *testing.T) {
	h := newHome(t)
	h.keep(t, "~0123456789", "# alias: alias/app\nAGE-SECRET-KEY-PQ-1"+canary)
	h.keep(t, "~cut.age", "# alias: alias/app\nAGE-SECRET-KEY-PQ-1"+canary)
	h.put(t, "api/a.json", "a", app)
	h.wantBody(t, "api/a.json", "a")
	if got := ageseal.Aliases(h.KeyDir); len(got) != 1 || got[0] != app {
		t.Errorf("aliases %q", got)
	}
}

// FuzzOpen: of arbitrary bytes nothing opens but what was sealed.
func FuzzOpen(f *testing.F) {
	h := newHome(f)
	old, fresh := classic(f), hybrid(f)
	h.keep(f, "alias_app.age", fmt.Sprintf("%s\n%s\n", old, fresh))
	s := ageseal.New(ageseal.Options{Dir: h.KeyDir})
	for _, to := range []age.Recipient{old.Recipient(), fresh.Recipient(), classic(f).Recipient()} {
		sealed := sealedFor(f, canary, to)
		f.Add(sealed)
		f.Add(sealed[:len(sealed)-1])
		f.Add(sealed[:ageseal.HeaderSize(sealed)])
	}
	f.Add([]byte(`{"value":"clear"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		body, by, err := s.Open(t.Context(), "api/a.json", data)
		var fault seal.Fault
		switch {
		case err == nil && string(body) != canary:
			t.Errorf("%q opens as %q by %+v", data, body, by)
		case err != nil && (body != nil || !errors.As(err, &fault) || fault.Err != bucket.ErrTorn && fault.Err != bucket.ErrDenied):
			t.Errorf("%q: %q, %v", data, body, err)
		}
		if seen := s.Inspect(data[:min(len(data), seal.HeaderSize)]); err == nil && seen != by {
			t.Errorf("%q: it seems to be by %+v and is by %+v", data, seen, by)
		}
	})
}

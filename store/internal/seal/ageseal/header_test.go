package ageseal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store/internal/seal"
	"github.com/coffer-secrets/coffer/store/internal/seal/ageseal"
)

// sealedFor returns an age file for recipients.
func sealedFor(t testing.TB, body string, to ...age.Recipient) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func hybrid(t testing.TB) *age.HybridIdentity {
	t.Helper()
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

func classic(t testing.TB) *age.X25519Identity {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

// FuzzHeaderSize: of what age reads as a header it is the size. So the tag of a file is what it was when
// age's parser computed it.
func FuzzHeaderSize(f *testing.F) {
	one, two := classic(f), classic(f)
	f.Add(sealedFor(f, "body", one.Recipient()))
	f.Add(sealedFor(f, "a\n--- b\n", one.Recipient(), two.Recipient()))
	f.Add(sealedFor(f, "", hybrid(f).Recipient()))
	f.Add([]byte("age-encryption.org/v1\n--- x\n"))
	f.Add([]byte("age-encryption.org/v1\n-> a\n\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nrest"))
	f.Add([]byte(`{"value":"clear"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		header, err := age.ExtractHeader(bytes.NewReader(data))
		size := ageseal.HeaderSize(data)
		if err == nil && !bytes.Equal(header, data[:size]) {
			t.Errorf("%q: age's header has %d bytes, HeaderSize says %d", data, len(header), size)
		}
		if size > len(data) || size < 0 {
			t.Errorf("%q: %d of %d bytes", data, size, len(data))
		}
	})
}

// TestTheHeaderOfAHybridIdentityFits: what lists and Head read of a file has the whole header.
func TestTheHeaderOfAHybridIdentityFits(t *testing.T) {
	h := newHome(t)
	h.put(t, "api/a.json", canary, app)
	data, err := os.ReadFile(filepath.Join(h.Dir, "api", "a.json"))
	if err != nil {
		t.Fatal(err)
	}
	if size := ageseal.HeaderSize(data); size == 0 || size > seal.HeaderSize {
		t.Errorf("a header of %d bytes; the limit is %d", size, seal.HeaderSize)
	}
}

// TestInspectTellsWhatAnObjectIs: an object of another kind has no seal, and one that no identity here
// opens has no key.
func TestInspectTellsWhatAnObjectIs(t *testing.T) {
	h := newHome(t)
	own := h.put(t, "api/a.json", canary, app).Seal
	data, err := os.ReadFile(filepath.Join(h.Dir, "api", "a.json"))
	if err != nil {
		t.Fatal(err)
	}
	many := make([]age.Recipient, 12)
	for i := range many {
		many[i] = hybrid(t).Recipient()
	}
	s := ageseal.New(ageseal.Options{Dir: h.KeyDir})
	for name, test := range map[string]struct {
		data        []byte
		method, key string
	}{
		"own":               {data, own.Method, own.KeyID},
		"own, cut":          {data[:ageseal.HeaderSize(data)], own.Method, own.KeyID},
		"own, half":         {data[:800], own.Method, ""},
		"a stranger's":      {sealedFor(t, "b", classic(t).Recipient()), "age", ""},
		"many recipients'":  {sealedFor(t, "b", many...)[:seal.HeaderSize], "age", ""},
		"an armored file":   {[]byte("-----BEGIN AGE ENCRYPTED FILE-----\n"), "", ""},
		"plaintext":         {[]byte(`{"value":"clear"}`), "", ""},
		"nothing":           {nil, "", ""},
		"a header for fun":  {[]byte("age-encryption.org/v1\n---\n"), "age", ""},
		"another version's": {[]byte("age-encryption.org/v2\n--- x\n"), "", ""},
	} {
		if got := s.Inspect(test.data); got.Method != test.method || got.KeyID != test.key {
			t.Errorf("%s: %+v, want %q under %q", name, got, test.method, test.key)
		}
	}
}

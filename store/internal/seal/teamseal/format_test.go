package teamseal_test

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
)

// storedKey is the key of testdata/team.age, which was sealed on 2026-11-28 and must open for ever.
func storedKey() teamseal.Key {
	k := teamseal.Key{Alias: app}
	for i := range k.Secret {
		k.Secret[i] = byte(i)
	}
	k.ID = teamseal.KeyID(k.Alias, k.Secret)
	return k
}

const storedKeyID = "4bea23267aa692d3b6e99762340d682c"

func storedFile(t testing.TB) []byte {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", "team.age"))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAStoredFileOpens(t *testing.T) {
	key := storedKey()
	if key.ID != storedKeyID {
		t.Errorf("the id of the key is %s, and was %s", key.ID, storedKeyID)
	}
	s := teamseal.New(&fixedKeys{current: key}, app)
	body, got, err := s.Open(t.Context(), name, storedFile(t))
	if err != nil || string(body) != canary || got != (bucket.Seal{Method: teamseal.Method, KeyID: storedKeyID}) {
		t.Errorf("%q, %+v, %v", body, got, err)
	}
}

// byKey opens any file that is sealed under a key, with age alone.
type byKey struct{ teamseal.Key }

func (k byKey) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) != 1 {
		return nil, age.ErrIncorrectIdentity
	}
	s, err := teamseal.ParseStanza(stanzas[0])
	if err != nil || s.Name != name {
		return nil, age.ErrIncorrectIdentity
	}
	return s.Unwrap(k.Key)
}

func byAge(file []byte, key teamseal.Key) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(file), byKey{key})
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestOpenAgreesWithAge(t *testing.T) {
	key := storedKey()
	s := teamseal.New(&fixedKeys{current: key}, app)
	for _, size := range []int{0, 1, 100, 64<<10 - 1, 64 << 10, 64<<10 + 1, 128 << 10, 300_000} {
		want := strings.Repeat("x", size)
		file := mustSeal(t, s, app, name, want)
		body, _, err := s.Open(t.Context(), name, file)
		other, failed := byAge(file, key)
		if err != nil || failed != nil || string(body) != want || !bytes.Equal(body, other) {
			t.Errorf("%d bytes: %v, %v", size, err, failed)
		}
	}
}

// FuzzOpen: whatever the bytes, nothing opens but what was sealed, and age says the same. The bytes are
// a whole file, and then the payload after a header that is right.
func FuzzOpen(f *testing.F) {
	whole := storedFile(f)
	end := bytes.Index(whole, []byte("\n---")) + len("\n--- ") + 43 + len("\n")
	f.Add(whole)
	f.Add(whole[end:])
	f.Add(whole[:end])
	f.Add([]byte("age-encryption.org/v1\n-> coffer-alias a b c d\n\n--- x\n"))
	f.Add(bytes.Replace(whole, []byte("\n---"), []byte("\n-> X25519 a\n\n---"), 1))
	f.Add([]byte(`{"value":"clear"}`))
	f.Add(bytes.Replace(whole, []byte("coffer-alias"), []byte("aws-kms"), 1))
	key := storedKey()
	s := teamseal.New(&fixedKeys{current: key}, app)
	f.Fuzz(func(t *testing.T, bytesOf []byte) {
		for _, file := range [][]byte{bytesOf, append(bytes.Clone(whole[:end]), bytesOf...)} {
			body, got, err := s.Open(t.Context(), name, file)
			other, failed := byAge(file, key)
			if (err == nil) != (failed == nil) || !bytes.Equal(body, other) {
				t.Fatalf("Open: %v; age: %v", err, failed)
			}
			switch {
			case err == nil && !bytes.Equal(file, whole):
				t.Fatal("a file opens that nobody has sealed")
			case err != nil && (body != nil || got != bucket.Seal{}):
				t.Fatal("an error, and a body or a seal")
			case err != nil && !errors.Is(err, bucket.ErrTorn) && !isOfAnotherBackend(err, file):
				t.Fatalf("error %v", err)
			}
			s.Inspect(file)
		}
	})
}

// isOfAnotherBackend reports whether an error says rightly that another backend has written the file.
func isOfAnotherBackend(err error, file []byte) bool {
	var other *store.SealError
	return errors.As(err, &other) && other.Format != "" && other.Format == bucket.FormatOf(file)
}

// FuzzStanza: a stanza that parses has one form, and only the one that was made opens.
func FuzzStanza(f *testing.F) {
	made := stanzaOf(f, storedFile(f))
	f.Add(made.Type, made.Args[0], made.Args[1], made.Args[2], made.Args[3], made.Body)
	f.Add(made.Type, "alias/app", made.Args[1], made.Args[2], "%2e", made.Body)
	f.Add("coffer-alias", "%zz", "", "=", "%", []byte(nil))
	key := storedKey()
	s := teamseal.New(&fixedKeys{current: key}, app)
	f.Fuzz(func(t *testing.T, kind, alias, id, salt, object string, body []byte) {
		args := []string{alias, id, salt, object}
		line := "age-encryption.org/v1\n-> " + kind + " " + strings.Join(args, " ") + "\n"
		if got := s.Inspect([]byte(line)); got.KeyID != "" && !strings.Contains(line, got.KeyID) {
			t.Fatalf("Inspect: %q", got.KeyID)
		}
		parsed, err := teamseal.ParseStanza(&age.Stanza{Type: kind, Args: args, Body: body})
		if err != nil {
			return
		}
		if parsed.Alias == "" || parsed.Name == "" || url.PathEscape(parsed.Alias) != alias || url.PathEscape(parsed.Name) != object || parsed.KeyID != id {
			t.Fatalf("%q is %+v", args, parsed)
		}
		same := strings.Join(args, " ") == strings.Join(made.Args, " ") && bytes.Equal(body, made.Body)
		if _, err := parsed.Unwrap(key); (err == nil) != same {
			t.Fatalf("%q: it opens: %v", args, err == nil)
		}
	})
}

package teamkeys_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

// stored returns a key object that was written on 2026-11-28 and must open for ever, its document and the
// identity of one of its two members, who are of different kinds.
func stored(t testing.TB) (file, document []byte, identity age.Identity) {
	t.Helper()
	read := func(name string) []byte {
		body, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	identities, err := age.ParseIdentities(bytes.NewReader(read("identity.txt")))
	if err != nil {
		t.Fatal(err)
	}
	return read("app.age"), read("app.json"), identities[0]
}

func TestAStoredKeyObjectOpens(t *testing.T) {
	file, document, identity := stored(t)
	got, err := teamkeys.Unseal(alias, file, identity)
	if err != nil || !bytes.Equal(got, document) {
		t.Errorf("%s, %v", got, err)
	}
	written, ids, err := teamkeys.Reparse(alias, document)
	if err != nil || !bytes.Equal(written, document) || len(ids) != 2 {
		t.Errorf("%s, %q, %v", written, ids, err)
	}
}

// TestWhatANewerVersionAddsIsKept when a member is granted with this one.
func TestWhatANewerVersionAddsIsKept(t *testing.T) {
	_, document, _ := stored(t)
	added := bytes.ReplaceAll(document, []byte(`"by":`), []byte(`"new":{"a":[1]},"by":`))
	written, _, err := teamkeys.Reparse(alias, added)
	if n := bytes.Count(written, []byte(`"new":{"a":[1]}`)); err != nil || n == 0 || n != bytes.Count(document, []byte(`"by":`)) {
		t.Errorf("%s, %v", written, err)
	}
}

// FuzzKeyObject: whatever the bytes, nothing decrypts but what was sealed, and a document that is accepted
// says the same when it is written again. The bytes are a key object, and then its plaintext.
func FuzzKeyObject(f *testing.F) {
	file, document, identity := stored(f)
	f.Add(file)
	f.Add(document)
	f.Add(file[:len(file)/2])
	f.Add([]byte(`{"coffer":1,"alias":"alias/app","number":1,"keys":[{}],"members":[{}]}`))
	f.Add([]byte("age-encryption.org/v1\n-> X25519 a\n\n--- x\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := teamkeys.Unseal(alias, body, identity)
		if (err == nil) != bytes.Equal(body, file) || err == nil && !bytes.Equal(got, document) {
			t.Fatalf("a key object opens that nobody has sealed: %v", err)
		}
		if err != nil && !errors.Is(err, bucket.ErrTorn) && !errors.Is(err, bucket.ErrDenied) {
			t.Fatalf("error %v", err)
		}
		written, ids, err := teamkeys.Reparse(alias, body)
		if err != nil {
			if !errors.Is(err, bucket.ErrTorn) {
				t.Fatalf("error %v", err)
			}
			return
		}
		// Nobody can make up an id: what is accepted has keys with the ids that follow from them.
		for _, id := range ids {
			if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
				t.Fatalf("id %q", id)
			}
		}
		again, same, err := teamkeys.Reparse(alias, written)
		slices.Sort(ids)
		slices.Sort(same)
		if err != nil || !bytes.Equal(again, written) || !slices.Equal(ids, same) {
			t.Fatalf("%s, and again %s: %v", written, again, err)
		}
	})
}

package ageseal_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// keep writes an identity file.
func (h home) keep(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(h.KeyDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.key(file), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestANewIdentityIsSafeAgainstQuantumComputers(t *testing.T) {
	h := newHome(t)
	info := h.put(t, "api/a.json", canary, app)
	sealed, err := os.ReadFile(h.file("api/a.json"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.SplitN(string(sealed), "\n", 3); !strings.HasPrefix(lines[1], "-> mlkem768x25519 ") {
		t.Errorf("sealed by %.40q", lines[1])
	}
	if len(info.Seal.KeyID) != 32 || !strings.HasPrefix(info.Seal.KeyID, "age1pq1") {
		t.Errorf("the key is named %q", info.Seal.KeyID)
	}
	text, err := os.ReadFile(h.key("alias_app.age"))
	if err != nil || !strings.Contains(string(text), "# public key: "+info.Seal.KeyID) {
		t.Errorf("the key's name isn't in its file (%v)", err)
	}
}

// TestIdentitiesOfBothKindsWork: in two files, in either order in one, and after an old identity was
// put below a new one.
func TestIdentitiesOfBothKindsWork(t *testing.T) {
	old, fresh := classic(t), hybrid(t)
	for name, files := range map[string]map[string]string{
		"two files":      {"alias_app.age": fmt.Sprint(old), "alias_ops.age": fmt.Sprint(fresh)},
		"one, old first": {"alias_app.age": fmt.Sprintf("%s\n%s\n", old, fresh), "alias_ops.age": fmt.Sprint(fresh)},
		"one, new first": {"alias_app.age": fmt.Sprintf("%s\n%s\n", fresh, old), "alias_ops.age": fmt.Sprint(old)},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			for file, text := range files {
				h.keep(t, file, text)
			}
			h.put(t, "api/a.json", "a", app)
			h.put(t, "api/b.json", "b", "alias/ops")
			for file, to := range map[string]age.Recipient{"api/old.json": old.Recipient(), "api/new.json": fresh.Recipient()} {
				if err := os.WriteFile(h.file(file), sealedFor(t, "by hand", to), 0o600); err != nil {
					t.Fatal(err)
				}
				h.wantBody(t, file, "by hand")
			}
			h.wantBody(t, "api/a.json", "a")
			h.wantBody(t, "api/b.json", "b")
			sealed, err := os.ReadFile(h.file("api/a.json"))
			if err != nil {
				t.Fatal(err)
			}
			first := age.Identity(old) // the first identity of a file seals
			if name == "one, new first" {
				first = fresh
			}
			plain, err := age.Decrypt(bytes.NewReader(sealed), first)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(plain); err != nil || string(body) != "a" {
				t.Errorf("it opens %q, %v", body, err)
			}
		})
	}
}

// TestAnIdentityOfAnotherKindIsNamed: such as of a plugin, which this backend doesn't run.
func TestAnIdentityOfAnotherKindIsNamed(t *testing.T) {
	h := newHome(t)
	h.keep(t, "alias_app.age", "AGE-PLUGIN-YUBIKEY-1"+strings.ToUpper(canary)+"\n")
	_, err := h.open().Put(t.Context(), "api/a.json", nil, bucket.PutOptions{KeyAlias: app})
	wantError(t, err, bucket.ErrKey, "alias_app.age is not a file of age identities")
	if strings.Contains(err.Error(), strings.ToUpper(canary)) {
		t.Errorf("%v quotes the identity", err)
	}
}

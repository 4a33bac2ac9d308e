package ageseal_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

func TestWithoutItsIdentityAnObjectIsDenied(t *testing.T) {
	h := newHome(t)
	h.put(t, "api/a.json", "a", app)
	want := h.put(t, "api/b.json", "b", "alias/ops")
	if err := os.Remove(h.key("alias_ops.age")); err != nil {
		t.Fatal(err)
	}
	h.wantBody(t, "api/a.json", "a")
	b := h.open()
	_, err := b.Get(t.Context(), "api/b.json")
	wantError(t, err, bucket.ErrDenied, "no identity in ", "keys opens it")
	head, err := b.Head(t.Context(), "api/b.json")
	want.Seal.KeyID = ""
	if diff := cmp.Diff(want, head); err != nil || diff != "" {
		t.Errorf("Head: %v (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"api/a.json", "api/b.json"}, names(t, b, "api/")); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
}

func TestLostIdentityIsNotUsedFromMemory(t *testing.T) {
	h := newHome(t)
	b := h.open()
	put := func(body string) bucket.Info {
		info, err := b.Put(t.Context(), "api/a.json", []byte(body), bucket.PutOptions{KeyAlias: app})
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	first := put("one")
	if _, err := b.Get(t.Context(), "api/a.json"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(h.key("alias_app.age")); err != nil {
		t.Fatal(err)
	}
	if second := put("two"); second.Seal == first.Seal {
		t.Error("an object is sealed to an identity that exists no more")
	}
	h.wantBody(t, "api/a.json", "two")
}

func TestIdentityMadeByAnotherProcessIsFound(t *testing.T) {
	h := newHome(t)
	h.put(t, "api/a.json", "a", app)
	b := h.open()
	if _, err := b.Get(t.Context(), "api/a.json"); err != nil {
		t.Fatal(err)
	}
	h.put(t, "api/b.json", "b", "alias/ops")
	if o, err := b.Get(t.Context(), "api/b.json"); err != nil || string(o.Body) != "b" {
		t.Errorf("got %q, %v", o.Body, err)
	}
}

func TestTwoAliasesWithOneFileNameAreToldApart(t *testing.T) {
	h := newHome(t)
	h.put(t, "api/a.json", "a", "alias/team/one")
	_, err := h.open().Put(t.Context(), "api/a.json", []byte(canary), bucket.PutOptions{KeyAlias: "alias/team_one"})
	wantError(t, err, bucket.ErrKey, "alias/team/one", "alias/team_one")
	h.wantBody(t, "api/a.json", "a")
}

func TestIdentityFileOfOthersIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing on Windows")
	}
	h := newHome(t)
	h.put(t, "api/a.json", "a", app)
	h.put(t, "api/b.json", "b", "alias/ops")
	exposed := h.key("alias_app.age")
	if err := os.Chmod(exposed, 0o640); err != nil {
		t.Fatal(err)
	}
	mend := "chmod 600 " + exposed
	_, err := h.open().Get(t.Context(), "api/a.json")
	wantError(t, err, bucket.ErrKey, "0640", mend)
	_, err = h.open().Put(t.Context(), "api/a.json", []byte(canary), bucket.PutOptions{KeyAlias: app})
	wantError(t, err, bucket.ErrKey, "0640", mend)
	h.wantBody(t, "api/b.json", "b")

	if err := os.Chmod(exposed, 0o600); err != nil {
		t.Fatal(err)
	}
	h.wantBody(t, "api/a.json", "a")
}

func TestIdentityFileThatIsNoneIsAKeyFault(t *testing.T) {
	for text, reason := range map[string]string{
		"":                              "not a file of age identities",
		"AGE-SECRET-KEY-1" + canary:     "not a file of age identities",
		"age-encryption.org/v1\nsealed": "not a file of age identities",
	} {
		h := newHome(t)
		h.put(t, "api/a.json", "a", app)
		if err := os.WriteFile(h.key("alias_app.age"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := h.open().Get(t.Context(), "api/a.json")
		wantError(t, err, bucket.ErrKey, "alias_app.age", reason)
		_, err = h.open().Put(t.Context(), "api/a.json", nil, bucket.PutOptions{KeyAlias: app})
		wantError(t, err, bucket.ErrKey, "alias_app.age", reason)
	}
}

func TestIdentityOfAgeKeygenIsTaken(t *testing.T) {
	h := newHome(t)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("# created: 2026-01-02T15:04:05Z\n# public key: %s\n%s\n", identity.Recipient(), identity)
	if err := os.MkdirAll(h.KeyDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.key("alias_app.age"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if info := h.put(t, "api/a.json", "a", app); info.Seal.KeyID != identity.Recipient().String() {
		t.Errorf("sealed to %s, want %s", info.Seal.KeyID, identity.Recipient())
	}
	h.wantBody(t, "api/a.json", "a")
}

func TestPutNeedsAnAlias(t *testing.T) {
	h := newHome(t)
	for _, alias := range []string{"", "/", "alias/", "alias/../app", "alias//app", `alias\app`, "alias/a b", "~app"} {
		_, err := h.open().Put(t.Context(), "api/a.json", []byte(canary), bucket.PutOptions{KeyAlias: alias})
		wantError(t, err, bucket.ErrRefused)
	}
	if _, err := os.Stat(h.KeyDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refused put made the key directory (%v)", err)
	}
}

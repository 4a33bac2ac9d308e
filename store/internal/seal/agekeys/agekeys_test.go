package agekeys_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"
	"golang.org/x/crypto/ssh"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/seal/agekeys"
)

const body = "correct horse"

// seal seals body to recipients as they are typed.
func seal(t *testing.T, recipients ...string) []byte {
	t.Helper()
	var to []age.Recipient
	for _, text := range recipients {
		r, err := agekeys.ParseRecipient(text, agekeys.UI{})
		if err != nil {
			t.Fatal(err)
		}
		to = append(to, r)
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, to...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return sealed.Bytes()
}

// open opens a file with the identities of a keyring.
func open(k *agekeys.Keyring, sealed []byte) (string, error) {
	ids, err := k.Identities()
	if err != nil {
		return "", err
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), ids...)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), err
}

// privateFile writes a file that only its owner can read.
func privateFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "identity")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sshKey returns a private key as ssh-keygen writes it, with a passphrase unless it is "".
func sshKey(t *testing.T, key crypto.PrivateKey, passphrase string) string {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "ann@laptop")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "ann@laptop", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

// kinds returns an identity of each kind.
func kinds(t *testing.T) map[string]string {
	t.Helper()
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"X25519": "# created: today\n" + classic.String() + "\n", "hybrid": hybrid.String(),
		"ssh-ed25519": sshKey(t, ed, ""), "ssh-rsa": sshKey(t, rsaKey, ""),
		"plugin": "#  Recipient: " + plugin.EncodeRecipient("echo", []byte("x")) + "\n" + plugin.EncodeIdentity("echo", []byte("x")) + "\n",
	}
}

// age's own labels would forbid such a file.
func TestEachKindOfIdentityOpensAFileThatIsSealedToAllKindsAtOnce(t *testing.T) {
	installPlugins(t, "echo")
	rings := map[string]*agekeys.Keyring{}
	var recipients []string
	for name, text := range kinds(t) {
		rings[name] = agekeys.New(agekeys.Options{File: privateFile(t, text)})
		own, err := rings[name].Recipients()
		if err != nil || len(own) != 1 {
			t.Fatalf("%s: recipients %q, %v; want one", name, own, err)
		}
		recipients = append(recipients, own...)
	}
	sealed := seal(t, recipients...)
	for name, k := range rings {
		if text, err := open(k, sealed); text != body || err != nil {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	_, err = open(agekeys.New(agekeys.Options{Text: stranger.String(), From: "$COFFER_AGE_IDENTITY"}), sealed)
	if mismatch := (*age.NoIdentityMatchError)(nil); !errors.As(err, &mismatch) || agekeys.Failure(err) != "" {
		t.Errorf("a stranger: %v, failure %q; want that no identity matches", err, agekeys.Failure(err))
	}
}

// The plugin would fail, if it were run.
func TestNoPluginRunsIfAnIdentityOfAgeOpensTheFile(t *testing.T) {
	installPlugins(t)
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	k := agekeys.New(agekeys.Options{File: privateFile(t, plugin.EncodeIdentity("missing", nil)+"\n"+id.String()+"\n")})
	if text, err := open(k, seal(t, id.Recipient().String())); text != body || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

func TestAPassphraseIsAskedForOnce(t *testing.T) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(ed)
	if err != nil {
		t.Fatal(err)
	}
	binary, armored := protect(t, id.String(), "open sesame")
	sealed := seal(t, id.Recipient().String(), string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	for name, text := range map[string]string{"age": binary, "armored": armored, "ssh": sshKey(t, ed, "open sesame")} {
		for _, c := range []struct{ typed, want string }{
			{"open sesame", ""}, {"wrong", "is wrong"}, {"", "is wrong"}, {"nobody", "there is no terminal"},
		} {
			asked := 0
			ui := agekeys.UI{Secret: func(prompt string) (string, error) {
				if asked++; !strings.Contains(prompt, "Passphrase of /") {
					t.Errorf("%s: asked %q", name, prompt)
				}
				return c.typed, nil
			}}
			if c.typed == "nobody" {
				ui, asked = agekeys.UI{}, 1
			}
			k := agekeys.New(agekeys.Options{File: privateFile(t, text), UI: ui})
			got, err := open(k, sealed)
			again, errAgain := open(k, sealed)
			if asked != 1 || got != again || (err == nil) != (errAgain == nil) || (err == nil) != (c.want == "") || c.want == "" && got != body {
				t.Errorf("%s, %q: asked %d times: %q, %v; then %q, %v", name, c.typed, asked, got, err, again, errAgain)
			}
			if err != nil && !strings.Contains(err.Error()+agekeys.Failure(err), c.want) {
				t.Errorf("%s, %q: %v, failure %q; want %q", name, c.typed, err, agekeys.Failure(err), c.want)
			}
		}
	}
}

// A key with a passphrase isn't needed for what another identity opens, or nobody here.
func TestNoPassphraseIsAskedForAFileOfOthers(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	k := agekeys.New(agekeys.Options{File: privateFile(t, sshKey(t, ed, "open sesame")), UI: agekeys.UI{
		Secret: func(prompt string) (string, error) { t.Errorf("asked %q", prompt); return "", io.EOF },
	}})
	if own, err := k.Recipients(); len(own) != 1 || !strings.HasPrefix(own[0], "ssh-ed25519 ") || err != nil {
		t.Errorf("recipients %q, %v", own, err)
	}
	if _, err := open(k, seal(t, other.Recipient().String())); agekeys.Failure(err) != "" || err == nil {
		t.Errorf("%v; want that no identity matches", err)
	}
}

// protect encrypts an identity file with a passphrase.
func protect(t *testing.T, text, passphrase string) (binary, armored string) {
	t.Helper()
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	to.SetWorkFactor(10)
	var plain, ascii bytes.Buffer
	lines := armor.NewWriter(&ascii)
	w, err := age.Encrypt(io.MultiWriter(&plain, lines), to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), lines.Close()); err != nil {
		t.Fatal(err)
	}
	return plain.String(), ascii.String()
}

func TestAnIdentityFileThatOthersCanReadIsRefused(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	path := privateFile(t, id.String())
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := agekeys.New(agekeys.Options{File: path}).Identities()
		if !errors.Is(err, store.ErrConfiguration) || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %o: %v; want a refusal with chmod", mode, err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if ids, err := agekeys.New(agekeys.Options{File: link}).Identities(); len(ids) != 1 || err != nil {
		t.Errorf("a link: %d identities, %v", len(ids), err)
	}
}

func TestWhatIsNoIdentityIsRefusedWithoutQuotingIt(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	secret := id.String()
	_, armored := protect(t, secret, "x")
	dir := t.TempDir()
	for text, want := range map[string]string{
		"":                                     "has no age identity",
		"# " + secret:                          "has no age identity",
		secret[:len(secret)-1]:                 "line 1 is not an age identity",
		"\n" + secret + "\n" + secret[1:]:      "line 3 is not an age identity",
		id.Recipient().String():                "is a public key: name the file of the private one",
		"# of ann\n" + id.Recipient().String(): "line 2 is a recipient",
		"AGE-PLUGIN-X-":                        "line 1 is not an age identity",
		"-----BEGIN OPENSSH PRIVATE KEY-----\n" + secret: "neither a file of age identities nor an SSH private key",
		"\xff" + secret:                    "neither a file of age identities nor an SSH private key",
		armored[:200]:                      "damaged",
		"age-encryption.org/v1\n" + secret: "damaged",
		strings.Repeat(secret+"\n", 1<<14): "neither a file of age identities nor an SSH private key",
	} {
		_, err := agekeys.New(agekeys.Options{File: privateFile(t, text)}).Identities()
		if !errors.Is(err, store.ErrConfiguration) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret[20:40]) {
			t.Errorf("%.40q: %v; want %q", text, err, want)
		}
	}
	for name, path := range map[string]string{"a directory": dir, "a device": "/dev/zero", "nothing": filepath.Join(dir, "none")} {
		_, err := agekeys.New(agekeys.Options{File: path}).Identities()
		if !errors.Is(err, store.ErrConfiguration) || errors.Is(err, agekeys.ErrNoIdentity) != (name == "nothing") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := agekeys.New(agekeys.Options{}).Identities(); !errors.Is(err, agekeys.ErrNoIdentity) {
		t.Errorf("nothing at all: %v", err)
	}
}

func TestCreateMakesAHybridIdentityThatOnlyItsOwnerCanReadAndNeverReplacesOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config", "coffer", "identity.txt")
	recipient, err := agekeys.Create(path, time.Unix(0, 0))
	if err != nil || !strings.HasPrefix(recipient, "age1pq1") {
		t.Fatalf("%q, %v", recipient, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if own, err := agekeys.New(agekeys.Options{File: path}).Recipients(); err != nil || len(own) != 1 || own[0] != recipient {
		t.Errorf("it has %q, %v", own, err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := agekeys.Create(path, time.Unix(0, 0)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("again: %v; want that it exists", err)
	}
	after, err := os.ReadFile(path)
	entries, _ := os.ReadDir(filepath.Dir(path))
	if err != nil || !bytes.Equal(before, after) || len(entries) != 1 {
		t.Errorf("it was changed, %v, or another file is left: %v", err, entries)
	}
}

// A fingerprint is told without a passphrase: who can't be asked has one too.
func TestAFingerprintIsOfTheIdentitiesAndAsksNobody(t *testing.T) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	locked, _ := protect(t, id.String(), "open sesame")
	found := map[string]string{}
	for name, o := range map[string]agekeys.Options{
		"text": {Text: id.String()}, "file": {File: privateFile(t, id.String()+"\n")}, "locked": {File: privateFile(t, locked)},
	} {
		f, err := agekeys.Fingerprint(o)
		if err != nil || strings.Contains(id.String(), strings.ToUpper(f)) {
			t.Errorf("%s: %q, %v", name, f, err)
		}
		found[name] = f
	}
	if found["text"] != found["file"] || found["text"] == found["locked"] {
		t.Errorf("%q", found)
	}
	for _, o := range []agekeys.Options{{}, {File: filepath.Join(t.TempDir(), "none")}} {
		if f, err := agekeys.Fingerprint(o); !errors.Is(err, agekeys.ErrNoIdentity) || f != "" {
			t.Errorf("%q, %v; want that there is none", f, err)
		}
	}
}

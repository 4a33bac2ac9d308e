package agekeys_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/plugin"
	"golang.org/x/crypto/ssh"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/seal/agekeys"
)

func publicLine(t *testing.T, key any) string {
	t.Helper()
	public, err := ssh.NewPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
}

func TestARecipientHasOneSpelling(t *testing.T) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	hybrid, line := id.Recipient().String(), publicLine(t, public)
	for text, want := range map[string][2]string{
		hybrid:                             {hybrid, ""},
		"# ann\n\n  " + hybrid + "\r\n":    {hybrid, "ann"},
		"# created: 2026-11-28\n" + hybrid: {hybrid, ""},
		line:                               {line, ""},
		line + "  ann@laptop\n":            {line, "ann@laptop"},
		plugin.EncodeRecipient("yubikey", []byte("abc")): {plugin.EncodeRecipient("yubikey", []byte("abc")), ""},
	} {
		r, err := agekeys.ParseRecipient(text, agekeys.UI{})
		if err != nil || r.String() != want[0] || r.Comment() != want[1] {
			t.Errorf("%.60q: %q, comment %q, %v", text, r.String(), r.Comment(), err)
		}
	}
}

func TestWhatIsNoRecipientIsRefusedWithoutQuotingIt(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := id.Recipient().String()
	for text, want := range map[string]string{
		"":                               "the recipient is empty",
		"# only a comment":               "the recipient is empty",
		id.String():                      "this is a private key",
		"-----BEGIN OPENSSH PRIVATE KEY": "this is a private key",
		good + "\n" + good:               "more than one recipient",
		good[:len(good)-1]:               "incomplete or mistyped",
		good + "\x00":                    "incomplete or mistyped",
		"age1pq1" + good[4:]:             "incomplete or mistyped",
		"age1\xff":                       "incomplete or mistyped",
		"AGE1" + good[4:]:                "begins neither with age1",
		"ann@example.com":                "begins neither with age1",
		"github:ann":                     "begins neither with age1",
		"ssh-ed25519 AAAA":               "damaged SSH public key",
		publicLine(t, &small.PublicKey):  "2048 bits and more",
		publicLine(t, &curve.PublicKey):  "types ed25519 and RSA",
		strings.Repeat("age1x", 1<<18):   "too long",
	} {
		_, err := agekeys.ParseRecipient(text, agekeys.UI{})
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), id.String()[20:40]) {
			t.Errorf("%.40q: %v; want %q", text, err, want)
		}
	}
}

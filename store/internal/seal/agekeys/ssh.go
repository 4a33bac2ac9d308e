package agekeys

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age/agessh"
	sshkeys "golang.org/x/crypto/ssh"

	"github.com/coffer-secrets/coffer/internal/plainfile"
	"github.com/coffer-secrets/coffer/store"
)

// sshIdentity parses an SSH private key. If it has a passphrase, it is asked for when a file is sealed to
// the key, not before.
func (k *Keyring) sshIdentity(pem []byte, from, file string) (identity, error) {
	raw, err := sshkeys.ParseRawPrivateKey(pem)
	if protected := (*sshkeys.PassphraseMissingError)(nil); errors.As(err, &protected) {
		return k.protectedSSH(pem, protected.PublicKey, from, file)
	}
	if err != nil {
		return identity{}, notIdentities(from)
	}
	id, err := agessh.ParseIdentity(pem)
	if err != nil {
		return identity{}, fmt.Errorf("%w: %s: age opens files with SSH keys of the types ed25519 and RSA only", store.ErrConfiguration, from)
	}
	signer, err := sshkeys.NewSignerFromKey(raw)
	if err != nil {
		return identity{}, notIdentities(from)
	}
	recipient, err := sshRecipient(signer.PublicKey())
	if err != nil {
		return identity{}, fmt.Errorf("%w: %s: %w", store.ErrConfiguration, from, err)
	}
	g := &guarded{Identity: id, mu: &k.mu, reason: func(error) error { return fmt.Errorf("the SSH key of %s failed", from) }}
	return identity{g, ssh, recipient.String()}, nil
}

func (k *Keyring) protectedSSH(pem []byte, public sshkeys.PublicKey, from, file string) (identity, error) {
	if public == nil { // the older formats have it in the .pub file only
		line, err := plainfile.Read(file+".pub", fileLimit)
		if err == nil {
			public, _, _, _, err = sshkeys.ParseAuthorizedKey(line)
		}
		if file == "" || err != nil {
			return identity{}, fmt.Errorf("%w: %s has a passphrase, and its public key isn't known: put it into %s.pub, or convert the key: ssh-keygen -p -f %s",
				store.ErrConfiguration, from, from, from)
		}
	}
	recipient, err := sshRecipient(public)
	if err != nil {
		return identity{}, fmt.Errorf("%w: %s: %w", store.ErrConfiguration, from, err)
	}
	var notAsked error
	id, err := agessh.NewEncryptedSSHIdentity(public, pem, func() ([]byte, error) {
		passphrase, err := k.o.UI.passphrase("Passphrase of " + from + ": ")
		notAsked = err
		return []byte(passphrase), err
	})
	if err != nil {
		return identity{}, fmt.Errorf("%w: %s: %w", store.ErrConfiguration, from, errKind)
	}
	g := &guarded{Identity: id, mu: &k.mu, reason: func(error) error {
		if notAsked != nil {
			return fmt.Errorf("the passphrase of %s: %w", from, notAsked)
		}
		return fmt.Errorf("the passphrase of %s is wrong", from) // or the file is damaged; nothing tells which
	}, ended: func() error {
		if silent := (*unanswered)(nil); errors.As(notAsked, &silent) { // agessh hides it
			return fmt.Errorf("%w: the passphrase of %s: %w", store.ErrConfiguration, from, notAsked)
		}
		return nil
	}}
	return identity{g, ssh, recipient.String()}, nil
}

// errKind is about keys that age doesn't support.
var errKind = errors.New("age supports SSH keys of the types ed25519 and RSA (2048 bits and more) only")

// sshRecipient returns the recipient of a public key.
func sshRecipient(key sshkeys.PublicKey) (Recipient, error) {
	text := string(bytes.TrimSpace(sshkeys.MarshalAuthorizedKey(key)))
	r, err := agessh.ParseRecipient(text)
	if err != nil {
		return Recipient{}, errKind
	}
	return Recipient{Recipient: r, text: text}, nil
}

// parseSSH parses a line of a .pub file.
func parseSSH(line string) (Recipient, error) {
	key, comment, _, _, err := sshkeys.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return Recipient{}, errors.New("it is a damaged SSH public key")
	}
	if strings.Contains(key.Type(), "-cert-") {
		return Recipient{}, errors.New("it is an SSH certificate: give the public key itself")
	}
	r, err := sshRecipient(key)
	r.comment = comment
	return r, err
}

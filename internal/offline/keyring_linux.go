package offline

import (
	"errors"

	"golang.org/x/sys/unix"
)

// kernelKeyring keeps the identity in the user's keyring of the kernel. That is memory of the kernel: it
// is in no file and no backup, it needs no service, asks nobody, and is empty after a restart.
//
// The Secret Service of a desktop would survive a restart. But it asks for a password when it is locked,
// and github.com/zalando/go-keyring 0.2.8 waits for the answer without end (secret_service.go,
// handlePrompt); without a session bus its D-Bus library starts one.
type kernelKeyring struct{ description string }

const (
	keyType = "user"

	// What the owner's processes may do with the key also when the keyring isn't linked to their session,
	// as in a unit of systemd: view, read, write, search and set attributes.
	permissions = 0x3f2f0000

	lifetime = int(Longest/1e9) + 24*60*60 // seconds
)

func systemKeyring(description string) keyring { return kernelKeyring{description} }

func (k kernelKeyring) find() (int, error) {
	id, err := unix.KeyctlSearch(unix.KEY_SPEC_USER_KEYRING, keyType, k.description, 0)
	if errors.Is(err, unix.ENOKEY) || errors.Is(err, unix.EKEYEXPIRED) || errors.Is(err, unix.EKEYREVOKED) {
		return 0, errNoKey
	}
	return id, err
}

func (k kernelKeyring) get() (string, error) {
	id, err := k.find()
	if err != nil {
		return "", err
	}
	text := make([]byte, 256)
	n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, id, text, 0)
	if err != nil {
		return "", err
	}
	return string(text[:min(n, len(text))]), nil
}

func (k kernelKeyring) set(text string) error {
	id, err := unix.AddKey(keyType, k.description, []byte(text), unix.KEY_SPEC_USER_KEYRING)
	if err != nil {
		return err
	}
	if err := unix.KeyctlSetperm(id, permissions); err != nil {
		return err
	}
	_, err = unix.KeyctlInt(unix.KEYCTL_SET_TIMEOUT, id, lifetime, 0, 0)
	return err
}

func (k kernelKeyring) remove() error {
	id, err := k.find()
	if errors.Is(err, errNoKey) {
		return nil
	}
	if err == nil {
		_, err = unix.KeyctlInt(unix.KEYCTL_UNLINK, id, unix.KEY_SPEC_USER_KEYRING, 0, 0)
	}
	return err
}

func (kernelKeyring) String() string { return "kernel keyring" }

package agekeys

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"
)

// Create makes an identity file with a hybrid identity, which only the caller can read, and returns
// its recipient. The directories of the file are made if they don't exist. The file is complete and on
// the disk before it gets its name; one that exists is never replaced: the error is [fs.ErrExist].
func Create(path string, now time.Time) (recipient string, err error) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	recipient = id.Recipient().String()
	text := fmt.Sprintf("# created: %s\n# public key: %s\n%s\n", now.UTC().Format(time.RFC3339), recipient, id)
	temporary := filepath.Join(dir, "~"+rand.Text())
	defer func() { err = errors.Join(err, removed(temporary)) }()
	if err := write(temporary, text); err != nil {
		return "", err
	}
	if err := os.Link(temporary, path); err != nil {
		return "", err
	}
	return recipient, nil
}

func write(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// removed removes a file, which may never have been made.
func removed(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

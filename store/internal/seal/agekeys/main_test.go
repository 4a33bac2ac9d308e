package agekeys_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/plugin"
)

// TestMain makes the test binary an age plugin, if it is started under the name of one.
func TestMain(m *testing.M) {
	if name, ok := strings.CutPrefix(filepath.Base(os.Args[0]), "age-plugin-"); ok {
		os.Exit(beAPlugin(name))
	}
	os.Exit(m.Run())
}

func beAPlugin(name string) int {
	switch name {
	case "hang": // until its standard input is closed
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 0
	case "garbage":
		fmt.Println("neither a stanza nor\x00 anything else")
		return 1
	}
	p, err := plugin.New(name)
	if err != nil {
		return 1
	}
	p.HandleRecipient(func([]byte) (age.Recipient, error) { return copying(name), nil })
	p.HandleIdentity(func([]byte) (age.Identity, error) {
		switch name {
		case "fail":
			return nil, errors.New("no token is plugged in")
		case "ask":
			if pin, err := p.RequestValue("PIN", true); err != nil || pin != "1234" {
				return nil, fmt.Errorf("wrong PIN: %w", err)
			}
		}
		return copying(name), nil
	})
	return p.Main()
}

// copying wraps a file key by copying it. Its value is the type of its stanzas.
type copying string

func (c copying) Wrap(key []byte) ([]*age.Stanza, error) {
	return []*age.Stanza{{Type: string(c), Args: []string{"x"}, Body: key}}, nil
}

func (c copying) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if s.Type == string(c) {
			return s.Body, nil
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// installPlugins makes PATH a directory with plugins alone.
func installPlugins(t *testing.T, names ...string) {
	t.Helper()
	dir := t.TempDir()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.Symlink(program, filepath.Join(dir, "age-plugin-"+name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

// Package team manages the members of key aliases whose keys are held by their members.
package team

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/plainfile"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Store is a store whose alias keys are held by members.
type Store interface {
	store.Store
	admin.Teams
	admin.Inspector
	admin.Rekeyer
}

// Open opens the store, for changes under an alias, and returns the alias as the store has it.
func Open(ctx context.Context, a *app.App, name string) (Store, string, error) {
	alias, err := store.NormalizeAlias(name)
	if err != nil {
		return nil, "", err
	}
	settings, err := a.Settings()
	if err != nil {
		return nil, "", err
	}
	if !settings.Kind().Teams {
		return nil, "", app.WithHint(app.Usage("the %s backend has no members; only %s has", settings.Kind(), app.JoinNames(app.BackendsThat(func(b app.Backend) bool { return b.Teams }))),
			"for a service of this name: coffer keys show SERVICE")
	}
	settings.KMSKeyAlias = app.Setting{Value: alias, From: "ALIAS"}
	s, err := a.Open(ctx)
	if err != nil {
		return nil, "", err
	}
	teams, ok := s.(Store)
	if !ok {
		return nil, "", fmt.Errorf("%w: the %s backend has no members", store.ErrUnsupported, settings.Kind())
	}
	return named{teams}, alias, nil
}

// recipientLimit is more than any file with a public key has.
const recipientLimit = 64 << 10

// ReadRecipient returns the text of a recipient: the argument itself, the content of a file such as
// id_ed25519.pub or, for "-", standard input.
func ReadRecipient(ctx context.Context, a *app.App, argument string) (string, error) {
	switch {
	case argument == app.Standard:
		text, err := a.ReadInput(ctx, app.Standard, recipientLimit)
		return withoutMark(text), err
	case strings.HasPrefix(argument, "age1"), strings.HasPrefix(argument, "ssh-"), strings.HasPrefix(argument, "AGE-"):
		return argument, nil
	}
	text, err := plainfile.Read(argument, recipientLimit)
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(argument, "http"):
		return "", app.WithHint(app.Usage("a recipient is not read from a URL"), "download it, compare it with what the person tells you, and give the file, or - for standard input")
	case errors.Is(err, fs.ErrNotExist):
		return "", app.Usage("%q is neither a recipient, which begins with age1 or ssh-, nor a file", argument)
	case err != nil:
		return "", app.Usage("the file of the recipient: %v", err)
	}
	return withoutMark(text), nil
}

// withoutMark returns a text without the byte order mark that editors of Windows put before it.
func withoutMark(text []byte) string { return strings.TrimPrefix(string(text), "\ufeff") }

package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/term"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// purge prints what the bucket keeps of the keys, or of the whole service, asks, and deletes it all:
// the secrets, their older versions and their delete markers.
func (c *DeleteCmd) purge(ctx context.Context, a *app.App, s store.Store, service string) error {
	purger, ok := s.(admin.Purger)
	if !ok {
		return nothingToPurge(a)
	}
	if c.ExactKey {
		if err := c.refuseOtherCase(ctx, s, service); err != nil {
			return err
		}
	}
	kept, err := purger.Residue(ctx, service, c.Keys...)
	if errors.Is(err, store.ErrUnsupported) && !ignoresVersions(err) {
		return nothingToPurge(a)
	}
	if err != nil {
		return err
	}
	keys := c.Keys
	if c.Whole {
		if keys = keysOf(kept); len(keys) == 0 {
			return app.NoSecrets("purge", service, "")
		}
	}
	if err := c.confirmPurge(a, kept); err != nil {
		return err
	}
	results, removed, err := purger.Purge(ctx, service, keys...)
	if app.IsMissingService(err) {
		return err
	}
	err = printDeleted(a, results, err)
	old, marks := 0, 0
	for _, k := range removed {
		old, marks = old+k.Old, marks+k.Marks
	}
	if old+marks > 0 {
		a.Note("permanently deleted: %s, %s", app.Count(old, "older state"), app.Count(marks, "mark"))
	}
	return err
}

// ignoresVersions reports whether an error says that the server ignores part of a request for
// versions of an object, and so would do something else. It must not be reported as "nothing to purge".
func ignoresVersions(err error) bool {
	var refused *store.StorageError
	return errors.As(err, &refused) && refused.Code == "NotKept"
}

// nothingToPurge is the error for a backend or a server that keeps no versions of objects, where a
// plain delete leaves nothing.
func nothingToPurge(a *app.App) error {
	err := fmt.Errorf("%w: %s keeps no old versions to purge", store.ErrUnsupported, backendOrServer(a))
	return app.WithHint(err, "use delete without --purge: it leaves nothing behind")
}

func keysOf(kept []admin.Kept) []string {
	var keys []string
	for _, k := range kept {
		if k.ID.Key != "" {
			keys = append(keys, k.ID.Key)
		}
	}
	return keys
}

// confirmPurge prints what will be removed, and asks. It does neither if there is nothing: Purge
// reports that.
func (c *DeleteCmd) confirmPurge(a *app.App, kept []admin.Kept) error {
	if len(kept) == 0 {
		return nil
	}
	old, secrets := 0, len(keysOf(kept))
	show := a.Say // a question needs its subject, even with --quiet
	if c.Yes {
		show = a.Note
	}
	for _, k := range kept {
		show("%s", purgeLine(k))
		old += k.Old + k.Marks
	}
	if old == 0 {
		show("the bucket has no older states of them: versioning is off, or nothing was replaced yet")
	}
	if c.Yes {
		return nil
	}
	ok, err := a.Confirm(fmt.Sprintf("Permanently delete these objects of %s?", app.Count(secrets, "secret")))
	if errors.Is(err, term.ErrNoTerminal) {
		return app.NoTerminal("--yes purges without asking")
	}
	if err == nil && !ok {
		err = errDeclined
	}
	return err
}

// purgeLine describes what a purge removes of one object.
func purgeLine(k admin.Kept) string {
	var parts []string
	if k.ID.Key != "" && k.Live {
		parts = append(parts, "the current state")
	}
	if k.Old > 0 {
		parts = append(parts, app.Count(k.Old, "older state"))
	}
	if k.Marks > 0 {
		parts = append(parts, app.Count(k.Marks, "mark")+" of a deletion")
	}
	text := fmt.Sprintf("will remove %s: %s", k.Object, strings.Join(parts, ", "))
	if k.ID.Key == "" {
		text += "; older states hold values of secrets"
	}
	return text
}

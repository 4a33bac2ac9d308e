package app

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// AskForGrant says what a member of an alias must run for a caller with these recipients.
func AskForGrant(alias string, recipients []string) string {
	if len(recipients) == 0 {
		return "ask a member to run: coffer keys grant " + alias + " RECIPIENT, with the recipient of your identity"
	}
	return "ask a member to run: coffer keys grant " + alias + " " + formats.ShellQuote(recipients[0]) + " --name YOU"
}

// self is what is known of the caller's own recipients, for the hint of an error.
type self struct {
	mu         sync.Mutex
	recipients func() []string
}

// knowSelf keeps how to tell the caller's recipients: from the identities that the store has read, so that
// nobody is asked again.
func (a *App) knowSelf(s store.Store) {
	teams, ok := s.(admin.Teams)
	if !ok || a.self == nil {
		return
	}
	a.self.mu.Lock()
	defer a.self.mu.Unlock()
	a.self.recipients = func() []string {
		own, _ := teams.Self(context.Background())
		return own.Recipients
	}
}

// teamHint returns what a caller who isn't a member of the alias of an error asks a member for; "" for any other error.
func (a *App) teamHint(err error) string {
	const begin = "you are not a member of " // of the reason of package teamkeys
	_, rest, ok := strings.Cut(memberReason(err), begin)
	if !ok {
		return ""
	}
	alias, _, _ := strings.Cut(rest, ":")
	var recipients []string
	if a.self != nil {
		a.self.mu.Lock()
		defer a.self.mu.Unlock()
		if a.self.recipients != nil {
			recipients = a.self.recipients()
		}
	}
	return AskForGrant(alias, recipients)
}

// memberReason returns the reason of an error that may be about a caller who isn't a member.
func memberReason(err error) string {
	var unreadable *unreadableError
	var refused *store.StorageError
	switch {
	case errors.As(err, &unreadable) && len(unreadable.contents.Denied) > 0:
		return unreadable.contents.Denied[0].Reason
	case errors.As(err, &refused) && refused.Code == store.CodeNotMember:
		return refused.Reason
	}
	return ""
}

package app

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync"

	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// AskForGrant says what a caller does to become a member of an alias: a member needs their public key, which is
// long, so it is sent as a file if there is one.
func AskForGrant(alias string, own admin.Self) string {
	grant := "coffer keys grant " + alias + " "
	switch file := PublicFile(own); {
	case len(own.Recipients) == 0:
		return "ask a member to run: " + grant + "RECIPIENT, with the recipient of your identity"
	case file != "":
		return "send your public key, " + formats.ShellQuote(file) + ", to a member, who runs: " + grant + formats.ShellQuote(filepath.Base(file)) + " --name YOU"
	case len(own.Recipients[0]) <= longestTyped:
		return "ask a member to run: " + grant + formats.ShellQuote(own.Recipients[0]) + " --name YOU"
	}
	return "coffer whoami --recipient > YOU.pub writes your public key to a file: send it to a member, who runs: " + grant + "YOU.pub --name YOU"
}

// self is what is known of the caller's own recipients, for the hint of an error.
type self struct {
	mu  sync.Mutex
	ask func() admin.Self
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
	a.self.ask = func() admin.Self {
		own, _ := teams.Self(context.Background())
		return own
	}
}

// teamHint returns what a caller who isn't a member of the alias of an error asks a member for, and what one
// without an identity does; "" for any other error.
func (a *App) teamHint(err error) string {
	if own := cmp.Or(a.identityHint(err), a.permissionHint(err)); own != "" {
		return own
	}
	const begin = "you are not a member of " // of the reason of package teamkeys
	_, rest, ok := strings.Cut(memberReason(err), begin)
	if !ok {
		return ""
	}
	alias, _, _ := strings.Cut(rest, ":")
	var own admin.Self
	if a.self != nil {
		a.self.mu.Lock()
		defer a.self.mu.Unlock()
		if a.self.ask != nil {
			own = a.self.ask()
		}
	}
	return AskForGrant(alias, own)
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

// ofKMS reports whether a hint is about keys of KMS.
func ofKMS(hint string) bool { return strings.Contains(hint, "kms:") || hint == noSuchKey }

// permissionHint returns the hint of a refused request on a backend without KMS whose keys are in the bucket: the
// permissions that it needs; "" for any other error, and where the usual hint names no KMS.
func (a *App) permissionHint(err error) string {
	var refused *store.StorageError
	if a.InForce == nil || !a.InForce.Kind().Teams || !errors.As(err, &refused) || !ofKMS(ownHint(err)) {
		return ""
	}
	switch {
	case refused.Op == "put" && refused.Status == http.StatusInternalServerError:
		return probeShows
	case strings.HasPrefix(refused.Object, admin.KeysPrefix):
		return "you need s3:GetObject on " + refused.Object + ", and s3:PutObject to grant and to revoke: coffer policy reader, or operator, prints the policy. " +
			"The first key of an alias is made by somebody who may list the whole bucket: coffer init"
	case strings.Contains(refused.Op, "version"):
		return "you need s3:ListBucketVersions, s3:GetObjectVersion and s3:DeleteObjectVersion: coffer policy operator prints the policy"
	}
	return "you need s3:GetObject and s3:ListBucket to read, also on " + admin.KeysPrefix + "*; s3:PutObject and s3:DeleteObject to write"
}

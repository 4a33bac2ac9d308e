package app

import (
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/internal/foreign"
	"github.com/coffer-secrets/coffer/store"
)

// lostKey reports whether the key of an index, which was made with it, is gone.
func lostKey(d store.DeniedIndex) bool { return store.IsKeyGone(d.Code) }

// unreadableError is the error of a service that the caller may not read, or not completely.
type unreadableError struct{ contents store.Contents }

// hint names the key file that is missing here, or the command that shows the missing permission.
func (e *unreadableError) hint() string {
	for _, d := range e.contents.Denied {
		if strings.HasPrefix(d.Reason, "no identity in ") {
			return lostIdentity
		}
		if lostKey(d) {
			return "coffer doctor " + e.contents.Service + " shows what is wrong with the key, and the way out"
		}
	}
	return "coffer policy check reader " + e.contents.Service + " shows which permission is missing"
}

func (e *unreadableError) Error() string {
	c := e.contents
	if c.Unlisted && len(c.Denied) == 0 {
		return fmt.Sprintf("service %q can't be listed, so its index can't be verified", c.Service)
	}
	text := fmt.Sprintf("not allowed to read the secrets of service %q", c.Service)
	if len(c.Secrets) > 0 {
		text = fmt.Sprintf("not allowed to read all secrets of service %q", c.Service)
	}
	for _, d := range c.Denied {
		text += "; " + d.Object
		if d.Reason != "" {
			text += " (" + foreign.Text(d.Reason) + ")"
		}
	}
	if len(c.Denied) == 0 && len(c.Hidden) > 0 {
		text += ": " + strings.Join(c.Hidden, ", ")
	}
	if c.Unlisted {
		text += "; it can't be listed either, so it may not exist"
	}
	return text
}

func (e *unreadableError) Unwrap() error { return store.ErrDenied }

// hiddenNotice says how many secrets could not be read.
func hiddenNotice(c store.Contents) string {
	text := fmt.Sprintf("%s: %s could be read", c.Service, Count(len(c.Secrets), "secret"))
	if n := len(c.Hidden); n > 0 {
		text += fmt.Sprintf(", %d hidden", n)
	}
	if len(c.Denied) > 0 {
		labels := make([]string, len(c.Denied))
		for i, d := range c.Denied {
			labels[i] = d.KeyAlias
		}
		text += fmt.Sprintf("; %s denied (%s)", Count(len(c.Denied), "index"), strings.Join(labels, ", "))
	}
	return text
}

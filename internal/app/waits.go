package app

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// How long a command waits without progress, where nobody says otherwise.
const (
	ReadTimeout   = 30 * time.Second
	ChangeTimeout = 60 * time.Second
)

// KeyTimeout is how long the key service has to describe keys, for all of them.
const KeyTimeout = 3 * time.Second

// timeout returns the setting; 0 is the command's default.
func (s *Settings) timeout() (time.Duration, error) {
	if s.Timeout.From == fromDefault {
		return 0, nil
	}
	d, err := time.ParseDuration(s.Timeout.Value)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: %s: %q is not a time: write it as 30s or 2m", store.ErrInvalid, s.Timeout.From, s.Timeout.Value)
	case d <= 0:
		return 0, fmt.Errorf("%w: %s: %q leaves no time for an answer: write it as 30s or 2m", store.ErrInvalid, s.Timeout.From, s.Timeout.Value)
	}
	return d, nil
}

// limit sets how long the command waits, and returns it.
func (a *App) limit(s *Settings) (time.Duration, error) {
	d, err := s.timeout()
	if err != nil {
		return 0, err
	}
	d = cmp.Or(d, a.Patience, ChangeTimeout)
	if a.Watch != nil {
		a.Watch.Limit(d)
	}
	return d, nil
}

// WaitFor tells a person what is waited for.
func (a *App) WaitFor(r waiting.Report) {
	if a.Globals == nil || a.Globals.Quiet {
		return
	}
	a.hideProgress()
	const less = 10 * time.Second
	if r.Limit > less {
		a.Say("waiting for %s (Ctrl-C to stop, --timeout %s to wait less)", r, less)
		return
	}
	a.Say("waiting for %s (Ctrl-C to stop)", r)
}

// withChanges returns the error of a command that waited for too long, or was interrupted, with what
// is known of its changes; any other error as it is.
func (a *App) withChanges(err error) error {
	if a.Watch == nil {
		return err
	}
	if ended := a.Watch.Ended(); ended != nil {
		return Hinted(fmt.Errorf("gave up: %w; %s", ended, a.changes()), "--timeout "+waiting.Words(4*ended.Limit)+" waits longer")
	}
	var exit *ExitError
	switch code := exitCode(err); {
	case errors.As(err, &exit):
		return err
	case code == exitInterrupted,
		code == exitUnavailable && a.Patience != ReadTimeout && !errors.Is(err, store.ErrUnknown) && !errors.Is(err, store.ErrIndexBehind):
		return &cutShortError{err, a.changes()}
	}
	return err
}

// cutShortError is an interrupt, or a network that failed, with what is known of the changes.
type cutShortError struct {
	error
	changes string
}

func (e *cutShortError) Unwrap() error { return e.error }

// changes says what was changed, as far as that is known.
func (a *App) changes() string {
	made, doubtful := a.Watch.Changes()
	made, doubtful = secretNames(made), secretNames(doubtful)
	behind := slices.ContainsFunc(doubtful, isIndex)
	made, doubtful = slices.DeleteFunc(made, isIndex), slices.DeleteFunc(doubtful, isIndex)
	var said []string
	if len(made) > 0 {
		subject, verb := changesTo(made)
		said = append(said, subject+" "+verb+" made")
	}
	if len(doubtful) > 0 {
		subject, _ := changesTo(doubtful)
		said = append(said, subject+" may have been made: run "+look(doubtful, a.InForce)+" to see")
	}
	if len(said) == 0 {
		said = append(said, "nothing was changed")
	}
	if behind {
		said = append(said, "an index may be behind: coffer doctor --fix mends it")
	}
	return strings.Join(said, "; ")
}

// secretNames makes names of secrets from those of objects, and leaves out what a server was only tried with.
func secretNames(objects []string) []string {
	var names []string
	for _, object := range objects {
		if !strings.Contains(object, admin.ProbeDir) {
			names = append(names, strings.TrimPrefix(strings.TrimSuffix(object, store.ObjectSuffix), "/"))
		}
	}
	return names
}

func isIndex(name string) bool {
	return strings.HasPrefix(path.Base(name), store.ReservedPrefix) && !strings.HasPrefix(name, store.ReservedPrefix)
}

// changesTo begins a sentence about changes, and has its verb.
func changesTo(names []string) (subject, verb string) {
	const most = 3
	switch n := len(names); {
	case n == 1:
		return "the change to " + names[0], "was"
	case n > most:
		return fmt.Sprintf("the changes to %s and %d more", strings.Join(names[:most], ", "), n-most), "were"
	default:
		return "the changes to " + strings.Join(names[:n-1], ", ") + " and " + names[n-1], "were"
	}
}

// look is the command that shows what became of changes. Secrets Manager keeps a service in one
// secret, so that there a name is that of a service.
func look(names []string, s *Settings) string {
	name, _, several := strings.Cut(names[0], ", ")
	service, key := path.Split(name)
	switch service = strings.TrimSuffix(service, "/"); {
	case strings.Contains(name, " "):
		return "coffer doctor"
	case s != nil && s.Kind().Grouped:
		return "coffer list " + name
	case service == "":
		return "coffer doctor"
	case several || len(names) > 1:
		return "coffer list " + service
	}
	return fmt.Sprintf("coffer history %s %s", service, key)
}

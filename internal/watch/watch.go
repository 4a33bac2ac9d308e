// Package watch notices when secrets change: at an interval it lists their services, and reads them only
// if a revision has changed.
package watch

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
)

const (
	// Quiet is how long nothing may have changed before what has changed is read, so that many writes
	// are one change.
	Quiet = 2 * time.Second

	// longest is how long a watcher waits for that. A service that is written all the time is read
	// then, too.
	longest = 15 * Quiet
)

// Watcher watches services.
type Watcher struct {
	App        *app.App
	Services   []string      // as they were typed, with labels
	AllowEmpty bool          // a service without secrets is no failure
	Also       []string      // services whose changes count, too; Changed reads them itself
	Interval   time.Duration // between two listings; each is up to a quarter shorter

	// Changed is called with all services after a change of a revision. Their values may be what they
	// were. If it returns an error, because something is missing for example, it is called again after
	// the next listing. If it returns none, the function that it returns, if any, is called after Failed.
	Changed func([]store.Contents) (then func(), err error)

	// Failed is called with the first of several failures in a row, of Changed as well, and with nil
	// when all is well again.
	Failed func(error)

	// Pause waits; nil: [pace.Sleep].
	Pause func(context.Context, time.Duration) error

	open    store.Store // nil: not open
	targets []*target
}

// target is a service, or the versions of it that have a label.
type target struct {
	service, label string
	seen           map[string]string // the revisions of what was read last
	listed         bool              // the service could be listed
	blind          bool              // it can't be: its revisions are those of a load
}

// Run watches until the context ends. read is what was read before.
func (w *Watcher) Run(ctx context.Context, read []store.Contents) {
	if w.Pause == nil {
		w.Pause = pace.Sleep
	}
	unattended := *w.App
	unattended.Unattended = true // the program has the terminal
	w.App = &unattended
	w.aim(read)
	failing := false
	for w.Pause(ctx, w.Interval-pace.Jitter(w.Interval/4)) == nil {
		then, err := w.poll(ctx)
		if ctx.Err() != nil {
			return
		}
		if failing != (err != nil) {
			failing = err != nil
			w.Failed(err)
		}
		if then != nil {
			then()
		}
		if errors.Is(err, store.ErrCredentials) {
			w.open = nil // new ones may be in the files by now
		}
	}
}

// aim makes the targets, under the names by which the services are stored.
func (w *Watcher) aim(read []store.Contents) {
	known := map[string]bool{}
	for _, name := range slices.Concat(w.Services, w.Also) {
		service, label := app.CutLabel(name)
		for _, c := range read {
			if strings.EqualFold(c.Service, service) {
				service = c.Service
				break
			}
		}
		if !known[service+":"+label] {
			known[service+":"+label] = true
			w.targets = append(w.targets, &target{service: service, label: label})
		}
	}
	w.remember(read, nil)
}

// remember stores the revisions of what was read. listed are those that were listed before, for what the
// load tells none of.
func (w *Watcher) remember(read []store.Contents, listed []map[string]string) {
	for i, t := range w.targets {
		t.seen = nil
		if listed != nil {
			t.seen = listed[i]
		}
		of := slices.DeleteFunc(slices.Clone(read), func(c store.Contents) bool { return c.Service != t.service })
		if len(of) == 1 && of[0].Revisions != nil && !t.blind { // two are of different labels
			t.seen = of[0].Revisions
		}
	}
}

// poll lists the services once, and reads them if they have changed. It returns what [Watcher.Changed] does.
func (w *Watcher) poll(ctx context.Context) (then func(), err error) {
	now, err := w.list(ctx)
	if err != nil || !w.changed(now) {
		return nil, err
	}
	var read []store.Contents
	for waited := time.Duration(0); ; waited += Quiet {
		before := now
		if err := w.Pause(ctx, Quiet); err != nil {
			return nil, err
		}
		if now, err = w.list(ctx); err != nil {
			return nil, err
		}
		late := waited+Quiet >= longest
		if !same(before, now) && !late {
			continue
		}
		if !w.changed(now) { // and changed back
			return nil, nil
		}
		if read, err = w.load(ctx); err != nil {
			return nil, err
		}
		if late || !w.overtaken(read, now) {
			break
		}
	}
	if then, err = w.Changed(read); err != nil {
		return nil, err
	}
	w.remember(read, now)
	return then, nil
}

// overtaken reports whether a secret was read that is newer than the listing before: others may be about to
// be written, too.
func (w *Watcher) overtaken(read []store.Contents, now []map[string]string) bool {
	for i, t := range w.targets {
		for _, c := range read {
			if c.Service != t.service || t.blind || t.label != "" && len(w.targets) > 1 { // which of the labels it is, is not known
				continue
			}
			for _, secret := range c.Secrets {
				seen, ok := now[i][secret.ID.Key]
				if !ok {
					seen = now[i][""] // of a store that keeps the service in one object
				}
				if seen != secret.Revision {
					return true
				}
			}
		}
	}
	return false
}

// load reads the services.
func (w *Watcher) load(ctx context.Context) ([]store.Contents, error) {
	ctx, cancel := w.App.Aside(ctx)
	defer cancel()
	read, failed, err := w.App.LoadReadableFrom(ctx, w.open, w.Services, w.AllowEmpty)
	return read, app.Worst(append(failed, err)...)
}

func (w *Watcher) changed(now []map[string]string) bool {
	for i, t := range w.targets {
		if !maps.Equal(t.seen, now[i]) {
			return true
		}
	}
	return false
}

func same(a, b []map[string]string) bool {
	for i := range a {
		if !maps.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// list returns the revisions of all targets.
func (w *Watcher) list(ctx context.Context) ([]map[string]string, error) {
	ctx, cancel := w.App.Aside(ctx)
	defer cancel()
	if w.open == nil {
		s, err := w.App.Open(ctx)
		if err != nil {
			return nil, err
		}
		w.open = s
	}
	now := make([]map[string]string, len(w.targets))
	err := pace.Each(ctx, 16, len(w.targets), func(ctx context.Context, i int) (err error) {
		now[i], err = w.targets[i].revisions(ctx, w.open)
		return err
	})
	return now, err
}

// revisions returns the revisions of a target. If it can't be listed from the beginning, it is read.
func (t *target) revisions(ctx context.Context, s store.Store) (now map[string]string, err error) {
	reviser, ok := s.(store.Reviser)
	if ok && !t.blind {
		if t.label != "" {
			now, err = s.(store.Labeler).LabelRevisions(ctx, t.service, t.label)
		} else {
			now, err = reviser.Revisions(ctx, t.service)
		}
		if err == nil || t.listed || !errors.Is(err, store.ErrDenied) {
			t.listed = t.listed || err == nil
			return now, err
		}
	}
	t.blind = true
	var c store.Contents
	if t.label != "" {
		c, err = s.(store.Labeler).LoadLabel(ctx, t.service, t.label)
	} else {
		c, err = s.Load(ctx, t.service)
	}
	now = make(map[string]string, c.Listed)
	for _, secret := range c.Secrets {
		now[secret.ID.Key] = secret.Revision + " " + strconv.Itoa(secret.Version)
	}
	for _, key := range c.Hidden {
		now[key] = ""
	}
	return now, err
}

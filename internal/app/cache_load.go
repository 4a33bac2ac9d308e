package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coffer-secrets/coffer/internal/offline"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
)

const (
	// offlineTimeout is how long a command waits without progress if it could go on with the cache.
	offlineTimeout = 5 * time.Second

	// proofTime is how long a listing is enough to use the cache. A listing shows that nothing has changed,
	// and not that the caller may still decrypt: only a read shows that.
	proofTime = time.Hour
)

// UseCache makes [App.LoadReadable] keep what it reads for the time in the flags or the settings, and use it if
// nothing has changed or the storage can't be reached. It then says how old such secrets are.
func (a *App) UseCache(f CacheFlags) error {
	s, err := a.Settings()
	switch {
	case err != nil:
		return err
	case a.Wrap == nil:
		if a.cacheTime, err = s.CacheTime(f.Cache); a.cacheTime > 0 && a.cacheOfSecrets() == "" {
			a.cacheTime = 0
			a.NoteWarning("the secrets can't be kept for --cache: there is no home directory; set XDG_CACHE_HOME and XDG_STATE_HOME")
		}
		return err
	case f.Cache != "" && f.Cache != cacheOff:
		return Usage("--cache can't be used with --at or --locked: it keeps the newest versions")
	}
	return nil
}

// loadCached is [App.LoadReadable] with the cache.
func (a *App) loadCached(ctx context.Context, services []string, allowEmpty bool) ([]store.Contents, []error, error) {
	place, err := a.cachedPlace(ctx)
	if errors.Is(err, errNoReader) { // who has no copies, and gets the error if anything is to be opened
		return a.loadStored(ctx, services, allowEmpty)
	}
	if err != nil {
		return nil, nil, err
	}
	l := &cachedLoad{a: a, place: place, limit: a.cacheTime, allowEmpty: allowEmpty, copies: map[string]*offline.Copy{}, unusable: map[string]string{}}
	return l.run(ctx, services)
}

// impatient returns a watch for a command that can go on without the storage.
func (a *App) impatient(ctx context.Context) (*waiting.Watch, error) {
	limit, err := a.InForce.timeout()
	if err != nil {
		return nil, err
	}
	a.patience = offlineTimeout // of the requests
	if limit == 0 {
		limit = offlineTimeout
	}
	watch := waiting.New(ctx, a.WaitFor)
	watch.Limit(limit)
	return watch, nil
}

// cachedLoad is one load with the cache.
type cachedLoad struct {
	a          *App
	place      *cachedPlace
	limit      time.Duration
	allowEmpty bool

	copies    map[string]*offline.Copy // that may be used, by the name of the service
	unusable  map[string]string        // why there is none
	watch     *waiting.Watch           // nil: the one of the command
	store     store.Store
	notOpened error // why there is no store

	mu     sync.Mutex
	used   []*offline.Copy // because the storage can't be reached
	reason error
	kept   bool // at least one copy
	failed bool // to write one
}

// run reads services.
func (l *cachedLoad) run(ctx context.Context, services []string) (all []store.Contents, failed []error, err error) {
	ready := true
	for _, name := range ServiceNames(services) {
		ready = l.find(name) && ready
	}
	if ready { // without copies of all services there is nothing to do but wait
		watch, err := l.a.impatient(ctx)
		if err != nil {
			return nil, nil, err
		}
		defer watch.Close()
		l.watch, ctx = watch, watch.Context()
	}
	l.store, l.notOpened = l.a.Open(ctx)
	if l.notOpened != nil && !l.unreached(l.notOpened) {
		l.a.obeyAll(ctx, services, l.notOpened)
		return nil, nil, l.notOpened
	}
	all, failed, err = l.a.loadAll(ctx, l.store, services, l.load)
	l.report(Worst(append(failed, err)...))
	if l.kept && len(l.used) == 0 {
		l.place.files.Sweep(l.a.Now())
	}
	return all, failed, err
}

// find looks for the copy of a service, and reports whether there is one that may be used.
func (l *cachedLoad) find(name string) bool {
	found, err := l.place.files.Get(l.place.of(name))
	switch {
	case errors.Is(err, offline.ErrNone):
		return false
	case err != nil:
		l.unusable[name] = err.Error()
		return false
	}
	switch age := found.Age(l.a.Now()); {
	case age < 0:
		l.unusable[name] = fmt.Sprintf("its secrets were read at %s, and this machine's clock is now before that", found.ReadAt.Format(time.RFC3339))
	case age > l.limit:
		l.unusable[name] = fmt.Sprintf("its secrets were read %s, longer ago than --cache allows (%s)", l.ago(found), waiting.Words(l.limit))
	default:
		l.copies[name] = found
		return true
	}
	return false
}

func (l *cachedLoad) ago(c *offline.Copy) string {
	now := l.a.Now()
	return render.Style{Terminal: true, Now: now}.Time(c.ReadAt)
}

// load reads a service: from the cache if a listing shows that nothing has changed, else from the storage,
// and from the cache if that can't be reached.
func (l *cachedLoad) load(ctx context.Context, name string) (labeled, []error, error) {
	found := l.copies[name]
	if l.notOpened != nil {
		return l.fromCache(name, found, l.notOpened)
	}
	if found != nil {
		unchanged, err := l.unchanged(ctx, name, found)
		if l.unreached(err) {
			return l.fromCache(name, found, err)
		}
		if unchanged {
			_, label := CutLabel(name)
			return labeled{found.Contents, label}, nil, nil
		}
	}
	read := l.a.Now()
	result, damaged, err := l.a.loadWhole(ctx, l.store, name, l.allowEmpty)
	if l.unreached(err) {
		return l.fromCache(name, found, err)
	}
	if err == nil && len(damaged) == 0 {
		l.keep(name, result.Contents, read)
	}
	return result, damaged, err
}

// unreached is [Unreached] for an error of this load. A watch that has ended ends requests as an interrupt
// does.
func (l *cachedLoad) unreached(err error) bool {
	return err != nil && (Unreached(err) || l.watch != nil && l.watch.Ended() != nil || l.a.Watch.Ended() != nil)
}

// unchanged reports whether a listing shows that a copy has the newest values. Where a listing costs what a
// read costs, and where the last read is too long ago or something couldn't be read, it is false.
func (l *cachedLoad) unchanged(ctx context.Context, name string, c *offline.Copy) (bool, error) {
	if c.State == nil || len(c.Contents.Denied)+len(c.Contents.Hidden)+len(c.Withheld) > 0 || l.a.InForce.Kind().Grouped ||
		c.Age(l.a.Now()) > min(proofTime, l.limit/2) {
		return false, nil
	}
	var state map[string]string
	var err error
	service, label := CutLabel(name)
	switch s := l.store.(type) {
	case store.IndexReviser:
		var secrets, indexes map[string]string
		secrets, indexes, err = s.AllRevisions(ctx, service)
		state = stateOf(secrets, indexes)
	case store.Reviser:
		var secrets map[string]string
		if labels, ok := s.(store.Labeler); ok && label != "" {
			secrets, err = labels.LabelRevisions(ctx, service, label)
		} else {
			secrets, err = s.Revisions(ctx, service)
		}
		state = stateOf(secrets, nil)
	}
	return err == nil && maps.Equal(state, c.State), err
}

// stateOf returns the revisions of secrets and indexes in one map.
func stateOf(secrets, indexes map[string]string) map[string]string {
	if secrets == nil {
		return nil
	}
	state := make(map[string]string, len(secrets)+len(indexes))
	for key, revision := range secrets {
		state["key "+key] = revision
	}
	for object, revision := range indexes {
		state["index "+object] = revision
	}
	return state
}

// fromCache returns the copy of a service, or the error if there is none.
func (l *cachedLoad) fromCache(name string, c *offline.Copy, err error) (labeled, []error, error) {
	if c == nil {
		return labeled{}, nil, err
	}
	if l.watch != nil && l.watch.Ended() != nil {
		err = l.watch.Ended()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used, l.reason = append(l.used, c), err
	contents := c.Contents
	contents.Hidden = slices.Sorted(slices.Values(slices.Concat(contents.Hidden, c.Withheld)))
	_, label := CutLabel(name)
	return labeled{contents, label}, nil, nil
}

// keep keeps what was read. What the owner of an alias forbids to keep is left out, and so are all secrets
// of a service of which the copy couldn't be checked later.
func (l *cachedLoad) keep(name string, c store.Contents, read time.Time) {
	subject := l.place.of(serviceWithLabel(c.Service, name))
	kept := offline.Copy{
		Subject: subject, Place: l.place.name, ReadAt: read, Limit: l.limit, Session: l.place.session, State: stateOf(c.Revisions, c.Indexes),
		Contents: store.Contents{Service: c.Service, Listed: c.Listed, Denied: c.Denied, Hidden: c.Hidden},
	}
	for _, s := range c.Secrets {
		if forbidden(c, s) {
			kept.Withheld = append(kept.Withheld, s.ID.Key)
			continue
		}
		kept.Contents.Secrets = append(kept.Contents.Secrets, s)
	}
	var err error
	if len(kept.Contents.Secrets) == 0 || c.Unlisted {
		_, err = l.place.files.Forget(subject)
	} else {
		err = l.place.files.Put(kept)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = l.kept || err == nil
	switch {
	case err != nil && !l.failed:
		l.failed = true
		l.a.NoteWarning("the secrets can't be kept for --cache: %s", plainSentence(err))
	case c.Unlisted:
		l.a.NoteWarning("%s is not cached: you don't have permission to list the service", subject.Service)
	case len(kept.Withheld) > 0:
		l.a.NoteWarning("%s of %s not cached: the owner of %s forbids it", Count(len(kept.Withheld), "secret"), subject.Service, strings.Join(c.NoCache, ", "))
	}
}

// forbidden reports whether the owner of the alias of a secret forbids to keep it.
func forbidden(c store.Contents, s store.Secret) bool {
	return len(c.NoCache) > 0 && (s.KeyAlias == "" || slices.Contains(c.NoCache, s.KeyAlias))
}

func serviceWithLabel(service, name string) string {
	if _, label := CutLabel(name); label != "" {
		return service + ":" + label
	}
	return service
}

// report says which secrets are from the cache and how old they are, and why others aren't. It says so
// with --quiet too.
func (l *cachedLoad) report(err error) {
	if err != nil {
		l.used = nil
	}
	slices.SortFunc(l.used, func(a, b *offline.Copy) int { return strings.Compare(a.Service, b.Service) })
	for _, c := range l.used {
		l.a.Say("the storage can't be reached; using the secrets of %s read %s (%s)", c.Service, l.ago(c), reasonOf(l.reason))
		if n := len(c.Withheld); n > 0 {
			l.a.Say("%s of %s not cached, because the owner forbids it: %s", Count(n, "secret"), c.Service, strings.Join(c.Withheld, ", "))
		}
	}
	if !l.unreached(err) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(l.unusable)) {
		l.a.Say("the cache of %s is not used: %s", name, l.unusable[name])
	}
}

// reasonOf returns why the storage can't be reached, without the name of a service.
func reasonOf(err error) string {
	var op *store.Error
	if errors.As(err, &op) {
		err = op.Err
	}
	return plainSentence(err)
}

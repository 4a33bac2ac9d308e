package app

import (
	"context"
	"errors"
	"sync"

	"github.com/coffer-secrets/coffer/internal/reference"
	"github.com/coffer-secrets/coffer/store"
)

// fewKeys is the number of newest values of one service that are read one by one: that is one request for
// each, and needs permission for these secrets alone. To load a whole service takes two and more.
const fewKeys = 2

// References are the secrets that references name.
type References struct {
	Secrets map[reference.Reference]store.Secret
	Failed  map[reference.Reference]error // of those that can't be read
}

// ReadReferences reads the secrets that references name, in parallel, with few requests. known is what the
// caller has read already. The error is one that [EndsAll], or one of the settings.
func (a *App) ReadReferences(ctx context.Context, refs []reference.Reference, known ...store.Contents) (References, error) {
	s, err := a.Open(ctx)
	if err != nil {
		return References{}, err
	}
	r := reader{app: a, store: s, all: References{map[reference.Reference]store.Secret{}, map[reference.Reference]error{}}}
	services := map[reference.Reference][]reference.Reference{} // by a reference without key and version
	var single []reference.Reference
	seen := map[reference.Reference]bool{}
	for _, ref := range refs {
		if seen[ref] || r.isKnown(ref, known) {
			continue
		}
		seen[ref] = true
		if err := a.CheckLabel(s, ref.Service+":"+ref.Label, ref.Label); ref.Label != "" && err != nil {
			r.set(ref, store.Secret{}, err)
			continue
		}
		if ref.Version != store.Latest {
			single = append(single, ref)
			continue
		}
		service := reference.Reference{Service: ref.Service, Label: ref.Label}
		services[service] = append(services[service], ref)
	}
	var whole [][]reference.Reference
	for _, refs := range services {
		if len(refs) <= fewKeys {
			single = append(single, refs...)
		} else {
			whole = append(whole, refs)
		}
	}
	// What a load can't tell is read one by one after it.
	if _, err = Each(ctx, 16, len(whole)+len(single), func(ctx context.Context, i int) error {
		if i < len(whole) {
			return r.load(ctx, whole[i])
		}
		return r.read(ctx, single[i-len(whole)])
	}); err != nil {
		return r.all, err
	}
	_, err = Each(ctx, 16, len(r.left), func(ctx context.Context, i int) error { return r.read(ctx, r.left[i]) })
	return r.all, err
}

// reader reads references.
type reader struct {
	app   *App
	store store.Store

	mu   sync.Mutex
	all  References
	left []reference.Reference // to be read one by one
}

func (r *reader) set(ref reference.Reference, secret store.Secret, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.all.Failed[ref] = err
		return
	}
	r.all.Secrets[ref] = secret
}

// isKnown looks a reference up in what was read already. What isn't there, is not missing: those contents
// may be a part.
func (r *reader) isKnown(ref reference.Reference, known []store.Contents) bool {
	for _, c := range known {
		if c.Service != ref.Service || ref.Label != "" || ref.Version != store.Latest || c.Unlisted {
			continue
		}
		if secret, ok := find(c, ref.Key); ok {
			r.set(ref, secret, nil)
			return true
		}
	}
	return false
}

// find returns the secret of a service that a key means.
func find(c store.Contents, key string) (store.Secret, bool) {
	exact, err := store.Match("secret", key, c.Keys())
	if err != nil {
		return store.Secret{}, false
	}
	for _, s := range c.Secrets {
		if s.ID.Key == exact {
			return s, true
		}
	}
	return store.Secret{}, false
}

// load reads the newest values of one service. Those that it can't tell, it leaves to be read one by one:
// hidden ones, for which the caller may have permission all the same, and all of a service that can't be
// listed, or where another secret is damaged. Its error is one that [EndsAll].
func (r *reader) load(ctx context.Context, refs []reference.Reference) error {
	of := refs[0]
	c, err := InService(ctx, r.store, of.Service, func(service string) (store.Contents, error) {
		return loadOne(ctx, r.store, service, of.Label)
	})
	switch {
	case EndsAll(err):
		return err
	case IsMissingService(err), errors.Is(err, store.ErrAmbiguousName):
		for _, ref := range refs {
			r.set(ref, store.Secret{}, err)
		}
		return nil
	}
	for _, notice := range c.Notices {
		r.app.Note("%s", notice)
	}
	for _, ref := range refs {
		secret, found := find(c, ref.Key)
		_, missing := store.Lookup(ref.Key, c.Keys())
		switch {
		case err != nil || c.Unlisted || !found && missing == nil:
			r.mu.Lock()
			r.left = append(r.left, ref)
			r.mu.Unlock()
		case !found:
			r.set(ref, secret, &store.Error{Op: "read", ID: store.ID{Service: c.Service, Key: ref.Key}, Err: missing})
		default:
			r.set(ref, secret, nil)
		}
	}
	return nil
}

// read reads one secret. Its error is one that [EndsAll].
func (r *reader) read(ctx context.Context, ref reference.Reference) error {
	secret, err := InService(ctx, r.store, ref.Service, func(service string) (store.Secret, error) {
		id := store.ID{Service: service, Key: ref.Key}
		if ref.Label != "" {
			return r.store.(store.Labeler).ReadLabel(ctx, id, ref.Label)
		}
		return r.store.Read(ctx, id, ref.Version)
	})
	r.app.ObeyRead(ctx, ref.Service, ref.Key, err)
	if EndsAll(err) {
		return err
	}
	r.set(ref, secret, err)
	return nil
}

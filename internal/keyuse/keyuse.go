// Package keyuse lists the keys that encrypt the objects of services, and whether they can be used.
package keyuse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Use is what a service has under one alias and one key.
type Use struct {
	Service string `json:"service"`
	Alias   string `json:"alias"`             // "" if it isn't known
	Key     string `json:"key"`               // as the storage names it; "" if it names none
	Sealed  string `json:"sealed"`            // how the storage encrypted it, as in "aws:kms"
	State   string `json:"state,omitempty"`   // of the key; "" if the keys of the backend have none
	Usable  string `json:"usable"`            // whether the caller can decrypt with it: yes, no, partly, unknown
	Current string `json:"current,omitempty"` // whether the alias is for this key now; "" like State

	NoCache bool `json:"no_cache,omitzero"` // the owner of the alias forbids readers to cache its secrets

	Secrets    int       `json:"secrets"`
	Hidden     int       `json:"hidden"` // of the secrets
	Indexes    int       `json:"indexes"`
	Tombstones int       `json:"tombstones"`
	LastChange time.Time `json:"last_change,omitzero"` // of the secrets that can be read

	sample            store.ID // a secret to read if nothing else shows whether the key can be used
	decrypted, denied bool     // an object under the key was decrypted; one could not be
}

// What is known about a key.
const (
	yes     = string(admin.Allowed)
	No      = string(admin.Refused)
	unknown = string(admin.Unknown)
)

// List returns what services have under each key. With a name, an alias or a key, it returns only
// the uses of that key, and noKey counts the objects whose key the storage doesn't report. failures
// are of single services. The error is one that [app.EndsAll].
func List(ctx context.Context, a *app.App, s store.Store, services []string, name string) (uses []*Use, noKey int, failures []error, err error) {
	uses, failures, err = inspectServices(ctx, a, s, services)
	if err != nil {
		return nil, 0, failures, err
	}
	if alias := aliasOf(name); alias != "" {
		var aliases []string
		for _, u := range uses {
			aliases = append(aliases, u.Alias)
		}
		var err error
		if name, err = store.MatchAlias(alias, aliases); err != nil {
			return nil, 0, append(failures, fmt.Errorf("--key %s: %w", alias, err)), nil
		}
	}
	keys := describeKeys(ctx, s, uses, name)
	if name != "" {
		noKey = Objects(slices.DeleteFunc(slices.Clone(uses), func(u *Use) bool { return u.Key != "" }))
		uses = slices.DeleteFunc(uses, func(u *Use) bool { return !u.under(name, keys[aliasOf(name)].ID) })
	}
	tryKeys(ctx, s, uses)
	for _, u := range uses {
		u.classify(keys)
	}
	return uses, noKey, failures, nil
}

// inspectServices inspects services, four in parallel, as each needs many requests.
func inspectServices(ctx context.Context, a *app.App, s store.Store, services []string) (uses []*Use, failures []error, err error) {
	found := make([][]*Use, len(services))
	line := a.Progress(len(services), "services checked")
	defer line.Done()
	failures, err = app.Each(ctx, 4, len(services), func(ctx context.Context, i int) error {
		in, err := app.InService(ctx, s, services[i], func(service string) (admin.Inspection, error) { return inspect(ctx, s, service) })
		if err == nil {
			found[i] = usesIn(in)
		}
		line.Add()
		return err
	})
	return slices.Concat(found...), failures, err
}

// inspect inspects a service. On a backend without an inspector, only the aliases are known.
func inspect(ctx context.Context, s store.Store, service string) (admin.Inspection, error) {
	if inspector, ok := s.(admin.Inspector); ok {
		in, err := inspector.Inspect(ctx, service)
		if err == nil && len(in.Secrets)+len(in.Indexes)+len(in.Findings) == 0 {
			err = app.NoSecrets("inspect", service, "")
		}
		return in, err
	}
	contents, err := app.LoadExactly(ctx, s, service)
	in := admin.Inspection{Service: service}
	for _, secret := range contents.Secrets {
		in.Secrets = append(in.Secrets, admin.Inspected{Meta: secret.Meta})
	}
	for _, key := range contents.Hidden {
		in.Secrets = append(in.Secrets, admin.Inspected{Meta: store.Meta{ID: store.ID{Service: service, Key: key}}, Hidden: true})
	}
	for _, damage := range contents.Damaged {
		in.Secrets = append(in.Secrets, admin.Inspected{Meta: store.Meta{ID: store.ID{Service: service, Key: app.KeyOf(damage)}}})
	}
	return in, err
}

// usesIn counts the objects of a service by alias and key.
func usesIn(in admin.Inspection) []*Use {
	found := map[[2]string]*Use{}
	use := func(alias, key, sealed string) *Use {
		u := found[[2]string{alias, key}]
		if u == nil {
			u = &Use{Service: in.Service, Alias: alias, Key: key, Sealed: sealed}
			found[[2]string{alias, key}] = u
		}
		return u
	}
	aliases := map[string][]string{} // key -> the aliases of its indexes
	for _, x := range in.Indexes {
		u := use(x.KeyAlias, x.KeyID, x.Sealed)
		u.Indexes++
		aliases[x.KeyID] = append(aliases[x.KeyID], x.KeyAlias)
		u.decrypted, u.denied = u.decrypted || x.Err == nil, u.denied || x.Err != nil && !errors.Is(x.Err, store.ErrCorrupt)
	}
	for _, s := range in.Secrets {
		alias := s.KeyAlias
		if same := aliases[s.KeyID]; alias == "" && s.KeyID != "" && len(same) == 1 {
			alias = same[0] // the only alias with an index under this key
		}
		u := use(alias, s.KeyID, s.Sealed)
		if s.Deleted {
			u.Tombstones++
			continue
		}
		u.Secrets++
		switch {
		case s.Hidden:
			u.Hidden++
			u.denied = true
		case s.Version == 0:
			u.denied = true
		default: // maybe known from an index only, which may be under another key
			u.sample = s.ID
		}
		if s.Created.After(u.LastChange) {
			u.LastChange = s.Created
		}
	}
	for _, x := range in.Indexes {
		for _, u := range found {
			u.NoCache = u.NoCache || x.NoCache && u.Alias == x.KeyAlias
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b *Use) int {
		return cmp.Or(strings.Compare(a.Alias, b.Alias), strings.Compare(a.Key, b.Key))
	})
}

// describeKeys asks the store for the keys of the aliases, and then for each key that no alias is
// for. The result has only the keys that the store describes.
func describeKeys(ctx context.Context, s store.Store, uses []*Use, name string) map[string]admin.Key {
	describer, ok := s.(admin.KeyDescriber)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, app.KeyTimeout)
	defer cancel()
	known := map[string]admin.Key{}
	var mu sync.Mutex
	ask := func(set map[string]bool) {
		names := slices.Collect(maps.Keys(set))
		_ = pace.Each(ctx, 16, len(names), func(ctx context.Context, i int) error {
			if key, err := describer.DescribeKey(ctx, names[i]); err == nil {
				mu.Lock()
				defer mu.Unlock()
				known[names[i]] = key
			}
			return nil
		})
	}
	aliases, keys := map[string]bool{}, map[string]bool{}
	for _, u := range uses {
		aliases[u.Alias], keys[u.Key] = true, true
	}
	aliases[aliasOf(name)] = true
	delete(aliases, "")
	ask(aliases)
	for _, key := range slices.Collect(maps.Values(known)) {
		known[key.ID] = key
	}
	maps.DeleteFunc(keys, func(id string, _ bool) bool { return id == "" || known[id].ID != "" })
	ask(keys)
	delete(known, "")
	return known
}

// aliasOf returns the alias that name is; "" if it is the ID or ARN of a key.
func aliasOf(name string) string {
	if alias, err := store.NormalizeAlias(name); err == nil && !store.IsKeyName(alias) {
		return alias
	}
	return ""
}

// under reports whether a use matches a name: its alias, another alias of its key (whose ID is
// keyOfAlias), or its key. The first characters of a key's ID are enough, as the table shows them.
func (u *Use) under(name, keyOfAlias string) bool {
	id := keyName(u.Key)
	beginning := len(name) >= shortest && !strings.HasPrefix(name, "alias/") && strings.HasPrefix(id, name)
	return u.Key == name || id == name || beginning ||
		u.Alias != "" && u.Alias == aliasOf(name) || u.Key != "" && u.Key == keyOfAlias
}

// tryKeys reads a secret of each use for which the inspection didn't show whether the caller can
// decrypt.
func tryKeys(ctx context.Context, s store.Store, uses []*Use) {
	_ = pace.Each(ctx, 16, len(uses), func(ctx context.Context, i int) error {
		u := uses[i]
		if u.decrypted || u.sample == (store.ID{}) {
			return nil
		}
		_, err := s.Read(ctx, u.sample, store.Latest)
		u.decrypted = err == nil
		u.denied = u.denied || errors.Is(err, store.ErrDenied) || errors.Is(err, store.ErrConfiguration)
		return nil
	})
}

// classify sets Usable, State and Current.
func (u *Use) classify(keys map[string]admin.Key) {
	switch {
	case u.decrypted && u.denied:
		u.Usable = "partly"
	case u.decrypted:
		u.Usable = yes
	case u.denied:
		u.Usable = No
	default:
		u.Usable = unknown
	}
	if keys == nil { // the backend doesn't describe keys
		return
	}
	key, known := keys[u.Key]
	alias, aliasKnown := keys[u.Alias]
	if u.Key == "" {
		key, known = alias, aliasKnown
	}
	if u.State = key.State; !known {
		u.State = unknown
	}
	switch {
	case !aliasKnown, u.Key == "", keyName(u.Key) == u.Alias: // some servers report the alias instead of the key
		u.Current = unknown
	case alias.ID == u.Key:
		u.Current = yes
	default:
		u.Current = No
	}
}

// Objects returns the number of objects of all uses.
func Objects(uses []*Use) int {
	n := 0
	for _, u := range uses {
		n += u.Secrets + u.Indexes + u.Tombstones
	}
	return n
}

// shortest is how many characters of a key's name the table shows at least.
const shortest = 8

// ShortNames returns the shortest names of keys, by key, that still differ from one another.
func ShortNames(uses []*Use) map[string]string {
	for n := shortest; n <= 64; n++ {
		names, keys := map[string]string{}, map[string]string{}
		for _, u := range uses {
			name := keyName(u.Key)
			if !strings.HasPrefix(name, "alias/") {
				name = name[:min(n, len(name))]
			}
			names[u.Key], keys[name] = name, u.Key
		}
		if len(names) == len(keys) {
			return names
		}
	}
	names := map[string]string{} // the same ID in two regions or accounts
	for _, u := range uses {
		names[u.Key] = u.Key
	}
	return names
}

// keyName returns the ID or the alias in the ARN of a key.
func keyName(key string) string {
	if !strings.HasPrefix(key, "arn:") {
		return key
	}
	if _, alias, ok := strings.Cut(key, ":alias/"); ok {
		return "alias/" + alias
	}
	return key[strings.LastIndexAny(key, ":/")+1:]
}

// Package keyuse finds out which keys the objects of services are under, and whether they can be used.
package keyuse

import (
	"cmp"
	"context"
	"errors"
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

// Use is what a service has under one alias and one key: a row.
type Use struct {
	Service string `json:"service"`
	Alias   string `json:"alias"` // "" where it cannot be told
	Key     string `json:"key"`   // that the storage names; "" where it names none
	Sealed  string `json:"sealed"`
	State   string `json:"state,omitempty"`   // of the key, "" where keys have none
	Usable  string `json:"usable"`            // by the caller, from what was seen
	Current string `json:"current,omitempty"` // whether the alias stands for this key; likewise

	Secrets    int       `json:"secrets"`
	Hidden     int       `json:"hidden"` // of the secrets
	Indexes    int       `json:"indexes"`
	Tombstones int       `json:"tombstones"`
	LastChange time.Time `json:"last_change,omitzero"` // of the secrets that can be read

	sample       store.ID // a secret for which nothing tells yet whether it can be read
	opened, shut bool     // something under the key was opened, or could not be
}

// What is told of a key: yes, no, or that nobody tells.
const (
	yes     = string(admin.Allowed)
	No      = string(admin.Refused)
	notTold = string(admin.Untold)
)

// List lists what services have under each key, or under the one named. untold are the
// objects whose key the storage does not tell, which may be under that one too.
func List(ctx context.Context, a *app.App, s store.Store, services []string, name string) (uses []*Use, untold int, failures []error) {
	uses, failures = inspectServices(ctx, a, s, services)
	if ctx.Err() != nil {
		return nil, 0, failures
	}
	keys := describeKeys(ctx, s, uses, name)
	if name != "" {
		untold = Objects(slices.DeleteFunc(slices.Clone(uses), func(u *Use) bool { return u.Key != "" }))
		uses = slices.DeleteFunc(uses, func(u *Use) bool { return !u.under(name, keys[aliasOf(name)].ID) })
	}
	tryKeys(ctx, s, uses)
	for _, u := range uses {
		u.classify(keys)
	}
	return uses, untold, failures
}

// inspectServices looks at services, four at once: each is looked at with many requests. What cannot
// be looked at does not keep the others from being told.
func inspectServices(ctx context.Context, a *app.App, s store.Store, services []string) (uses []*Use, failures []error) {
	found, failed := make([][]*Use, len(services)), make([]error, len(services))
	line := a.Progress(len(services), "services looked at")
	_ = pace.Each(ctx, 4, len(services), func(ctx context.Context, i int) error {
		var in admin.Inspection
		if in, failed[i] = inspect(ctx, s, services[i]); failed[i] == nil {
			found[i] = usesIn(in)
		}
		line.Add()
		return nil
	})
	line.Done()
	failed = slices.DeleteFunc(failed, func(err error) bool { return err == nil })
	return slices.Concat(found...), failed
}

// inspect is the inspection of a service, also on a backend that tells no more of its secrets
// than the alias.
func inspect(ctx context.Context, s store.Store, service string) (admin.Inspection, error) {
	if inspector, ok := s.(admin.Inspector); ok {
		return inspector.Inspect(ctx, service)
	}
	contents, err := s.Load(ctx, service)
	in := admin.Inspection{Service: service}
	for _, secret := range contents.Secrets {
		in.Secrets = append(in.Secrets, admin.Inspected{Meta: secret.Meta})
	}
	for _, key := range contents.Hidden {
		in.Secrets = append(in.Secrets, admin.Inspected{Meta: store.Meta{ID: store.ID{Service: service, Key: key}}, Hidden: true})
	}
	return in, err
}

// usesIn counts what a service has, by alias and key.
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
	aliases := map[string][]string{} // of indexes, by key
	for _, x := range in.Indexes {
		u := use(x.KeyAlias, x.KeyID, x.Sealed)
		u.Indexes++
		aliases[x.KeyID] = append(aliases[x.KeyID], x.KeyAlias)
		u.opened, u.shut = u.opened || x.Err == nil, u.shut || x.Err != nil && !errors.Is(x.Err, store.ErrCorrupt)
	}
	for _, s := range in.Secrets {
		alias := s.KeyAlias
		if same := aliases[s.KeyID]; alias == "" && s.KeyID != "" && len(same) == 1 {
			alias = same[0] // the one that is known to use the key
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
			u.shut = true
		case s.Version == 0:
			u.shut = true
		default: // perhaps an index told, which may be under another key
			u.sample = s.ID
		}
		if s.Created.After(u.LastChange) {
			u.LastChange = s.Created
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b *Use) int {
		return cmp.Or(strings.Compare(a.Alias, b.Alias), strings.Compare(a.Key, b.Key))
	})
}

// describeKeys asks the store about the aliases, and then about each key for which none of
// them stands. What is not told is not in the answer.
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

// aliasOf is the alias that a person names, "" when it is a key.
func aliasOf(name string) string {
	if alias, err := store.NormalizeAlias(name); err == nil && !store.IsKeyName(alias) {
		return alias
	}
	return ""
}

// under reports whether a use is of what a person names: an alias, which stands for a key, or
// a key, of which the beginning will do that a table shows.
func (u *Use) under(name, keyOfAlias string) bool {
	id := keyName(u.Key)
	beginning := len(name) >= shortest && !strings.HasPrefix(name, "alias/") && strings.HasPrefix(id, name)
	return u.Key == name || id == name || beginning ||
		u.Alias != "" && u.Alias == aliasOf(name) || u.Key != "" && u.Key == keyOfAlias
}

// tryKeys opens a secret of each use of which nothing else tells whether it can be opened.
func tryKeys(ctx context.Context, s store.Store, uses []*Use) {
	_ = pace.Each(ctx, 16, len(uses), func(ctx context.Context, i int) error {
		u := uses[i]
		if u.opened || u.sample == (store.ID{}) {
			return nil
		}
		_, err := s.Read(ctx, u.sample, store.Latest)
		u.opened = err == nil
		u.shut = u.shut || errors.Is(err, store.ErrDenied) || errors.Is(err, store.ErrConfiguration)
		return nil
	})
}

// classify says whether the key can be used, and whether the alias stands for it.
func (u *Use) classify(keys map[string]admin.Key) {
	switch {
	case u.opened && u.shut:
		u.Usable = "partly"
	case u.opened:
		u.Usable = yes
	case u.shut:
		u.Usable = No
	default:
		u.Usable = notTold
	}
	if keys == nil { // nobody to ask
		return
	}
	key, told := keys[u.Key]
	alias, aliasTold := keys[u.Alias]
	if u.Key == "" {
		key, told = alias, aliasTold
	}
	if u.State = key.State; !told {
		u.State = notTold
	}
	switch {
	case !aliasTold, u.Key == "", keyName(u.Key) == u.Alias: // some servers tell the alias, not the key
		u.Current = notTold
	case alias.ID == u.Key:
		u.Current = yes
	default:
		u.Current = No
	}
}

// Objects counts the objects of uses.
func Objects(uses []*Use) int {
	n := 0
	for _, u := range uses {
		n += u.Secrets + u.Indexes + u.Tombstones
	}
	return n
}

// shortest is how much of the name of a key a table shows at least.
const shortest = 8

// ShortNames cuts the names of keys as far as they stay different.
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
	names := map[string]string{} // one id in two regions or accounts
	for _, u := range uses {
		names[u.Key] = u.Key
	}
	return names
}

// keyName is what tells a key from others of the account: the id, or the alias, in its ARN.
func keyName(key string) string {
	if !strings.HasPrefix(key, "arn:") {
		return key
	}
	if _, alias, ok := strings.Cut(key, ":alias/"); ok {
		return "alias/" + alias
	}
	return key[strings.LastIndexAny(key, ":/")+1:]
}

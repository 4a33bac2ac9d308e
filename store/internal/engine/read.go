package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// Read implements [store.Store]. It makes one request unless the name must be looked up in a listing.
func (e *Engine) Read(ctx context.Context, id store.ID, n int) (store.Secret, error) {
	o, err := e.find(ctx, id)
	if err != nil {
		return store.Secret{}, wrap("read", id.Service, id.Key, err)
	}
	if n == store.Latest {
		n = o.Newest()
	}
	if _, ok := o.Versions[n]; !ok {
		return store.Secret{}, wrap("read", id.Service, id.Key, &store.NotFoundError{What: "version", Version: strconv.Itoa(n)})
	}
	return o.Secret(n, ""), nil
}

// find reads the object of a secret by its exact name, or else by the only name that differs
// from it only in case.
func (e *Engine) find(ctx context.Context, id store.ID) (*Document, error) {
	if _, err := store.NewID(id.Service, id.Key); err != nil {
		return nil, err
	}
	o, _, denied := e.ReadDocument(ctx, id.Service, id.Key)
	if denied != nil && !errors.Is(denied, bucket.ErrDenied) || denied == nil && !o.Absent() {
		return o, denied
	}
	v := &View{Service: id.Service}
	switch err := e.List(ctx, v); {
	case err != nil && denied != nil:
		return nil, denied
	case errors.Is(err, bucket.ErrDenied):
		return nil, &store.NotFoundError{What: "secret"}
	case err != nil:
		return nil, err
	}
	if _, listed := v.Objects[id.Key]; listed && denied != nil {
		return nil, denied // if it is not listed, it is missing: S3 may answer 403 for that
	}
	delete(v.Objects, id.Key) // the read has shown that it is missing or a tombstone
	key, err := store.Lookup(id.Key, v.keys())
	if err != nil {
		return nil, err
	}
	if o, _, err = e.ReadDocument(ctx, id.Service, key); err == nil && o.Absent() {
		err = &store.NotFoundError{What: "secret"}
	}
	return o, err
}

// Services implements [store.Store].
func (e *Engine) Services(ctx context.Context, prefix string) ([]string, error) {
	ids, err := e.IDs(ctx, prefix)
	var services []string
	for _, id := range ids {
		if len(services) == 0 || services[len(services)-1] != id.Service {
			services = append(services, id.Service)
		}
	}
	return services, err
}

// IDs implements [store.Lister]. If the storage has no conditional delete, it includes a
// deleted secret until its tombstone is collected.
func (e *Engine) IDs(ctx context.Context, prefix string) ([]store.ID, error) {
	var ids []store.ID
	for info, err := range e.Bucket.Walk(ctx, prefix) {
		if err != nil {
			return nil, wrap("list services", prefix, "", err)
		}
		service, _, ok := CutLast(info.Name)
		if key, isKey := KeyOf(service, info.Name); ok && isKey && strings.HasPrefix(service, prefix) && store.CheckService(service) == nil {
			ids = append(ids, store.ID{Service: service, Key: key})
		}
	}
	sort.Slice(ids, func(i, j int) bool {
		return ids[i].Service < ids[j].Service || ids[i].Service == ids[j].Service && ids[i].Key < ids[j].Key
	})
	return ids, nil
}

// CutLast splits a name at its last "/".
func CutLast(name string) (before, after string, found bool) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return name, "", false
	}
	return name[:i], name[i+1:], true
}

// Load implements [store.Store]: R1 to R5 of the protocol.
func (e *Engine) Load(ctx context.Context, service string) (store.Contents, error) {
	return e.loadChosen(ctx, service, nil)
}

func (e *Engine) load(ctx context.Context, service string, choice *store.Choice) (store.Contents, error) {
	if err := store.CheckService(service); err != nil {
		return store.Contents{}, err
	}
	v, err := e.look(ctx, service, lookOptions{all: true})
	if err != nil {
		return store.Contents{}, err
	}
	c := store.Contents{Service: service}
	if v.denied != nil {
		if err := e.lookUnlisted(ctx, v, &c); err != nil {
			return store.Contents{}, err
		}
	}
	c.Denied = e.deniedIndexes(v)
	readable := v.Readable()
	c.Indexes, c.NoCache = rules(service, readable)

	// R3: the entries whose tags are in the listing.
	listed := v.tags()
	if v.denied == nil {
		c.Revisions = listed
	}
	verified, unknown := index.Merge(listed, indexesOf(readable)...)
	c.Listed = len(verified) + len(unknown)
	if choice != nil {
		c.Deleted = deletedOf(v, readable)
		maps.DeleteFunc(verified, func(key string, _ index.Entry) bool { return !choice.Wants(key) })
		unknown = slices.DeleteFunc(unknown, func(key string) bool { return !choice.Wants(key) })
	}
	for key, entry := range verified {
		if e.checkRollback(service, key, entry.Version, readable) != nil { // R5: a rollback, or an index is newer than the listing
			unknown = append(unknown, key)
			continue
		}
		if s := SecretOf(service, key, entry); choice.TakesNewest(s) {
			c.Secrets = append(c.Secrets, s)
		} else {
			unknown = append(unknown, key)
		}
	}
	slices.Sort(unknown)
	if choice == nil { // a choice may need the salt, which nobody remembers
		v.memory = e.Verified.Service(service)
		unknown = e.recall(v, &c, unknown)
	}
	c.Notices = append(c.Notices, e.notices(v, unknown)...)
	if err := e.addUnknown(ctx, v, &c, unknown, choice); err != nil {
		return store.Contents{}, err
	}
	sort.Slice(c.Secrets, func(i, j int) bool { return c.Secrets[i].ID.Key < c.Secrets[j].ID.Key })
	return c, e.confirmDenied(ctx, v, &c)
}

// addUnknown adds the secrets for which no index vouches, from their objects: R4.
func (e *Engine) addUnknown(ctx context.Context, v *View, c *store.Contents, unknown []string, choice *store.Choice) error {
	read, err := e.readUnknown(ctx, v, unknown)
	if err != nil {
		return err
	}
	readable := v.Readable()
	for i, key := range unknown {
		switch o := read[i]; {
		case o == nil:
			c.Hidden = append(c.Hidden, key)
		case o.Absent():
			c.Listed--
		default:
			if err := e.checkRollback(v.Service, key, o.Newest(), readable); err != nil { // R5
				return err
			}
			if s, ok := chosen(choice, o, aliasIn(key, readable)); ok {
				c.Secrets = append(c.Secrets, s)
			}
		}
	}
	return nil
}

// SecretOf returns the secret in an index entry.
func SecretOf(service, key string, entry index.Entry) store.Secret {
	return store.Secret{
		Meta: store.Meta{
			ID: store.ID{Service: service, Key: key}, Version: entry.Version,
			Created: entry.Created, CreatedBy: entry.CreatedBy, KeyAlias: entry.Alias, Revision: entry.Tag,
		},
		Value: entry.Value, Salt: entry.Salt,
	}
}

// aliasIn returns the alias of a secret according to the indexes, for an object that does not record one.
func aliasIn(key string, states []*IndexState) string {
	for _, s := range states {
		if entry, ok := s.Index.Entries[key]; ok {
			return entry.Alias
		}
	}
	return ""
}

// readUnknown reads the objects of keys, and remembers what they hold. The document is nil if the caller has no
// permission to read it, and a tombstone if it is missing.
func (e *Engine) readUnknown(ctx context.Context, v *View, keys []string) ([]*Document, error) {
	hidden, err := e.hiddenKeys(ctx, v, keys)
	if err != nil {
		return nil, err
	}
	defer v.memory.Save(v.hasTags)
	read, done := func() {}, func() {}
	if len(keys) >= manyObjects {
		read, done = e.Reading(len(keys))
	}
	defer done()
	out := make([]*Document, len(keys))
	err = pace.Each(ctx, objectReaders, len(keys), func(ctx context.Context, i int) error {
		defer read()
		if hidden[keys[i]] {
			return nil
		}
		o, _, err := e.ReadDocument(ctx, v.Service, keys[i])
		switch {
		case errors.Is(err, bucket.ErrDenied) && !keyIsGone(err):
			return nil
		case err != nil:
			return wrap("load", v.Service, keys[i], err)
		case o == nil:
			o = &Document{Deleted: true}
		}
		v.remember(keys[i], o)
		out[i] = o
		return nil
	})
	return out, err
}

// hiddenKeys returns, if an index is denied, the objects that are certainly encrypted with a key that the
// caller may not use. Either the readable indexes know it, or a HEAD, which does not decrypt, reports
// the key of a denied index. This avoids a denied request for each, and the alarms that denied
// requests cause.
func (e *Engine) hiddenKeys(ctx context.Context, v *View, keys []string) (map[string]bool, error) {
	hidden := map[string]bool{}
	var deniedFiles []string
	for file, s := range v.Indexes {
		if s.Denied != nil {
			deniedFiles = append(deniedFiles, file)
		}
	}
	if len(deniedFiles) == 0 {
		return hidden, nil
	}
	var ask []string
	readable := v.Readable()
	for _, key := range keys {
		tag := string(v.Objects[key].Tag)
		// The object is hidden only if every readable index knows it to be elsewhere: it may be under
		// another readable alias, whose index is behind.
		ours := slices.ContainsFunc(readable, func(s *IndexState) bool { return !s.Index.Elsewhere(key, tag) })
		if len(readable) > 0 && !ours {
			hidden[key] = true
		} else {
			ask = append(ask, key)
		}
	}
	if len(ask) == 0 {
		return hidden, nil
	}
	deniedKeys := make([]string, len(deniedFiles))
	err := pace.Each(ctx, Readers, len(deniedFiles), func(ctx context.Context, i int) error {
		info, err := e.Bucket.Head(ctx, v.Service+"/"+deniedFiles[i])
		deniedKeys[i] = info.Seal.KeyID
		return ignore(err, bucket.ErrDenied, bucket.ErrNotFound, bucket.ErrRefused)
	})
	deniedKeys = slices.DeleteFunc(deniedKeys, func(id string) bool {
		// Two aliases may share a key. The key of a readable index can be used.
		return id == "" || slices.ContainsFunc(readable, func(s *IndexState) bool { return s.Seal.KeyID == id })
	})
	if err != nil || len(deniedKeys) == 0 {
		return hidden, err
	}
	found := make([]bool, len(ask))
	err = pace.Each(ctx, Readers, len(ask), func(ctx context.Context, i int) error {
		info, err := e.Bucket.Head(ctx, ObjectName(v.Service, ask[i]))
		found[i] = err == nil && slices.Contains(deniedKeys, info.Seal.KeyID)
		return ignore(err, bucket.ErrDenied, bucket.ErrNotFound, bucket.ErrRefused)
	})
	for i, key := range ask {
		if found[i] {
			hidden[key] = true
		}
	}
	return hidden, err
}

func ignore(err error, expected ...error) error {
	for _, want := range expected {
		if errors.Is(err, want) {
			return nil
		}
	}
	return err
}

// lookUnlisted replaces a listing of the service that was denied. It lists only the indexes, or, if that
// is denied too, uses the index of our alias, and verifies each entry with a HEAD of its object.
func (e *Engine) lookUnlisted(ctx context.Context, v *View, c *store.Contents) error {
	for info, err := range e.Bucket.List(ctx, v.Service+"/"+index.Prefix(e.Plain())) {
		if errors.Is(err, bucket.ErrDenied) {
			c.Unlisted = true
			break
		}
		if err != nil {
			return err
		}
		if file := strings.TrimPrefix(info.Name, v.Service+"/"); index.Is(file, e.Plain()) {
			v.Files[file] = info
		}
	}
	if err := e.readIndexes(ctx, v); err != nil {
		return err
	}
	own := v.Indexes[index.FileName(e.Alias)]
	switch {
	case own == nil: // no alias is configured
		if c.Unlisted {
			return v.denied // without a listing it is unknown which indexes exist
		}
	case own.Denied == nil:
	case c.Unlisted:
		return nil // 403 may also mean missing: report a denied index, as nothing was read
	case v.Files[own.File].Name == "":
		v.Indexes[own.File] = &IndexState{File: own.File, Missing: true}
	}
	entries := map[string]index.Entry{}
	for _, s := range v.Readable() {
		maps.Copy(entries, s.Index.Entries)
	}
	keys := slices.Sorted(maps.Keys(entries))
	infos := make([]*bucket.Info, len(keys))
	err := pace.Each(ctx, Readers, len(keys), func(ctx context.Context, i int) error {
		info, err := e.Bucket.Head(ctx, ObjectName(v.Service, keys[i]))
		if errors.Is(err, bucket.ErrNotFound) {
			return nil
		}
		if errors.Is(err, bucket.ErrDenied) && e.Unverified {
			info.Tag = bucket.Tag(entries[keys[i]].Tag)
		}
		infos[i] = &info // 403 may also mean missing: without a tag, no index vouches for it
		return ignore(err, bucket.ErrDenied)
	})
	if err != nil {
		return err
	}
	for i, key := range keys {
		if infos[i] != nil {
			v.Objects[key] = *infos[i]
		}
	}
	c.Notices = append(c.Notices, "you don't have permission to list the service: secrets that are missing from its indexes are not found")
	return nil
}

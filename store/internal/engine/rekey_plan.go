package engine

import (
	"cmp"
	"context"
	"errors"
	"sort"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// beginRekey does K0: it reads the service and plans which secrets to move. Results with an error are of
// secrets that cannot be moved.
func (e *Engine) beginRekey(ctx context.Context, service string, o admin.RekeyOptions) (*rekeying, error) {
	if err := store.CheckService(service); err != nil {
		return nil, err
	}
	w, err := e.begin(ctx, service, nil, false)
	if err == nil {
		err = w.others()
	}
	if err != nil {
		return nil, err
	}
	w.askKey()
	var aliases []string
	for _, s := range w.v.Readable() {
		aliases = append(aliases, s.Index.Alias)
	}
	if o.From, err = store.MatchAlias(o.From, aliases); err != nil {
		return nil, err
	}
	r := &rekeying{writing: w, o: o, sources: map[string]string{}}
	if o.From != "" && index.FileName(o.From) == w.own.File && o.From != e.Alias {
		return nil, &store.AliasError{Have: o.From, Want: e.Alias, Index: w.own.File}
	}
	if err := r.plan(ctx); err != nil {
		return nil, err
	}
	for _, m := range r.moves {
		if !m.deleted {
			r.results = append(r.results, r.result(m))
		}
	}
	return r, nil
}

func (r *rekeying) result(m *move) store.Result {
	out := store.Result{
		Meta: store.Meta{
			ID: store.ID{Service: r.v.Service, Key: m.key}, Version: m.entry.Version,
			Created: m.entry.Created, CreatedBy: m.entry.CreatedBy, KeyAlias: m.from,
		},
		Outcome: store.Moved,
	}
	switch {
	case m.err != nil:
		out.Outcome, out.Err = store.Failed, wrap("rekey", r.v.Service, m.key, m.err)
		if isStopped(m.err) {
			out.Outcome = store.Left
		}
	case m.returned:
		out.Outcome = store.Returned
	}
	return out
}

// plan finds the secrets to move: those for which the index of another alias vouches, and those
// without an index that vouches whose objects are under another alias.
func (r *rekeying) plan(ctx context.Context) error {
	if r.o.Rewrite {
		return r.planRewrite(ctx)
	}
	var unknown []string
	for _, key := range r.v.keys() {
		tag := string(r.v.Objects[key].Tag)
		if entry, alias, ok := r.vouched(key, tag); !ok || r.e.checkRollback(r.v.Service, key, entry.Version, r.v.Readable()) != nil {
			unknown = append(unknown, key)
		} else if alias != r.e.Alias {
			r.addMove(key, alias, entry)
		}
	}
	objects, infos := make([]*Document, len(unknown)), make([]bucket.Info, len(unknown))
	failures := make([]error, len(unknown))
	_ = pace.Each(ctx, Readers, len(unknown), func(ctx context.Context, i int) error {
		objects[i], infos[i], failures[i] = r.e.ReadDocument(ctx, r.v.Service, unknown[i])
		return nil
	})
	for i, key := range unknown {
		switch o, err := objects[i], failures[i]; {
		case errors.Is(err, bucket.ErrDenied) && r.o.From == "":
			r.moves = append(r.moves, &move{key: key, err: err})
		case errors.Is(err, bucket.ErrDenied):
			// Its alias is unknown. Nothing shows that it is under the alias to move from.
		case err != nil:
			return err
		case !o.Absent():
			alias := cmp.Or(o.Alias, r.e.Owner(ctx, r.v, o, infos[i], r.own, ""))
			if alias == "" {
				r.moves = append(r.moves, &move{key: key, err: &store.AliasError{Want: r.e.Alias}})
			} else if alias != r.e.Alias {
				r.addMove(key, alias, r.entryOf(o, infos[i]))
			}
		}
	}
	sort.Slice(r.moves, func(i, j int) bool { return r.moves[i].key < r.moves[j].key })
	return nil
}

// vouched returns the entry of the index that vouches for an object, and the alias of the object.
// It is false if none or several vouch. The moving entry that a rekey has made ahead is ignored.
func (r *rekeying) vouched(key, tag string) (index.Entry, string, bool) {
	entries, gone := r.v.vouching(key, tag)
	if len(entries) != 1 || gone {
		return index.Entry{}, "", false // if two indexes disagree, neither is trusted
	}
	for file, entry := range entries {
		return entry, r.v.Indexes[file].AliasOf(key), true
	}
	return index.Entry{}, "", false
}

// Entry returns the entry of a key, if the index was read and has one.
func (s *IndexState) Entry(key string) (index.Entry, bool) {
	if s.Index == nil {
		return index.Entry{}, false
	}
	e, ok := s.Index.Entries[key]
	return e, ok
}

func (r *rekeying) addMove(key, alias string, entry index.Entry) {
	if r.o.From != "" && alias != r.o.From {
		return
	}
	entry.Alias, entry.Moving = r.e.Alias, true
	m := &move{key: key, from: alias, entry: entry}
	m.err = r.e.checkRollback(r.v.Service, key, entry.Version, r.v.Readable()) // if rolled back, it is not moved: the evidence is in the old index
	r.moves = append(r.moves, m)
	if m.err != nil {
		return
	}
	r.sources[index.FileName(alias)] = alias
}

// planRewrite finds the secrets of our own alias that are not under the key to which the alias
// points now, and tombstones, which are no results.
func (r *rekeying) planRewrite(ctx context.Context) error {
	want := r.keyID()
	keys := r.v.keys()
	moves, failures := make([]*move, len(keys)), make([]error, len(keys))
	_ = pace.Each(ctx, Heads, len(keys), func(ctx context.Context, i int) error {
		moves[i], failures[i] = r.planObject(ctx, keys[i], want)
		return nil
	})
	for i := range keys {
		if failures[i] != nil {
			return failures[i]
		}
		if moves[i] != nil {
			r.moves = append(r.moves, moves[i])
		}
	}
	return nil
}

// planObject returns the move of an object in a rewrite, or nil if there is none. It asks for the key with a
// HEAD request, which doesn't decrypt, and reads the object only if no index tells its alias.
func (r *rekeying) planObject(ctx context.Context, key, want string) (*move, error) {
	info, err := r.e.Bucket.Head(ctx, ObjectName(r.v.Service, key))
	if errors.Is(err, bucket.ErrRefused) { // the answer to a HEAD has no body with the reason; a GET's has
		_, info, err = r.e.ReadDocument(ctx, r.v.Service, key)
	}
	if err != nil || want != "" && info.Seal.KeyID == want {
		return nil, ignore(err, bucket.ErrNotFound)
	}
	_, alias, ok := r.vouched(key, string(info.Tag))
	if ok && alias != r.e.Alias {
		return nil, nil
	}
	m := &move{key: key, from: r.e.Alias}
	var entered bool
	if m.entry, entered = r.own.Entry(key); ok || entered {
		return m, nil
	}
	o, info, err := r.e.ReadDocument(ctx, r.v.Service, key)
	switch {
	case errors.Is(err, bucket.ErrDenied) && r.v.hides():
		return nil, nil // nothing shows that it is under our alias
	case err != nil:
		return m, nil // to move it says why
	case o == nil || cmp.Or(o.Alias, r.e.Owner(ctx, r.v, o, info, r.own, "")) != r.e.Alias:
		return nil, nil
	}
	m.deleted = o.Absent()
	return m, nil
}

func (r *rekeying) entryOf(o *Document, info bucket.Info) index.Entry {
	n := o.Newest()
	v := o.Versions[n]
	return index.Entry{
		Version: n, Value: v.Value, Alias: r.e.Alias, Tag: string(info.Tag), Moving: true,
		Created: strictjson.ParseTime(v.created), CreatedBy: v.createdBy, Salt: v.salt,
	}
}

package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/verified"
)

// View is a listing of one service and the indexes that a command has read.
type View struct {
	Service string
	Objects map[string]bucket.Info // the secret objects, by key; not all if it is narrow
	Files   map[string]bucket.Info // the indexes, by file name
	Foreign []string               // the names of all other objects
	narrow  bool                   // the listing has only its first page and the indexes
	denied  error                  // why the service could not be listed; nil if it was listed
	Indexes map[string]*IndexState // the indexes that were requested, by file name
	pinned  []string               // the aliases that are known to point to a pinned key
	memory  *verified.Service      // what was seen of the objects before; nil: nothing

	mu       sync.Mutex
	notified map[string]bool // the notices that were given
}

// IndexState is one index as it was read. Exactly one of Missing, Denied, Corrupt and Index is set.
type IndexState struct {
	File    string
	Missing bool
	Denied  error // the caller may not read it
	Corrupt error // it does not parse
	Index   *index.Index
	Tag     bucket.Tag
	Seal    bucket.Seal
}

// readIndexes reads the listed indexes that the view does not have yet, except one that is being read.
func (e *Engine) readIndexes(ctx context.Context, v *View, except ...string) error {
	var missing []string
	v.mu.Lock()
	for file := range v.Files {
		if v.Indexes[file] == nil && !slices.Contains(except, file) {
			missing = append(missing, file)
		}
	}
	v.mu.Unlock()
	states := make([]*IndexState, len(missing))
	err := pace.Each(ctx, Readers, len(missing), func(ctx context.Context, i int) (err error) {
		states[i], err = e.ReadIndex(ctx, v.Service, missing[i])
		return err
	})
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range states {
		v.Indexes[s.File] = s
	}
	return nil
}

// ReadIndex reads one index. An index that is missing, denied or corrupt is not an error:
// see [IndexState].
func (e *Engine) ReadIndex(ctx context.Context, service, file string) (*IndexState, error) {
	name := service + "/" + file
	s := &IndexState{File: file}
	o, err := e.Bucket.Get(ctx, name)
	switch {
	case errors.Is(err, bucket.ErrNotFound):
		s.Missing = true
		return s, nil
	case errors.Is(err, bucket.ErrDenied):
		s.Denied = err
		return s, nil
	case err != nil:
		return nil, err
	}
	if err := e.vouch(name, o); err != nil {
		return nil, err
	}
	s.Tag, s.Seal = o.Tag, o.Seal
	alias := ""
	if !e.Plain() {
		alias = e.AliasOfFile(file)
	}
	if s.Index, err = index.Parse(alias, o.Body); err != nil {
		s.Corrupt = corrupt(name, err)
		return s, nil
	}
	// The alias in the entries is more reliable than the one derived from the file name.
	if owner, foreign := s.Index.Foreign(); foreign && file != index.FileName(e.Alias) && index.FileName(owner) == file {
		s.Index.Alias = owner
	}
	return s, nil
}

// AliasOfFile returns the most likely alias of an index with this file name.
func (e *Engine) AliasOfFile(file string) string {
	if file == index.FileName(e.Alias) {
		return e.Alias
	}
	return "alias/" + strings.TrimPrefix(index.Label(file), "alias_")
}

func (v *View) keys() []string { return slices.Sorted(maps.Keys(v.Objects)) }

func (v *View) tags() map[string]string {
	tags := make(map[string]string, len(v.Objects))
	for key, info := range v.Objects {
		tags[key] = string(info.Tag)
	}
	return tags
}

// hides reports whether the caller may not read one of the indexes.
func (v *View) hides() bool {
	for _, s := range v.Indexes {
		if s.Denied != nil {
			return true
		}
	}
	return false
}

// Readable returns the indexes that parse, sorted by name. It locks the view, because of several
// concurrent writes one may be reading more indexes.
func (v *View) Readable() []*IndexState {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []*IndexState
	for _, file := range slices.Sorted(maps.Keys(v.Indexes)) {
		if s := v.Indexes[file]; s.Index != nil {
			out = append(out, s)
		}
	}
	return out
}

func indexesOf(states []*IndexState) []*index.Index {
	out := make([]*index.Index, len(states))
	for i, s := range states {
		out[i] = s.Index
	}
	return out
}

// ReadDocument reads one secret object. If it is missing, the document and the error are nil.
func (e *Engine) ReadDocument(ctx context.Context, service, key string) (*Document, bucket.Info, error) {
	name := ObjectName(service, key)
	o, err := e.Bucket.Get(ctx, name)
	if errors.Is(err, bucket.ErrNotFound) {
		return nil, bucket.Info{}, nil
	}
	if err != nil {
		return nil, bucket.Info{}, err
	}
	return e.open(service, key, o)
}

// open parses an object after it has checked its seal.
func (e *Engine) open(service, key string, o bucket.Object) (*Document, bucket.Info, error) {
	if err := e.vouch(ObjectName(service, key), o); err != nil {
		return nil, bucket.Info{}, err
	}
	s, err := parseObject(service, key, o.Body)
	if err == nil {
		s.tag = o.Tag
	}
	return s, o.Info, err
}

// vouch checks the seal of an object that was read, and that it isn't one of another kind of store: what such a
// store has sealed must not be taken for a damaged index, which is replaced.
func (e *Engine) vouch(name string, o bucket.Object) error {
	err := e.Vouch(name, o.Seal)
	if !e.Chamber { // its sealer has looked at the bytes as they are stored
		return err
	}
	format := bucket.FormatOf(o.Body)
	sealed := format != "" && format != bucket.FormatJSON
	var bad *store.SealError
	switch {
	case errors.As(err, &bad) && (sealed || bad.Method != "" && bad.KeyID == ""):
		bad.Format = format
	case err == nil && sealed:
		err = &store.SealError{Object: name, Method: o.Seal.Method, KeyID: o.Seal.KeyID, Want: "an object that is encrypted by the server alone", Format: format}
	}
	return err
}

// Package index is one index: an object that holds the newest value of every secret of
// one service under one key alias, so that a reader needs one request instead of one per
// secret. The package is pure: bytes in, values out.
//
// An index is a cache. The secret objects are the truth, and an entry counts only while
// the listing shows the tag of the object from which the entry was made.
package index

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/store"
)

// MaxSize is the largest index that is read, in bytes. A larger one is treated as corrupt.
const MaxSize = 16 << 20

const (
	plainName = store.ReservedPrefix + "latest" + store.ObjectSuffix
	prefix    = store.ReservedPrefix + "kms"
	suffix    = plainName
)

// FileName returns the name, within its service, of the index of an alias. The alias ""
// stands for the plain S3 backend, which has one index and no aliases. Two aliases can
// share a name ("alias/a/b" and "alias/a_b"): see [Index.Foreign].
func FileName(alias string) string {
	if alias == "" {
		return plainName
	}
	return prefix + "_" + strings.ReplaceAll(alias, "/", "_") + suffix
}

// Prefix returns what the names of all indexes begin with; with plain, on the plain S3 backend.
func Prefix(plain bool) string {
	if plain {
		return store.ReservedPrefix
	}
	return prefix
}

// Is reports whether an object of this name, within its service, is the index of some
// alias; with plain, whether it is the index of the plain S3 backend.
func Is(name string, plain bool) bool {
	if plain {
		return name == plainName
	}
	return strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix)
}

// Label returns what can be told of the alias from the name of an index: the part between
// the fixed ones ("alias_team_one"), in which "_" may have been "/".
func Label(name string) string {
	return strings.TrimPrefix(strings.TrimSuffix(strings.TrimPrefix(name, prefix), suffix), "_")
}

// Entry is the newest version of one secret.
type Entry struct {
	Version   int
	Value     store.Value
	Alias     string    // as the writer recorded it; "" in a plain index
	Tag       string    // of the secret object from which the entry was made; "" where another program wrote the entry
	Moving    bool      // made by a rekey before the object itself is under this alias
	Created   time.Time // zero where another program wrote the entry
	CreatedBy string

	extra []byte // members that this version does not know, kept
}

// Equal reports whether two entries say the same.
func (e Entry) Equal(o Entry) bool {
	return e.Version == o.Version && e.Value == o.Value && e.Alias == o.Alias && e.Tag == o.Tag && e.Moving == o.Moving &&
		e.Created.Equal(o.Created) && e.CreatedBy == o.CreatedBy
}

// Says reports whether two entries say the same of a secret, under whichever alias.
func (e Entry) Says(o Entry) bool { return e.Version == o.Version && e.Value == o.Value }

// Index is one index.
type Index struct {
	Alias   string // whose index it is; "" for the plain one
	Entries map[string]Entry

	// Other and Gone spare readers a request: keys whose object, in the state of that tag,
	// was seen to be under another alias, or to be a tombstone. Another tag means: look again.
	Other map[string]string
	Gone  map[string]string

	// What no object says. Last has the highest version of secrets that are deleted, at most
	// [MaxLast] of them; Floor is at least the highest version of all others that are. Seen has the
	// highest version of secrets that exist, where no entry can keep it: their objects could not be read.
	Last  map[string]int
	Floor int
	Seen  map[string]int

	Seq   int64  // counts the puts
	Nonce string // makes the bytes of each put its own

	extra []byte
}

// New returns an empty index.
func New(alias string) *Index {
	return &Index{
		Alias: alias, Entries: map[string]Entry{}, Other: map[string]string{}, Gone: map[string]string{},
		Last: map[string]int{}, Seen: map[string]int{},
	}
}

// Verified returns the entry of a key if it was made from the object in state tag.
func (x *Index) Verified(key, tag string) (Entry, bool) {
	e, ok := x.Entries[key]
	return e, ok && e.Tag != "" && e.Tag == tag
}

// Elsewhere reports whether the index knows that the object of a key, in state tag, has
// nothing for it: it is under another alias, or a tombstone.
func (x *Index) Elsewhere(key, tag string) bool {
	return tag != "" && (x.Other[key] == tag || x.Gone[key] == tag)
}

// Unverifiable returns the keys, sorted, whose entries carry no tag: a program that does
// not verify has rewritten the index.
func (x *Index) Unverifiable() []string {
	var keys []string
	for key, e := range x.Entries {
		if e.Tag == "" {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Foreign returns the alias recorded in the entries if it is not the index's own: two
// aliases have met in one file name. The file must then be left alone.
func (x *Index) Foreign() (alias string, foreign bool) {
	if x.Alias == "" {
		return "", false
	}
	for _, key := range slices.Sorted(maps.Keys(x.Entries)) {
		if a := x.Entries[key].Alias; a != "" && a != x.Alias {
			return a, true
		}
	}
	return "", false
}

// Same reports whether two indexes hold the same entries, marks and numbers, whatever their Seq and Nonce.
func (x *Index) Same(o *Index) bool {
	return maps.EqualFunc(x.Entries, o.Entries, Entry.Equal) && maps.Equal(x.Other, o.Other) && maps.Equal(x.Gone, o.Gone) &&
		maps.Equal(x.Last, o.Last) && maps.Equal(x.Seen, o.Seen) && x.Floor == o.Floor
}

// Next returns an empty index that follows x: the next Seq, a nonce, and whatever of x
// this version does not know.
func (x *Index) Next(nonce string) *Index {
	n := New(x.Alias)
	n.Seq, n.Nonce, n.extra = x.Seq+1, nonce, x.extra
	return n
}

// Merge resolves what a listing shows (key to tag) with the indexes of a service. It returns
// the verified entries and, sorted, the keys for which no index vouches, or of which two
// indexes say different things: their objects must be read. A key that an index knows to be a
// tombstone is in neither. The result does not depend on the order of the indexes.
func Merge(listed map[string]string, indexes ...*Index) (verified map[string]Entry, unknown []string) {
	verified = make(map[string]Entry, len(listed))
	for key, tag := range listed {
		entry, claims, gone := vouched(key, tag, indexes)
		switch {
		case claims == 1 && !gone:
			verified[key] = entry
		case claims > 0 || !gone:
			unknown = append(unknown, key)
		}
	}
	slices.Sort(unknown)
	return verified, unknown
}

// vouched returns the entry that vouches for an object, how many different ones do, and whether an
// index knows the object to be a tombstone. An entry that a rekey has made ahead is no other one
// when it says the same of the secret; alone, it counts.
func vouched(key, tag string, indexes []*Index) (entry Entry, claims int, gone bool) {
	var ahead []Entry
	for _, x := range indexes {
		gone = gone || tag != "" && x.Gone[key] == tag
		switch e, ok := x.Verified(key, tag); {
		case ok && e.Moving:
			ahead = append(ahead, e)
		case ok && (claims == 0 || !e.Says(entry) || e.Alias != entry.Alias):
			entry, claims = e, claims+1
		}
	}
	for _, e := range ahead {
		if claims == 0 {
			entry, claims = e, 1
		} else if !e.Says(entry) {
			claims++
		}
	}
	return entry, claims, gone
}

// Package index parses, merges and encodes indexes. An index is an object that holds the newest
// value of every secret of one service under one key alias, so that a reader needs one request
// instead of one per secret. The package does no I/O.
//
// An index is a cache. The secret objects are the truth, and an entry is valid only while
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

// FileName returns the name of an alias' index within its service. The alias "" means the
// plain S3 backend, which has one index and no aliases. Two aliases can have the same
// file name ("alias/a/b" and "alias/a_b"): see [Index.Foreign].
func FileName(alias string) string {
	if alias == "" {
		return plainName
	}
	return prefix + "_" + strings.ReplaceAll(alias, "/", "_") + suffix
}

// Prefix returns the common prefix of the names of all indexes. If plain is true, it returns
// that of the plain S3 backend.
func Prefix(plain bool) string {
	if plain {
		return store.ReservedPrefix
	}
	return prefix
}

// Is reports whether name, within its service, is the name of an alias' index. If plain is
// true, it reports whether name is that of the plain S3 backend's index.
func Is(name string, plain bool) bool {
	if plain {
		return name == plainName
	}
	return strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix)
}

// Label returns the part of an index's name that comes from its alias, for example
// "alias_team_one". Each "_" in it may have been a "/" in the alias.
func Label(name string) string {
	return strings.TrimPrefix(strings.TrimSuffix(strings.TrimPrefix(name, prefix), suffix), "_")
}

// Entry is the newest version of one secret.
type Entry struct {
	Version   int
	Value     store.Value
	Alias     string    // as the writer recorded it; "" in a plain index
	Tag       string    // of the secret object from which the entry was made; "" if another program wrote the entry
	Moving    bool      // made by a rekey before the object itself is under this alias
	Created   time.Time // zero if another program wrote the entry
	CreatedBy string
	Salt      store.Salt

	extra []byte // members that this version does not know; they are kept
}

// Equal reports whether two entries are equal. It ignores members that this version does not know.
func (e Entry) Equal(o Entry) bool {
	return e.Version == o.Version && e.Value == o.Value && e.Alias == o.Alias && e.Tag == o.Tag && e.Moving == o.Moving &&
		e.Created.Equal(o.Created) && e.CreatedBy == o.CreatedBy && e.Salt == o.Salt
}

// Says reports whether two entries have the same version and value. Their aliases may differ.
func (e Entry) Says(o Entry) bool { return e.Version == o.Version && e.Value == o.Value }

// Index is one index.
type Index struct {
	Alias   string // the alias of the index; "" for the plain one
	Entries map[string]Entry

	// Other and Gone save readers requests. They map the key of a secret to the tag of its object:
	// in that state it was under another alias (Other), or a tombstone (Gone). If the listing
	// shows another tag, the object must be read again.
	Other map[string]string
	Gone  map[string]string

	// Version numbers that are stored in no object. Last has the highest version of each deleted secret,
	// for at most [MaxLast] of them. Floor is at least the highest version of all other deleted secrets.
	// Seen has the highest version of secrets that exist but have no entry to keep it, because their
	// objects could not be read.
	Last  map[string]int
	Floor int
	Seen  map[string]int

	// NoCache forbids readers to keep the values of this index outside of the store. It is the owner's
	// decision, and stays until it is taken back.
	NoCache bool

	Seq   int64  // counts the puts
	Nonce string // makes the bytes of each put unique

	extra []byte
}

// New returns an empty index.
func New(alias string) *Index {
	return &Index{
		Alias: alias, Entries: map[string]Entry{}, Other: map[string]string{}, Gone: map[string]string{},
		Last: map[string]int{}, Seen: map[string]int{},
	}
}

// Verified returns the entry of a key. ok is true if the entry was made from the object in state tag.
func (x *Index) Verified(key, tag string) (Entry, bool) {
	e, ok := x.Entries[key]
	return e, ok && e.Tag != "" && e.Tag == tag
}

// Elsewhere reports whether the index knows that the object of a key, in state tag, is under
// another alias or a tombstone.
func (x *Index) Elsewhere(key, tag string) bool {
	return tag != "" && (x.Other[key] == tag || x.Gone[key] == tag)
}

// Unverifiable returns the sorted keys of the entries without a tag. Such entries were written
// by a program that does not verify.
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

// Foreign reports whether an entry records another alias than the index's own, and returns that
// alias. Two aliases then have the same file name, and the index must not be written.
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

// Same reports whether two indexes hold the same entries, marks and numbers, and the same NoCache. It
// ignores Seq and Nonce.
func (x *Index) Same(o *Index) bool {
	return maps.EqualFunc(x.Entries, o.Entries, Entry.Equal) && maps.Equal(x.Other, o.Other) && maps.Equal(x.Gone, o.Gone) &&
		maps.Equal(x.Last, o.Last) && maps.Equal(x.Seen, o.Seen) && x.Floor == o.Floor && x.NoCache == o.NoCache
}

// Next returns an empty index that follows x. It has the next Seq, the given nonce, NoCache, and the
// members of x that this version does not know.
func (x *Index) Next(nonce string) *Index {
	n := New(x.Alias)
	n.Seq, n.Nonce, n.NoCache, n.extra = x.Seq+1, nonce, x.NoCache, x.extra
	return n
}

// Merge compares a listing of a service (key to tag) with the indexes of the service. It returns
// the verified entries, and the sorted keys for which no index vouches or about which two
// indexes disagree: their objects must be read. A key that an index knows to be a
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

// vouched returns an entry that vouches for an object, the number of different entries that do, and
// whether an index knows the object to be a tombstone. A moving entry is not counted
// if another entry has the same version and value. If there is no other entry, it is counted.
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

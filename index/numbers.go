package index

import (
	"maps"
	"slices"
)

// MaxLast is the maximum number of deleted secrets whose highest versions an index keeps in Last.
// If there are more, the lowest versions are replaced by their maximum, in Floor: see [Index.Fold].
const MaxLast = 1000

// Known returns the highest version of a secret, deleted or not, that the index knows, or 0 if it
// knows none. A new version gets a number above it, so that no number means two values.
func (x *Index) Known(key string) int {
	return max(x.Entries[key].Version, x.Last[key], x.Seen[key])
}

// Highest is like [Index.Known] for a secret that does not exist. It is at least Floor, because
// [Index.Fold] may have removed the secret's number.
func (x *Index) Highest(key string) int { return max(x.Known(key), x.Floor) }

// Newest returns the highest version that a secret had while it existed, as far as the index
// knows, or 0. An object with a lower version was put back to an older state. Entries without a tag,
// written by a program that does not verify, are ignored: it is unknown from which object they were made.
func (x *Index) Newest(key string) int {
	if e := x.Entries[key]; e.Tag != "" {
		return max(e.Version, x.Seen[key])
	}
	return x.Seen[key]
}

// Learn records in Last that a secret which may be deleted had version n.
func (x *Index) Learn(key string, n int) {
	if n > x.Floor && n > x.Last[key] {
		x.Last[key] = n
	}
}

// Fold limits Last to [MaxLast] numbers. It removes the lowest ones and raises Floor to their maximum.
func (x *Index) Fold() {
	if over := len(x.Last) - MaxLast; over > 0 {
		numbers := slices.Sorted(maps.Values(x.Last))
		x.Floor = max(x.Floor, numbers[over-1])
	}
	maps.DeleteFunc(x.Last, func(_ string, n int) bool { return n <= x.Floor })
}

// Remembers reports whether the index has something that must stay when it has no entries: version
// numbers in Last, Seen or Floor, or NoCache.
func (x *Index) Remembers() bool { return len(x.Last)+len(x.Seen) > 0 || x.Floor > 0 || x.NoCache }

// Covers reports whether the index knows at least the version numbers of deleted secrets that o has
// in Last and Floor.
func (x *Index) Covers(o *Index) bool {
	for key, n := range o.Last {
		if x.Highest(key) < n {
			return false
		}
	}
	return x.Floor >= o.Floor
}

// Inherit records in Last and Floor the versions of deleted secrets that o, another index of the
// service, knows. listed is the listing of the service (key to tag): entries of o that it
// does not contain are of deleted secrets. The versions of the others are in their objects.
func (x *Index) Inherit(o *Index, listed map[string]string) {
	for key, n := range o.Last {
		x.Learn(key, n)
	}
	for _, key := range slices.Concat(slices.Collect(maps.Keys(o.Entries)), slices.Collect(maps.Keys(o.Seen))) {
		if _, there := listed[key]; !there {
			x.Learn(key, max(o.Entries[key].Version, o.Seen[key]))
		}
	}
	x.Floor = max(x.Floor, o.Floor)
}

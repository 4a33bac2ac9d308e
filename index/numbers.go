package index

import (
	"maps"
	"slices"
)

// MaxLast is of how many deleted secrets an index keeps the highest version. Of more, it keeps
// the highest version of those with the lowest ones, as [Index.Floor].
const MaxLast = 1000

// Known returns the highest version that the index knows a secret to have had, deleted or not, 0
// for none. A new version gets a number above it, so that no number means two values.
func (x *Index) Known(key string) int {
	return max(x.Entries[key].Version, x.Last[key], x.Seen[key])
}

// Highest is Known for a secret that does not exist: its number may be among those that are folded.
func (x *Index) Highest(key string) int { return max(x.Known(key), x.Floor) }

// Newest returns the highest version that a secret was seen to have while it existed, 0 for
// none. An object with a lower one was put back to an older state. An entry of a program that
// does not verify tells nothing: nobody knows from which object it was made.
func (x *Index) Newest(key string) int {
	if e := x.Entries[key]; e.Tag != "" {
		return max(e.Version, x.Seen[key])
	}
	return x.Seen[key]
}

// Learn notes that a secret which may be gone had version n.
func (x *Index) Learn(key string, n int) {
	if n > x.Floor && n > x.Last[key] {
		x.Last[key] = n
	}
}

// Fold bounds Last: the lowest of too many numbers become the floor.
func (x *Index) Fold() {
	if over := len(x.Last) - MaxLast; over > 0 {
		numbers := slices.Sorted(maps.Values(x.Last))
		x.Floor = max(x.Floor, numbers[over-1])
	}
	maps.DeleteFunc(x.Last, func(_ string, n int) bool { return n <= x.Floor })
}

// Remembers reports whether the index knows versions of secrets that it has no entry for.
func (x *Index) Remembers() bool { return len(x.Last)+len(x.Seen) > 0 || x.Floor > 0 }

// Covers reports whether the index knows as much of deleted secrets as another one.
func (x *Index) Covers(o *Index) bool {
	for key, n := range o.Last {
		if x.Highest(key) < n {
			return false
		}
	}
	return x.Floor >= o.Floor
}

// Inherit notes what another index of the service knows of secrets that are deleted. The listing
// tells which those are (key to tag): the versions of any other stand in its object.
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

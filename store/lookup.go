package store

import (
	"errors"
	"slices"
	"strings"
)

// Lookup finds a name among the keys of a service: the exact key, or else the only one that differs
// just in case. The error is an [*AmbiguousNameError], or a [*NotFoundError]: of the secret, with the
// nearest key, or of the service if it has no keys.
func Lookup(name string, keys []string) (string, error) {
	if len(keys) == 0 {
		return "", &NotFoundError{What: "service"}
	}
	return Match("secret", name, keys)
}

// Match finds a name among others, as Lookup does: services or key aliases, for example. what is the
// word for them in the [*NotFoundError].
func Match(what, name string, names []string) (string, error) {
	if slices.Contains(names, name) {
		return name, nil
	}
	var twins []string
	for _, other := range names {
		if strings.EqualFold(other, name) && !slices.Contains(twins, other) {
			twins = append(twins, other)
		}
	}
	switch len(twins) {
	case 0:
		return "", &NotFoundError{What: what, Nearest: Nearest(name, names)}
	case 1:
		return twins[0], nil
	}
	slices.Sort(twins)
	return "", &AmbiguousNameError{Keys: twins}
}

// MatchAlias finds a key alias among those in use, as Lookup does. A name that fits none is returned as it
// is: it may be in use elsewhere, or be a key's. The error is an [*AmbiguousNameError].
func MatchAlias(name string, aliases []string) (string, error) {
	found, err := Match("alias", name, aliases)
	if name == "" || errors.Is(err, ErrNotFound) {
		return name, nil
	}
	return found, err
}

// Nearest returns the candidate that is most similar to name. At most a third of its letters
// differ. It returns "" if there is no such candidate.
func Nearest(name string, candidates []string) string {
	best, distance := "", max(1, len(name)/3)+1
	for _, c := range candidates {
		if d := editDistance(strings.ToLower(name), strings.ToLower(c), distance+1); d < distance || d == distance && best != "" && c < best {
			best, distance = c, d
		}
	}
	return best
}

// editDistance counts the letters to insert, delete, change or swap with a neighbour. It stops
// counting at limit.
func editDistance(a, b string, limit int) int {
	if abs(len(a)-len(b)) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

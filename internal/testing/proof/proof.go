// Package proof decides how much of a proof a test runs. `make test` runs a bounded part: each
// behaviour once, and a sample of the points of a walk, which repeats one behaviour at many points.
// `make prove` sets COFFER_PROVE and runs everything.
package proof

import (
	"os"
	"sync/atomic"
)

// Whole reports whether to run every case of a proof.
func Whole() bool { return os.Getenv("COFFER_PROVE") != "" }

// Bounded returns few, or all if the whole proof runs.
func Bounded(few, all int) int {
	if Whole() {
		return all
	}
	return few
}

// Sample returns a function that reports, for each case of a walk in turn, whether to run it: the
// first of every n, or every case if the whole proof runs. The sample includes each kind of fault
// at some request if n has no factor in common with the number of kinds. The function is safe for
// concurrent use.
func Sample(n int) (take func() bool) { return Thinned(n, 1) }

// Thinned returns what [Sample] does, for a walk of which the whole proof runs one case in all: one
// that repeats another walk under other circumstances.
func Thinned(n, all int) (take func() bool) {
	every := int64(Bounded(n*underRace, all))
	var cases atomic.Int64
	return func() bool { return (cases.Add(1)-1)%every == 0 }
}

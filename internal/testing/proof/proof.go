// Package proof tells a test how much of a proof to run. `make test` runs a bounded part: each
// behaviour once, and of a walk, which repeats one at many points, a sample of the points.
// `make prove` sets COFFER_PROVE and runs the whole.
package proof

import (
	"os"
	"sync/atomic"
)

// Whole reports whether every case of a proof is to be run.
func Whole() bool { return os.Getenv("COFFER_PROVE") != "" }

// Bounded returns few, or all where the whole proof is to be run.
func Bounded(few, all int) int {
	if Whole() {
		return all
	}
	return few
}

// Sample returns what reports for each case of a walk in turn whether it is to be run: the
// first of every n, or every one where the whole proof is to be run. The sample meets each kind
// of fault at some request if n has no factor in common with the number of kinds.
// What it returns may be called by several goroutines.
func Sample(n int) (take func() bool) {
	every := int64(Bounded(n, 1))
	var cases atomic.Int64
	return func() bool { return (cases.Add(1)-1)%every == 0 }
}

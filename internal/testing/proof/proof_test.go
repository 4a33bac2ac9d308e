package proof_test

import (
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
)

// taken returns which of ten cases a sample of one in three takes.
func taken() []int {
	var all []int
	take := proof.Sample(3)
	for n := range 10 {
		if take() {
			all = append(all, n)
		}
	}
	return all
}

func TestASampleIsTheFirstOfEveryN(t *testing.T) {
	t.Setenv("COFFER_PROVE", "")
	want := 4
	if proof.RaceDetector {
		want = 1
	}
	if got := taken(); len(got) != want || got[0] != 0 || got[want-1] != 3*(want-1) {
		t.Errorf("cases %v of ten", got)
	}
	if got := proof.Bounded(5, 100); got != 5 {
		t.Errorf("bounded to %d", got)
	}
}

func TestAWholeProofIsEveryCase(t *testing.T) {
	t.Setenv("COFFER_PROVE", "1")
	if got := taken(); len(got) != 10 {
		t.Errorf("cases %v of ten", got)
	}
	if got := proof.Bounded(5, 100); got != 100 {
		t.Errorf("bounded to %d", got)
	}
}

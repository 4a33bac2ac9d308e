package schedule

import (
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
)

func mend() task { return task{op: "mend", alias: aliasA} }

// mends are scenarios in which a doctor mends what others are about to finish.
func mends() []scenario {
	one := map[string]string{"k1": aliasA}
	return []scenario{
		{name: "mend and write", tasks: []task{mend(), write("k1", "v1")}, seeds: one, lost: 1, crashes: 1},
		{name: "mend and create", tasks: []task{mend(), write("k2", "x1")}, seeds: one, lost: 1},
		{name: "mend and first write", tasks: []task{mend(), write("k1", "x1")}, seeds: map[string]string{}, lost: 1},
		{name: "mend and delete", tasks: []task{mend(), remove("k1")}, seeds: one, lost: 1, crashes: 1},
		{name: "mend and load", tasks: []task{mend(), load()}, seeds: one, lost: 1},
		{name: "mend and rekey", tasks: []task{mend(), rekey()}, seeds: one, lost: 1, crashes: 1},
		{name: "mend and chamber's write", tasks: []task{mend(), chamberWrites("k1", "c1")}, seeds: one},
		{name: "mend, create, delete", tasks: []task{mend(), write("k2", "x1"), remove("k2")}, seeds: one},
		{name: "mend, write, delete of one key", tasks: []task{mend(), write("k1", "v1"), remove("k1")}, seeds: one},
	}
}

// TestSchedulesOfADoctor explores a part of those of three clients, and all in the long form.
func TestSchedulesOfADoctor(t *testing.T) {
	limit := proof.Bounded(1000, 5000)
	if _, asked := long(t); asked {
		limit = all
	}
	exploreEach(t, mends(), limit)
}

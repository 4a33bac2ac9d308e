package index_test

import (
	"maps"
	"strconv"
	"testing"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
)

func TestHighestCountsWhatWasDeleted(t *testing.T) {
	x := index.New("alias/app")
	x.Entries["live"], x.Last["gone"], x.Seen["hidden"], x.Floor = entry(7, "v", "t"), 9, 4, 3
	x.Entries["back"], x.Last["back"], x.Entries["low"] = entry(2, "v", "t"), 5, entry(1, "v", "t")
	for key, want := range map[string]int{"live": 7, "gone": 9, "hidden": 4, "back": 5, "new": 3, "low": 3} {
		if got := x.Highest(key); got != want {
			t.Errorf("highest of %s: %d; want %d", key, got, want)
		}
	}
	for key, want := range map[string]int{"live": 7, "hidden": 4, "gone": 0, "back": 2} {
		if got := x.Newest(key); got != want {
			t.Errorf("newest of %s: %d; want %d", key, got, want)
		}
	}
	if !x.Remembers() || index.New("").Remembers() {
		t.Error("an index remembers what it has no entry for, and an empty one nothing")
	}
}

// The numbers of more deleted secrets than an index keeps become its floor: none is given again.
func TestFoldNeverForgetsANumber(t *testing.T) {
	x, had := index.New("alias/app"), map[string]int{}
	for i := range 3 * index.MaxLast {
		key := "k" + strconv.Itoa(i)
		had[key] = 1 + i*7%101
		x.Learn(key, had[key])
		x.Fold()
		if len(x.Last) > index.MaxLast {
			t.Fatalf("%d names are kept", len(x.Last))
		}
	}
	for key, n := range had {
		if x.Highest(key) < n {
			t.Errorf("%s had version %d, and %d is the highest known", key, n, x.Highest(key))
		}
	}
	if x.Floor == 0 || x.Floor >= 101 {
		t.Errorf("the floor is %d: the lowest numbers were to go, and no others", x.Floor)
	}
}

func TestInheritTakesTheNumbersOfWhatIsDeleted(t *testing.T) {
	old, heir := index.New("alias/a"), index.New("alias/b")
	old.Last["gone"], old.Entries["ghost"], old.Entries["moved"], old.Seen["left"], old.Floor = 5, entry(6, "v", "t"), entry(7, "v", "t"), 8, 2
	heir.Last["gone"] = 4
	heir.Inherit(old, map[string]string{"moved": "t2"})
	if want := map[string]int{"gone": 5, "ghost": 6, "left": 8}; !maps.Equal(heir.Last, want) || heir.Floor != 2 {
		t.Errorf("inherited %v, floor %d; want %v, floor 2", heir.Last, heir.Floor, want)
	}
}

func TestNumbersSurviveTheirEncoding(t *testing.T) {
	for _, alias := range []string{"", "alias/app"} {
		x := index.New(alias)
		x.Last["gone"], x.Seen["hidden"], x.Floor = 9, 4, 3
		again, err := index.Parse(alias, encode(t, x))
		if err != nil || !x.Same(again) {
			t.Errorf("%q: %+v was encoded, and %+v (%v) parsed", alias, x, again, err)
		}
	}
}

func TestAnIndexInheritsWhatIsDeleted(t *testing.T) {
	from, to := index.New("alias/a"), index.New("alias/b")
	from.Learn("gone", 7)
	from.Entries["lost"] = index.Entry{Version: 5, Tag: "t"}
	from.Entries["there"] = index.Entry{Version: 9, Tag: "t"}
	from.Seen["lost"] = 6
	from.Floor = 2
	if to.Covers(from) {
		t.Error("it knows nothing, and covers")
	}
	to.Inherit(from, map[string]string{"there": "t"})
	for key, want := range map[string]int{"gone": 7, "lost": 6, "there": 2, "never": 2} {
		if got := to.Highest(key); got != want {
			t.Errorf("%s: %d, want %d", key, got, want)
		}
	}
	if !to.Covers(from) || !to.Remembers() {
		t.Error("it does not cover what it has inherited")
	}
	to.Floor = 1
	if to.Covers(from) {
		t.Error("a lower floor covers a higher one")
	}
}

func TestAnEntryThatARekeyHasMadeAheadVouchesAlone(t *testing.T) {
	entry := func(version int, moving bool) *index.Index {
		x := index.New("alias/a")
		x.Entries["k"] = index.Entry{Version: version, Value: store.NewValue("v"), Tag: "t", Moving: moving}
		return x
	}
	for name, test := range map[string]struct {
		indexes []*index.Index
		unknown bool
	}{
		"alone":                     {[]*index.Index{entry(1, true)}, false},
		"beside the same":           {[]*index.Index{entry(1, false), entry(1, true)}, false},
		"beside another":            {[]*index.Index{entry(1, false), entry(2, true)}, true},
		"two ahead that differ":     {[]*index.Index{entry(1, true), entry(2, true)}, true},
		"two ahead that say it all": {[]*index.Index{entry(2, true), entry(2, true)}, false},
	} {
		_, unknown := index.Merge(map[string]string{"k": "t"}, test.indexes...)
		if got := len(unknown) == 1; got != test.unknown {
			t.Errorf("%s: unknown %v", name, unknown)
		}
	}
}

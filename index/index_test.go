package index_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
)

// same compares indexes by what can be seen of them, values included.
var same = cmp.Options{
	cmp.Comparer(func(a, b store.Value) bool { return a.Reveal() == b.Reveal() }),
	cmp.Comparer(func(a, b index.Entry) bool { return a.Equal(b) }),
	cmp.Comparer(func(a, b *index.Index) bool {
		return a.Alias == b.Alias && a.Seq == b.Seq && a.Nonce == b.Nonce && a.Same(b)
	}),
}

func entry(version int, value, tag string) index.Entry {
	return index.Entry{Version: version, Value: store.NewValue(value), Alias: "alias/app", Tag: tag}
}

func TestFileNames(t *testing.T) {
	for _, test := range []struct{ alias, file, label string }{
		{"", "__latest.json", ""},
		{"alias/app", "__kms_alias_app__latest.json", "alias_app"},
		{"alias/team/one", "__kms_alias_team_one__latest.json", "alias_team_one"},
		{"alias/team_one", "__kms_alias_team_one__latest.json", "alias_team_one"},
		{"alias/a-B_9", "__kms_alias_a-B_9__latest.json", "alias_a-B_9"},
	} {
		file := index.FileName(test.alias)
		if file != test.file {
			t.Errorf("FileName(%q) = %q; want %q", test.alias, file, test.file)
		}
		if plain := test.alias == ""; !index.Is(file, plain) || index.Is(file, !plain) {
			t.Errorf("Is(%q): %v for the plain shape, %v for an alias", file, index.Is(file, true), index.Is(file, false))
		}
		if got := index.Label(file); test.alias != "" && got != test.label {
			t.Errorf("Label(%q) = %q; want %q", file, got, test.label)
		}
	}
}

func TestWhatIsNoIndex(t *testing.T) {
	for _, name := range []string{"", "db_url.json", "__kms_latest.json", "__kms_alias_app__latest.json.bak", "x__kms_alias_app__latest.json", "__kms_alias_app__latest", "__latest.json.json"} {
		if index.Is(name, false) || index.Is(name, true) {
			t.Errorf("%q is taken for an index", name)
		}
	}
}

func TestVerifiedNeedsTheSameTag(t *testing.T) {
	x := index.New("alias/app")
	x.Entries["tagged"] = entry(1, "v", "t1")
	x.Entries["untagged"] = entry(1, "v", "")
	for _, test := range []struct {
		key, tag string
		want     bool
	}{
		{"tagged", "t1", true},
		{"tagged", "t2", false},
		{"tagged", "", false},
		{"untagged", "", false},
		{"untagged", "t1", false},
		{"missing", "t1", false},
		{"missing", "", false},
	} {
		if _, ok := x.Verified(test.key, test.tag); ok != test.want {
			t.Errorf("Verified(%q, %q) = %v", test.key, test.tag, ok)
		}
	}
}

func TestElsewhereNeedsTheSameTag(t *testing.T) {
	x := index.New("alias/app")
	x.Other["other"], x.Gone["gone"], x.Other["untagged"] = "t1", "t2", ""
	for _, test := range []struct {
		key, tag string
		want     bool
	}{
		{"other", "t1", true},
		{"other", "t2", false},
		{"gone", "t2", true},
		{"gone", "t1", false},
		{"untagged", "", false},
		{"missing", "", false},
	} {
		if got := x.Elsewhere(test.key, test.tag); got != test.want {
			t.Errorf("Elsewhere(%q, %q) = %v", test.key, test.tag, got)
		}
	}
}

func TestUnverifiableNamesTheUntagged(t *testing.T) {
	x := index.New("alias/app")
	x.Entries["b"], x.Entries["a"], x.Entries["c"] = entry(1, "v", ""), entry(1, "v", ""), entry(1, "v", "t")
	if got, want := x.Unverifiable(), []string{"a", "b"}; !slices.Equal(got, want) {
		t.Errorf("Unverifiable: %q; want %q", got, want)
	}
}

func TestForeignNamesTheOtherAlias(t *testing.T) {
	x := index.New("alias/team/one")
	if owner, foreign := x.Foreign(); foreign {
		t.Errorf("an empty index belongs to %q", owner)
	}
	x.Entries["a"] = index.Entry{Version: 1, Alias: "alias/team/one"}
	x.Entries["b"] = index.Entry{Version: 1}
	if owner, foreign := x.Foreign(); foreign {
		t.Errorf("our own index belongs to %q", owner)
	}
	x.Entries["c"] = index.Entry{Version: 1, Alias: "alias/team_one"}
	if owner, foreign := x.Foreign(); !foreign || owner != "alias/team_one" {
		t.Errorf("Foreign: %q, %v; want alias/team_one", owner, foreign)
	}
	plain := index.New("")
	plain.Entries["a"] = index.Entry{Version: 1, Alias: "alias/app"}
	if owner, foreign := plain.Foreign(); foreign {
		t.Errorf("a plain index belongs to %q", owner)
	}
}

func TestSameLooksAtEntriesAndMarks(t *testing.T) {
	build := func(change func(*index.Index)) *index.Index {
		x := index.New("alias/app")
		x.Entries["k"] = entry(1, "v", "t")
		x.Other["o"], x.Gone["g"] = "t1", "t2"
		change(x)
		return x
	}
	base := build(func(*index.Index) {})
	if !base.Same(build(func(x *index.Index) { x.Seq, x.Nonce = 9, "n" })) {
		t.Error("another seq and nonce make another content")
	}
	for name, change := range map[string]func(*index.Index){
		"value":   func(x *index.Index) { x.Entries["k"] = entry(1, "w", "t") },
		"version": func(x *index.Index) { x.Entries["k"] = entry(2, "v", "t") },
		"tag":     func(x *index.Index) { x.Entries["k"] = entry(1, "v", "u") },
		"time":    func(x *index.Index) { e := x.Entries["k"]; e.Created = time.Unix(1, 0); x.Entries["k"] = e },
		"author":  func(x *index.Index) { e := x.Entries["k"]; e.CreatedBy = "me"; x.Entries["k"] = e },
		"alias":   func(x *index.Index) { e := x.Entries["k"]; e.Alias = "alias/b"; x.Entries["k"] = e },
		"missing": func(x *index.Index) { delete(x.Entries, "k") },
		"more":    func(x *index.Index) { x.Entries["l"] = entry(1, "v", "t") },
		"other":   func(x *index.Index) { x.Other["o"] = "t9" },
		"gone":    func(x *index.Index) { delete(x.Gone, "g") },
		"last":    func(x *index.Index) { x.Last["d"] = 3 },
		"floor":   func(x *index.Index) { x.Floor = 1 },
		"seen":    func(x *index.Index) { x.Seen["k"] = 3 },
	} {
		if base.Same(build(change)) {
			t.Errorf("another %s goes unnoticed", name)
		}
	}
}

func TestNextFollows(t *testing.T) {
	x, err := index.Parse("alias/app", []byte(`{"latest":{"k":{"version":1,"value":"v"}},"seq":41,"nonce":"old","from_the_future":true}`))
	if err != nil {
		t.Fatal(err)
	}
	next := x.Next("new")
	if next.Seq != 42 || next.Nonce != "new" || next.Alias != "alias/app" || len(next.Entries) != 0 {
		t.Errorf("next: seq %d, nonce %q, alias %q, %d entries", next.Seq, next.Nonce, next.Alias, len(next.Entries))
	}
	if got, want := encode(t, next), `{"from_the_future":true,"latest":{},"nonce":"new","seq":42}`; sorted(t, got) != want {
		t.Errorf("encoded: %s; want %s", got, want)
	}
}

func TestMerge(t *testing.T) {
	a, b := index.New("alias/a"), index.New("alias/b")
	a.Entries["both"], b.Entries["both"] = entry(2, "new", "t2"), entry(1, "old", "t1")
	a.Entries["drifted"] = entry(1, "v", "old")
	a.Entries["ghost"] = entry(1, "v", "t")
	a.Entries["chamber"] = entry(1, "v", "")
	b.Entries["b"] = entry(1, "v", "t")
	a.Other["b"], a.Other["hidden"], b.Gone["tombstone"], b.Gone["risen"] = "t", "t", "t", "before"
	a.Entries["contested"], b.Gone["contested"] = entry(1, "v", "t"), "t"
	listed := map[string]string{
		"both": "t2", "drifted": "t", "chamber": "t", "b": "t", "hidden": "t", "tombstone": "t", "risen": "t", "new": "t", "untagged": "", "contested": "t",
	}
	verified, unknown := index.Merge(listed, a, b)
	want := map[string]index.Entry{"both": a.Entries["both"], "b": b.Entries["b"]}
	if diff := cmp.Diff(want, verified, same); diff != "" {
		t.Error("verified:", diff)
	}
	if want := []string{"chamber", "contested", "drifted", "hidden", "new", "risen", "untagged"}; !slices.Equal(unknown, want) {
		t.Errorf("unknown: %q; want %q", unknown, want)
	}
}

func TestMergeOfNothing(t *testing.T) {
	if verified, unknown := index.Merge(nil); len(verified) != 0 || len(unknown) != 0 {
		t.Errorf("verified %v, unknown %v", verified, unknown)
	}
	if verified, unknown := index.Merge(map[string]string{"k": "t"}); len(verified) != 0 || !slices.Equal(unknown, []string{"k"}) {
		t.Errorf("verified %v, unknown %v", verified, unknown)
	}
}

// checkMerge holds what every merge promises, whatever the indexes say.
func checkMerge(t *testing.T, listed map[string]string, indexes []*index.Index) {
	t.Helper()
	verified, unknown := index.Merge(listed, indexes...)
	if !slices.IsSorted(unknown) {
		t.Errorf("unknown keys are not sorted: %q", unknown)
	}
	for key, e := range verified {
		if tag, ok := listed[key]; !ok || e.Tag == "" || e.Tag != tag {
			t.Errorf("%q is verified by tag %q; the listing has %q", key, e.Tag, tag)
		}
		if !slices.ContainsFunc(indexes, func(x *index.Index) bool { return x.Entries[key].Equal(e) }) {
			t.Errorf("the entry of %q is in no index", key)
		}
	}
	for key, tag := range listed {
		_, isVerified := verified[key]
		isUnknown := slices.Contains(unknown, key)
		gone := slices.ContainsFunc(indexes, func(x *index.Index) bool { return tag != "" && x.Gone[key] == tag })
		if isVerified && isUnknown || !isVerified && !isUnknown && !gone {
			t.Errorf("%q is verified: %v, unknown: %v, a tombstone: %v", key, isVerified, isUnknown, gone)
		}
	}
	backwards := slices.Clone(indexes)
	slices.Reverse(backwards)
	again, alsoUnknown := index.Merge(listed, backwards...)
	twice, _ := index.Merge(listed, append(slices.Clone(indexes), indexes...)...)
	if diff := cmp.Diff(verified, again, same); !slices.Equal(unknown, alsoUnknown) || diff != "" {
		t.Error("the order of the indexes matters:", diff)
	}
	if diff := cmp.Diff(verified, twice, same); diff != "" {
		t.Error("merging twice:", diff)
	}
	// One more index never changes what is believed: it can only have the object asked.
	if len(indexes) > 0 {
		fewer, _ := index.Merge(listed, indexes[:len(indexes)-1]...)
		for key, e := range fewer {
			if now, ok := verified[key]; ok && !now.Equal(e) || !ok && !slices.Contains(unknown, key) {
				t.Errorf("another index changes %q", key)
			}
		}
	}
}

func TestMergeKeepsItsPromises(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 1))
		tag := func() string { return []string{"", "t1", "t2"}[random.IntN(3)] }
		listed := map[string]string{}
		var indexes []*index.Index
		for i := range random.IntN(4) {
			x := index.New("alias/" + strconv.Itoa(i))
			for range random.IntN(5) {
				key := strconv.Itoa(random.IntN(5))
				x.Entries[key] = entry(random.IntN(9), "v"+strconv.Itoa(random.IntN(9)), tag())
				x.Other[strconv.Itoa(random.IntN(5))] = tag()
				x.Gone[strconv.Itoa(random.IntN(5))] = tag()
			}
			indexes = append(indexes, x)
		}
		for range random.IntN(6) {
			listed[strconv.Itoa(random.IntN(5))] = tag()
		}
		checkMerge(t, listed, indexes)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

package ranges_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/ranges"
)

// shelf is a storage in pages. Before each page something happens to it.
type shelf struct {
	mu     sync.Mutex
	names  map[string]bool
	size   int
	pages  []string // what was asked for
	change func(*shelf)
	fails  error
	sorted func([]string)
}

func (s *shelf) page(_ context.Context, after, token string) (ranges.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages = append(s.pages, after+"|"+token)
	if s.change != nil {
		s.change(s)
	}
	if s.fails != nil && after > "" {
		return ranges.Page{}, s.fails
	}
	var p ranges.Page
	names := slices.Collect(maps.Keys(s.names))
	if s.sorted == nil {
		slices.Sort(names)
	} else {
		s.sorted(names)
	}
	begun := token == "" && s.sorted == nil
	for _, name := range names {
		switch {
		case token != "" && s.sorted != nil && !begun:
			begun = name == token
		case s.sorted == nil && name <= max(after, token):
		case len(p.Infos) == s.size:
			p.Next = p.Infos[s.size-1].Name
			return p, nil
		default:
			p.Infos = append(p.Infos, bucket.Info{Name: name})
		}
		if s.sorted != nil && token == "" {
			begun = true
		}
	}
	return p, nil
}

func (s *shelf) lister() ranges.Lister {
	return ranges.Lister{Page: s.page, Size: s.size, Kept: func(int) bool { return true }}
}

func newShelf(size int, names ...string) *shelf {
	s := &shelf{names: map[string]bool{}, size: size}
	for _, name := range names {
		s.names[name] = true
	}
	return s
}

// key names are in the order of their numbers.
func key(n int) string { return fmt.Sprintf("api/key-%05d.json", n) }

func keys(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = key(i)
	}
	return all
}

func collect(t *testing.T, l ranges.Lister, c bucket.Cuts) []string {
	t.Helper()
	names := []string{}
	for info, err := range l.List(t.Context(), c) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Name)
	}
	return names
}

func asked(names ...string) bucket.Cuts {
	return bucket.Cuts{Ask: func(context.Context) ([]string, bool) { return names, false }}
}

// TestRangesAreTheListing: whatever names the listing is cut at, it is that of the objects, each once and in order.
func TestRangesAreTheListing(t *testing.T) {
	stored := keys(100)
	for name, cuts := range map[string][]string{
		"none":                   nil,
		"all":                    stored,
		"all, in no order":       slices.Collect(maps.Keys(newShelf(1, stored...).names)),
		"a part":                 stored[20:70],
		"each twice":             append(slices.Clone(stored), stored...),
		"those of other objects": {"", "a", "api/", "api/key-00010", "api/key-00010.json2", "api/key-00050.jso", "api/key-00050.jsoo", "b", "c", "d", "e", "f", "g"},
		"the last one and after": {key(98), key(99), key(100), key(101), key(102), key(103), key(104), key(105), key(106), key(107), key(108)},
	} {
		for _, size := range []int{1, 2, 3, 7, 99, 100, 101, 1000} {
			for kind, c := range map[string]bucket.Cuts{"asked": asked(cuts...), "known": {Names: cuts}} {
				s := newShelf(size, stored...)
				if got := collect(t, s.lister(), c); !slices.Equal(got, stored) {
					t.Errorf("cut at %s, %s, pages of %d: %v", name, kind, size, got)
				}
			}
		}
	}
}

// TestChangesAtTheSeamsLoseNothing: names come and go before each page. What is there all the time is listed once,
// and nothing is listed that was never there.
func TestChangesAtTheSeamsLoseNothing(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 0))
		n, size := 20+r.IntN(60), 1+r.IntN(8)
		stay := map[string]bool{}
		for i := range n {
			stay[key(i)] = r.IntN(3) > 0
		}
		s := newShelf(size, keys(n)...)
		ever := maps.Clone(s.names)
		s.change = func(s *shelf) {
			for range 4 {
				switch name := key(r.IntN(n)); r.IntN(3) {
				case 0:
					if !stay[name] {
						delete(s.names, name)
					}
				case 1:
					s.names[name] = true
				default:
					name += strconv.Itoa(r.IntN(9)) // between two names
					s.names[name], ever[name] = true, true
				}
			}
		}
		cuts := keys(n)
		c := asked(cuts...)
		if r.IntN(2) == 0 {
			c = bucket.Cuts{Names: cuts}
		}
		got := collect(t, s.lister(), c)
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Fatalf("seed %d: not in order, or twice: %v", seed, got)
		}
		for name, there := range stay {
			if _, listed := slices.BinarySearch(got, name); there && !listed {
				t.Fatalf("seed %d: %s is missing in %v", seed, name, got)
			}
		}
		for _, name := range got {
			if !ever[name] {
				t.Fatalf("seed %d: %s was never there", seed, name)
			}
		}
	}
}

// TestRequestsOfRanges counts what a listing costs: one page more than without ranges at most, in two round trips
// or one.
func TestRequestsOfRanges(t *testing.T) {
	for _, c := range []struct {
		what  string
		names int
		cuts  bucket.Cuts
		want  []string
	}{
		{"one page", 10, asked(keys(10)...), []string{"|"}},
		{"one page, names are known", 9, bucket.Cuts{Names: keys(9)}, []string{"|"}},
		{"two pages: there is nothing to cut", 19, asked(keys(19)...), []string{"|", "|" + key(9)}},
		{"more, names are asked for", 40, asked(keys(40)...), []string{"|", key(16) + "|", key(24) + "|", key(31) + "|", "|" + key(9)}},
		{"more, names are known", 40, bucket.Cuts{Names: keys(40)}, []string{"|", key(7) + "|", key(15) + "|", key(23) + "|", key(31) + "|"}},
		{"more, nothing is known", 30, bucket.Cuts{}, []string{"|", "|" + key(9), "|" + key(19)}},
	} {
		s := newShelf(10, keys(c.names)...)
		collect(t, s.lister(), c.cuts)
		got := s.pages
		if len(c.cuts.Names) > 0 {
			slices.Sort(got)
		} else {
			slices.Sort(got[1:])
		}
		for i := range got { // a token's range also has the name before it
			if after, token, _ := cut(got[i]); token != "" && after == token {
				got[i] = "|" + token
			}
		}
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}

func cut(asked string) (after, token string, found bool) {
	for i := range asked {
		if asked[i] == '|' {
			return asked[:i], asked[i+1:], true
		}
	}
	return asked, "", false
}

// TestTheCallerEndsAListing: it says that it needs no more than the first page.
func TestTheCallerEndsAListing(t *testing.T) {
	s := newShelf(10, keys(100)...)
	got := collect(t, s.lister(), bucket.Cuts{Ask: func(context.Context) ([]string, bool) { return nil, true }})
	if !slices.Equal(got, keys(10)) || len(s.pages) != 1 {
		t.Errorf("%v with %v", got, s.pages)
	}
}

// TestWithoutRangesPagesFollowOneAnother: of a server that isn't known to keep ranges nothing else is asked, and the
// caller isn't either.
func TestWithoutRangesPagesFollowOneAnother(t *testing.T) {
	for _, c := range []bucket.Cuts{asked(keys(40)...), {Names: keys(40)}} {
		s := newShelf(10, keys(40)...)
		l := s.lister()
		l.Kept = func(int) bool { return false }
		if c.Ask != nil {
			c.Ask = func(context.Context) ([]string, bool) {
				t.Error("the caller was asked")
				return nil, true
			}
		}
		if got := collect(t, l, c); !slices.Equal(got, keys(40)) || len(s.pages) != 4 {
			t.Errorf("%v with %v", got, s.pages)
		}
	}
}

// TestNamesInAnotherOrderAreNotCut: a server that lists in another order is listed page by page.
func TestNamesInAnotherOrderAreNotCut(t *testing.T) {
	for _, c := range []bucket.Cuts{asked(keys(40)...), {Names: keys(40)}} {
		s := newShelf(10, keys(40)...)
		s.sorted = func(names []string) {
			slices.Sort(names)
			slices.Reverse(names)
		}
		got := collect(t, s.lister(), c)
		if slices.Sort(got); !slices.Equal(got, keys(40)) {
			t.Errorf("%d of 40: %v", len(got), got)
		}
	}
}

// TestAFailedRangeFailsTheListing: a part of it is never taken for the whole.
func TestAFailedRangeFailsTheListing(t *testing.T) {
	for _, c := range []bucket.Cuts{asked(keys(40)...), {Names: keys(40)}} {
		s := newShelf(10, keys(40)...)
		s.fails = errors.New("a range is refused")
		var failed error
		for _, err := range s.lister().List(t.Context(), c) {
			failed = err
		}
		if !errors.Is(failed, s.fails) {
			t.Errorf("error %v", failed)
		}
	}
}

package buckettest

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

type listing = iter.Seq2[bucket.Info, error]

// collect returns the names of a listing.
func collect(l listing) ([]string, error) {
	names := []string{}
	for info, err := range l {
		if err != nil {
			return nil, err
		}
		names = append(names, info.Name)
	}
	return names, nil
}

// listed returns the Info that List yields for one object.
func (s *suite) listed(name string) bucket.Info {
	s.Helper()
	for info, err := range s.List(s.Context(), name) {
		if err != nil {
			s.Fatalf("list %s: %v", name, err)
		}
		if info.Name == name {
			return info
		}
	}
	s.Fatalf("list %s: the object is not in it", name)
	return bucket.Info{}
}

// wantNames checks both kinds of listing. All names and the prefix are relative to the service.
func (s *suite) wantNames(prefix string, list, walk []string) {
	s.Helper()
	for _, kind := range []struct {
		name string
		list func(context.Context, string) listing
		want []string
	}{{"List", s.List, list}, {"Walk", s.Walk, walk}} {
		want := []string{}
		for _, name := range kind.want {
			want = append(want, s.service+name)
		}
		if diff := cmp.Diff(want, s.names(kind.list, s.service+prefix)); diff != "" {
			s.Errorf("%s(%q) (-want +got):\n%s", kind.name, prefix, diff)
		}
	}
}

var listTests = []test{
	{"ListingOfNothingIsEmpty", func(s *suite) {
		s.wantNames("/", nil, nil)
		s.wantNames("/no/such/", nil, nil)
	}},

	{"ListStopsAtTheSlashAndWalkDoesNot", func(s *suite) {
		for _, name := range []string{"/a.json", "/a/b.json", "/a/b/c.json", "-2/d.json", ".3/e.json"} {
			s.put(s.service+name, name)
		}
		s.wantNames("/", []string{"/a.json"}, []string{"/a.json", "/a/b.json", "/a/b/c.json"})
		s.wantNames("/a/", []string{"/a/b.json"}, []string{"/a/b.json", "/a/b/c.json"})
		s.wantNames("/a/b/", []string{"/a/b/c.json"}, []string{"/a/b/c.json"})
		s.wantNames("/a/b/c.json", []string{"/a/b/c.json"}, []string{"/a/b/c.json"})
		s.wantNames("/a/b/c.json/", nil, nil)
		s.wantNames("/a", []string{"/a.json"}, []string{"/a.json", "/a/b.json", "/a/b/c.json"})
		s.wantNames("", nil, []string{"-2/d.json", ".3/e.json", "/a.json", "/a/b.json", "/a/b/c.json"})
	}},

	{"ListingTakesAnyPrefix", func(s *suite) {
		for _, name := range []string{"/__kms_a__latest.json", "/__kms_b__latest.json", "/_x.json", "/db.json", "/db_url.json"} {
			s.put(s.service+name, name)
		}
		s.wantNames("/__kms", []string{"/__kms_a__latest.json", "/__kms_b__latest.json"}, []string{"/__kms_a__latest.json", "/__kms_b__latest.json"})
		s.wantNames("/db", []string{"/db.json", "/db_url.json"}, []string{"/db.json", "/db_url.json"})
		s.wantNames("/db.json", []string{"/db.json"}, []string{"/db.json"})
		s.wantNames("/x", nil, nil)
	}},

	{"ListingIsInTheOrderOfNames", func(s *suite) {
		names := []string{"/a.json", "/a-b/x.json", "/a.b/x.json", "/a/x.json", "/a0/x.json", "/B.json", "/_.json", "/-.json", "/..a.json"}
		for i := range 25 {
			names = append(names, fmt.Sprintf("/key%d.json", i))
		}
		for _, name := range names {
			s.put(s.service+name, name)
		}
		slices.Sort(names)
		var level []string
		for _, name := range names {
			if !slices.Contains([]byte(name[1:]), '/') {
				level = append(level, name)
			}
		}
		s.wantNames("/", level, names)
	}},

	{"ListingTellsTagTimeAndSize", func(s *suite) {
		name := s.object("told.json")
		s.put(name, "one")
		s.put(name, "two two")
		info, got := s.listed(name), s.get(name)
		if info.Tag != got.Tag || info.Size != got.Size {
			s.Errorf("listed tag %q, size %d, want %q, %d as Get has them", info.Tag, info.Size, got.Tag, got.Size)
		}
		if info.Modified.IsZero() {
			s.Error("the listing tells no time")
		}
		if info.Seal != (bucket.Seal{}) {
			s.Errorf("the listing tells the seal %+v, want none", info.Seal)
		}
	}},

	{"ListingShowsEveryAcknowledgedChange", func(s *suite) {
		for i := range 20 {
			name := s.object(fmt.Sprintf("key%d.json", i%4))
			if tag := s.put(name, fmt.Sprint(i)).Tag; s.listed(name).Tag != tag {
				s.Errorf("after put %d the listing has another tag", i)
			}
			if i%5 == 4 {
				if err := s.Delete(s.Context(), name, bucket.If{}); err != nil {
					s.Fatal(err)
				}
				if slices.Contains(s.names(s.List, s.object("")), name) {
					s.Errorf("after delete %d the listing still has the object", i)
				}
			}
		}
	}},

	{"ListingCanBeLeftAndTakenUpAgain", func(s *suite) {
		for _, name := range []string{"a.json", "b.json", "c/d.json"} {
			s.put(s.object(name), name)
		}
		for _, list := range []listing{s.List(s.Context(), s.object("")), s.Walk(s.Context(), s.object(""))} {
			for range 2 {
				var first string
				for info, err := range list {
					if err != nil {
						s.Fatal(err)
					}
					first = info.Name
					break
				}
				if first != s.object("a.json") {
					s.Errorf("first of the listing is %q", first)
				}
			}
		}
	}},

	{"ListingAllowsRequestsInside", func(s *suite) {
		s.put(s.object("a.json"), "a")
		s.put(s.object("b.json"), "b")
		for info, err := range s.Walk(s.Context(), s.object("")) {
			if err != nil {
				s.Fatal(err)
			}
			s.put(info.Name, string(s.get(info.Name).Body)+"!")
		}
		s.wantBody(s.object("a.json"), "a!")
		s.wantBody(s.object("b.json"), "b!")
	}},
}

package buckettest

import (
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// RunVersions tests a driver as a [bucket.Versioned], on a versioned bucket.
func RunVersions(t *testing.T, open func(t *testing.T) bucket.Bucket, caps Capabilities) {
	for _, test := range versionTests {
		t.Run(test.name, func(t *testing.T) {
			if reason, ok := caps.Skips[test.name]; ok {
				t.Skip(reason)
			}
			b := open(t)
			s := &suite{T: t, Bucket: b, caps: caps, service: "buckettest-" + strings.ToLower(rand.Text()[:10])}
			v, ok := b.(bucket.Versioned)
			if !ok {
				t.Fatalf("%T is no bucket.Versioned", b)
			}
			test.run(&versionSuite{s, v})
		})
	}
}

// versionSuite is one running subtest.
type versionSuite struct {
	*suite
	versioned bucket.Versioned
}

type versionTest struct {
	name string
	run  func(s *versionSuite)
}

// all collects the versions below a prefix. It must succeed.
func (s *versionSuite) all(prefix string) []bucket.Version {
	s.Helper()
	found, err := versions(s.versioned.Versions(s.Context(), prefix))
	if err != nil {
		s.Fatalf("versions of %s: %v", prefix, err)
	}
	return found
}

func versions(seq iter.Seq2[bucket.Version, error]) (found []bucket.Version, err error) {
	for v, err := range seq {
		if err != nil {
			return found, err
		}
		found = append(found, v)
	}
	return found, nil
}

// states returns the versions that aren't delete markers.
func states(all []bucket.Version) []bucket.Version {
	return slices.DeleteFunc(slices.Clone(all), func(v bucket.Version) bool { return v.Mark })
}

// bodies reads the versions that aren't delete markers, in the order of the listing.
func (s *versionSuite) bodies(name string) []string {
	s.Helper()
	var out []string
	for _, v := range states(s.all(name)) {
		o, err := s.versioned.GetVersion(s.Context(), v.Name, v.ID)
		if err != nil {
			s.Fatalf("get version %s of %s: %v", v.ID, v.Name, err)
		}
		if o.Tag != v.Tag || o.Name != v.Name || o.Size != v.Size {
			s.Errorf("version %s: the listing says %+v, the object %+v", v.ID, v.Info, o.Info)
		}
		if want := s.caps.Method; want != "" && o.Seal.Method != want {
			s.Errorf("version %s is encrypted with %q, want %q", v.ID, o.Seal.Method, want)
		}
		out = append(out, string(o.Body))
	}
	return out
}

func (s *versionSuite) wantBodies(name string, want ...string) {
	s.Helper()
	if diff := cmp.Diff(want, s.bodies(name)); diff != "" {
		s.Errorf("versions of %s, the newest first: %s", name, diff)
	}
}

func (s *versionSuite) deleted(name string) {
	s.Helper()
	if err := s.Delete(s.Context(), name, bucket.If{}); err != nil {
		s.Fatalf("delete %s: %v", name, err)
	}
}

func (s *versionSuite) deleteVersion(v bucket.Version) {
	s.Helper()
	if err := s.versioned.DeleteVersion(s.Context(), v.Name, v.ID); err != nil {
		s.Fatalf("delete version %s of %s: %v", v.ID, v.Name, err)
	}
}

var versionTests = []versionTest{
	{"EveryStateIsKept", func(s *versionSuite) {
		name := s.object("kept.json")
		for _, body := range []string{"one", "two", "three"} {
			s.put(name, body)
		}
		s.wantBodies(name, "three", "two", "one")
		all := s.all(name)
		for i, v := range all {
			if v.Latest != (i == 0) || v.Mark || v.ID == "" || v.Modified.IsZero() {
				s.Errorf("version %d of %d: %+v", i, len(all), v)
			}
		}
	}},

	{"ADeleteLeavesAMarkAndTheStates", func(s *versionSuite) {
		name := s.object("marked.json")
		s.put(name, "one")
		s.put(name, "two")
		s.deleted(name)
		s.wantMissing(name)
		s.wantBodies(name, "two", "one")
		all := s.all(name)
		if len(all) != 3 || !all[0].Mark || !all[0].Latest || all[0].ID == "" || all[1].Latest || all[2].Latest {
			s.Errorf("versions %+v", all)
		}
	}},

	{"ANewObjectIsPutOnAMark", func(s *versionSuite) {
		name := s.object("again.json")
		s.put(name, "one")
		s.deleted(name)
		if _, err := s.tryPut(name, []byte("two"), bucket.IfAbsent()); err != nil {
			s.Fatalf("put if absent: %v", err)
		}
		s.wantBody(name, "two")
		s.wantBodies(name, "two", "one")
	}},

	{"DeletedVersionsAreGone", func(s *versionSuite) {
		name := s.object("purged.json")
		for _, body := range []string{"one", "two", "three"} {
			s.put(name, body)
		}
		all := s.all(name)
		s.deleteVersion(all[1])
		s.wantBodies(name, "three", "one")
		s.wantBody(name, "three")
		s.deleteVersion(all[1]) // it doesn't exist: no error
		_, err := s.versioned.GetVersion(s.Context(), name, all[1].ID)
		if !errors.Is(err, bucket.ErrNotFound) {
			s.Errorf("a version that is gone: %v, want %v", err, bucket.ErrNotFound)
		}
		s.deleteVersion(all[0])
		s.wantBody(name, "one") // it is now the latest
		s.deleteVersion(all[2])
		s.wantMissing(name)
		if left := s.all(name); len(left) > 0 {
			s.Errorf("left: %+v", left)
		}
	}},

	{"WithoutItsMarkAnObjectIsBack", func(s *versionSuite) {
		name := s.object("unmarked.json")
		s.put(name, "one")
		s.deleted(name)
		s.deleteVersion(s.all(name)[0])
		s.wantBody(name, "one")
	}},

	{"VersionsOfOneLevelInOrder", func(s *versionSuite) {
		for _, name := range []string{"b.json", "a.json", "deep/er.json", "a b+%.json"} {
			s.put(s.object(name), name)
			s.put(s.object(name), name+" again")
		}
		s.deleted(s.object("b.json"))
		var names []string
		for _, v := range s.all(s.object("")) {
			names = append(names, strings.TrimPrefix(v.Name, s.service+"/"))
		}
		want := []string{"a b+%.json", "a b+%.json", "a.json", "a.json", "b.json", "b.json", "b.json"}
		if diff := cmp.Diff(want, names); diff != "" {
			s.Error(diff)
		}
	}},

	{"EndedContextStopsVersionRequests", func(s *versionSuite) {
		name := s.object("context.json")
		s.put(name, "kept")
		v := s.all(name)[0]
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		_, getErr := s.versioned.GetVersion(ctx, name, v.ID)
		_, listErr := versions(s.versioned.Versions(ctx, name))
		for op, err := range map[string]error{"get": getErr, "list": listErr, "delete": s.versioned.DeleteVersion(ctx, name, v.ID)} {
			if !errors.Is(err, context.Canceled) {
				s.Errorf("%s: error %v, want %v", op, err, context.Canceled)
			}
		}
		s.wantBody(name, "kept")
	}},
}

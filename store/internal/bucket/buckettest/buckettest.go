// Package buckettest tests that a driver fulfils the contract of [bucket.Bucket]. It has a
// conformance suite with races, and a wrapper that injects faults and records requests.
package buckettest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// Capabilities describe what a driver can do beyond the contract, and which tests to skip. Skips
// are printed with their reasons.
type Capabilities struct {
	Aliases             []string // the keys for PUTs; the first is used where one is enough; none means the storage's own
	Method              string   // the expected Seal.Method; "" accepts any
	NoConditionalDelete bool     // a conditional Delete must return [bucket.ErrUnsupported] and change nothing
	RacyConditions      bool     // conditions aren't exact in races: tests of conditions with several writers are skipped

	Skips map[string]string // the name of a subtest -> the reason why the storage can't pass it
}

// Run tests the buckets that open returns, one for each subtest. They needn't be empty, and may be
// the same one: each subtest uses a random service name. It doesn't delete its objects.
func Run(t *testing.T, open func(t *testing.T) bucket.Bucket, caps Capabilities) {
	for _, test := range slices.Concat(objectTests, conditionTests, listTests, raceTests) {
		t.Run(test.name, func(t *testing.T) {
			if reason, ok := caps.Skips[test.name]; ok {
				t.Skip(reason)
			}
			s := &suite{T: t, Bucket: open(t), caps: caps, service: "buckettest-" + strings.ToLower(rand.Text()[:10])}
			test.run(s)
		})
	}
}

type test struct {
	name string
	run  func(s *suite)
}

// suite is one running subtest.
type suite struct {
	*testing.T
	bucket.Bucket
	caps    Capabilities
	service string
}

// object returns the full name of an object of this subtest.
func (s *suite) object(name string) string { return s.service + "/" + name }

func (s *suite) alias() string {
	if len(s.caps.Aliases) == 0 {
		return ""
	}
	return s.caps.Aliases[0]
}

// tryPut puts with a condition and retries while the storage is busy.
func (s *suite) tryPut(name string, body []byte, cond bucket.If) (bucket.Info, error) {
	for {
		info, err := s.Put(s.Context(), name, body, bucket.PutOptions{If: cond, KeyAlias: s.alias()})
		if !errors.Is(err, bucket.ErrBusy) {
			return info, err
		}
	}
}

// put puts an object. It must succeed.
func (s *suite) put(name, body string) bucket.Info {
	s.Helper()
	info, err := s.tryPut(name, []byte(body), bucket.If{})
	if err != nil {
		s.Fatalf("put %s: %v", name, err)
	}
	return info
}

// get reads an object. It must succeed.
func (s *suite) get(name string) bucket.Object {
	s.Helper()
	o, err := s.Get(s.Context(), name)
	if err != nil {
		s.Fatalf("get %s: %v", name, err)
	}
	return o
}

// names collects the names of a listing. It must succeed.
func (s *suite) names(list func(context.Context, string) listing, prefix string) []string {
	s.Helper()
	names, err := collect(list(s.Context(), prefix))
	if err != nil {
		s.Fatalf("list %s: %v", prefix, err)
	}
	return names
}

// wantBody checks that the object exists with this content.
func (s *suite) wantBody(name, want string) {
	s.Helper()
	if o := s.get(name); string(o.Body) != want {
		s.Errorf("%s holds %q, want %q", name, o.Body, want)
	}
}

// wantMissing checks that the object doesn't exist.
func (s *suite) wantMissing(name string) {
	s.Helper()
	_, err := s.Get(s.Context(), name)
	s.wantError(err, "get", name, bucket.ErrNotFound)
}

// wantError checks that err is a [*bucket.Error] of this request that wraps the sentinel.
func (s *suite) wantError(err error, op, name string, sentinel error) {
	s.Helper()
	if !errors.Is(err, sentinel) {
		s.Errorf("%s %s: error %v, want %v", op, name, err, sentinel)
		return
	}
	var e *bucket.Error
	if !errors.As(err, &e) {
		s.Errorf("%s %s: error %T, want *bucket.Error", op, name, err)
		return
	}
	if got, want := [2]string{e.Op, e.Name}, [2]string{op, name}; got != want {
		s.Errorf("error names %q, want %q", got, want)
	}
}

var objectTests = []test{
	{"MissingObjectIsNotFound", func(s *suite) {
		name := s.object("missing.json")
		s.wantMissing(name)
		_, err := s.Head(s.Context(), name)
		s.wantError(err, "head", name, bucket.ErrNotFound)
	}},

	{"GetReturnsWhatWasPut", func(s *suite) {
		name := s.object("db_url.json")
		s.put(name, `{"value":"one"}`)
		s.wantBody(name, `{"value":"one"}`)
		s.put(name, `{"value":"two"}`)
		s.wantBody(name, `{"value":"two"}`)
	}},

	{"BodiesOfAllSizes", func(s *suite) {
		for _, size := range []int{0, 1, 64 << 10, 1 << 20, 1<<20 + 1} {
			body := make([]byte, size)
			if _, err := rand.Read(body); err != nil {
				s.Fatal(err)
			}
			name := s.object("sized.json")
			if _, err := s.tryPut(name, body, bucket.If{}); err != nil {
				s.Fatalf("put %d bytes: %v", size, err)
			}
			if got := s.get(name).Body; !bytes.Equal(got, body) {
				s.Errorf("put %d bytes, got %d, or others", size, len(got))
			}
		}
	}},

	{"NamesWithDotsAndDashes", func(s *suite) {
		for _, name := range []string{
			"a.json", "a.b.json", "-a.json", ".a.json", "a..b.json", "A_B-c.json", "0.json",
			"__kms_alias_app__latest.json", "deep/er/a.json", "v1.2/a-b.json", ".hidden/a.json",
			strings.Repeat("n", 200) + ".json",
		} {
			s.put(s.object(name), name)
			s.wantBody(s.object(name), name)
		}
	}},

	{"BodiesAreCopies", func(s *suite) {
		name, body := s.object("copy.json"), []byte("kept")
		if _, err := s.tryPut(name, body, bucket.If{}); err != nil {
			s.Fatal(err)
		}
		copy(body, "lost")
		copy(s.get(name).Body, "lost")
		s.wantBody(name, "kept")
	}},

	{"AnswersAgreeOnTheState", func(s *suite) {
		name := s.object("state.json")
		stored := s.put(name, "state")
		got := s.get(name).Info
		head, err := s.Head(s.Context(), name)
		if err != nil {
			s.Fatal(err)
		}
		if diff := cmp.Diff(got, head); diff != "" {
			s.Errorf("Head differs from Get (-get +head):\n%s", diff)
		}
		if stored.Name != name || got.Name != name {
			s.Errorf("Put names %q, Get %q, want %q", stored.Name, got.Name, name)
		}
		if stored.Tag == "" || stored.Tag != got.Tag {
			s.Errorf("Put's tag %q, Get's %q, want the same", stored.Tag, got.Tag)
		}
		if stored.Seal != got.Seal {
			s.Errorf("Put's seal %+v, Get's %+v, want the same", stored.Seal, got.Seal)
		}
		if want := s.caps.Method; want != "" && got.Seal.Method != want {
			s.Errorf("sealed with %q, want %q", got.Seal.Method, want)
		}
		if got.Modified.IsZero() {
			s.Error("Get tells no time")
		}
	}},

	{"TagChangesWithTheBytes", func(s *suite) {
		name := s.object("tag.json")
		seen := map[bucket.Tag]string{}
		for _, body := range []string{"", "a", "b", "ab", "ba", strings.Repeat("a", 100_000)} {
			tag := s.put(name, body).Tag
			if _, again := seen[tag]; again {
				s.Errorf("tag %q names two states", tag)
			}
			seen[tag] = body
		}
	}},

	{"SealNamesTheKeyOfTheAlias", func(s *suite) {
		if len(s.caps.Aliases) < 2 {
			s.Skip("the driver has one key")
		}
		name := s.object("moved.json")
		keys := map[string]string{}
		for _, alias := range s.caps.Aliases {
			if _, err := s.Put(s.Context(), name, []byte("moved"), bucket.PutOptions{KeyAlias: alias}); err != nil {
				s.Fatalf("put under %s: %v", alias, err)
			}
			key := s.get(name).Seal.KeyID
			if other, used := keys[key]; key == "" || used {
				s.Errorf("under %s the key is %q, under %s too", alias, key, other)
			}
			keys[key] = alias
		}
	}},

	{"EndedContextStopsEveryRequest", func(s *suite) {
		name := s.object("context.json")
		tag := s.put(name, "kept").Tag
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		requests := map[string]func() error{
			"get":  func() error { _, err := s.Get(ctx, name); return err },
			"head": func() error { _, err := s.Head(ctx, name); return err },
			"put": func() error {
				_, err := s.Put(ctx, name, []byte("changed"), bucket.PutOptions{KeyAlias: s.alias()})
				return err
			},
			"delete": func() error { return s.Delete(ctx, name, bucket.If{}) },
			"list":   func() error { _, err := collect(s.List(ctx, name)); return err },
			"walk":   func() error { _, err := collect(s.Walk(ctx, name)); return err },
		}
		for op, request := range requests {
			if err := request(); !errors.Is(err, context.Canceled) {
				s.Errorf("%s: error %v, want %v", op, err, context.Canceled)
			}
		}
		if o := s.get(name); o.Tag != tag {
			s.Errorf("a request with an ended context changed the object")
		}
	}},
}

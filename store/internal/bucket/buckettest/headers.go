package buckettest

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// RunHeaders tests a driver as a [bucket.HeaderReader].
func RunHeaders(t *testing.T, open func(t *testing.T) bucket.Bucket, caps Capabilities) {
	for _, test := range headerTests {
		t.Run(test.name, func(t *testing.T) {
			if reason, ok := caps.Skips[test.name]; ok {
				t.Skip(reason)
			}
			b := open(t)
			h, ok := b.(bucket.HeaderReader)
			if !ok {
				t.Fatalf("%T is no bucket.HeaderReader", b)
			}
			test.run(&headerSuite{&suite{T: t, Bucket: b, caps: caps, service: "buckettest-" + strings.ToLower(rand.Text()[:10])}, h})
		})
	}
}

// headerSuite is one running subtest.
type headerSuite struct {
	*suite
	headers bucket.HeaderReader
}

var headerTests = []struct {
	name string
	run  func(s *headerSuite)
}{
	{"AHeaderIsTheBeginning", func(s *headerSuite) {
		const n = 2048
		body := strings.Repeat("0123456789abcdef", n)
		for _, size := range []int{0, 1, n - 1, n, n + 1, len(body)} {
			name := s.object("sized.json")
			s.put(name, body[:size])
			info, header, err := s.headers.ReadHeader(s.Context(), name, n)
			if err != nil || string(header) != body[:min(n, size)] {
				s.Errorf("of %d bytes: header of %d, %v", size, len(header), err)
			}
			if diff := cmp.Diff(s.get(name).Info, info); diff != "" {
				s.Errorf("of %d bytes: ReadHeader differs from Get (-get +header):\n%s", size, diff)
			}
		}
	}},

	{"AHeaderIsACopy", func(s *headerSuite) {
		name := s.object("copy.json")
		s.put(name, "kept")
		_, header, err := s.headers.ReadHeader(s.Context(), name, 10)
		if err != nil {
			s.Fatal(err)
		}
		copy(header, "lost")
		s.wantBody(name, "kept")
	}},

	{"AMissingObjectHasNoHeader", func(s *headerSuite) {
		name := s.object("missing.json")
		_, _, err := s.headers.ReadHeader(s.Context(), name, 10)
		s.wantError(err, "head", name, bucket.ErrNotFound)
	}},

	{"EndedContextStopsReadingAHeader", func(s *headerSuite) {
		name := s.object("context.json")
		s.put(name, "kept")
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		if _, _, err := s.headers.ReadHeader(ctx, name, 10); !errors.Is(err, context.Canceled) {
			s.Errorf("error %v, want %v", err, context.Canceled)
		}
	}},
}

package buckettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

const racers = 16

// race runs f in n goroutines, which begin together, and waits for them.
func race(n int, f func(i int)) {
	var group sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		group.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	group.Wait()
}

func (s *suite) skipRacyConditions() {
	s.Helper()
	if s.caps.RacyConditions {
		s.Skip("the storage does not keep conditions exactly when changes race")
	}
}

var raceTests = []test{
	{"OneOfRacingCreatorsWins", func(s *suite) {
		s.skipRacyConditions()
		for round := range 4 {
			name := s.object(fmt.Sprintf("created%d.json", round))
			var winner atomic.Pointer[string]
			race(racers, func(i int) {
				body := fmt.Sprint(i)
				_, err := s.tryPut(name, []byte(body), bucket.IfAbsent())
				switch {
				case err == nil && !winner.CompareAndSwap(nil, &body):
					s.Errorf("%s has two creators", name)
				case err != nil:
					s.wantError(err, "put", name, bucket.ErrChanged)
				}
			})
			if w := winner.Load(); w == nil {
				s.Errorf("%s has no creator", name)
			} else {
				s.wantBody(name, *w)
			}
		}
	}},

	{"RacingIncrementsLoseNone", func(s *suite) {
		s.skipRacyConditions()
		const each = 8
		name := s.object("count.json")
		s.put(name, "0")
		race(racers, func(int) {
			for range each {
				if err := Increment(s.Context(), s, name, s.alias()); err != nil {
					s.Error(err)
				}
			}
		})
		s.wantBody(name, fmt.Sprint(racers*each))
	}},

	{"OneOfRacingDeletesWins", func(s *suite) {
		s.skipRacyConditions()
		s.skipWithoutConditionalDelete()
		name := s.object("deleted.json")
		tag := s.put(name, "one").Tag
		var deleted atomic.Int32
		race(racers, func(int) {
			err := s.tryDelete(name, tag)
			if err == nil {
				deleted.Add(1)
			} else if !errors.Is(err, bucket.ErrNotFound) && !errors.Is(err, bucket.ErrChanged) {
				s.Errorf("delete: %v", err)
			}
		})
		if n := deleted.Load(); n != 1 {
			s.Errorf("%d deletes of one state succeeded, want 1", n)
		}
		s.wantMissing(name)
	}},

	{"DeleteAndReplacementExcludeOneAnother", func(s *suite) {
		s.skipRacyConditions()
		s.skipWithoutConditionalDelete()
		name := s.object("either.json")
		for round := range 20 {
			tag := s.put(name, fmt.Sprintf("old %d", round)).Tag
			var replaced, deleted error
			race(2, func(i int) {
				if i == 0 {
					_, replaced = s.tryPut(name, fmt.Appendf(nil, "new %d", round), bucket.IfMatch(tag))
				} else {
					deleted = s.tryDelete(name, tag)
				}
			})
			switch {
			case (replaced == nil) == (deleted == nil):
				s.Fatalf("replacement: %v, delete: %v; want one of them made", replaced, deleted)
			case replaced == nil:
				s.wantBody(name, fmt.Sprintf("new %d", round))
			default:
				s.wantMissing(name)
			}
		}
	}},

	{"ReadersSeeWholeObjectsWithTheirTags", func(s *suite) {
		name := s.object("whole.json")
		var states sync.Map // tag -> body, of each read
		read := func() {
			o, err := s.Get(s.Context(), name)
			if err != nil {
				s.Errorf("get: %v", err)
				return
			}
			if len(o.Body) == 0 || len(o.Body) != pieceSize(o.Body[0]) || len(bytes.Trim(o.Body, string(o.Body[:1]))) != 0 {
				s.Errorf("read a torn object of %d bytes", len(o.Body))
				return
			}
			if was, seen := states.LoadOrStore(o.Tag, o.Body[0]); seen && was != o.Body[0] {
				s.Errorf("tag %q came with two bodies", o.Tag)
			}
		}
		s.put(name, string(piece('A')))
		var written atomic.Bool
		race(5, func(i int) {
			if i > 0 {
				for !written.Load() {
					read()
				}
				return
			}
			defer written.Store(true)
			for n := range 40 {
				letter := byte('A' + n%26)
				info, err := s.tryPut(name, piece(letter), bucket.If{})
				if err != nil {
					s.Errorf("put: %v", err)
					return
				}
				if was, seen := states.LoadOrStore(info.Tag, letter); seen && was != letter {
					s.Errorf("Put's tag %q came with another body", info.Tag)
				}
			}
		})
	}},

	{"ListingsDuringChangesMissNothing", func(s *suite) {
		var want []string
		for i := range 12 {
			want = append(want, s.object(fmt.Sprintf("key%02d.json", i)))
			s.put(want[i], "0")
		}
		var written atomic.Bool
		race(4, func(i int) {
			if i > 0 {
				for !written.Load() {
					got, err := collect(s.List(s.Context(), s.object("key")))
					if err != nil {
						s.Errorf("list: %v", err)
						return
					}
					if diff := cmp.Diff(want, got); diff != "" {
						s.Errorf("listing during changes (-want +got):\n%s", diff)
						return
					}
				}
				return
			}
			defer written.Store(true)
			for n := range 60 {
				if _, err := s.tryPut(want[n%len(want)], []byte(fmt.Sprint(n)), bucket.If{}); err != nil {
					s.Errorf("put: %v", err)
				}
			}
		})
		if !slices.Equal(s.names(s.Walk, s.object("key")), want) {
			s.Error("walk after the changes differs")
		}
	}},
}

// piece returns a body of which any part or mixture can be distinguished from the whole.
func piece(letter byte) []byte { return bytes.Repeat([]byte{letter}, pieceSize(letter)) }

func pieceSize(letter byte) int { return int(letter) * 1500 }

// tryDelete deletes one state and retries while the storage is busy.
func (s *suite) tryDelete(name string, tag bucket.Tag) error {
	for {
		if err := s.Delete(s.Context(), name, bucket.IfMatch(tag)); !errors.Is(err, bucket.ErrBusy) {
			return err
		}
	}
}

// Increment adds one to the decimal number in an object, encrypted with alias. It repeats reading
// and replacing until no other writer has changed the object in between.
func Increment(ctx context.Context, b bucket.Bucket, name, alias string) error {
	for {
		o, err := b.Get(ctx, name)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(o.Body))
		if err != nil {
			return err
		}
		_, err = b.Put(ctx, name, strconv.AppendInt(nil, int64(n)+1, 10), bucket.PutOptions{If: bucket.IfMatch(o.Tag), KeyAlias: alias})
		if !errors.Is(err, bucket.ErrChanged) && !errors.Is(err, bucket.ErrBusy) {
			return err
		}
	}
}

package buckettest

import (
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

var conditionTests = []test{
	{"PutIfAbsentCreatesOnce", func(s *suite) {
		name := s.object("once.json")
		if _, err := s.tryPut(name, []byte("first"), bucket.IfAbsent()); err != nil {
			s.Fatal(err)
		}
		_, err := s.tryPut(name, []byte("second"), bucket.IfAbsent())
		s.wantError(err, "put", name, bucket.ErrChanged)
		s.wantBody(name, "first")
	}},

	{"PutIfAbsentCreatesAfterDelete", func(s *suite) {
		name := s.object("again.json")
		s.put(name, "first")
		if err := s.Delete(s.Context(), name, bucket.If{}); err != nil {
			s.Fatal(err)
		}
		if _, err := s.tryPut(name, []byte("second"), bucket.IfAbsent()); err != nil {
			s.Fatal(err)
		}
		s.wantBody(name, "second")
	}},

	{"PutIfMatchReplacesThatState", func(s *suite) {
		name := s.object("match.json")
		old := s.put(name, "one").Tag
		info, err := s.tryPut(name, []byte("two"), bucket.IfMatch(old))
		if err != nil {
			s.Fatal(err)
		}
		if got := s.get(name).Tag; got != info.Tag || got == old {
			s.Errorf("tag %q, want %q of the put, not %q", got, info.Tag, old)
		}
		_, err = s.tryPut(name, []byte("three"), bucket.IfMatch(old))
		s.wantError(err, "put", name, bucket.ErrChanged)
		s.wantBody(name, "two")
	}},

	{"PutIfMatchTakesTheTagOfEveryAnswer", func(s *suite) {
		name := s.object("answers.json")
		s.put(name, "0")
		for i, tag := range []func() bucket.Tag{
			func() bucket.Tag { return s.get(name).Tag },
			func() bucket.Tag { return s.head(name).Tag },
			func() bucket.Tag { return s.listed(name).Tag },
		} {
			if _, err := s.tryPut(name, []byte{'1' + byte(i)}, bucket.IfMatch(tag())); err != nil {
				s.Errorf("answer %d: %v", i, err)
			}
		}
		s.wantBody(name, "3")
	}},

	{"PutIfMatchOfMissingObjectIsNotFound", func(s *suite) {
		name := s.object("gone.json")
		tag := s.put(name, "one").Tag
		if err := s.Delete(s.Context(), name, bucket.If{}); err != nil {
			s.Fatal(err)
		}
		_, err := s.tryPut(name, []byte("two"), bucket.IfMatch(tag))
		s.wantError(err, "put", name, bucket.ErrNotFound)
		s.wantMissing(name)
	}},

	{"DeleteRemoves", func(s *suite) {
		name := s.object("removed.json")
		s.put(name, "one")
		if err := s.Delete(s.Context(), name, bucket.If{}); err != nil {
			s.Fatal(err)
		}
		s.wantMissing(name)
	}},

	{"DeleteOfMissingObjectWithoutConditionIsDone", func(s *suite) {
		name := s.object("never.json")
		if err := s.Delete(s.Context(), name, bucket.If{}); err != nil {
			s.Errorf("error %v, want none", err)
		}
	}},

	{"DeleteUnderConditionIsUnsupported", func(s *suite) {
		if !s.caps.NoConditionalDelete {
			s.Skip("the driver deletes under a condition")
		}
		name := s.object("kept.json")
		tag := s.put(name, "kept").Tag
		s.wantError(s.Delete(s.Context(), name, bucket.IfMatch(tag)), "delete", name, bucket.ErrUnsupported)
		s.wantBody(name, "kept")
	}},

	{"DeleteIfMatchRemovesThatState", func(s *suite) {
		s.skipWithoutConditionalDelete()
		name := s.object("state.json")
		old := s.put(name, "one").Tag
		tag := s.put(name, "two").Tag
		s.wantError(s.Delete(s.Context(), name, bucket.IfMatch(old)), "delete", name, bucket.ErrChanged)
		s.wantBody(name, "two")
		if err := s.Delete(s.Context(), name, bucket.IfMatch(tag)); err != nil {
			s.Fatal(err)
		}
		s.wantMissing(name)
	}},

	{"DeleteIfMatchOfMissingObjectIsNotFound", func(s *suite) {
		s.skipWithoutConditionalDelete()
		name := s.object("gone.json")
		tag := s.put(name, "one").Tag
		if err := s.Delete(s.Context(), name, bucket.IfMatch(tag)); err != nil {
			s.Fatal(err)
		}
		s.wantError(s.Delete(s.Context(), name, bucket.IfMatch(tag)), "delete", name, bucket.ErrNotFound)
	}},
}

func (s *suite) skipWithoutConditionalDelete() {
	s.Helper()
	if s.caps.NoConditionalDelete {
		s.Skip("the driver cannot delete under a condition")
	}
}

// head reads an object's Info. It must succeed.
func (s *suite) head(name string) bucket.Info {
	s.Helper()
	info, err := s.Head(s.Context(), name)
	if err != nil {
		s.Fatalf("head %s: %v", name, err)
	}
	return info
}

package ssm

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/store"
)

func TestDeleteDeletesWhatItMay(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	for _, key := range []string{"a", "b", "kept"} {
		put(t, moto, "/"+api+"/"+key, "one", "1")
	}
	s := openOnce(t, proxy(t, func(operation string, body []byte, _ func([]byte) (int, []byte)) (int, []byte) {
		if operation == "DeleteParameters" && bytes.Contains(body, []byte("kept")) {
			return http.StatusBadRequest, refusal("AccessDeniedException", "denied")
		}
		return 0, nil
	}))
	results, err := s.Delete(t.Context(), api, "a", "kept", "B")
	if !errors.Is(err, store.ErrDenied) || len(results) != 3 {
		t.Fatalf("%d results, error %v; want denied", len(results), err)
	}
	for i, want := range []store.Outcome{store.Deleted, store.Failed, store.Deleted} {
		if results[i].Outcome != want {
			t.Errorf("%s: %s; want %s", results[i].Meta.ID, results[i].Outcome, want)
		}
	}
	if contents, err := open(t, moto).Load(t.Context(), api); err != nil || contents.Listed != 1 {
		t.Errorf("%d listed, error %v; want the one that is kept", contents.Listed, err)
	}
}

// TestADeleteWhoseAnswerIsLost is known where the parameters can be looked at.
func TestADeleteWhoseAnswerIsLost(t *testing.T) {
	moto := mototest.Start(t)
	for name, c := range map[string]struct {
		exists, made, blind bool
		want                error
	}{
		"deleted":            {exists: true, made: true},
		"not deleted":        {exists: true, want: store.ErrUnavailable},
		"not there":          {want: store.ErrNotFound},
		"deleted unseen":     {exists: true, made: true, blind: true, want: store.ErrUnknown},
		"not deleted unseen": {exists: true, blind: true, want: store.ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			api := service(t)
			if c.exists {
				put(t, moto, "/"+api+"/k", "one", "1")
			}
			s := openOnce(t, proxy(t, func(operation string, body []byte, forward func([]byte) (int, []byte)) (int, []byte) {
				switch {
				case operation == "DeleteParameters" && c.made:
					forward(body)
					fallthrough
				case operation == "DeleteParameters":
					return http.StatusInternalServerError, refusal("InternalServerError", "")
				case operation == "GetParameters" && c.blind:
					return http.StatusBadRequest, refusal("AccessDeniedException", "denied")
				}
				return 0, nil
			}))
			results, err := s.Delete(t.Context(), api, "k")
			if !errors.Is(err, c.want) || len(results) != 1 || (results[0].Outcome == store.Deleted) != (c.want == nil) {
				t.Errorf("%v, error is %v; want %v", results, err, c.want)
			}
		})
	}
}

// TestADeleteTellsThatNumbersBeginAgain: what this backend cannot keep, it says, once it matters.
func TestADeleteTellsThatNumbersBeginAgain(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	var notices []string
	s, err := New(patient(moto), Options{KeyAlias: testAlias, Notice: func(text string) { notices = append(notices, text) }})
	if err != nil {
		t.Fatal(err)
	}
	write := func() store.Result {
		r, err := s.Write(t.Context(), id(api, "k"), store.NewValue("one"), store.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	write()
	write()
	if _, err := s.Delete(t.Context(), api, "none"); !errors.Is(err, store.ErrNotFound) || len(notices) != 0 {
		t.Errorf("error %v, notices %q; want none where nothing is deleted", err, notices)
	}
	if _, err := s.Delete(t.Context(), api, "k"); err != nil || len(notices) != 1 || !strings.Contains(notices[0], "starts at version 1") {
		t.Errorf("error %v, notices %q", err, notices)
	}
	if r := write(); r.Meta.Version != 1 || r.Outcome != store.Created {
		t.Errorf("version %d %s; the notice says 1", r.Meta.Version, r.Outcome)
	}
}

package ssm

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// racing lets others write while the first put is on its way.
func racing(t *testing.T, moto string, between func()) string {
	t.Helper()
	var once sync.Once
	return proxy(t, func(operation string, _ []byte, _ func([]byte) (int, []byte)) (int, []byte) {
		if operation == "PutParameter" {
			once.Do(between)
		}
		return 0, nil
	})
}

func TestAWriteBetweenIsNotCoveredByARekey(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	name := "/" + api + "/k"
	put(t, moto, name, "one", "1")
	label(t, moto, name, 1, "prod")
	s := under(t, racing(t, moto, func() {
		put(t, moto, name, "theirs", "2")
		put(t, moto, name, "theirs too", "3")
	}))
	results, err := s.Rekey(t.Context(), api, admin.RekeyOptions{})
	if diff := cmp.Diff([]string{"k 3 moved from " + testAlias}, outcomes(results)); err != nil || diff != "" {
		t.Errorf("error %v, %s", err, diff)
	}
	if got, err := s.Read(t.Context(), id(api, "k"), store.Latest); err != nil || got.Value.Reveal() != "theirs too" || got.KeyAlias != opsAlias || got.Version != 3 {
		t.Errorf("version %d under %s, error %v; want the other writer's", got.Version, got.KeyAlias, err)
	}
	metas, err := s.History(t.Context(), id(api, "k"))
	if err != nil || len(metas) != 3 || metas[0].Version != 1 || metas[2].Version != 3 {
		t.Errorf("history %v, error %v; want versions 1, 2, 3", metas, err)
	}
	if got, err := s.ReadLabel(t.Context(), id(api, "k"), "prod"); err != nil || got.Value.Reveal() != "one" {
		t.Errorf("the label is on another version; error %v", err)
	}
}

func TestAWriteBetweenThatCannotBePutAgainIsTold(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	name := "/" + api + "/k"
	put(t, moto, name, "one", "1")
	puts := 0
	s := under(t, proxy(t, func(operation string, _ []byte, _ func([]byte) (int, []byte)) (int, []byte) {
		if operation != "PutParameter" {
			return 0, nil
		}
		if puts++; puts == 1 {
			put(t, moto, name, "theirs", "2")
			return 0, nil
		}
		return http.StatusBadRequest, refusal("ThrottlingException", "slow down")
	}))
	_, err := s.Rekey(t.Context(), api, admin.RekeyOptions{})
	if !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "which is now older than the moved one") {
		t.Errorf("error is %v; want one that tells of the other value", err)
	}
	// The history shows which is the newest: it is last.
	if metas, err := s.History(t.Context(), id(api, "k")); err != nil || len(metas) != 2 || metas[0].Version != 2 || metas[1].Version != 1 {
		t.Errorf("history %v, error %v; want 2, and then 1", metas, err)
	}
}

func TestADeleteDuringARekeyIsTold(t *testing.T) {
	moto := mototest.Start(t)
	for name, c := range map[string]struct {
		remade bool
		want   string
	}{
		"deleted":                {false, "k 2 failed from " + testAlias},
		"deleted and made again": {true, "k 1 moved from " + testAlias},
	} {
		t.Run(name, func(t *testing.T) {
			api := service(t)
			put(t, moto, "/"+api+"/k", "one", "1")
			put(t, moto, "/"+api+"/k", "two", "2")
			s := under(t, racing(t, moto, func() {
				if _, err := open(t, moto).Delete(t.Context(), api, "k"); err != nil {
					t.Error(err)
				}
				if c.remade {
					put(t, moto, "/"+api+"/k", "theirs", "1")
				}
			}))
			results, err := s.Rekey(t.Context(), api, admin.RekeyOptions{})
			if diff := cmp.Diff([]string{c.want}, outcomes(results)); diff != "" {
				t.Errorf("error %v, %s", err, diff)
			}
			if !c.remade && (!errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "it was deleted during the move")) {
				t.Errorf("error is %v; want one that tells of the delete", err)
			}
			if got, err := s.Read(t.Context(), id(api, "k"), store.Latest); c.remade && (err != nil || got.Value.Reveal() != "theirs") {
				t.Errorf("another value, or error %v", err)
			}
		})
	}
}

func TestAWriteUnderTheOldKeyAfterARekeyIsReported(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	put(t, moto, "/"+api+"/k", "one", "1")
	put(t, moto, "/"+api+"/other", "one", "1")
	moved := false
	s := under(t, proxy(t, func(operation string, body []byte, forward func([]byte) (int, []byte)) (int, []byte) {
		if operation != "PutParameter" || !bytes.Contains(body, []byte(api+"/k")) || moved {
			return 0, nil
		}
		moved = true
		status, answer := forward(body)
		put(t, moto, "/"+api+"/k", "theirs", "2")
		return status, answer
	}))
	results, err := s.Rekey(t.Context(), api, admin.RekeyOptions{})
	want := []string{"k 1 returned from " + testAlias, "other 1 moved from " + testAlias}
	if diff := cmp.Diff(want, outcomes(results)); !errors.Is(err, store.ErrConflict) || diff != "" {
		t.Errorf("error %v, %s", err, diff)
	}
	if again, err := s.Rekey(t.Context(), api, admin.RekeyOptions{}); err != nil || len(again) != 1 || again[0].Meta.Version != 2 {
		t.Errorf("again: %q, error %v; want version 2 moved", outcomes(again), err)
	}
}

func TestTwoRekeysAtOnce(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	put(t, moto, "/"+api+"/k", "one", "1")
	label(t, moto, "/"+api+"/k", 1, "prod")
	s := under(t, racing(t, moto, func() {
		if _, err := under(t, moto).Rekey(t.Context(), api, admin.RekeyOptions{}); err != nil {
			t.Error(err)
		}
	}))
	results, err := s.Rekey(t.Context(), api, admin.RekeyOptions{})
	if diff := cmp.Diff([]string{"k 1 moved from " + testAlias}, outcomes(results)); err != nil || diff != "" {
		t.Errorf("error %v, %s", err, diff)
	}
	if metas, err := s.History(t.Context(), id(api, "k")); err != nil || len(metas) != 1 {
		t.Errorf("history %v, error %v; want one version", metas, err)
	}
	if got, err := s.ReadLabel(t.Context(), id(api, "k"), "prod"); err != nil || got.Value.Reveal() != "one" {
		t.Errorf("label: error %v", err)
	}
}

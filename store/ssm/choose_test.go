package ssm

import (
	"bytes"
	"errors"
	"net/http"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

func oldest(versions []store.Version) int { return versions[0].Version }

// TestACopyWithAnotherValueIsNoCopy: whoever may put parameters can call one a copy of an older version, which
// would then have the date of that version.
func TestACopyWithAnotherValueIsNoCopy(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	put(t, moto, "/"+api+"/k", "one", "1")
	put(t, moto, "/"+api+"/k", "two", "2")
	put(t, moto, "/"+api+"/k", "forged", "+1")
	s := open(t, moto)
	for name, load := range map[string]func() error{
		"LoadChosen": func() error { _, err := s.LoadChosen(t.Context(), api, store.Choice{Pick: oldest}); return err },
		"ReadChosen": func() error {
			_, err := s.ReadChosen(t.Context(), id(api, "k"), store.Choice{Pick: oldest})
			return err
		},
		// The newest version calls itself a copy, so its history is needed.
		"the newest": func() error {
			_, err := s.LoadChosen(t.Context(), api, store.Choice{Newest: func(store.Secret) bool { return true }, Pick: oldest})
			return err
		},
	} {
		if err := load(); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: error is %v; want corrupt", name, err)
		}
	}
}

func TestACopyOfARekeyHasTheDateOfItsOriginal(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	put(t, moto, "/"+api+"/k", "one", "1")
	s := open(t, moto)
	before, err := s.Load(t.Context(), api)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := under(t, moto).Rekey(t.Context(), api, admin.RekeyOptions{}); err != nil {
		t.Fatal(err)
	}
	c, err := s.LoadChosen(t.Context(), api, store.Choice{Newest: func(store.Secret) bool { return true }, Pick: oldest})
	if err != nil || len(c.Secrets) != 1 || !c.Secrets[0].Created.Equal(before.Secrets[0].Created) || c.Secrets[0].KeyAlias != opsAlias {
		t.Errorf("%+v, error %v; want the date %v, under %s", c.Secrets, err, before.Secrets[0].Created, opsAlias)
	}
}

// TestAVersionUnderAUsableKeyIsChosen also where the key of another version of its history can't be used.
func TestAVersionUnderAUsableKeyIsChosen(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	put(t, moto, "/"+api+"/k", "one", "1")
	put(t, moto, "/"+api+"/k", "two", "2")
	s := openOnce(t, proxy(t, func(operation string, body []byte, _ func([]byte) (int, []byte)) (int, []byte) {
		if operation == "GetParameterHistory" && bytes.Contains(body, []byte(`"WithDecryption":true`)) {
			return http.StatusBadRequest, refusal("AccessDeniedException", "denied")
		}
		return 0, nil
	}))
	c, err := s.LoadChosen(t.Context(), api, store.Choice{Pick: oldest})
	if err != nil || len(c.Secrets) != 1 || c.Secrets[0].Value.Reveal() != "one" || c.Secrets[0].Version != 1 {
		t.Errorf("%d secrets, or another version, error %v", len(c.Secrets), err)
	}
}

// TestAHistoryThatParameterStoreCutHasAGap: it keeps 100 versions.
func TestAHistoryThatParameterStoreCutHasAGap(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	for range 103 {
		put(t, moto, "/"+api+"/k", "v", "")
	}
	var first store.Version
	_, err := open(t, moto).LoadChosen(t.Context(), api, store.Choice{Pick: func(versions []store.Version) int {
		first = versions[0]
		return 0
	}})
	if err != nil || !first.Gap || first.Version != 4 {
		t.Errorf("the history begins with version %d, gap %v, error %v; want version 4, and a gap", first.Version, first.Gap, err)
	}
}

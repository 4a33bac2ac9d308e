package ssm

import (
	"bytes"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/store"
)

func TestPagesOfALargeService(t *testing.T) {
	var mu sync.Mutex
	empties := 0
	// An empty page with a token comes before the first page of every listing.
	url := proxy(t, func(operation string, body []byte, forward func([]byte) (int, []byte)) (int, []byte) {
		if operation != "GetParametersByPath" && operation != "DescribeParameters" {
			return 0, nil
		}
		if !bytes.Contains(body, []byte("NextToken")) {
			mu.Lock()
			defer mu.Unlock()
			empties++
			return http.StatusOK, []byte(`{"Parameters":[],"NextToken":"after the empty page"}`)
		}
		return forward(bytes.ReplaceAll(body, []byte(`"after the empty page"`), []byte(`"0"`)))
	})
	s, api := open(t, url), service(t)
	values := map[string]store.Value{}
	for _, a := range "abcdefgh" {
		for _, b := range "abcdefgh" {
			values[string(a)+string(b)] = store.NewValue(string(b) + string(a))
		}
	}
	results, err := s.WriteAll(t.Context(), api, values, store.WriteOptions{})
	if err != nil || len(results) != 64 {
		t.Fatalf("%d results, error %v", len(results), err)
	}
	contents, err := s.Load(t.Context(), api)
	if err != nil || contents.Listed != 64 {
		t.Fatalf("%d listed, error %v; want 64", contents.Listed, err)
	}
	for _, secret := range contents.Secrets {
		if secret.Value != values[secret.ID.Key] || secret.Version != 1 {
			t.Errorf("%s: version %d, or another value", secret.ID, secret.Version)
		}
	}
	if empties < 4 {
		t.Errorf("%d listings; want at least 4", empties)
	}
	var keys []string
	for key := range values {
		keys = append(keys, key)
	}
	if _, err := s.Delete(t.Context(), api, keys...); err != nil {
		t.Fatal(err)
	}
	if contents, err := s.Load(t.Context(), api); err != nil || contents.Listed != 0 {
		t.Errorf("%d listed, error %v; want none", contents.Listed, err)
	}
}

func TestLoadWithoutDescribeParametersUsesParameterStoresVersions(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	put(t, moto, "/"+api+"/k", "one", "1")
	s := openOnce(t, proxy(t, refusing("AccessDeniedException", "DescribeParameters")))
	contents, err := s.Load(t.Context(), api)
	if err != nil || len(contents.Secrets) != 1 || contents.Secrets[0].Version != 1 || len(contents.Notices) != 1 {
		t.Errorf("%d secrets, notices %q, error %v", len(contents.Secrets), contents.Notices, err)
	}
	if got, err := s.Read(t.Context(), id(api, "k"), store.Latest); err != nil || got.Value.Reveal() != "one" {
		t.Errorf("read: error %v", err)
	}
	// Without its description a secret cannot be given its next version.
	if _, err := s.Write(t.Context(), id(api, "k"), store.NewValue("two"), store.WriteOptions{}); !errors.Is(err, store.ErrDenied) {
		t.Errorf("error is %v; want denied", err)
	}
}

func TestLoadReadsWhatMayBeReadOneByOne(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	for _, key := range []string{"a", "b", "hidden"} {
		put(t, moto, "/"+api+"/"+key, key, "1")
	}
	url := proxy(t, func(operation string, body []byte, _ func([]byte) (int, []byte)) (int, []byte) {
		if operation == "GetParametersByPath" || operation == "GetParameters" && bytes.Contains(body, []byte("hidden")) {
			return http.StatusBadRequest, refusal("AccessDeniedException", "denied")
		}
		return 0, nil
	})
	contents, err := open(t, url).Load(t.Context(), api)
	if err != nil || len(contents.Secrets) != 2 || contents.Listed != 3 || !cmp.Equal(contents.Hidden, []string{"hidden"}) {
		t.Errorf("%d secrets, hidden %q, %d listed, error %v", len(contents.Secrets), contents.Hidden, contents.Listed, err)
	}
}

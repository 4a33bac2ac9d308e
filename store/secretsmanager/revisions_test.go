package secretsmanager

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/coffer-secrets/coffer/store"
)

func TestRevisionsReadNoValue(t *testing.T) {
	var mu sync.Mutex
	var requests []string
	url, api := serve(t, func(operation string, _ []byte, _ *server) (int, []byte) {
		mu.Lock()
		defer mu.Unlock()
		requests = append(requests, operation)
		return 0, nil
	}), serviceName(t)
	create(t, url, api, recorded(t))
	requests = nil
	now, err := open(url).Revisions(t.Context(), api)
	if err != nil || len(now) != 1 || now[""] == "" || !slices.Equal(requests, []string{"ListSecretVersionIds"}) {
		t.Errorf("revisions %v, requests %q, error %v", now, requests, err)
	}
}

func TestRevisionsThatMayNotBeListedAreDenied(t *testing.T) {
	s := open(serve(t, func(operation string, _ []byte, _ *server) (int, []byte) {
		if operation == "ListSecretVersionIds" {
			return http.StatusBadRequest, refusal("AccessDeniedException", "not authorized")
		}
		return 0, nil
	}))
	if _, err := s.Revisions(t.Context(), serviceName(t)); !errors.Is(err, store.ErrDenied) {
		t.Errorf("error is %v; want denied", err)
	}
}

package mototest_test

import (
	"net/http"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
)

func TestStartGivesOneAnsweringServer(t *testing.T) {
	url := mototest.Start(t)
	resp, err := http.Get(url + "/moto-api/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d", resp.StatusCode)
	}
	if again := mototest.Start(t); again != url {
		t.Errorf("a second server: %s and %s", url, again)
	}
}

package s3age_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Two revocations overlap: the first has the secret under the key of the second already when it has written it.
func TestRevocationsThatOverlapBothSucceed(t *testing.T) {
	server, cfg := newServer(t, s3test.Options{})
	ann, bob, eve := newPerson(t, "ann"), newPerson(t, "bob"), newPerson(t, "eve")
	write(t, ann.open(t, cfg), "db_url", "canary")
	for name, p := range map[string]*person{"bob": bob, "eve": eve} {
		if _, err := ann.teams(t, cfg).Grant(t.Context(), "alias/app", admin.Grant{Recipient: p.recipient, Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	first := ann.open(t, cfg)
	if _, _, err := first.(admin.Teams).NextKey(t.Context(), "alias/app", "bob", false); err != nil {
		t.Fatal(err)
	}
	var begun atomic.Bool
	server.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Op != "PutObject" || r.Key != "api/db_url.json" || begun.Swap(true) {
			return nil
		}
		second := ann.open(t, cfg)
		_, _, err := second.(admin.Teams).NextKey(context.Background(), "alias/app", "eve", false)
		if err == nil {
			_, err = second.(admin.Rekeyer).Rekey(context.Background(), "api", admin.RekeyOptions{Rewrite: true})
		}
		if err != nil {
			t.Error("the second:", err)
		}
		return nil
	})
	if results, err := first.(admin.Rekeyer).Rekey(t.Context(), "api", admin.RekeyOptions{Rewrite: true}); err != nil || len(results) != 1 || results[0].Err != nil {
		t.Errorf("the first: %+v, %v", results, err)
	}
	for _, p := range []*person{bob, eve} {
		if value, err := read(t, p.open(t, cfg), "db_url"); !errors.Is(err, store.ErrDenied) {
			t.Errorf("a leaver reads %q, %v", value, err)
		}
	}
	if value, err := read(t, ann.open(t, cfg), "db_url"); value != "canary" || err != nil {
		t.Errorf("a member reads %q, %v", value, err)
	}
}

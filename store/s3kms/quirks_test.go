package s3kms_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3kms"
)

// A server that answers each conditional write with 409 is tried for a minute, and then the
// write ends in an error; nothing is stored.
func TestAServerThatIsAlwaysBusyEndsTheWrite(t *testing.T) {
	server, cfg := newServer(t, s3test.Options{Quirks: s3test.Quirks{ConditionsConflict: true}})
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	o := s3kms.Options{Bucket: "b", KeyAlias: "alias/app", Now: func() time.Time { now = now.Add(10 * time.Second); return now }}
	_, err := open(t, cfg, o).Write(t.Context(), store.ID{Service: "api", Key: "k"}, store.NewValue("canary-b0"), store.WriteOptions{})
	if !errors.Is(err, store.ErrUnavailable) || strings.Contains(err.Error(), "canary") {
		t.Errorf("error %v, want %v", err, store.ErrUnavailable)
	}
	puts := 0
	for _, e := range server.Log() {
		if e.Op == "PutObject" && e.Code == "ConditionalRequestConflict" {
			puts++
		}
	}
	if n := len(server.Bucket("b").Objects()); n != 0 || puts < 2 {
		t.Errorf("%d puts, and %d objects; want some and none", puts, n)
	}
}

// SeaweedFS answers a read under a key that is denied or disabled with 200, the full length
// and half a body. It is never taken for a secret, an empty service or a hidden one.
func TestCutBodiesOfARefusedKeyAreNoSecrets(t *testing.T) {
	server, cfg := newServer(t, s3test.Options{Quirks: s3test.SeaweedFS()})
	server.KMS.CreateKey("alias/ops")
	s := open(t, cfg, s3kms.Options{Bucket: "b", KeyAlias: "alias/app"})
	ops := open(t, cfg, s3kms.Options{Bucket: "b", KeyAlias: "alias/ops"})
	pager := store.ID{Service: "api", Key: "pager"}
	for s, key := range map[store.Store]string{s: "url", ops: "pager"} {
		if _, err := s.Write(t.Context(), store.ID{Service: "api", Key: key}, store.NewValue("canary-c7 "+strings.Repeat("x", 200)), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for name, refuse := range map[string]func(){
		"denied":   func() { server.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyDecrypt: []string{"alias/ops"}}) },
		"disabled": func() { server.KMS.SetState("alias/ops", s3test.Disabled) },
	} {
		refuse()
		_, loadErr := s.Load(t.Context(), "api")
		_, readErr := s.Read(t.Context(), pager, store.Latest)
		_, writeErr := ops.Write(t.Context(), pager, store.NewValue("canary-c8"), store.WriteOptions{})
		for what, err := range map[string]error{"load": loadErr, "read": readErr, "write": writeErr} {
			if !errors.Is(err, store.ErrCorrupt) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s under a key that is %s: error %v, want %v", what, name, err, store.ErrCorrupt)
			}
		}
		server.SetPolicy(dev.AccessKeyID, s3test.Policy{})
		server.KMS.SetState("alias/ops", s3test.Enabled)
	}
	if got, err := s.Read(t.Context(), pager, store.Latest); err != nil || got.Version != 1 {
		t.Errorf("afterwards: version %d, %v", got.Version, err)
	}
}

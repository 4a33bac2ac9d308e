//go:build servers

package s3_test

import (
	"errors"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/serverstest"
	"github.com/coffer-secrets/coffer/store"
	coffers3 "github.com/coffer-secrets/coffer/store/s3"
	"github.com/coffer-secrets/coffer/store/storetest"
)

func TestConformanceOnMinIO(t *testing.T) {
	m := serverstest.StartMinIO(t)
	bucket := m.Bucket(t)
	cfg := serverstest.Config(t, m.URL, serverstest.Root())
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, cfg, coffers3.Options{Bucket: bucket})
	}, storetest.Capabilities{Skips: storetest.Tombstones()})
}

func TestStoreThatDoesNotEncryptIsRefusedOnVersitygw(t *testing.T) {
	v := serverstest.StartVersity(t)
	bucket := v.Bucket(t)
	cfg := serverstest.Config(t, v.URL, serverstest.Root())
	_, err := open(t, cfg, coffers3.Options{Bucket: bucket}).
		Write(t.Context(), store.ID{Service: "team", Key: "k"}, store.NewValue("v"), store.WriteOptions{})
	var unsealed *store.SealError
	if !errors.As(err, &unsealed) {
		t.Errorf("write: %v, want a SealError", err)
	}
	c, err := open(t, cfg, coffers3.Options{Bucket: bucket, AllowUnencrypted: true}).Load(t.Context(), "team")
	if err != nil || c.Listed != 0 {
		t.Errorf("%d secrets were left behind, error %v", c.Listed, err)
	}
}

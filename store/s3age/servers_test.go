//go:build servers

package s3age_test

import (
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/serverstest"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/storetest"
)

// Neither has KMS: MinIO runs without a key service, and versitygw ignores requests for encryption.
func TestConformanceOnMinIO(t *testing.T) {
	m := serverstest.StartMinIOWithoutKMS(t)
	conforms(t, m.URL, m.Bucket(t))
}

func TestConformanceOnVersitygw(t *testing.T) {
	v := serverstest.StartVersity(t)
	conforms(t, v.URL, v.Bucket(t))
}

func conforms(t *testing.T, url, bucket string) {
	ann := newPerson(t, "ann")
	ann.o.Bucket = bucket
	cfg := serverstest.Config(t, url, serverstest.Root())
	storetest.Run(t, func(t *testing.T) store.Store { return ann.open(t, cfg) }, storetest.Capabilities{Skips: storetest.Tombstones()})
}

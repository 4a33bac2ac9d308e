//go:build servers

package s3envelope_test

import (
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/internal/testing/serverstest"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3envelope"
	"github.com/coffer-secrets/coffer/store/storetest"
)

// Neither has KMS: MinIO runs without a key service, and versitygw ignores requests for encryption. The keys
// are on a server that knows their administrator too.
func TestConformanceOnMinIO(t *testing.T) {
	m := serverstest.StartMinIOWithoutKMS(t)
	conforms(t, m.URL, m.Bucket(t))
}

func TestConformanceOnVersitygw(t *testing.T) {
	v := serverstest.StartVersity(t)
	conforms(t, v.URL, v.Bucket(t))
}

func conforms(t *testing.T, url, bucket string) {
	root := s3test.Principal{Name: "root", AccessKeyID: serverstest.Root().AccessKeyID, SecretKey: serverstest.Root().SecretAccessKey}
	keys := s3test.New(s3test.Options{Principals: []s3test.Principal{root}})
	t.Cleanup(keys.Close)
	keys.KMS.CreateKey("alias/app")
	cfg := config(t, url, keys.URL, root)
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, cfg, s3envelope.Options{Bucket: bucket, KeyAlias: "alias/app"})
	}, storetest.Capabilities{Skips: storetest.Tombstones()})
}

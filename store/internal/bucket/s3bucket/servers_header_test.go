//go:build servers

package s3bucket_test

import (
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/serverstest"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
)

// TestHeadersOnEachServer: a sealed store asks for a range of each object whose key it wants to know.
func TestHeadersOnEachServer(t *testing.T) {
	for name, start := range map[string]func(t *testing.T) (url, bucket string){
		"MinIO": func(t *testing.T) (string, string) {
			m := serverstest.StartMinIOWithoutKMS(t)
			return m.URL, m.Bucket(t)
		},
		"versitygw": func(t *testing.T) (string, string) { v := serverstest.StartVersity(t); return v.URL, v.Bucket(t) },
		"gofakes3":  func(t *testing.T) (string, string) { s := serverstest.StartGofakes3(t); return s.URL, s.Bucket(t) },
		"rclone":    func(t *testing.T) (string, string) { s := serverstest.StartRclone(t); return s.URL, s.Bucket(t) },
	} {
		t.Run(name, func(t *testing.T) {
			url, in := start(t)
			b := driver(t, url, in, "", serverstest.Root())
			buckettest.RunHeaders(t, func(*testing.T) bucket.Bucket { return b }, buckettest.Capabilities{})
		})
	}
}

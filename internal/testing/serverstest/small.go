package serverstest

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Small is a running server that many test suites use in place of S3. It has no keys and no users.
type Small struct {
	URL string

	process *process
}

// StartGofakes3 returns this test binary's gofakes3, which stores its buckets in memory. It accepts
// any credentials.
func StartGofakes3(t testing.TB) *Small {
	t.Helper()
	s, err := runningGofakes3()
	started(t, err)
	return s
}

// StartRclone returns this test binary's `rclone serve s3`, which serves a directory.
func StartRclone(t testing.TB) *Small {
	t.Helper()
	s, err := runningRclone()
	started(t, err)
	return s
}

//nolint:gochecknoglobals // one server for the whole test binary
var (
	runningGofakes3 = sync.OnceValues(func() (*Small, error) {
		return startSmall("gofakes3", gofakes3Version, func(address, _ string) []string { return []string{address} })
	})
	runningRclone = sync.OnceValues(func() (*Small, error) {
		return startSmall("rclone", rcloneVersion, func(address, dir string) []string {
			root := Root()
			return []string{"serve", "s3", "--addr", address, "--auth-key", root.AccessKeyID + "," + root.SecretAccessKey, dir}
		})
	})
)

func startSmall(name, version string, args func(address, dir string) []string) (*Small, error) {
	path, err := binary(name, version)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "coffer-"+name+"-")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &Small{URL: "http://" + address}
	if s.process, err = start(dir, nil, path, args(address, data)...); err != nil {
		return nil, err
	}
	return s, s.process.listening(address)
}

// Bucket creates a bucket for the test and returns its name.
func (s *Small) Bucket(t testing.TB) string {
	t.Helper()
	return newBucket(t, s.URL)
}

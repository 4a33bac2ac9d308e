package sealed_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/dirbucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/sealed"
	"github.com/coffer-secrets/coffer/store/internal/seal"
	"github.com/coffer-secrets/coffer/store/internal/seal/ageseal"
	"github.com/coffer-secrets/coffer/store/internal/seal/kmsseal"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

// storages are all that sealed objects can be in.
var storages = []struct {
	name         string
	open         func(t *testing.T) sealed.Storage
	keepsDeletes bool // a conditional delete is refused
	versioned    bool
}{
	{"directory", func(t *testing.T) sealed.Storage {
		return dirbucket.New(dirbucket.Options{Dir: filepath.Join(memoryDir(t), "store"), StateSize: ageseal.HeaderSize})
	}, false, false},
	{"memory", func(*testing.T) sealed.Storage {
		return membucket.New(membucket.Options{ETags: membucket.MD5ETags, Versioned: true})
	}, false, true},
	{"S3", func(t *testing.T) sealed.Storage {
		server := newServer(t, s3test.Options{})
		return s3bucket.New(awsconf.S3(config(t, server)), s3bucket.Options{Bucket: "b", Encryption: "AES256", ConditionalDelete: true})
	}, false, false},
	{"S3 of another server", func(t *testing.T) sealed.Storage {
		server := newServer(t, s3test.Options{Quirks: s3test.MinIO()})
		b := s3bucket.New(awsconf.S3(config(t, server)), s3bucket.Options{Bucket: "b"})
		return s3bucket.Probed(b, s3bucket.ProbeOptions{})
	}, true, false},
}

// sealers are all that can be between the engine and a storage.
var sealers = []struct {
	name, method string
	open         func(t *testing.T, storage bucket.Bucket) seal.Sealer
}{
	{"ageseal", "age", func(t *testing.T, _ bucket.Bucket) seal.Sealer {
		return ageseal.New(ageseal.Options{Dir: filepath.Join(t.TempDir(), "keys")})
	}},
	{"kmsseal", kmsseal.Method, func(t *testing.T, _ bucket.Bucket) seal.Sealer {
		return kmsseal.New(config(t, newServer(t, s3test.Options{})), kmsseal.Options{})
	}},
	{"teamseal", teamseal.Method, func(t *testing.T, storage bucket.Bucket) seal.Sealer {
		identity, err := age.GenerateHybridIdentity()
		if err != nil {
			t.Fatal(err)
		}
		return teamseal.New(teamkeys.New(teamkeys.Options{
			Bucket:     storage,
			Identities: func() ([]age.Identity, error) { return []age.Identity{identity}, nil },
			Self: func(context.Context) ([]teamkeys.Member, error) {
				return []teamkeys.Member{{Name: "ann", Recipient: identity.Recipient().String()}}, nil
			},
			TrustOnFirstUse: true,
		}), "alias/app")
	}},
}

// memoryDir is a directory in memory where there is one: dirbucket waits for the disk at each change, and its own
// tests are on a disk.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "sealed") //nolint:usetesting // see above
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func newServer(t *testing.T, o s3test.Options) *s3test.Server {
	t.Helper()
	o.Buckets = []string{"b"}
	server := s3test.New(o)
	t.Cleanup(server.Close)
	server.KMS.CreateKey("alias/app")
	server.KMS.CreateKey("alias/ops")
	return server
}

func config(t *testing.T, server *s3test.Server) awsconf.Config {
	t.Helper()
	mototest.Isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.AdminKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.AdminSecret)
	cfg, err := awsconf.Load(t.Context(), awsconf.Options{Region: "us-east-1", EndpointURL: server.URL, Retries: 1})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestEachSealerOnEachStorage: whatever seals, and wherever that is kept, is a bucket by the whole contract,
// with races. A new storage or sealer is a line in a table above. Under the race detector each sealer
// is on one storage or two: what may race is in the sealer or in the storage.
func TestEachSealerOnEachStorage(t *testing.T) {
	for i, storage := range storages {
		for j, sealer := range sealers {
			if proof.RaceDetector && i%len(sealers) != j {
				continue
			}
			t.Run(storage.name+"/"+sealer.name, func(t *testing.T) {
				raw := storage.open(t)
				b := sealed.New(raw, sealer.open(t, raw))
				open := func(*testing.T) bucket.Bucket { return b }
				caps := buckettest.Capabilities{
					Method: sealer.method, Aliases: []string{"alias/app", "alias/ops"}, NoConditionalDelete: storage.keepsDeletes,
				}
				buckettest.Run(t, open, caps)
				if storage.versioned {
					buckettest.RunVersions(t, open, caps)
				}
			})
		}
	}
}

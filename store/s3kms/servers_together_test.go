//go:build servers

package s3kms_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/serverstest"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/s3kms"
)

func TestParallelWritersLoseNothingOnMinIO(t *testing.T) {
	m, bucket, app, _ := minio(t)
	who := m.Session(t, all(bucket))
	parallelWriters(t, func() store.Store {
		return open(t, serverstest.Config(t, m.URL, who), s3kms.Options{Bucket: bucket, KeyAlias: app})
	})
}

func TestParallelWritersLoseNothingOnVersitygw(t *testing.T) {
	v := serverstest.StartVersity(t)
	bucket := v.Bucket(t)
	who := v.User(t, all(bucket))
	parallelWriters(t, func() store.Store {
		return open(t, serverstest.Config(t, v.URL, who), s3kms.Options{Bucket: bucket, KeyAlias: "alias/app", AllowUnencrypted: true})
	})
}

// parallelWriters has twenty clients write to a key that all share and to one of their own.
func parallelWriters(t *testing.T, connect func() store.Store) {
	const writers, each = 20, 3
	var stores [writers]store.Store
	for i := range stores {
		stores[i] = connect()
	}
	var group sync.WaitGroup
	begin := make(chan struct{})
	for i, s := range stores {
		group.Go(func() {
			<-begin
			for n := range each {
				for _, key := range []string{"shared", fmt.Sprintf("own%02d", i)} {
					value := store.NewValue(fmt.Sprintf("%s %d %d", canary, i, n))
					if _, err := s.Write(t.Context(), store.ID{Service: "team", Key: key}, value, store.WriteOptions{}); err != nil {
						t.Errorf("writer %d, %s: %v", i, key, err)
					}
				}
			}
		})
	}
	close(begin)
	group.Wait()

	c, err := stores[0].Load(t.Context(), "team")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Secrets) != writers+1 || c.Listed != writers+1 || len(c.Notices) != 0 {
		t.Errorf("%d secrets of %d, %q; want %d and no notice", len(c.Secrets), c.Listed, c.Notices, writers+1)
	}
	for _, secret := range c.Secrets {
		want := each
		if secret.ID.Key == "shared" {
			want = writers * each
		}
		versions, err := stores[1].History(t.Context(), secret.ID)
		if err != nil || len(versions) != want || secret.Version != want {
			t.Errorf("%s: %d versions, newest %d, error %v; want %d", secret.ID, len(versions), secret.Version, err, want)
		}
	}
}

func TestWhatIsDeletedComesBackAndGoesOnMinIO(t *testing.T) {
	m, bucket, app, _ := minio(t)
	versioned(t, m.URL, bucket)
	cfg := serverstest.Config(t, m.URL, m.Session(t, all(bucket)))
	restoreAndPurge(t, cfg, bucket, open(t, cfg, s3kms.Options{Bucket: bucket, KeyAlias: app}))
}

func TestWhatIsDeletedComesBackAndGoesOnVersitygw(t *testing.T) {
	v := serverstest.StartVersity(t)
	bucket := v.Bucket(t)
	versioned(t, v.URL, bucket)
	cfg := serverstest.Config(t, v.URL, v.User(t, all(bucket)))
	restoreAndPurge(t, cfg, bucket, open(t, cfg, s3kms.Options{Bucket: bucket, KeyAlias: "alias/app", AllowUnencrypted: true}))
}

func restoreAndPurge(t *testing.T, cfg aws.Config, bucket string, s store.Store) {
	t.Helper()
	id := store.ID{Service: "team", Key: "a"}
	write(t, s, "keep")
	write(t, s, "a")
	write(t, s, "a")
	if _, err := s.Delete(t.Context(), "team", "a"); err != nil {
		t.Fatal(err)
	}
	found, err := s.(admin.Restorer).Deleted(t.Context(), "team")
	if err != nil || len(found) != 2 || found[0].Version != 2 || found[1].Version != 1 {
		t.Fatalf("candidates %+v, error %v", found, err)
	}
	r, err := s.(admin.Restorer).Undelete(t.Context(), id, admin.UndeleteOptions{})
	if err != nil || r.Outcome != store.Restored || r.Meta.Version != 2 {
		t.Fatalf("restore: %+v, error %v", r, err)
	}
	if history, err := s.History(t.Context(), id); err != nil || len(history) != 2 {
		t.Errorf("history %+v, error %v", history, err)
	}
	results, removed, err := s.(admin.Purger).Purge(t.Context(), "team", "a")
	if err != nil || results[0].Outcome != store.Deleted || len(removed) == 0 {
		t.Fatalf("purge: %+v, removed %+v, error %v", results, removed, err)
	}
	left, err := awsconf.S3(cfg).ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &bucket, Prefix: aws.String("team/"), Delimiter: aws.String("/")})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range left.Versions {
		names = append(names, aws.ToString(v.Key))
	}
	if len(names) != 2 || len(left.DeleteMarkers) != 0 { // the present index and keep.json
		t.Errorf("left: %v and %d marks", names, len(left.DeleteMarkers))
	}
	if c, err := s.Load(t.Context(), "team"); err != nil || !slices.Equal(keys(c), []string{"keep"}) {
		t.Errorf("left: %v, error %v", keys(c), err)
	}
}

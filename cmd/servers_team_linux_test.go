//go:build servers

package cmd_test

import (
	"context"
	"crypto/rand"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sys/unix"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/internal/testing/serverstest"
)

// serverWithoutKMS is one on which what is stored must have been encrypted before.
type serverWithoutKMS struct {
	name, url string
	data      string // where it keeps the buckets; beside it are its logs and older versions
}

// onServersWithoutKMS runs a test with an administrator of each of them, for whom there is no bucket yet.
func onServersWithoutKMS(t *testing.T, test func(*bench, serverWithoutKMS)) {
	t.Helper()
	minio, versity := serverstest.StartMinIOWithoutKMS(t), serverstest.StartVersity(t)
	for _, server := range []serverWithoutKMS{{"MinIO", minio.URL, minio.Data}, {"versitygw", versity.URL, versity.Data}} {
		t.Run(server.name, func(t *testing.T) {
			b := (&bench{T: t, env: append(ownEnvironment(t.TempDir()),
				"PATH="+os.Getenv("PATH"), "AWS_REGION=us-east-1", "COFFER_ENDPOINT_URL="+server.url, "COFFER_RETRIES=2",
				"COFFER_S3_BUCKET=team-"+strings.ToLower(rand.Text()[:12]), "COFFER_KMS_KEY_ALIAS=alias/app", "COFFER_CACHE_KEYRING=false",
			)}).as(serverstest.Root())
			test(b, server)
		})
	}
}

func TestATeamSharesABucketWithoutKMSOnEachServer(t *testing.T) {
	onServersWithoutKMS(t, func(b *bench, server serverWithoutKMS) {
		ann := teamOf(b)
		bob, values := ann.sharesTheBucket()
		server.hasNone(ann, values)
		for _, who := range []*bench{ann, bob} { // a post-quantum identity, and an SSH key
			d := deskWithAge(who)
			d.opens(d.taken("api/db_url.json"), values[0], "api/db_url.json, encrypted under ")
			d.opens(d.taken("api/__kms_alias_app__latest.json"), values[1], "api/__kms_alias_app__latest.json, encrypted under ")
			if server.name == "versitygw" { // whose files are the objects
				d.opens(filepath.Join(server.data, b.variable("COFFER_S3_BUCKET"), "api", "token.json"), values[1])
			}
		}
	})
}

func TestEnvelopesHideTheirValuesOnEachServer(t *testing.T) {
	onServersWithoutKMS(t, func(b *bench, server serverWithoutKMS) {
		root := serverstest.Root()
		keys := s3test.New(s3test.Options{Principals: []s3test.Principal{{Name: "root", AccessKeyID: root.AccessKeyID, SecretKey: root.SecretAccessKey}}})
		b.Cleanup(keys.Close)
		keys.KMS.CreateKey("alias/app")
		b.env = append(b.env, "COFFER_BACKEND=s3-envelope", "AWS_ENDPOINT_URL_KMS="+keys.URL)
		b.do(initBare, "")
		b.refusesCopies()
		values := []string{canary + "-of-ann", canary + "-of-bob"}
		b.do("write api db_url -", values[0])
		b.do("write api token -", values[1])
		if got := b.run("exec api -- printenv DB_URL TOKEN", ""); got.exit != 0 || got.stdout != values[0]+"\n"+values[1]+"\n" {
			b.Errorf("exec: exit %d, %q, %s", got.exit, got.stdout, got.stderr)
		}
		server.hasNone(b, append(values, canary+"-copied-1", canary+"-copied-2", canary+"-copied-3"))
		d := deskWithAge(b)
		d.opens(d.taken("api/db_url.json"), values[0], "api/db_url.json, encrypted under ")
	})
}

func TestForgedAndCopiedObjectsAreRefusedOnEachServer(t *testing.T) {
	onServersWithoutKMS(t, func(b *bench, _ serverWithoutKMS) {
		ann := teamOf(b)
		ann.refusesCopies()
		ann.refusesAForgedKey()
	})
}

// TestARevocationThatWasKilledIsFinishedByTheNextRunOnEachServer: of ten requests at random. Both servers keep tombstones, as
// neither has an exact conditional delete.
func TestARevocationThatWasKilledIsFinishedByTheNextRunOnEachServer(t *testing.T) {
	onServersWithoutKMS(t, func(b *bench, server serverWithoutKMS) { b.revokesWhileItIsKilled(server.url) })
}

func TestTheReadmesLinesForAServerWithoutKMSRunOnEachServer(t *testing.T) {
	onServersWithoutKMS(t, func(b *bench, server serverWithoutKMS) {
		b.runsTheReadme()
		b.Cleanup(b.removeBucket) // its name is in README: another run wants it empty
		if file, form := find(b, filepath.Join(server.data, b.variable("COFFER_S3_BUCKET")), canary); file != "" {
			b.Errorf("%s has the value, as %s", file, form)
		}
	})
}

// removeBucket deletes the bucket with all that it keeps.
func (b *bench) removeBucket() {
	client, bucket, ctx := b.s3Client(), b.variable("COFFER_S3_BUCKET"), context.WithoutCancel(b.Context())
	list, err := client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &bucket})
	if err != nil {
		b.Fatal(err)
	}
	remove := func(key, version *string) {
		if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: key, VersionId: version}); err != nil {
			b.Error(err)
		}
	}
	for _, v := range list.Versions {
		remove(v.Key, v.VersionId)
	}
	for _, m := range list.DeleteMarkers {
		remove(m.Key, m.VersionId)
	}
	if _, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket}); err != nil {
		b.Error(err)
	}
}

// hasNone searches all files of the server for values. That they would be found is tried with an object in clear.
func (s serverWithoutKMS) hasNone(b *bench, values []string) {
	b.Helper()
	for _, value := range values {
		if file, form := find(b, filepath.Dir(s.data), value); file != "" {
			b.Errorf("%s has a value, as %s", file, form)
		}
	}
	b.plant("plain.txt", []byte("..."+canary+"-in-clear..."))
	if file, _ := find(b, s.data, canary+"-in-clear"); file == "" {
		b.Error("an object in clear is not found in the files of the server")
	}
	bucket, name := b.variable("COFFER_S3_BUCKET"), "plain.txt"
	if _, err := b.s3Client().DeleteObject(b.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: &name}); err != nil {
		b.Fatal(err)
	}
}

// find returns a file below a directory that has a value in some form: in its name, its bytes or its extended
// attributes.
func find(b *bench, dir, value string) (file, form string) {
	b.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || form != "" {
			return err
		}
		text := path + "\n" + attributes(path)
		if d.Type().IsRegular() {
			body, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files++
			text += "\n" + string(body)
		}
		if form = formOf(value, text); form != "" {
			file = path
		}
		return nil
	})
	if err != nil || files == 0 {
		b.Fatalf("%d files, %v", files, err)
	}
	return file, form
}

// attributes returns the extended attributes of a file, where versitygw keeps what it knows of an object.
func attributes(path string) string {
	names := make([]byte, 1<<16)
	n, err := unix.Llistxattr(path, names)
	if err != nil {
		return "" // the file system has none
	}
	var all strings.Builder
	value := make([]byte, 1<<16)
	for name := range strings.SplitSeq(string(names[:n]), "\x00") {
		if size, err := unix.Lgetxattr(path, name, value); err == nil {
			all.WriteString(name + "=")
			all.Write(value[:size])
		}
	}
	return all.String()
}

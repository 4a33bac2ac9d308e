//go:build unix

package cmd_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// wants runs a command, and checks its exit code and what its streams hold.
func (b *bench) wants(args, stdin string, exit int, stdout, stderr []string) outcome {
	b.Helper()
	got := b.run(args, stdin)
	if got.exit != exit || strings.Contains(got.stderr, canary) {
		b.Errorf("coffer %s: exit code %d, want %d", args, got.exit, exit)
	}
	for text, parts := range map[string][]string{got.stdout: stdout, got.stderr: stderr} {
		for _, part := range parts {
			if !strings.Contains(text, part) {
				b.Errorf("coffer %s: %q is not said", args, part)
			}
		}
	}
	if b.Failed() {
		b.Fatalf("standard output:\n%s\nstandard error:\n%s", got.stdout, got.stderr)
	}
	return got
}

func TestADeletedSecretIsBroughtBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.bucket.KeepVersions(true)
	team(b)
	b.do("write team db_url -", canary+" of later")
	b.do("delete team db_url", "")
	b.wants("read team db_url", "", 3, nil, nil)

	b.wants("restore team --deleted", "", 0, []string{
		"Key\tVersion\tLastModified", "db_url\t2\t", "db_url\t1\t", "alias/app", dev.Name,
	}, nil)
	var found []struct {
		Key, State string
		Version    int
		Versions   int
		Deleted    time.Time
	}
	listed := b.wants("restore team --deleted --json", "", 0, nil, nil)
	if err := json.Unmarshal([]byte(listed.stdout), &found); err != nil || len(found) != 2 || found[0].Version != 2 || found[0].Versions != 2 ||
		found[0].State == "" || found[0].Deleted.IsZero() {
		t.Fatalf("error %v, %s", err, listed.stdout)
	}

	b.wants("restore team db_url --deleted --kms-key-alias alias/ops", "", 4, nil, []string{"alias/app", "--kms-key-alias alias/app"})
	b.wants("restore team DB_URL --deleted", "", 0, nil, []string{
		"coffer: available: version 2 of ", "by arn:aws:sts::111122223333:assumed-role/dev/session under alias/app (--at " + found[0].State + ")\n", "team/db_url: restored, version 2\n",
	})
	b.wants("read team db_url -q", "", 0, []string{canary + " of later\n"}, nil)
	b.wants("read team db_url -q --version 1", "", 0, []string{canary + " of app\n"}, nil)
	b.wants("restore team db_url --deleted -q", "", 0, nil, nil) // again: it is so
	b.do("write team db_url -", canary+" of another")
	b.wants("restore team db_url --deleted", "", 4, nil, []string{"it is not deleted; it is at version 3"})
	b.wants("restore team --deleted", "", 3, nil, []string{"no version of a deleted secret is kept", "\n  only a bucket with versioning"})
	b.wants("restore team nope --deleted", "", 3, nil, []string{`no secret "nope"`, "coffer restore team --deleted lists it"})

	b.do("delete team db_url", "")
	b.wants("restore team db_url --deleted --at 9", "", 3, nil, []string{"has no version 9"})
	got := b.wants("restore team db_url --deleted --at 1 --json", "", 0, []string{`"outcome": "restored"`, `"version": 4`}, nil)
	if strings.Contains(got.stdout, canary) {
		t.Error("a value was told")
	}
	b.wants("exec team -- printenv DB_URL", "", 0, []string{canary + " of app\n"}, nil)
}

func TestStatesThatMayNotBeReadAreCounted(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.bucket.KeepVersions(true)
	team(b)
	b.do("delete team db_url", "")
	b.do("delete team pager --kms-key-alias alias/ops", "")
	b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyDecrypt: []string{"alias/ops"}})
	b.wants("restore team --deleted", "", 5, []string{"db_url\t1", "pager\t-"}, []string{
		"coffer: 1 of 2 states can't be read:\n", "not allowed to get a version of team/pager.json (AccessDenied)",
	})
	b.wants("restore team --deleted --json", "", 5, []string{`"error": "secret \"pager\" in service \"team\": not allowed`}, nil)
	b.wants("restore team pager --deleted", "", 5, nil, []string{"not allowed to", "kms:Decrypt"})
	b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyListVersions: true})
	b.wants("restore team --deleted", "", 5, nil, []string{"not allowed to list the versions of team/", "\n  you need s3:ListBucketVersions"})
	b.wants("restore team db_url --deleted", "", 5, nil, nil)
	b.wants("delete team x --purge --yes", "", 5, nil, []string{"not allowed to list the versions of team/"})
}

// wantNoVersionTells checks that no version of any object holds a text.
func (b *bench) wantNoVersionTells(text string) {
	b.Helper()
	for name, versions := range b.bucket.AllVersions() {
		for _, o := range versions {
			if strings.Contains(string(o.Body), text) {
				b.Errorf("version %s of %s holds it", o.Version, name)
			}
		}
	}
}

func TestAPurgeLeavesNoVersion(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{PageSize: 3})
	b.bucket.KeepVersions(true)
	team(b)
	b.do("write team db_url -", canary+" of later")
	b.do("write team other -", "other")

	b.wants("delete team db_url --purge", "", 2, nil, []string{
		"coffer: will remove team/db_url.json: the current state, 1 older state\n",
		"coffer: will remove " + appIndex + ": 2 older states; older states hold values of secrets\n",
		"not a terminal, so this can't be confirmed", "--yes purges without asking",
	})
	b.wants("read team db_url -q", "", 0, []string{canary + " of later"}, nil)

	b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyDeleteVersion: []string{"team/db_url.json"}})
	b.wants("delete team db_url --purge --yes", "", 5, nil, []string{"team/db_url: deleted (was version 2)\n", "not allowed to delete a version of team/db_url.json"})
	b.wants("read team db_url", "", 3, nil, nil)
	b.SetPolicy(dev.AccessKeyID, s3test.Policy{})
	b.wants("delete team db_url --purge --yes", "", 0, nil, []string{
		"will remove team/db_url.json: 2 older states, 1 mark of a deletion\n", "team/db_url: purged (was deleted before)\n", "coffer: permanently deleted: 3 older states, 1 mark\n",
	})
	b.wantNoVersionTells(canary + " of app")
	b.wantNoVersionTells(canary + " of later")
	b.wants("delete team db_url --purge --yes", "", 3, nil, []string{`no secret "db_url"`})
	b.wants("restore team db_url --deleted", "", 3, nil, nil)
	b.wants("read team other -q", "", 0, []string{"other"}, nil)

	// All of it, also what was deleted before; a secret under another alias stays.
	b.do("write team gone -", canary)
	b.do("delete team gone", "")
	b.wants("delete team --service --purge --yes -q", "", 4, nil, []string{"is under alias/ops, not under alias/app"})
	b.wants("delete team --service --purge --yes --json --kms-key-alias alias/ops", "", 0, []string{`"key": "pager"`, `"outcome": "deleted"`}, nil)
	b.wantNoVersionTells(canary)
	b.wants("delete team --service --purge --yes", "", 3, nil, []string{`service "team" has no secrets`})
}

func TestAPurgeWithoutVersionsIsADelete(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	team(b)
	b.wants("delete team db_url nope --purge --yes", "", 3, nil, []string{
		"will remove team/db_url.json: the current state\n", "the bucket has no older states of them", "team/db_url: deleted (was version 1)\n", `no secret "nope"`,
	})
	b.wantNoVersionTells(canary + " of app")
}

// On moto, with the plain index.
func TestRestoreAndPurgeOnMoto(t *testing.T) {
	mototest.Isolate(t)
	url := mototest.Start(t)
	cfg, err := awsconf.Load(t.Context(), awsconf.Options{EndpointURL: url})
	if err != nil {
		t.Fatal(err)
	}
	c := awsconf.S3(cfg)
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("secrets")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: aws.String("secrets"), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	}); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, s3test.Options{})
	for _, backend := range []string{"s3", "s3-kms"} {
		b.env = append(b.env, "COFFER_ENDPOINT_URL="+url, "COFFER_S3_BUCKET=secrets", "COFFER_BACKEND="+backend)
		service := strings.ReplaceAll(backend, "-", "")
		b.do("write "+service+" a -", canary+"-1")
		b.do("write "+service+" a -", canary+"-2")
		b.do("delete "+service+" a", "")
		b.wants("restore "+service+" a --deleted", "", 0, nil, []string{"restored, version 2"})
		b.wants("read "+service+" a -q --version 1", "", 0, []string{canary + "-1"}, nil)
		b.wants("delete "+service+" a --purge --yes", "", 0, nil, []string{"permanently deleted"})
		left, err := c.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: aws.String("secrets"), Prefix: aws.String(service + "/"), Delimiter: aws.String("/")})
		if err != nil {
			t.Fatal(err)
		}
		if len(left.Versions) != 1 || len(left.DeleteMarkers) != 0 { // the present index
			t.Errorf("%s: %d versions and %d marks are left", backend, len(left.Versions), len(left.DeleteMarkers))
		}
	}
}

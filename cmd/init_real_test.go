//go:build servers && unix

package cmd_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/kmsd"
	"github.com/coffer-secrets/coffer/internal/testing/serverstest"
)

// initialisedOn is README's example: a server that is reached over http, an empty place, one command
// with a bucket that works after it, and a second one that makes nothing. It returns the parts.
func initialisedOn(b *bench) map[string]madePart {
	b.Helper()
	got := b.run("init --yes --json", "")
	if got.exit != 0 {
		b.Fatalf("init: exit code %d\n%s", got.exit, got.stderr)
	}
	b.T.Log(got.stderr)
	var list []madePart
	if err := json.Unmarshal([]byte(got.stdout), &list); err != nil {
		b.Fatal(err)
	}
	parts := map[string]madePart{}
	for _, p := range list {
		parts[p.Name] = p
	}
	b.do("write team db_url -", canary)
	works(b)
	if got := b.run("init", ""); got.exit != 0 {
		b.Errorf("a second init: exit code %d\n%s", got.exit, got.stderr)
	}
	works(b)
	return parts
}

func TestInitMakesABucketThatWorksOnMinIO(t *testing.T) {
	m := serverstest.StartMinIO(t)
	if err := m.Keys.Create("alias/app"); err != nil && err != kmsd.ErrExists {
		t.Fatal(err)
	}
	b := (&bench{T: t, env: append(ownEnvironment(t.TempDir()),
		"PATH="+os.Getenv("PATH"), "AWS_REGION=us-east-1", "COFFER_KMS_KEY_ALIAS=alias/app",
		"COFFER_S3_BUCKET=init-of-minio", "COFFER_ENDPOINT_URL="+m.URL, "COFFER_RETRIES=2",
	)}).as(serverstest.Root())
	parts := initialisedOn(b)
	for _, name := range []string{"bucket", "versions"} {
		if !parts[name].Done {
			t.Errorf("%s: %+v", name, parts[name])
		}
	}
}

func TestInitMakesABucketThatWorksOnVersitygw(t *testing.T) {
	v := serverstest.StartVersity(t)
	b := &bench{T: t, env: append(ownEnvironment(t.TempDir()), "PATH="+os.Getenv("PATH"), "AWS_REGION=us-east-1")}
	b = b.as(serverstest.Root())
	b.env = append(b.env, "COFFER_KMS_KEY_ALIAS=alias/app", "COFFER_S3_BUCKET=init-of-versitygw", "COFFER_ENDPOINT_URL="+v.URL,
		"COFFER_RETRIES=2", "COFFER_CONFIG="+b.scratch("config.yaml", "allow_unencrypted: true\n"))
	if parts := initialisedOn(b); !parts["bucket"].Done || parts["versions"].Done {
		t.Errorf("%+v", parts) // the mark of a deletion counts as the object there
	}
}

func TestAServerWithoutKMSHasAWayOutOnMinIOAndVersitygw(t *testing.T) {
	for name, url := range map[string]string{"minio": serverstest.StartMinIOWithoutKMS(t).URL, "versitygw": serverstest.StartVersity(t).URL} {
		t.Run(name, func(t *testing.T) {
			b := (&bench{T: t, env: append(ownEnvironment(t.TempDir()), "PATH="+os.Getenv("PATH"), "AWS_REGION=us-east-1",
				"COFFER_S3_BUCKET=without-kms", "COFFER_ENDPOINT_URL="+url, "COFFER_RETRIES=2",
			)}).as(serverstest.Root())
			b.leadsToS3Age()
		})
	}
}

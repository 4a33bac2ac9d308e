//go:build unix

package cmd_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

const accessPoint = "arn:aws:s3:us-west-2:111122223333:accesspoint/app"

// noBuckets are names that keep no secrets on AWS, with what is said about each.
var noBuckets = map[string][2]string{
	"s3://acme/prefix":          {"is a path in a bucket", "use only the bucket's name"},
	"https://acme.s3.amazonaws": {"is a URL", "--endpoint-url"},
	"Bad_Bucket!":               {"is not a valid bucket name", "3 to 63 characters"},
	"Bad_Bucket":                {"is not a valid bucket name on Amazon S3", "3 to 63 characters"},
	"ab":                        {"is not a valid bucket name on Amazon S3", "3 to 63 characters"},
	"acme-":                     {"is not a valid bucket name on Amazon S3", "a letter or a digit at both ends"},
	"192.168.5.4":               {"is not a valid bucket name on Amazon S3", "3 to 63 characters"},
	"acme--usw2-az1--x-s3":      {"is a directory bucket (S3 Express One Zone), which isn't supported: it lists objects in no order", "general purpose bucket"},
	"acme-x1y2--ol-s3":          {"Object Lambda access point, which isn't supported", "general purpose bucket"},
	"mfzwi23gnjvgw.mrap":        {"is a multi-Region access point, which isn't supported: it reads from several buckets", "access point of one in one region"},
	"arn:aws:s3::111122223333:accesspoint/mfzwi23gnjvgw.mrap":           {"is a multi-Region access point", "access point of one in one region"},
	"arn:aws:s3-object-lambda:us-west-2:111122223333:accesspoint/app":   {"Object Lambda access point", "general purpose bucket"},
	"arn:aws:s3express:us-west-2:111122223333:bucket/a--usw2-az1--x-s3": {"directory bucket", "general purpose bucket"},
	"arn:aws:s3:::acme": {"is the ARN of a bucket, not its name", "use only the bucket's name: acme"},
	"arn:aws:s3:eu-west-1:111122223333:accesspoint/app": {"is in eu-west-1, but the region is us-west-2", "--region eu-west-1"},
	"arn:nonsense": {"is not the ARN of an access point", "arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME"},
}

// Each name is refused wherever it can be given, before any request.
func TestBucketNamesThatAreNoNames(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	for name, want := range noBuckets {
		b := newBench(t, s3test.Options{})
		b.env = append(b.env, "COFFER_ENDPOINT_URL=", "COFFER_S3_BUCKET=", "AWS_REGION=us-west-2", "HTTPS_PROXY="+proxy.URL,
			"COFFER_CONFIG="+b.scratch("coffer.yaml", "contexts:\n  there: {backend: s3, bucket: '"+name+"', region: us-west-2}\n"))
		set := func(variable string) []string { return append(b.env[:len(b.env):len(b.env)], variable+"="+name) }
		for _, given := range []struct {
			line, from string
			env        []string
			exit       int
		}{
			{"list api -b s3 --bucket " + name, "--bucket", b.env, 2},
			{"write api k - -b s3", "$COFFER_S3_BUCKET", set("COFFER_S3_BUCKET"), 7},
			{"exec api -b s3 -- true", "$CHAMBER_S3_BUCKET", set("CHAMBER_S3_BUCKET"), 7},
			{"doctor --context there", "coffer.yaml (there)", b.env, 7},
			{"init -b s3-kms --bucket " + name + " --yes", "--bucket", b.env, 2},
			{"policy reader api -b s3 --bucket " + name, "--bucket", b.env, 2},
			{"migrate api --from-backend s3 --from-bucket " + name + " --to-backend local", "--from-bucket", b.env, 2},
			{"migrate api --from-backend local --to-backend s3 --to-bucket " + name, "--to-bucket", b.env, 2},
		} {
			at := *b
			at.env = given.env
			got := at.run(given.line, canary)
			if got.exit != given.exit || !strings.Contains(got.stderr, given.from) || !strings.Contains(got.stderr, name) || !strings.Contains(got.stderr, want[0]) || !strings.Contains(got.stderr, want[1]) {
				t.Errorf("%s: exit code %d; want %d, %q and %q in\n%s", given.line, got.exit, given.exit, want[0], want[1], got.stderr)
			}
		}
	}
	if n := requests.Load(); n > 0 {
		t.Errorf("%d requests", n)
	}
}

func TestBucketMayBeWrittenAsAURLOfS3(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("write team k - --bucket s3://b", canary)
	b.do("read team k --bucket s3://b/", "")
	b.do("migrate team --from-bucket s3://b --to-backend local --kms-key-alias alias/app", "")
	b.env = append(b.env, "COFFER_S3_BUCKET=", "CHAMBER_S3_BUCKET=s3://b")
	if rows := b.config(""); rows["bucket"].Value != "b" {
		t.Errorf("%+v", rows["bucket"])
	}
	b.do("read team k", "")
}

// Other servers have names that Amazon S3 has no more: they are left to the server.
func TestOtherServersJudgeTheirBucketsNames(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	var requests atomic.Int64
	b.Fault(func(s3test.Request) *s3test.Fault { requests.Add(1); return nil })
	if got := b.run("list team --bucket Old_Bucket", ""); requests.Load() == 0 || strings.Contains(got.stderr, "is not a valid bucket name") {
		t.Errorf("%d requests\n%s", requests.Load(), got.stderr)
	}
	requests.Store(0) // the SDK would ask any server for a session of a directory bucket
	b.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Bucket != "Old_Bucket" { // a request of before that was still on its way
			requests.Add(1)
		}
		return nil
	})
	if got := b.run("list team --bucket acme--use1-az4--x-s3", ""); got.exit != 2 || requests.Load() != 0 || !strings.Contains(got.stderr, "is a directory bucket") {
		t.Errorf("%d requests, %+v", requests.Load(), got)
	}
	if got := b.run("list team --bucket "+accessPoint, ""); got.exit != 2 || !strings.Contains(got.stderr, "which only Amazon S3 has") {
		t.Errorf("exit code %d\n%s", got.exit, got.stderr)
	}
}

func TestAccessPointsInPoliciesAndInit(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.env = append(b.env, "COFFER_ENDPOINT_URL=", "AWS_REGION=us-west-2", "COFFER_BACKEND=s3")
	got := b.run("policy operator api --bucket "+accessPoint, "")
	for _, want := range []string{`"` + accessPoint + `"`, `"` + accessPoint + `/object/api/*"`, `"arn:aws:s3:::BUCKET_NAME"`} {
		if got.exit != 0 || !strings.Contains(got.stdout, want) {
			t.Errorf("exit code %d, no %s in\n%s%s", got.exit, want, got.stdout, got.stderr)
		}
	}
	if strings.Contains(got.stdout, ":::arn:") || !strings.Contains(got.stderr, "BUCKET_NAME") {
		t.Errorf("an ARN within an ARN, or no word of the placeholder:\n%s%s", got.stdout, got.stderr)
	}
	for line, want := range map[string]string{
		"init --yes --bucket " + accessPoint:             "is an access point, and init sets up the bucket itself",
		"init --yes --bucket app-x1y2-s3alias":           "is an access point, and init sets up the bucket itself",
		"policy reader api --bucket app-x1y2-s3alias":    "by its ARN, not by its alias",
		"init --print terraform --bucket app-x1-s3alias": "is an access point, and init sets up the bucket itself",
	} {
		if got := b.run(line, ""); got.exit == 0 || !strings.Contains(got.stderr, want) || !strings.Contains(got.stderr, "\n  ") {
			t.Errorf("%s: exit code %d\n%s", line, got.exit, got.stderr)
		}
	}
}

//go:build unix

package cmd_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// answers is a server that gives every request the same answer; the one to HEAD has no body.
func answers(t *testing.T, status int, code, message string) (url string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code != "" {
			w.Header().Set("Content-Type", "application/xml")
		}
		switch {
		case code != "" && r.Method == http.MethodHead: // the bucket isn't there
			w.WriteHeader(http.StatusNotFound)
		case code != "":
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
		default:
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, "<html>")
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// The hint of a failed init says what to do, and not once more what the sentence says.
func TestHintOfInitIsNoRepetition(t *testing.T) {
	t.Parallel()
	refused, page := closed(t), answers(t, http.StatusNotFound, "", "")
	taken := answers(t, http.StatusConflict, "BucketAlreadyExists", "The requested bucket name is not available. Please select a different name and try again.")
	for name, test := range map[string]struct {
		setup func(*bench)
		env   string
		args  string
		exit  int
		want  string // the sentence and the hint; none if it has no second line
	}{
		"somebody else's bucket": {args: "-b s3", env: "COFFER_ENDPOINT_URL=" + taken, exit: 4, want: "create the bucket b failed (BucketAlreadyExists): The requested bucket name is not available. Please select a different name and try again." +
			"\n  all AWS accounts share the names of buckets: choose another with --bucket (or COFFER_S3_BUCKET), such as acme-secrets"},
		"a bucket that is denied": {setup: policy(s3test.Policy{DenyList: true}), exit: 5, want: "not allowed to get the bucket b (Forbidden)" +
			"\n  all AWS accounts share the names of buckets: if this one belongs to somebody else, choose another name; if it is yours, you need s3:ListBucket on it"},
		"no credentials": {env: "AWS_ACCESS_KEY_ID= AWS_SECRET_ACCESS_KEY= AWS_SESSION_TOKEN=", exit: 7, want: "no AWS credentials found in the environment, a profile or an instance role" +
			"\n  create a profile with aws configure or aws configure sso; or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN for a session)"},
		"credentials of another": {env: "AWS_ACCESS_KEY_ID=AKIAOTHER", exit: 7, want: "UnrecognizedClientException: The security token included in the request is invalid." +
			"\n  these credentials belong to another server"},
		"a refused port":    {env: "COFFER_ENDPOINT_URL=http://" + refused, exit: 6, want: "describing key alias/app: no answer from " + refused + " (connection refused); nothing was changed"},
		"no KMS":            {env: "COFFER_ENDPOINT_URL=" + page, exit: 7, want: "this server doesn't support the KMS API (status 404)"},
		"a page of the web": {env: "COFFER_ENDPOINT_URL=" + page, exit: 7, want: "create the bucket b failed: status 404, and no valid response of this API\n  check that --endpoint-url (or COFFER_ENDPOINT_URL) is the URL of an S3 server, without a path"},
		"another method":    {args: "-b s3", env: "COFFER_ENDPOINT_URL=" + answers(t, http.StatusMethodNotAllowed, "", ""), exit: 7, want: "get the bucket b failed (MethodNotAllowed)\n  check that --endpoint-url"},
		"another region":    {args: "-b s3", env: "AWS_REGION=eu-west-1", exit: 7, want: "get the bucket b failed (BadRequest)\n  check the region (--region or COFFER_AWS_REGION)"},
		"no TLS":            {env: "COFFER_ENDPOINT_URL=https://{host}", exit: 7, want: "describing key alias/app: {host} speaks plain HTTP, not TLS\n  write the endpoint as http://, if it is meant to be without TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{})
			host := strings.TrimPrefix(b.URL, "http://")
			if test.setup != nil {
				test.setup(b)
			}
			b.env = append(b.env, strings.Fields(strings.ReplaceAll(test.env, "{host}", host))...)
			got := b.run(test.args+" init --yes", "")
			if want := strings.ReplaceAll(test.want, "{host}", host); got.exit != test.exit || !strings.Contains(got.stderr, want) {
				t.Errorf("exit code %d, want %d and %q in\n%s", got.exit, test.exit, want, got.stderr)
			}
		})
	}
}

//go:build unix

package cmd_test

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

var triesLink = regexp.MustCompile(`/__probe/[0-9a-f]+l$`)

// Every request of every command, seen where it arrives: signed by who sends it, with the
// session's token in the signature, and for the account that the bucket must belong to.
func TestEveryRequestIsSignedAndNamesTheOwner(t *testing.T) {
	t.Parallel()
	const owner = "111122223333" // the account of the server
	services := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(everyCommand)) {
		s := newStage(t, s3test.Options{})
		s.keepDeleted()
		config := s.scratch("config.yaml", "expected_bucket_owner: \""+owner+"\"\n")
		s.env = append(s.env, "EDITOR=true", "COFFER_CONFIG="+config)
		for _, c := range everyCommand[name] {
			if !c.isOn("s3-kms") {
				continue
			}
			s.reset()
			got := s.perform(s.written(c.line, "s3-kms"), c.stdin)
			if (got.exit == 0) == c.fails {
				t.Errorf("%s: exit code %d\n%s", c.line, got.exit, got.stderr)
			}
			for _, e := range s.Log() {
				if strings.Contains(e.Op, "CloudTrail") {
					continue // which this server is not: internal/testing/trailtest checks its signature
				}
				if e.Op == "GetObject" && triesLink.MatchString(e.Key) {
					continue // by nobody, or by whoever has the link: does the server hold it to its signature?
				}
				services[e.Service]++
				if e.AccessKeyID != dev.AccessKeyID || !e.SignedToken {
					t.Errorf("%s: %s %s%s is not signed with the session's token", c.line, e.Op, e.Key, e.Prefix)
				}
				if has := e.Header.Get("X-Amz-Expected-Bucket-Owner"); e.Service == "s3" && e.Op != "CreateBucket" && has != owner {
					t.Errorf("%s: %s %s%s is for the bucket of %q", c.line, e.Op, e.Key, e.Prefix, has)
				}
			}
		}
	}
	if services["s3"] < 100 || services["kms"] == 0 || services["sts"] == 0 {
		t.Errorf("requests by service: %v; want those of S3, KMS and STS", services)
	}

	// And the one that somebody else makes: the link carries the token.
	s := newStage(t, s3test.Options{})
	link, _, _ := shared(s.bench, "team url")
	for _, part := range []string{"X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Security-Token=" + dev.SessionToken, "X-Amz-Signature="} {
		if !strings.Contains(link, part) {
			t.Errorf("the link has no %s", part)
		}
	}
	without := strings.Replace(link, "X-Amz-Security-Token="+dev.SessionToken, "X=", 1)
	if status, body := follow(t, without); strings.HasPrefix(status, "200") || strings.Contains(body, canary) {
		t.Errorf("without the token it answers %s", status)
	}
	if status, _ := follow(t, link); !strings.HasPrefix(status, "200") {
		t.Errorf("it answers %s", status)
	}
}

// A stranger's bucket of the expected name gets nothing, whatever the command.
func TestAStrangersBucketIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, s3test.Options{})
	config := s.scratch("config.yaml", "expected_bucket_owner: \"999999999999\"\n")
	s.env = append(s.env, "EDITOR=true", "COFFER_CONFIG="+config)
	before := s.bucket.Objects()
	s.Reset()
	for _, line := range []string{
		"write team new -", "read team url", "exec team -- true", "export team", "delete team gone", "import team -",
		"share team url", "rekey team --to alias/ops", "copy team other", "init --yes",
	} {
		if got := s.perform(line, `{"new":"`+canary+`"}`); got.exit == 0 || strings.Contains(got.stdout, canary) {
			t.Errorf("%s: exit code %d", line, got.exit)
		}
	}
	for _, e := range s.Log() {
		if e.Service == "s3" && e.Status != http.StatusForbidden {
			t.Errorf("%s %s%s is answered with %d", e.Op, e.Key, e.Prefix, e.Status)
		}
	}
	if len(s.bucket.Objects()) != len(before) {
		t.Error("something was stored")
	}
}

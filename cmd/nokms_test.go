//go:build unix

package cmd_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// What the hint names is typed, and then the backend works. The first server refuses aws:kms, as rclone serve s3 1.76 and
// MinIO without KMS do (501 NotImplemented); the second ignores it, as versitygw does.
func TestAServerWithoutKMSHasAWayOut(t *testing.T) {
	for name, quirks := range map[string]s3test.Quirks{"refuses": {NoKMS: true}, "ignores": s3test.Versitygw()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{Quirks: quirks})
			b.env = append(b.env, "COFFER_KMS_KEY_ALIAS=")
			b.leadsToS3Age()
		})
	}
}

// leadsToS3Age follows the hints of s3-kms on a server that has no KMS.
func (b *bench) leadsToS3Age() {
	b.Helper()
	for _, line := range []string{"init --yes -b s3-kms", "write api key - -b s3-kms"} {
		got := b.run(line, canary)
		named := regexp.MustCompile(`coffer (init -b s3-age)`).FindStringSubmatch(got.stderr)
		if got.exit == 0 || named == nil || strings.Contains(got.stderr, "use -b s3;") {
			b.Fatalf("%s: %+v", line, got)
		}
		b.do(named[1]+" --yes", "")
	}
	if got := b.run("doctor --probe -b s3-kms", ""); got.exit != 1 || !strings.Contains(got.stdout, "\tcoffer init -b s3-age\t") {
		b.Errorf("doctor: %+v", got)
	}
	b.do("write api key - -b s3-age", canary)
	if got := b.run("exec api -b s3-age -- printenv KEY", ""); got.exit != 0 || got.stdout != canary+"\n" {
		b.Errorf("exec: %+v", got)
	}
	if got := b.run("write api key - -b s3-age", canary); strings.Contains(got.stderr, "coffer init -b s3-age") {
		b.Errorf("s3-age leads to itself: %+v", got)
	}
}

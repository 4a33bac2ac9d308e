//go:build unix

package cmd_test

import (
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// A bucket of one backend, set up or written to first with another: nothing is made, and the commands that are named work.
func TestABucketOfAnotherBackendIsRefused(t *testing.T) {
	for owner := range otherBackends() {
		for newcomer := range otherBackends() {
			if owner == newcomer {
				continue
			}
			t.Run(newcomer+" in a bucket of "+owner, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, s3test.Options{}).colleague("ann")
				mine, theirs := b.using(owner), b.using(newcomer)
				if owner == "s3-age" {
					mine.do(initBare, "")
				}
				for _, line := range []string{"write api a -", "write web a -"} {
					mine.do(line, canary)
				}
				lines := []string{initBare}
				if newcomer == "s3-age" { // whose first write makes a key
					identity, err := age.GenerateX25519Identity()
					if err != nil {
						t.Fatal(err)
					}
					theirs.env = append(theirs.env, "COFFER_CONFIG="+b.file("identity: "+b.file(identity.String()+"\n")+"\n"))
					lines = append(lines, "keys grant alias/app "+identity.Recipient().String()+" --name bob", "keys members alias/app", "write other a -", "write other a --kms-key-alias alias/new -", initBare+" --kms-key-alias alias/new")
				}
				before := b.bucket.Objects()
				var said outcome
				for _, line := range lines {
					said = theirs.run(line, canary)
					if said.exit != 7 || !strings.Contains(said.stderr, "-b "+owner+",") || !strings.Contains(said.stderr, "the bucket has secrets of another backend") ||
						strings.Count(said.stderr, "coffer: ") != 1 || strings.Contains(said.stderr, canary) {
						t.Errorf("%s: %+v", line, said)
					}
				}
				if after := b.bucket.Objects(); len(after) != len(before) {
					t.Errorf("%d objects, before %d", len(after), len(before))
				}
				_, way, _ := strings.Cut(said.stderr, "bucket of their own: ")
				setup, migrate, ok := strings.Cut(strings.TrimSpace(way), " && ")
				if !ok {
					t.Fatalf("no commands: %+v", said)
				}
				theirs.do(strings.TrimPrefix(setup, "coffer ")+strings.TrimPrefix(initBare, "init"), "")
				theirs.do(strings.TrimPrefix(migrate, "coffer "), "")
				moved := *theirs
				moved.env = append(moved.env, "COFFER_S3_BUCKET=b-"+newcomer)
				for _, service := range []string{"api", "web"} {
					if got := moved.run("read -n "+service+" a", ""); got.exit != 0 || got.stdout != canary {
						t.Errorf("after %s: %+v", migrate, got)
					}
				}
			})
		}
	}
}

//go:build unix

package cmd_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// keysOfBackend is what policy check writer prints of the keys of two aliases.
var keysOfBackend = map[string]struct {
	app, ops string
	want     []string // of each alias
	deny     s3test.Policy
	denied   string
}{
	"s3-kms": {
		"alias/app", "alias/ops",
		[]string{"kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"},
		s3test.Policy{DenyDecrypt: []string{"alias/ops"}},
		"kms:Decrypt",
	},
	"s3-envelope": {
		"alias/app", "alias/ops",
		[]string{"kms:Decrypt", "kms:Encrypt", "kms:DescribeKey"},
		s3test.Policy{DenyDecrypt: []string{"alias/ops"}},
		"kms:Decrypt",
	},
	"s3-age": {
		"__keys/alias/app.age", "__keys/alias/ops.age",
		[]string{"s3:GetObject"},
		s3test.Policy{DenyGet: []string{"__keys/alias/ops.age"}},
		"s3:GetObject",
	},
}

// checkWriter runs policy check writer team, and returns the permissions of each resource, and what is denied.
func (b *bench) checkWriter(flags string, exit int) (of map[string][]string, denied []string) {
	b.Helper()
	got := b.run("policy check --json writer team "+flags, "")
	var rows []struct{ Permission, On, Allowed string }
	if err := json.Unmarshal([]byte(got.stdout), &rows); err != nil || got.exit != exit {
		b.Fatalf("%s: exit code %d, want %d, %v\n%s%s", flags, got.exit, exit, err, got.stdout, got.stderr)
	}
	of = map[string][]string{}
	for _, r := range rows {
		of[r.On] = append(of[r.On], r.Permission)
		if r.Allowed != "yes" {
			denied = append(denied, r.On+" "+r.Permission)
		}
	}
	return of, denied
}

// policy check --key tries the key of another alias, too, on each backend that has keys.
func TestPolicyCheckTriesTheKeysOfOtherAliases(t *testing.T) {
	for backend, c := range keysOfBackend {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{})
			b.env = append(b.env, "COFFER_BACKEND="+backend)
			if backend == "s3-age" {
				b = teamOf(b)
			}
			team(b)
			alone, _ := b.checkWriter("", 0)
			both, _ := b.checkWriter("--key alias/ops --key app", 0)
			if !slices.Equal(alone[c.app], c.want) || alone[c.ops] != nil || !slices.Equal(both[c.app], c.want) || !slices.Equal(both[c.ops], c.want) ||
				!slices.Equal(both["team/*"], alone["team/*"]) {
				t.Errorf("one alias %v, two %v; want %v of each", alone, both, c.want)
			}
			if ops, _ := b.checkWriter("--kms-key-alias alias/ops", 0); ops[c.app] != nil || !slices.Equal(ops[c.ops], c.want) {
				t.Errorf("the other alias %v", ops)
			}
			b.SetPolicy(dev.AccessKeyID, c.deny)
			if _, denied := b.checkWriter("--key alias/ops", 5); !slices.Equal(denied, []string{c.ops + " " + c.denied}) {
				t.Errorf("denied %q", denied)
			}
		})
	}
	b := newBench(t, s3test.Options{})
	b.env = append(b.env, "COFFER_BACKEND=s3")
	b.do("write team db_url -", canary)
	if got := b.run("policy check reader team --key alias/ops", ""); got.exit != 2 || !strings.Contains(got.stderr, "the s3 backend has no KMS key: omit --key") {
		t.Errorf("on s3: exit code %d\n%s", got.exit, got.stderr)
	}
}

// What MinIO refuses isn't printed for a server that isn't AWS's, and a note says so.
func TestAPolicyForAnotherServerLeavesOutPublicAccess(t *testing.T) {
	b := newBench(t, s3test.Options{})
	for role, notes := range map[string]int{"reader": 0, "writer": 0, "operator": 1} {
		got := b.run("policy "+role+" team", "")
		if got.exit != 0 || strings.Contains(got.stdout, "PublicAccessBlock") || strings.Count(got.stderr, "left out: s3:GetBucketPublicAccessBlock") != notes {
			t.Errorf("policy %s: exit code %d\n%s%s", role, got.exit, got.stdout, got.stderr)
		}
	}
	b.env = append(b.env, "COFFER_ENDPOINT_URL=https://s3.eu-west-1.amazonaws.com", "COFFER_S3_BUCKET=acme-secrets", "HTTPS_PROXY=http://127.0.0.1:9", "AWS_MAX_ATTEMPTS=1")
	got := b.run("policy operator team", "")
	if got.exit != 0 || !strings.Contains(got.stdout, "s3:GetBucketPublicAccessBlock") || strings.Contains(got.stderr, "left out: s3:") {
		t.Errorf("for AWS: exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
	}
}

//go:build unix

package cmd_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// Every request that the commands of a role make on s3-age is allowed by the role's policy, which names no KMS.
func TestAPolicyOfATeamAllowsWhatItsRoleDoes(t *testing.T) {
	for role, commands := range map[string][]string{
		"reader": {"exec team -- true", "read team db_url", "list team", "history team db_url", "env team", "whoami", "keys members alias/app", "doctor team", "policy check reader team"},
		"writer": {
			"write team new -", "write team db_url -", "write team pager - --kms-key-alias alias/ops", "delete team new",
			"write team db_url - --skip-unchanged", "exec team -- true", "whoami", "policy check writer team",
		},
		"operator": {
			"write team tagged - --tags a=b", "write team gone -", "delete team gone", "restore team --deleted", "policy check operator team", "rekey team --to alias/ops", "exec team -- true", "whoami",
			"keys grant alias/ops KEY --name bob",
		},
	} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			ann := newTeam(t)
			if role == "operator" {
				ann.bucket.KeepVersions(true)
			}
			ann.do("write team db_url -", canary)
			ann.do("write team pager - --kms-key-alias alias/ops", canary)
			got := ann.run("policy "+role+" team --key alias/ops", "")
			if got.exit != 0 || strings.Contains(got.stdout, "kms:") {
				t.Fatalf("exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
			}
			policy := printedPolicy(ann, role+" team --key alias/ops")
			key, questions := ann.colleague("bob").withSSHKey(), 0
			for _, line := range commands {
				ann.Reset()
				if got := ann.run(strings.ReplaceAll(line, "KEY", key), canary); got.exit != 0 {
					t.Fatalf("coffer %s: exit code %d\n%s", line, got.exit, got.stderr)
				}
				for _, q := range slices.DeleteFunc(needs(ann, nil), asksForNames) {
					questions++
					if !policy.Identity.matches(t, "Allow", q) && !strings.HasPrefix(q.action, "sts:") {
						t.Errorf("coffer %s needs %s", line, q)
					}
				}
			}
			if questions == 0 {
				t.Error("nothing was asked")
			}
		})
	}
}

// policy check tries the key object, too, and changes nothing of it. No hint names KMS.
func TestPolicyCheckTriesTheKeyOfATeam(t *testing.T) {
	for name, test := range map[string]struct {
		role   string
		policy s3test.Policy
		exit   int
		want   []string
	}{
		"all":     {"operator", s3test.Policy{}, 0, []string{"s3:GetObject yes", "s3:PutObject yes"}},
		"no key":  {"reader", s3test.Policy{DenyGet: []string{"__keys/*"}}, 5, []string{"s3:GetObject no"}},
		"no puts": {"operator", s3test.Policy{DenyPut: []string{"__keys/*"}}, 5, []string{"s3:GetObject yes", "s3:PutObject no"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ann := newTeam(t)
			ann.do("write team db_url -", canary)
			before, _ := ann.bucket.Object("__keys/alias/app.age")
			ann.SetPolicy(dev.AccessKeyID, test.policy)
			got := ann.run("policy check --json "+test.role+" team", "")
			var rows []struct{ Permission, On, Allowed string }
			if err := json.Unmarshal([]byte(got.stdout), &rows); err != nil {
				t.Fatalf("%v\n%s%s", err, got.stdout, got.stderr)
			}
			var keys []string
			for _, r := range rows {
				if r.On == "__keys/alias/app.age" {
					keys = append(keys, r.Permission+" "+r.Allowed)
				}
			}
			if got.exit != test.exit || !slices.Equal(keys, test.want) {
				t.Errorf("exit code %d, want %d; %q, want %q\n%s", got.exit, test.exit, keys, test.want, got.stderr)
			}
			if after, ok := ann.bucket.Object("__keys/alias/app.age"); !ok || string(after.Body) != string(before.Body) {
				t.Error("the key object was changed")
			}
			for _, line := range []string{"exec team -- true", "write team x -", "keys members alias/app"} {
				if said := ann.run(line, canary).stderr; strings.Contains(said, "kms:") {
					t.Errorf("coffer %s names KMS: %s", line, said)
				}
			}
		})
	}
}

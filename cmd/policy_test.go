//go:build unix

package cmd_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// Every request that the commands of a role really make is allowed by the role's policy.
func TestAPolicyAllowsWhatItsRoleDoes(t *testing.T) {
	for name, test := range map[string]struct {
		policy   string
		commands []string
	}{
		"reader": {"reader team --key alias/ops", []string{
			"exec team -- true", "read team db_url", "read team DB_URL", "list team", "history team db_url",
			"env team", "export team", "policy check reader team",
		}},
		"reader by key id": {"reader team --key alias/ops --kms-key-alias 00000000-0000-4000-8000-000000000002", []string{
			"read team db_url --kms-key-alias 00000000-0000-4000-8000-000000000002",
		}},
		"writer": {"writer team --key alias/ops", []string{
			"write team new -", "write team db_url -", "write team pager - --kms-key-alias alias/ops", "delete team new",
			"write team db_url - --skip-unchanged", "delete team pager --kms-key-alias alias/ops", "exec team -- true", "policy check writer team",
		}},
		"writer of tags": {"writer team --tags --key alias/ops", []string{
			"write team tagged - --tags a=b", "write team tagged -", "tag write team tagged c=d", "tag read team tagged",
			"tag delete team tagged a", "policy check writer team --tags",
		}},
		"operator": {"operator team --key alias/ops", []string{
			"write team tagged - --tags a=b", "share team db_url", "share --list team", "policy check operator team",
			"rekey team --to alias/ops", "exec team -- true", "delete team tagged --kms-key-alias alias/ops",
			"restore team --deleted", "restore team tagged --deleted --kms-key-alias alias/ops", "delete team tagged --purge --yes --kms-key-alias alias/ops",
		}},
		"two services": {"writer team web/front --key alias/ops", []string{"write team a -", "write web/front b -", "exec team web/front -- true"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{})
			if name == "operator" {
				b.bucket.KeepVersions(true)
			}
			team(b)
			policy := printedPolicy(b, test.policy)
			questions := 0
			for _, line := range test.commands {
				keys := keysOf(b.bucket)
				b.Reset()
				if got := b.run(line, canary); got.exit != 0 || strings.Contains(got.stderr, canary) {
					t.Fatalf("coffer %s: exit code %d\n%s", line, got.exit, got.stderr)
				}
				maps.Copy(keys, keysOf(b.bucket))
				for _, q := range slices.DeleteFunc(needs(b, keys), asksForNames) {
					questions++
					if !policy.Identity.matches(t, "Allow", q) {
						t.Errorf("coffer %s needs %s", line, q)
					}
					if policy.Bucket.matches(t, "Deny", q) {
						t.Errorf("coffer %s: the bucket denies %s", line, q)
					}
				}
			}
			if questions == 0 {
				t.Error("nothing was asked")
			}
		})
	}
}

// asksForNames reports whether a request looks for services that differ from a new one only in case. No
// role has that permission: it would show other services, and a denial changes nothing.
func asksForNames(q asked) bool {
	return q.action == "s3:ListBucket" && len(q.context["s3:prefix"]) == 1
}

// And nothing beside it.
func TestAPolicyAllowsNothingElse(t *testing.T) {
	b := newBench(t, s3test.Options{})
	app, ops := b.KMS.ARN("alias/app"), b.KMS.ARN("alias/ops")
	const object = "arn:aws:s3:::b/"
	list := func(prefix string) asked {
		return asked{"s3:ListBucket", "arn:aws:s3:::b", map[string]string{"s3:prefix": prefix}}
	}
	seal := func(action, key, name string) asked {
		return asked{action, key, map[string]string{
			"kms:ViaService": "s3.us-east-1.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": object + name,
		}}
	}
	put := asked{"s3:PutObject", object + "team/x.json", nil}
	remove := asked{"s3:DeleteObject", object + "team/x.json", nil}
	always := []asked{
		list(""), list("tea"), list("team"), list("team2/"), list("other/"),
		{"s3:ListBucket", "arn:aws:s3:::b", nil},
		{"s3:ListBucket", "arn:aws:s3:::c", map[string]string{"s3:prefix": "team/"}},
		{"s3:GetObject", object + "other/x.json", nil},
		{"s3:GetObject", object + "team2/x.json", nil},
		{"s3:PutObject", object + "other/x.json", nil},
		{"s3:GetObject", "arn:aws:s3:::c/team/x.json", nil},
		{"s3:GetObject", object + "__share/other/x", nil},
		{"s3:PutBucketPolicy", "arn:aws:s3:::b", nil},
		{"s3:DeleteBucket", "arn:aws:s3:::b", nil},
		seal("kms:Decrypt", app, "other/x.json"), seal("kms:Decrypt", app, "team2/x.json"), seal("kms:GenerateDataKey", app, "other/x.json"),
		{"kms:Decrypt", app, nil},
		{"kms:GenerateDataKey", app, nil}, // not through S3
		{"kms:Decrypt", app, map[string]string{"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": object + "team/x.json"}},
		{"kms:Decrypt", app, map[string]string{"kms:ViaService": "s3.us-east-1.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::b"}}, // bucket keys
		{"kms:Encrypt", app, nil},
		{"kms:ScheduleKeyDeletion", app, nil},
		{"kms:PutKeyPolicy", app, nil},
		{"kms:ListAliases", "*", nil},
	}
	version := asked{"s3:DeleteObjectVersion", object + "team/x.json", nil}
	share := asked{"s3:PutObject", object + "__share/team/x", nil}
	tag := asked{"s3:PutObjectTagging", object + "team/x.json", nil}
	describe := asked{"kms:DescribeKey", app, nil}
	foreign := []asked{seal("kms:Decrypt", ops, "team/x.json"), seal("kms:GenerateDataKey", ops, "team/x.json"), {"kms:DescribeKey", ops, nil}}
	for line, denied := range map[string][]asked{
		"reader team":                        append([]asked{put, remove, version, share, tag, describe, seal("kms:GenerateDataKey", app, "team/x.json")}, foreign...),
		"writer team":                        append([]asked{version, share, tag}, foreign...),
		"operator team":                      foreign,
		"operator team --key alias/ops":      nil,
		"operator team --tags --backend s3 ": append([]asked{seal("kms:Decrypt", app, "team/x.json"), describe}, foreign...),
	} {
		b.env = slices.DeleteFunc(b.env, func(v string) bool { return strings.HasPrefix(v, "COFFER_BACKEND=") })
		policy := printedPolicy(b, line)
		for _, q := range append(slices.Clone(always), denied...) {
			if policy.Identity.matches(t, "Allow", q) {
				t.Errorf("policy %s allows %s", line, q)
			}
		}
	}
}

func TestTheBucketPolicyHoldsForEverybody(t *testing.T) {
	b := newBench(t, s3test.Options{TLS: true})
	bucket := printedPolicy(b, "reader team").Bucket
	const object = "arn:aws:s3:::b/team/x.json"
	put := func(more ...string) asked {
		q := asked{"s3:PutObject", object, map[string]string{"aws:SecureTransport": "true", "s3:ObjectCreationOperation": "true"}}
		for i := 0; i < len(more); i += 2 {
			q.context[more[i]] = more[i+1]
		}
		return q
	}
	for name, test := range map[string]struct {
		q      asked
		denied bool
	}{
		"a put without a condition": {put(), true},
		"a put of something new":    {put("s3:if-none-match", "*"), false},
		"a put of something seen":   {put("s3:if-match", "abc"), false},
		"a part of an upload":       {put("s3:ObjectCreationOperation", "false"), false},
		"a read":                    {asked{"s3:GetObject", object, map[string]string{"aws:SecureTransport": "true"}}, false},
		"a read without TLS":        {asked{"s3:GetObject", object, map[string]string{"aws:SecureTransport": "false"}}, true},
		"a list without TLS":        {asked{"s3:ListBucket", "arn:aws:s3:::b", map[string]string{"aws:SecureTransport": "false"}}, true},
		"another bucket":            {asked{"s3:GetObject", "arn:aws:s3:::c/x", map[string]string{"aws:SecureTransport": "false"}}, false},
	} {
		if got := bucket.matches(t, "Deny", test.q); got != test.denied {
			t.Errorf("%s: denied %v, want %v", name, got, test.denied)
		}
	}
}

func TestAPolicyNamesWhatItDoesNotKnow(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyDescribe: true})
	got := b.run("policy writer team", "")
	for _, want := range []string{"can't look up the key of alias/app", "replace the placeholders: KEY_ARN_OF_ALIAS_APP, PRINCIPAL_ARN"} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("standard error lacks %q:\n%s", want, got.stderr)
		}
	}
	if got.exit != 0 || strings.Count(got.stdout, `"KEY_ARN_OF_ALIAS_APP"`) != 3 {
		t.Errorf("exit code %d\n%s", got.exit, got.stdout)
	}
	got = b.run("policy writer team --format terraform --principal arn:aws:iam::111122223333:role/ci", "")
	file, problems := hclsyntax.ParseConfig([]byte(got.stdout), "policy.tf", hcl.InitialPos)
	if got.exit != 0 || problems.HasErrors() {
		t.Fatalf("exit code %d, %v\n%s", got.exit, problems, got.stdout)
	}
	var heads []string
	for _, block := range file.Body.(*hclsyntax.Body).Blocks {
		heads = append(heads, block.Type+" "+strings.Join(block.Labels, " "))
	}
	want := []string{
		"variable key_arn_of_alias_app", "data aws_iam_policy_document coffer_writer",
		"data aws_iam_policy_document coffer_writer_key_alias_app", "data aws_iam_policy_document coffer_bucket",
	}
	if diff := cmp.Diff(want, heads); diff != "" {
		t.Error(diff)
	}
}

func TestOnePartOfAPolicyIsADocument(t *testing.T) {
	b := newBench(t, s3test.Options{TLS: true})
	for _, part := range []string{"identity", "bucket"} {
		var d document
		got := b.run("policy reader team --part "+part, "")
		if err := json.Unmarshal([]byte(got.stdout), &d); err != nil || len(d.Statement) < 2 {
			t.Errorf("%s: %v\n%s", part, err, got.stdout)
		}
	}
	for args, exit := range map[string]int{
		"policy reader team --part key --format terraform":               2,
		"policy reader __team":                                           2,
		"policy reader":                                                  2,
		"policy reader team --backend local":                             7,
		"policy reader team --backend s3 --key alias/x --kms-key-alias=": 2,
		"policy check owner team":                                        2,
	} {
		if got := b.run(args, ""); got.exit != exit || got.stdout != "" {
			t.Errorf("coffer %s: exit code %d, want %d\n%s", args, got.exit, exit, got.stderr)
		}
	}
}

// verdicts are answers of policy check by permission.
type verdicts map[string]string

// permissionTrial is what a caller may do, with the answers of policy check.
type permissionTrial struct {
	role  string
	setup func(*bench)
	exit  int
	want  verdicts // "yes" where nothing is said
}

// check runs policy check on the service team, and compares. It must leave no object.
func (trial permissionTrial) check(b *bench) outcome {
	b.Helper()
	before := len(b.bucket.Objects())
	got := b.run("policy check --json "+trial.role+" team", "")
	var rows []struct{ Permission, Allowed, Reason string }
	if err := json.Unmarshal([]byte(got.stdout), &rows); err != nil || got.exit != trial.exit || len(rows) < 3 {
		b.Fatalf("exit code %d, want %d, %v\n%s%s", got.exit, trial.exit, err, got.stdout, got.stderr)
	}
	for _, r := range rows {
		want, said := trial.want[r.Permission]
		if !said {
			want = "yes"
		}
		if r.Allowed != want || (r.Reason == "") != (want == "yes") {
			b.Errorf("%s: %s (%s), want %s", r.Permission, r.Allowed, r.Reason, want)
		}
	}
	if n := len(b.bucket.Objects()); n != before {
		b.Errorf("%d objects, before %d", n, before)
	}
	return got
}

// permissionTrials are what a caller may do, each with the answers of policy check.
var permissionTrials = map[string]permissionTrial{
	"a reader":                         {role: "reader"},
	"a writer":                         {role: "writer"},
	"a new team":                       {role: "reader", setup: empty, want: verdicts{"s3:GetObject": "unknown", "kms:Decrypt": "unknown"}},
	"a new team's writer":              {role: "writer", setup: empty},
	"one prefix alone":                 {role: "writer", setup: policy(s3test.Policy{ListPrefixes: []string{"team/"}})},
	"one prefix alone, and a new team": {role: "reader", setup: func(b *bench) { empty(b); b.SetPolicy(dev.AccessKeyID, s3test.Policy{ListPrefixes: []string{"team/"}}) }, want: verdicts{"s3:GetObject": "unknown", "kms:Decrypt": "unknown"}},
	"one prefix, a new team's writer":  {role: "writer", setup: func(b *bench) { empty(b); b.SetPolicy(dev.AccessKeyID, s3test.Policy{ListPrefixes: []string{"team/"}}) }},
	"no listing":                       {role: "reader", setup: policy(s3test.Policy{DenyList: true}), exit: 5, want: verdicts{"s3:ListBucket": "no"}},
	"nothing":                          {role: "reader", setup: policy(s3test.Policy{DenyGet: []string{"*"}}), exit: 5, want: verdicts{"s3:GetObject": "no", "kms:Decrypt": "unknown"}},
	"no key":                           {role: "reader", setup: policy(s3test.Policy{DenyDecrypt: []string{"*"}}), exit: 5, want: verdicts{"kms:Decrypt": "no"}},
	"no deleting": {role: "writer", setup: policy(s3test.Policy{DenyDelete: []string{"*"}}), exit: 5, want: verdicts{
		"s3:DeleteObject": "no", "s3:PutObject": "unknown", "kms:GenerateDataKey": "unknown",
	}},
	"no putting":     {role: "writer", setup: policy(s3test.Policy{DenyPut: []string{"*"}}), exit: 5, want: verdicts{"s3:PutObject": "no", "kms:GenerateDataKey": "unknown"}},
	"no sealing":     {role: "writer", setup: policy(s3test.Policy{DenyGenerateDataKey: []string{"*"}}), exit: 5, want: verdicts{"s3:PutObject": "unknown", "kms:GenerateDataKey": "no"}},
	"no description": {role: "writer", setup: policy(s3test.Policy{DenyDescribe: true}), exit: 5, want: verdicts{"kms:DescribeKey": "no"}},
	"no tags": {role: "--tags writer", setup: policy(s3test.Policy{DenyTagging: []string{"*"}}), exit: 5, want: verdicts{
		"s3:GetObjectTagging": "no", "s3:PutObjectTagging": "no", "s3:DeleteObjectTagging": "no",
	}},
	"a disabled key": {role: "writer", setup: func(b *bench) { b.KMS.SetState("alias/app", s3test.Disabled) }, want: verdicts{
		"kms:Decrypt": "unknown", "s3:PutObject": "unknown", "kms:GenerateDataKey": "unknown",
	}},
	"an operator":                {role: "operator"},
	"an operator, with versions": {role: "operator", setup: func(b *bench) { b.bucket.KeepVersions(true) }},
	"no versions": {role: "operator", setup: policy(s3test.Policy{DenyListVersions: true, DenyGetVersion: []string{"*"}, DenyDeleteVersion: []string{"*"}}), exit: 5, want: verdicts{
		"s3:ListBucketVersions": "no", "s3:GetObjectVersion": "no", "s3:DeleteObjectVersion": "no",
	}},
}

func TestPolicyCheckTriesEachPermission(t *testing.T) {
	for name, test := range permissionTrials {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{})
			team(b)
			if test.setup != nil {
				test.setup(b)
			}
			b.bucket.ConditionalPutsOnly(true)
			got := test.check(b)
			if test.exit == 5 && !strings.Contains(got.stderr, "lacks ") {
				t.Errorf("standard error: %s", got.stderr)
			}
			for _, o := range b.bucket.Objects() {
				if strings.Contains(o.Name, "__probe") {
					t.Errorf("%s is left", o.Name)
				}
			}
		})
	}
}

func empty(b *bench) {
	for _, o := range b.bucket.Objects() {
		b.bucket.Delete(o.Name)
	}
}

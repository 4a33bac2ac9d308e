//go:build unix

package cmd_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/internal/testing/trailtest"
)

// newEnvelopes is a bench whose secrets are sealed under keys of KMS.
func newEnvelopes(t *testing.T, o s3test.Options) *bench {
	t.Helper()
	b := newBench(t, o)
	b.env = append(b.env, "COFFER_BACKEND=s3-envelope")
	return b
}

// Every request that the commands of a role really make is allowed by the role's policy.
func TestAPolicyOfEnvelopesAllowsWhatItsRoleDoes(t *testing.T) {
	for role, commands := range map[string][]string{
		"reader": {"exec team -- true", "read team db_url", "list team", "history team db_url", "env team", "policy check reader team"},
		"writer": {
			"write team new -", "write team db_url -", "write team pager - --kms-key-alias alias/ops", "delete team new",
			"write team db_url - --skip-unchanged", "exec team -- true", "policy check writer team",
		},
		"operator": {
			"write team tagged - --tags a=b", "policy check operator team", "rekey team --to alias/ops", "exec team -- true", "delete team tagged --kms-key-alias alias/ops",
			"restore team --deleted", "restore team tagged --deleted --kms-key-alias alias/ops", "delete team tagged --purge --yes --kms-key-alias alias/ops",
		},
	} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			b := newEnvelopes(t, s3test.Options{})
			if role == "operator" {
				b.bucket.KeepVersions(true)
			}
			team(b)
			policy := printedPolicy(b, role+" team --key alias/ops")
			for _, line := range commands {
				b.Reset()
				if got := b.run(line, canary); got.exit != 0 || strings.Contains(got.stderr, canary) {
					t.Fatalf("coffer %s: exit code %d\n%s", line, got.exit, got.stderr)
				}
				for _, q := range needs(b, nil) {
					if !asksForNames(q) && !policy.Identity.matches(t, "Allow", q) {
						t.Errorf("coffer %s needs %s", line, q)
					}
				}
			}
		})
	}
}

func TestAPolicyOfEnvelopesAllowsNothingElse(t *testing.T) {
	b := newEnvelopes(t, s3test.Options{})
	app, ops := b.KMS.ARN("alias/app"), b.KMS.ARN("alias/ops")
	of := func(action, key, service string) asked {
		return asked{action, key, map[string]string{"kms:EncryptionContext:coffer:service": service, "kms:EncryptionContext:coffer:key": "db_url"}}
	}
	always := []asked{
		of("kms:Decrypt", app, "other"), of("kms:Decrypt", app, "team2"), of("kms:Decrypt", app, ""), of("kms:Decrypt", ops, "team"),
		of("kms:Encrypt", app, "other"), of("kms:Encrypt", ops, "team"),
		{"kms:Decrypt", app, nil},
		{"kms:Encrypt", app, nil},
		{"kms:Decrypt", app, map[string]string{"kms:ViaService": "s3.us-east-1.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::b/team/x.json"}},
		of("kms:GenerateDataKey", app, "team"), of("kms:ReEncryptFrom", app, "team"),
		{"s3:GetObject", "arn:aws:s3:::b/other/x.json", nil},
		{"s3:GetObject", "arn:aws:s3:::b/__share/team/x", nil},
	}
	for role, denied := range map[string][]asked{"reader": {of("kms:Encrypt", app, "team"), {"kms:DescribeKey", app, nil}}, "writer": nil, "operator": nil} {
		policy := printedPolicy(b, role+" team")
		for _, q := range append(denied, always...) {
			if policy.Identity.matches(t, "Allow", q) {
				t.Errorf("policy %s allows %s", role, q)
			}
		}
		for _, service := range []string{"team", "team/front"} { // a service includes those below it
			if !policy.Identity.matches(t, "Allow", of("kms:Decrypt", app, service)) {
				t.Errorf("policy %s doesn't allow to read %s", role, service)
			}
		}
	}
}

func TestPolicyCheckAsksKMSAboutEnvelopes(t *testing.T) {
	for name, test := range map[string]permissionTrial{
		"a reader":                {role: "reader"},
		"a writer":                {role: "writer"},
		"a new team":              {role: "reader", setup: empty, want: verdicts{"s3:GetObject": "unknown", "kms:Decrypt": "unknown"}},
		"a new team's writer":     {role: "writer", setup: empty},
		"no key":                  {role: "reader", setup: policy(s3test.Policy{DenyDecrypt: []string{"*"}}), exit: 5, want: verdicts{"kms:Decrypt": "no"}},
		"another service's key":   {role: "writer", setup: policy(s3test.Policy{DenyContext: []string{"coffer:service=team"}}), exit: 5, want: verdicts{"kms:Decrypt": "no", "kms:Encrypt": "no"}},
		"no sealing":              {role: "writer", setup: policy(s3test.Policy{DenyEncrypt: []string{"*"}}), exit: 5, want: verdicts{"kms:Encrypt": "no"}},
		"no S3 data key":          {role: "writer", setup: policy(s3test.Policy{DenyGenerateDataKey: []string{"*"}})},
		"no objects":              {role: "reader", setup: policy(s3test.Policy{DenyGet: []string{"*"}}), exit: 5, want: verdicts{"s3:GetObject": "no", "kms:Decrypt": "unknown"}},
		"a disabled key":          {role: "writer", setup: func(b *bench) { b.KMS.SetState("alias/app", s3test.Disabled) }, want: verdicts{"kms:Decrypt": "unknown", "kms:Encrypt": "unknown"}},
		"an alias without a key":  {role: "writer", setup: func(b *bench) { b.KMS.DeleteAlias("alias/app") }, want: verdicts{"kms:Encrypt": "unknown", "kms:DescribeKey": "unknown"}},
		"an operator, in tatters": {role: "operator", setup: func(b *bench) { b.bucket.KeepVersions(true) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newEnvelopes(t, s3test.Options{})
			team(b)
			if test.setup != nil {
				test.setup(b)
			}
			test.check(b)
		})
	}
}

// CloudTrail's events name the service and the secret, and no bucket.
func TestAuditTellsWhoOpenedAnEnvelope(t *testing.T) {
	server := trailtest.New(t)
	at := func(minute int) time.Time { return time.Date(2026, 11, 20, 15, minute, 0, 0, time.UTC) }
	for i, context := range []map[string]string{
		{"coffer:service": "team", "coffer:key": "__index", "coffer:index": "__kms_alias_app__latest.json"},
		{"coffer:service": "team", "coffer:key": "url"},
		{"coffer:service": "team", "coffer:key": "other"},
		{"coffer:service": "team/front", "coffer:key": "url"},
		{"coffer:service": "other", "coffer:key": "url"},
		{"coffer:service": "team"},
		{"coffer:key": "url"},
		{"coffer:service": "team", "coffer:key": "__index"},
	} {
		server.Decrypted(t, at(i), "ann", "coffer/1.0", context)
	}
	b := auditor(t, server, "COFFER_S3_BUCKET=bucket", "COFFER_BACKEND=s3-envelope")
	got := b.run("audit Team"+thatDay, "")
	want := []string{
		"15:00 ann index team/__kms_alias_app__latest.json",
		"15:01 ann secret team/url.json",
		"15:02 ann secret team/other.json",
		"15:07 ann object team/",
	}
	if diff := cmp.Diff(want, rows(got.stdout)); got.exit != 0 || diff != "" {
		t.Errorf("exit code %d, %s\n%s%s", got.exit, diff, got.stdout, got.stderr)
	}
	for _, says := range []string{"whoever read one could see every secret of team under its alias", "the events name the service and the secret, not the bucket"} {
		if !strings.Contains(got.stderr, says) {
			t.Errorf("stderr does not say %q:\n%s", says, got.stderr)
		}
	}
	if strings.Contains(got.stderr, "bucket keys") {
		t.Errorf("stderr:\n%s", got.stderr)
	}
	if diff := cmp.Diff([]string{want[0], want[1], want[3]}, rows(b.out("audit team URL"+thatDay))); diff != "" {
		t.Error(diff)
	}
}

// What a person sees of a key that is denied, disabled or gone, and of a KMS that isn't there.
var refusedEnvelopes = map[string]struct {
	refuse func(*bench)
	line   string
	exit   int
	says   []string
}{
	"a denied alias": {
		func(b *bench) { b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyDecrypt: []string{"alias/ops"}}) }, "exec team -- true", 0,
		[]string{"1 secret", "alias_ops"},
	},
	"the only alias is denied": {
		func(b *bench) { b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyDecrypt: []string{"*"}}) }, "exec team -- true", 5,
		[]string{"not allowed"},
	},
	"a denied secret": {
		func(b *bench) { b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyDecrypt: []string{"*"}}) }, "read team db_url", 5,
		[]string{"not allowed to get team/db_url.json (KMS.AccessDeniedException): kms:Decrypt with arn:aws:kms:", "you need kms:Decrypt on the key to read"},
	},
	"a denied write": {
		func(b *bench) { b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyEncrypt: []string{"*"}}) }, "write team db_url -", 5,
		[]string{"not allowed to put team/db_url.json", "kms:Encrypt with alias/app", "and kms:Encrypt to write"},
	},
	"a disabled key": {
		func(b *bench) { b.KMS.SetState("alias/app", s3test.Disabled) }, "read team db_url", 6, []string{"is disabled", "its owner must enable it"},
	},
	"an alias that doesn't exist": {
		func(b *bench) { b.KMS.DeleteAlias("alias/app") }, "write team db_url -", 7, []string{"kms:Encrypt with alias/app", "check that the alias exists"},
	},
	"a key that isn't pinned": {
		func(b *bench) { b.env = append(b.env, "COFFER_KEY_ARNS="+b.KMS.ARN("alias/ops")) }, "write new db_url -", 7,
		[]string{"which is not pinned", "nothing was stored"},
	},
	"a secret under a key that isn't pinned": {
		func(b *bench) { b.env = append(b.env, "COFFER_KEY_ARNS="+b.KMS.ARN("alias/ops")) }, "read team db_url", 8,
		[]string{"team/db_url.json is encrypted with age:aws-kms under arn:aws:kms:", "expected: arn:aws:kms:"},
	},
	"no KMS there": {
		func(b *bench) { b.env = append(b.env, "AWS_ENDPOINT_URL_KMS=http://127.0.0.1:1") }, "read team db_url", 6, []string{"no answer from 127.0.0.1:1"},
	},
	"no KMS where the variable says": {
		func(b *bench) { b.env = append(b.env, "AWS_ENDPOINT_URL_KMS=http://127.0.0.1:1") }, "read team db_url", 6, []string{"the endpoint ($AWS_ENDPOINT_URL_KMS)"},
	},
	"KMS's requests at an S3 server that checks signatures": {
		func(b *bench) {
			b.Fault(func(r s3test.Request) *s3test.Fault {
				if r.Op != "Decrypt" {
					return nil
				}
				return &s3test.Fault{Kind: s3test.Answer, Status: 403, Code: "SignatureDoesNotMatch"}
			})
		}, "read team db_url", 7, []string{"KMS is asked at 127.0.0.1, as AWS_ENDPOINT_URL_KMS isn't set"},
	},
	"another server": {
		func(b *bench) {
			other := newBench(b.T, s3test.Options{Quirks: s3test.Quirks{Settings: s3test.SettingsQuirks{NoKMSAPI: true}}})
			b.env = append(b.env, "AWS_ENDPOINT_URL_KMS="+other.URL)
		}, "read team db_url", 7, []string{"doesn't have the API of KMS", "set AWS_ENDPOINT_URL_KMS"},
	},
	"a copied object": {
		func(b *bench) {
			o, _ := b.bucket.Object("team/pager.json")
			b.bucket.Plant("team/db_url.json", o.Body, s3test.AES256, "")
		}, "read team db_url", 8, []string{`it is a copy of "team/pager.json"`},
	},
	"an object in clear": {
		func(b *bench) { b.bucket.Plant("team/db_url.json", []byte(`{"a":1}`), s3test.AES256, "") }, "read team db_url", 8, []string{"team/db_url.json is encrypted with AES256; expected: age:aws-kms", "somebody may have replaced it"},
	},
	"links": {func(*bench) {}, "share team db_url", 2, []string{"the s3-envelope backend can't create links", "age -a -r RECIPIENT"}},
}

// A bucket is of no use where no key can be asked for.
func TestInitMakesNoBucketForEnvelopesWithoutKMS(t *testing.T) {
	t.Parallel()
	b := newEnvelopes(t, s3test.Options{Quirks: s3test.Quirks{Settings: s3test.SettingsQuirks{NoKMSAPI: true}}})
	got := b.run("init --yes --bucket new", "")
	if got.exit != 7 || !strings.Contains(got.stderr, "doesn't support the KMS API") || !strings.Contains(got.stderr, "AWS_ENDPOINT_URL_KMS") {
		t.Errorf("exit code %d\n%s", got.exit, got.stderr)
	}
	for _, e := range b.Log() {
		if e.Op == "CreateBucket" {
			t.Error("a bucket was made")
		}
	}
}

func TestWhatIsSaidOfTheKeysOfEnvelopes(t *testing.T) {
	for name, c := range refusedEnvelopes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newEnvelopes(t, s3test.Options{})
			team(b)
			c.refuse(b)
			got := b.run(c.line, canary)
			if got.exit != c.exit || strings.Contains(got.stdout+got.stderr, canary) {
				t.Errorf("coffer %s: exit code %d, want %d\n%s%s", c.line, got.exit, c.exit, got.stdout, got.stderr)
			}
			for _, says := range c.says {
				if !strings.Contains(got.stderr, says) {
					t.Errorf("coffer %s doesn't say %q:\n%s", c.line, says, got.stderr)
				}
			}
		})
	}
}

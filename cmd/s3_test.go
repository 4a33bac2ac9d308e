//go:build unix

package cmd_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

const (
	appIndex = "team/__kms_alias_app__latest.json"
	opsIndex = "team/__kms_alias_ops__latest.json"
)

var s3Failures = map[string]struct {
	quirks s3test.Quirks
	setup  func(*bench)
	env    []string
	args   string
	stdin  string
	exit   int
	stderr []string // each is in it
	stdout []string // likewise; a canary only where one of them is in it
	quiet  bool     // nothing is said
}{
	"all is well": {
		setup: team, args: "exec team -- printenv DB_URL PAGER",
		stdout: []string{canary + " of app\n" + canary + " of ops\n"}, quiet: true,
	},

	// Some of a service is hidden: told, and gone on.
	"exec with a denied index": {
		setup: after(policy(s3test.Policy{DenyDecrypt: []string{"alias/ops"}})), args: "exec team -- printenv DB_URL",
		stdout: []string{canary + " of app"},
		stderr: []string{"coffer: team: 1 secret could be read, 1 hidden; 1 index denied (alias_ops)\n"},
	},
	"exec with a denied index, quiet": {
		setup: after(policy(s3test.Policy{DenyDecrypt: []string{"alias/ops"}})), args: "exec -q team -- true", quiet: true,
	},
	"exec with the configured index denied": {
		setup: after(policy(s3test.Policy{DenyDecrypt: []string{"alias/app"}})), args: "exec team -- printenv PAGER",
		stdout: []string{canary + " of ops"},
		stderr: []string{"1 secret could be read, 1 hidden; 1 index denied (alias/app)"},
	},
	"exec of a program that needs what is hidden": {
		setup: after(policy(s3test.Policy{DenyDecrypt: []string{"alias/ops"}})), args: "exec team -- printenv PAGER",
		exit: 1, stderr: []string{"1 hidden"},
	},
	"exec that demands everything": {
		setup: after(policy(s3test.Policy{DenyDecrypt: []string{"alias/ops"}})), args: "exec team --require-all -- true",
		exit: 5, stderr: []string{`not allowed to read all secrets of service "team"; ` + opsIndex, "kms:Decrypt"},
	},
	"exec that demands what is hidden": {
		setup: after(policy(s3test.Policy{DenyDecrypt: []string{"alias/ops"}})), args: "exec team --require pager -- true",
		exit: 3, stderr: []string{`key "pager", required by --require, is missing`},
	},
	"list with a denied index": {
		setup: after(policy(s3test.Policy{DenyDecrypt: []string{"alias/ops"}})), args: "list team",
		stdout: []string{"db_url"}, stderr: []string{"1 index denied (alias_ops)"},
	},
	"a denied object behind its index": {
		setup: after(func(b *bench) {
			b.bucket.Delete(appIndex)
			b.do("write team other -", canary)
			b.bucket.Delete(appIndex)
			b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyGet: []string{"team/other.json"}})
		}),
		args: "exec team -- printenv DB_URL", stdout: []string{canary + " of app"},
		stderr: []string{"coffer: team: 2 secrets could be read, 1 hidden\n"},
	},

	// All of it is: refused, with who was refused what.
	"exec with all indexes denied": {
		setup: after(policy(s3test.Policy{DenyDecrypt: []string{"*"}})), args: "exec team -- echo ran",
		exit: 5, stderr: []string{
			`not allowed to read the secrets of service "team"; ` + appIndex, opsIndex,
			"arn:aws:sts::111122223333:assumed-role/dev/session is not authorized to perform: kms:Decrypt",
		},
	},
	"exec with all indexes denied and an empty service allowed": {
		setup: after(policy(s3test.Policy{DenyDecrypt: []string{"*"}})), args: "exec team --allow-empty -- echo ran",
		exit: 5, stderr: []string{appIndex},
	},
	"exec of two services, one denied": {
		setup: after(func(b *bench) {
			b.do("write web x -", canary)
			b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyGet: []string{"web/*"}})
		}),
		args: "exec team web -- echo ran", exit: 5, stderr: []string{`service "web"`, "s3:GetObject"},
	},
	"list with all indexes denied": {
		setup: after(policy(s3test.Policy{DenyDecrypt: []string{"*"}})), args: "list team", exit: 5, stderr: []string{appIndex},
	},
	"a denied object": {
		setup: after(policy(s3test.Policy{DenyGet: []string{"team/db_url.json"}})), args: "read team db_url",
		exit: 5, stderr: []string{"not allowed to get team/db_url.json (AccessDenied): User: ", "s3:GetObject", "\n  you need s3:GetObject"},
	},
	"an object under a denied key": {
		setup: after(policy(s3test.Policy{DenyDecrypt: []string{"alias/ops"}})), args: "read team pager",
		exit: 5, stderr: []string{"not allowed to get team/pager.json (AccessDenied)", "kms:Decrypt"},
	},
	"a write with a key that is denied": {
		setup: policy(s3test.Policy{DenyGenerateDataKey: []string{"alias/app"}}), args: "write team new -", stdin: canary,
		exit: 5, stderr: []string{"not allowed to put team/new.json", "kms:GenerateDataKey"},
	},
	"a write to an index that is denied": {
		setup: after(policy(s3test.Policy{DenyDecrypt: []string{"alias/app"}})), args: "write team new -", stdin: canary,
		exit: 5, stderr: []string{"not allowed to get " + appIndex},
	},
	"a delete that is denied": {
		setup: after(policy(s3test.Policy{DenyDelete: []string{"*"}, DenyPut: []string{"*"}})), args: "delete team db_url",
		exit: 5, stderr: []string{"team/db_url.json", "AccessDenied"},
	},

	// Without permission to list.
	"exec without ListBucket": {
		setup: after(policy(s3test.Policy{DenyList: true})), args: "exec team -- echo ran",
		exit: 5, stderr: []string{`service "team" can't be listed`, "\n  --unverified trusts the index"},
	},
	"exec without ListBucket, trusting the index": {
		setup: after(policy(s3test.Policy{DenyList: true})), args: "exec team --unverified -- printenv DB_URL",
		stdout: []string{canary + " of app"}, stderr: []string{"don't have permission to list"},
	},
	"exec of nothing without ListBucket": {
		setup: policy(s3test.Policy{DenyList: true}), args: "exec nothing --allow-empty -- echo ran",
		exit: 5, stderr: []string{"nothing/__kms_alias_app__latest.json", "it may not exist"},
	},
	"exec that may list the indexes alone": {
		setup: after(policy(s3test.Policy{ListPrefixes: []string{"team/__kms"}})), args: "exec team -- printenv DB_URL PAGER",
		stdout: []string{canary + " of app\n" + canary + " of ops\n"}, stderr: []string{"secrets that are missing from its indexes are not found"},
	},
	"read without ListBucket": {
		setup: after(policy(s3test.Policy{DenyList: true})), args: "read team db_url -q",
		stdout: []string{canary + " of app\n"}, quiet: true,
	},
	"services without ListBucket": {
		setup: after(policy(s3test.Policy{DenyList: true})), args: "services", exit: 5, stderr: []string{"s3:ListBucket"},
	},

	// Configuration.
	"a missing bucket": {
		env: []string{"COFFER_S3_BUCKET=none"}, args: "list team",
		exit: 7, stderr: []string{`coffer: service "team": the bucket "none" doesn't exist` + "\n  coffer init creates it; if it should exist, "},
	},
	"a write into a missing bucket": {
		env: []string{"COFFER_S3_BUCKET=none"}, args: "write team x -", stdin: canary, exit: 7, stderr: []string{`the bucket "none" doesn't exist`, "\n  coffer init creates it"},
	},
	"an expired token": {
		setup: after(func(b *bench) { b.SetExpiry(dev.AccessKeyID, time.Now().Add(-time.Minute)) }), args: "exec team -- echo ran",
		exit: 7, stderr: []string{"ExpiredToken", "\n  the session has ended: get new credentials"},
	},
	"a write with an expired token": {
		setup: func(b *bench) { b.SetExpiry(dev.AccessKeyID, time.Now().Add(-time.Minute)) }, args: "write team x -", stdin: canary,
		exit: 7, stderr: []string{"ExpiredToken"},
	},
	"unknown credentials": {
		env: []string{"AWS_ACCESS_KEY_ID=AKIANOBODY", "AWS_SESSION_TOKEN="}, args: "list team",
		exit: 7, stderr: []string{"InvalidAccessKeyId", "\n  these credentials belong to another server"},
	},
	"a wrong secret key": {
		env: []string{"AWS_SECRET_ACCESS_KEY=" + canary}, args: "list team", exit: 7, stderr: []string{"SignatureDoesNotMatch"},
	},
	"no credentials": {
		env: []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN="}, args: "list team",
		exit: 7, stderr: []string{"no AWS credentials found"},
	},
	"an http endpoint elsewhere": {
		env: []string{"COFFER_ENDPOINT_URL=http://192.0.2.1:9000"}, args: "write team x -", stdin: canary,
		exit: 7, stderr: []string{"http://192.0.2.1:9000 is neither encrypted nor on this machine"},
	},
	"an alias that does not exist": {
		args: "write team x - --kms-key-alias alias/none", stdin: canary,
		exit: 7, stderr: []string{"KMS.NotFoundException", "\n  check that the alias exists in this account and region"},
	},

	// Keys and the network.
	"a disabled key": {
		setup: after(func(b *bench) { b.KMS.SetState("alias/app", s3test.Disabled) }), args: "exec team -- echo ran",
		exit: 6, stderr: []string{appIndex, "KMS.DisabledException", "\n  the KMS key is disabled"},
	},
	"a write under a disabled key": {
		setup: func(b *bench) { b.KMS.SetState("alias/app", s3test.Disabled) }, args: "write team x -", stdin: canary,
		exit: 6, stderr: []string{"team/x.json", "KMS.DisabledException"},
	},
	"a disabled key of another alias": {
		setup: after(func(b *bench) { b.KMS.SetState("alias/ops", s3test.Disabled) }), args: "exec team -- echo ran",
		exit: 6, stderr: []string{opsIndex, "KMS.DisabledException"},
	},
	"a key about to be deleted": {
		setup: after(func(b *bench) { b.KMS.SetState("alias/app", s3test.PendingDeletion) }), args: "read team db_url",
		exit: 6, stderr: []string{"KMS.KMSInvalidStateException", "\n  the KMS key is pending deletion"},
	},
	"a server in need": {
		setup: after(func(b *bench) {
			b.Fault(func(s3test.Request) *s3test.Fault {
				return &s3test.Fault{Kind: s3test.Answer, Status: 503, Code: "SlowDown", Message: "Please reduce your request rate."}
			})
		}),
		args: "exec team -- echo ran", exit: 6, stderr: []string{"SlowDown"},
	},
	"a server that is not there": {
		env: []string{"COFFER_ENDPOINT_URL=http://127.0.0.1:1"}, args: "list team", exit: 6, stderr: []string{"connection refused"},
	},

	// Objects that are corrupt, or that no index vouches for.
	"reading with a corrupt index": {
		setup: after(corruptIndex), args: "exec team -- printenv DB_URL", stdout: []string{canary + " of app"},
		stderr: []string{"coffer: " + appIndex + " is damaged at byte 11: ", "; its secrets were read one at a time. coffer doctor --fix team repairs it\n"},
	},
	"writing with a corrupt index": {
		setup: after(corruptIndex), args: "write team x -", stdin: canary,
		exit: 8, stderr: []string{appIndex + " is damaged at byte 11"},
	},
	"reading a corrupt object": {
		setup: after(corruptObject), args: "read team db_url", exit: 8, stderr: []string{"team/db_url.json is damaged at byte 1"},
	},
	"exec with a corrupt object": {
		setup: after(corruptObject), args: "exec team -- echo ran", exit: 8, stderr: []string{"team/db_url.json is damaged at byte 1"},
	},
	"an object in another's place": {
		setup: after(func(b *bench) {
			o, _ := b.bucket.Object("team/pager.json")
			b.bucket.Plant("team/db_url.json", o.Body, s3test.AWSKMS, "alias/app")
		}),
		args: "exec team -- echo ran", exit: 8, stderr: []string{`team/db_url.json: its content belongs to another secret: "/team/pager"`},
	},
	"a forged object": {
		setup: after(forge("team/db_url.json")), args: "read team db_url", exit: 8,
		stderr: []string{"team/db_url.json is encrypted with AES256; expected: aws:kms", "somebody may have replaced it"},
	},
	"exec with a forged object": {
		setup: after(forge("team/db_url.json")), args: "exec team -- echo ran", exit: 8, stderr: []string{"team/db_url.json"},
	},
	"exec with a forged index": {
		setup: after(forge(opsIndex)), args: "exec team -- echo ran", exit: 8, stderr: []string{opsIndex + " is encrypted with AES256"},
	},
	"an older version put back": {
		setup: after(rollback), args: "exec team -- echo ran", exit: 8,
		stderr: []string{"team/db_url.json has version 1, but version 2 was written", "--allow-rollback accepts it"},
	},
	"an older version put back, and accepted": {
		setup: after(rollback), args: "exec team --allow-rollback -- printenv DB_URL",
		stdout: []string{canary + " of app"}, quiet: true,
	},

	// Conflicts.
	"a write under another alias": {
		setup: team, args: "write team pager -", stdin: canary, exit: 4,
		stderr: []string{"it exists under alias/ops; refusing to write it under alias/app", "\n  to change it under its alias: --kms-key-alias alias/ops"},
	},
	"a delete under another alias": {
		setup: team, args: "delete team pager", exit: 4,
		stderr: []string{`secret "pager" in service "team" is under alias/ops, not under alias/app; it was not deleted`, "\n  to delete it there: --kms-key-alias alias/ops"},
	},
	"two aliases of one index name": {
		setup: func(b *bench) {
			b.KMS.CreateKey("alias/team/one")
			b.KMS.CreateKey("alias/team_one")
			b.do("write team x - --kms-key-alias alias/team/one", canary)
		},
		args: "write team y - --kms-key-alias alias/team_one", stdin: canary, exit: 4,
		stderr: []string{"__kms_alias_team_one__latest.json belongs to alias/team/one, not to alias/team_one", "\n  use another alias for one of them"},
	},

	// Values.
	"a value that is not UTF-8": {
		args: "write team x -", stdin: canary + "\xff", exit: 2, stderr: []string{"not UTF-8 text (byte 11)", "\n  --base64"},
	},
	"a value with a NUL": {
		args: "write team x -", stdin: canary + "\x00", exit: 2, stderr: []string{"has a NUL at byte 11", "\n  --base64"},
	},
	"a value that exec cannot pass": {
		setup: func(b *bench) { b.do("write team blob -", strings.Repeat(canary[:10], 20_480)) },
		args:  "exec team -- echo ran", exit: 2,
		stderr: []string{`BLOB (from "team/blob") is too long: 204805 with its name`, "\n  --skip blob leaves it out"},
	},

	// Other servers.
	"a store that ignores encryption": {
		quirks: s3test.Versitygw(), args: "write team x -", stdin: canary, exit: 8,
		stderr: []string{"team/__probe/", " is not encrypted, according to the storage; expected: aws:kms", "\n  no secret was sent. To accept a server that doesn't encrypt, set allow_unencrypted: true in the configuration file. Without KMS, coffer init -b s3-age sets up secrets that are encrypted before they are stored; -b s3-age then uses them"},
	},
	"a store without KMS": {
		quirks: s3test.Quirks{NoKMS: true}, args: "write team x -", stdin: canary, exit: 7,
		stderr: []string{"put team/x.json failed (NotImplemented): ", "\n  coffer doctor --probe shows what this server supports. Without KMS, coffer init -b s3-age sets up secrets that are encrypted before they are stored; -b s3-age then uses them\n"},
	},
	"a store without KMS, and one writer": {
		quirks: s3test.Quirks{NoKMS: true}, args: "write team x - --single-writer", stdin: canary, exit: 7,
		stderr: []string{"put team/x.json failed (NotImplemented): "},
	},
	"a store that ignores conditions": {
		quirks: s3test.Quirks{NoConditions: true}, args: "write team x -", stdin: canary, exit: 7,
		stderr: []string{"put team/x.json failed (NoConditionalWrites): the server ignores conditional puts", "\n  if nobody else writes to this bucket, use --single-writer"},
	},
	"a store that ignores conditions, and one writer": {
		quirks: s3test.Quirks{NoConditions: true}, args: "write team x - --single-writer", stdin: canary,
		stderr: []string{"coffer: the server ignores conditions: if someone else writes at the same time, the last writer wins\n", "team/x: version 1\n"},
	},
	"a store that refuses conditions": {
		quirks: s3test.Quirks{ConditionsUnsupported: true}, args: "delete team x", exit: 3,
	},
	"a store without STS": {
		quirks: s3test.Quirks{NoSTS: true}, setup: team, args: "history team db_url", stdout: []string{dev.AccessKeyID}, quiet: true,
	},
	"a store without STS, verbose": {
		quirks: s3test.Quirks{NoSTS: true}, args: "write team x - --verbose", stdin: canary,
		stderr: []string{"STS didn't report who you are; showing the access key id instead", "team/x: version 1"},
	},
	"MinIO, with an expired session": {
		quirks: s3test.MinIO(), setup: after(func(b *bench) { b.SetExpiry(dev.AccessKeyID, time.Now().Add(-time.Minute)) }),
		args: "list team", exit: 7, stderr: []string{"InvalidAccessKeyId"},
	},

	// Requests are told, values are not.
	"a verbose exec": {
		setup: team, args: "exec team --verbose -- true",
		stderr: []string{"operation=S3.GetObject object=/b/" + appIndex + " status=200 ms=", "operation=S3.ListObjectsV2", "prefix=team"},
	},
	"a verbose write": {
		setup: team, args: "write team db_url - --verbose", stdin: canary + " new",
		stderr: []string{"operation=S3.PutObject object=/b/team/db_url.json status=200", "operation=STS.GetCallerIdentity"},
	},
	"a verbose refusal": {
		setup: after(forge("team/db_url.json")), args: "read team db_url --verbose", exit: 8, stderr: []string{"status=200"},
	},
}

func TestFailuresOnS3(t *testing.T) {
	for name, test := range s3Failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{Quirks: test.quirks})
			if test.setup != nil {
				test.setup(b)
			}
			b.env = append(b.env, test.env...)
			got := b.run(test.args, test.stdin)
			if got.exit != test.exit {
				t.Errorf("exit code %d, want %d", got.exit, test.exit)
			}
			for _, want := range test.stderr {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("standard error lacks %q", want)
				}
			}
			for _, want := range test.stdout {
				if !strings.Contains(got.stdout, want) {
					t.Errorf("standard output lacks %q", want)
				}
			}
			if test.quiet && got.stderr != "" {
				t.Error("something was said")
			}
			asked := strings.Contains(strings.Join(test.stdout, ""), canary)
			if strings.Contains(got.stderr, canary) || strings.Contains(got.stdout, canary) && !asked {
				t.Error("a value was told")
			}
			if t.Failed() {
				t.Logf("coffer %s\nstandard output:\n%s\nstandard error:\n%s", test.args, got.stdout, got.stderr)
			}
		})
	}
}

func corruptIndex(b *bench) {
	b.bucket.Plant(appIndex, []byte(`{"latest": x `+canary+`}`), s3test.AWSKMS, "alias/app")
}

func corruptObject(b *bench) {
	b.bucket.Plant("team/db_url.json", []byte("{"+canary), s3test.AWSKMS, "alias/app")
}

// forge puts what stands there in its own place, as somebody would who has no key.
func forge(name string) func(*bench) {
	return func(b *bench) {
		o, _ := b.bucket.Object(name)
		b.bucket.Plant(name, o.Body, s3test.AES256, "")
	}
}

// rollback puts the state of before a write back.
func rollback(b *bench) {
	o, _ := b.bucket.Object("team/db_url.json")
	b.do("write team db_url -", canary+" of later")
	b.bucket.Plant("team/db_url.json", o.Body, s3test.AWSKMS, "alias/app")
}

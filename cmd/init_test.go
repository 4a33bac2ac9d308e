//go:build unix

package cmd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// newMotoBench is a bench on moto, with a bucket that is still to be made.
func newMotoBench(t *testing.T, url, bucket string) *bench {
	t.Helper()
	return &bench{T: t, env: append(ownEnvironment(t.TempDir()),
		"PATH="+os.Getenv("PATH"),
		"AWS_ACCESS_KEY_ID=moto", "AWS_SECRET_ACCESS_KEY=moto", "AWS_REGION=eu-west-1",
		"COFFER_S3_BUCKET="+bucket, "COFFER_KMS_KEY_ALIAS=alias/"+bucket, "COFFER_ENDPOINT_URL="+url, "COFFER_RETRIES=1",
	)}
}

// scratch writes a file of the test and returns its path.
func (b *bench) scratch(name, text string) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

type madePart struct {
	Name, State string
	Done        bool
}

// initialised runs init and returns the parts that it tells.
func initialised(b *bench, line string) []madePart {
	b.Helper()
	got := b.run("init --json "+line, "")
	if got.exit != 0 {
		b.Fatalf("init: exit code %d\n%s", got.exit, got.stderr)
	}
	var parts []madePart
	if err := json.Unmarshal([]byte(got.stdout), &parts); err != nil {
		b.Fatal(err)
	}
	for _, p := range parts {
		if !p.Done {
			b.Errorf("%s is not made", p.Name)
		}
	}
	return parts
}

func puts(b *bench) []string {
	var out []string
	for _, e := range b.Log() {
		if strings.HasSuffix(e.Bucket, "-coffer-trial") {
			continue // the bucket on which init tries first
		}
		if strings.HasPrefix(e.Op, "Put") && e.Op != "PutObject" || strings.HasPrefix(e.Op, "Create") {
			out = append(out, e.Op)
		}
	}
	return out
}

func TestInitMakesAStoreOnce(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.env = append(b.env, "COFFER_S3_BUCKET=new", "COFFER_KMS_KEY_ALIAS=alias/new")

	if got := b.run("init", ""); got.exit != 2 || !strings.Contains(got.stderr, "--yes") || !strings.Contains(got.stdout, "bucket policy") {
		t.Errorf("without --yes: exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
	}
	if made := puts(b); made != nil {
		t.Errorf("it made %v without being asked to", made)
	}

	parts := initialised(b, "--yes")
	want := []string{
		"CreateKey", "CreateAlias", "CreateBucket", "PutBucketEncryption", "PutPublicAccessBlock",
		"PutBucketPolicy", "PutBucketLifecycleConfiguration", "PutBucketVersioning",
	}
	if made := puts(b); !slices.Equal(made, want) || len(parts) != 7 {
		t.Errorf("made %v, in %d parts", made, len(parts))
	}
	wantNothingOfAnInit(b, b.Bucket("new"))
	b.do("write team x -", canary)

	b.Reset()
	if initialised(b, ""); len(puts(b)) > 0 {
		t.Errorf("the second run made %v", puts(b))
	}
}

// What somebody else has configured stays.
func TestInitAddsToWhatIsThere(t *testing.T) {
	b := newBench(t, s3test.Options{TLS: true})
	admin := b.configure("b")
	admin.put("policy", `{"Version":"2012-10-17","Statement":{"Sid":"Theirs","Effect":"Deny","Principal":"*","Action":"s3:DeleteBucket","Resource":"arn:aws:s3:::b"}}`)
	admin.put("lifecycle", `<LifecycleConfiguration><Rule><ID>theirs</ID><Status>Enabled</Status><Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>3</Days></Expiration></Rule></LifecycleConfiguration>`)
	initialised(b, "--yes")
	policy, lifecycle := admin.get("policy"), admin.get("lifecycle")
	for _, want := range []string{"Theirs", "CofferTLSOnly", "CofferConditionalPutsOnly"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s: %s", want, policy)
		}
	}
	for _, want := range []string{"theirs", "coffer-noncurrent-versions", "coffer-shares"} {
		if !strings.Contains(lifecycle, want) {
			t.Errorf("the lifecycle lacks %s: %s", want, lifecycle)
		}
	}
	initialised(b, "--yes --allow-unconditional")
	if again := admin.get("policy"); again != policy {
		t.Errorf("a statement that is there was taken away: %s", again)
	}
}

func TestInitOnMoto(t *testing.T) {
	b := newMotoBench(t, mototest.Start(t), "initialised")
	// Moto judges a bucket's policy without its conditions: with it everything is denied. Init
	// finds that out on a bucket of its own, and a second one does not ask for it again.
	got := b.run("init --yes", "")
	if got.exit != 0 || !strings.Contains(got.stderr, "left out: bucket policy: with it this server refuses a new object (403 Forbidden)") {
		t.Errorf("init: exit code %d\n%s", got.exit, got.stderr)
	}
	if got := b.run("init", ""); got.exit != 0 || !strings.Contains(got.stderr, "left out: bucket policy: ") {
		t.Errorf("a second init: exit code %d\n%s", got.exit, got.stderr)
	}
	if got := b.run("keys --json", ""); got.exit != 0 || strings.TrimSpace(got.stdout) != "[]" {
		t.Errorf("keys after it: exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
	}
	initialised(b, "--without policy,check --yes")
	initialised(b, "--without policy,check")
}

// wantNothingOfAnInit: neither an object nor an older state. What is kept of the probe by
// which any first write asks a server about conditions is not init's.
func wantNothingOfAnInit(b *bench, in *s3test.Bucket) {
	b.Helper()
	for _, versions := range in.AllVersions() {
		for _, o := range versions {
			if !strings.Contains(o.Name, "/__probe/") {
				b.Errorf("%s is left: version %s, a mark: %v", o.Name, o.Version, o.Mark)
			}
		}
	}
}

// An init that is killed while it checks with a secret, before or after any change, leaves
// something, and the next one takes it away.
func TestInitLeavesNothingOfAKilledCheck(t *testing.T) {
	for name, quirks := range map[string]s3test.Quirks{
		"conditional delete": {}, "no conditional delete": {DeleteIgnoresMatch: true},
	} {
		for _, versions := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, versions %v", name, versions), func(t *testing.T) {
				t.Parallel()
				b := newBench(t, s3test.Options{Quirks: quirks})
				without := map[bool]string{false: " --without versions"}[versions]
				initialised(b, "--yes --without check"+without)
				b.Reset()
				initialised(b, without)
				wantNothingOfAnInit(b, b.bucket)
				var changes int
				ofCheck := func(op, key string) bool {
					return (op == "PutObject" || op == "DeleteObject") && strings.HasPrefix(key, "coffer-init-check/") && !strings.Contains(key, "__probe")
				}
				for _, e := range b.Log() {
					if ofCheck(e.Op, e.Key) {
						changes++
					}
				}
				if changes < 4 {
					t.Fatalf("%d changes", changes)
				}
				for n := 1; n <= changes; n++ {
					for _, after := range []bool{false, true} {
						killInit(b, "init"+without, n, after, ofCheck)
						initialised(b, without)
						wantNothingOfAnInit(b, b.bucket)
						if t.Failed() {
							t.Fatalf("killed at change %d, after it: %v", n, after)
						}
					}
				}
				if n := len(b.bucket.Objects()); n != 0 {
					t.Errorf("%d objects", n)
				}
			})
		}
	}
}

// killInit runs a command until its n-th request of some, and ends it there, before that is
// applied or after.
func killInit(b *bench, line string, n int, after bool, counts func(op, key string) bool) {
	b.Helper()
	reached := make(chan struct{})
	var seen atomic.Int64
	b.Fault(func(r s3test.Request) *s3test.Fault {
		if !counts(r.Op, r.Key) || int(seen.Add(1)) != n {
			return nil
		}
		return &s3test.Fault{Kind: s3test.Hang, After: after, Reached: func() { close(reached) }}
	})
	c := b.command(line)
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case <-reached:
	case err := <-ended:
		b.Fatalf("it ended without its change %d: %v", n, err)
	}
	_ = c.Process.Kill()
	<-ended
	b.Drain()
	b.Fault(nil)
}

// The secret of somebody who has chosen the service of the check for his own stays, and so do
// its index and the secret of an init that runs meanwhile.
func TestInitLeavesWhatIsNotOfItsCheck(t *testing.T) {
	b := newBench(t, s3test.Options{})
	initialised(b, "--yes")
	b.do("write coffer-init-check mine -", canary)
	initialised(b, "")
	if got := b.run("read coffer-init-check mine -q", ""); got.stdout != canary+"\n" {
		t.Errorf("exit code %d\n%s", got.exit, got.stderr)
	}
	if _, there := b.bucket.Object("coffer-init-check/__kms_alias_app__latest.json"); !there {
		t.Error("the index is gone")
	}
}

// What may not be deleted is said, in a line, and is no failure but for the secret itself.
func TestInitSaysWhatItMayNotTakeAway(t *testing.T) {
	for name, test := range map[string]struct {
		policy s3test.Policy
		exit   int
		stderr string
	}{
		"the index":      {s3test.Policy{DenyDelete: []string{"*/__kms_*"}}, 0, "the index of the test secret is left: "},
		"versions":       {s3test.Policy{DenyListVersions: true}, 0, "parts of it may be left: "},
		"a version":      {s3test.Policy{DenyDeleteVersion: []string{"*"}}, 0, "parts of it may be left: "},
		"the secret too": {s3test.Policy{DenyDelete: []string{"coffer-init-check/*.json"}}, 5, "not allowed to delete coffer-init-check/probe-"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{})
			initialised(b, "--yes")
			b.SetPolicy(dev.AccessKeyID, test.policy)
			got := b.run("init", "")
			if got.exit != test.exit || strings.Count(got.stderr, test.stderr) != 1 || !strings.Contains(got.stderr, "not allowed to ") {
				t.Errorf("exit code %d\n%s", got.exit, got.stderr)
			}
			b.SetPolicy(dev.AccessKeyID, s3test.Policy{})
			initialised(b, "")
			wantNothingOfAnInit(b, b.bucket)
		})
	}
}

// Several at once take each other's secrets for ones that were left, and get over it.
func TestInitsAtOnce(t *testing.T) {
	b := newBench(t, s3test.Options{})
	initialised(b, "--yes")
	var taken atomic.Bool // the secret, when it is about to be read
	b.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Op == "GetObject" && strings.HasPrefix(r.Key, "coffer-init-check/probe-") && !taken.Load() {
			if _, there := b.bucket.Object(r.Key); there {
				b.bucket.Delete(r.Key)
				taken.Store(true)
			}
		}
		return nil
	})
	initialised(b, "")
	b.Fault(nil)
	if !taken.Load() {
		t.Error("nobody took the secret")
	}
	wantNothingOfAnInit(b, b.bucket)
}

func TestInitRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		setup  func(*bench)
		env    string
		args   string
		exit   int
		stderr string
	}{
		"a disabled key":        {setup: func(b *bench) { b.KMS.SetState("alias/app", s3test.Disabled) }, args: "init -y", exit: 7, stderr: "the key of alias/app is Disabled"},
		"a key id of nobody":    {args: "init -y --kms-key-alias 00000000-0000-4000-8000-999999999999", exit: 7, stderr: "doesn't exist"},
		"a denied bucket":       {setup: policy(s3test.Policy{DenyList: true}), args: "init -y", exit: 5, stderr: "get the bucket b (Forbidden)\n  all AWS accounts share the names of buckets"},
		"a denied key":          {setup: policy(s3test.Policy{DenyDescribe: true}), args: "init -y", exit: 5, stderr: "kms:DescribeKey"},
		"a backend of services": {args: "init -y --backend ssm", exit: 7, stderr: "the ssm backend has nothing to create"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{})
			if test.setup != nil {
				test.setup(b)
			}
			got := b.run(test.args, "")
			if got.exit != test.exit || !strings.Contains(got.stderr, test.stderr) {
				t.Errorf("exit code %d, want %d\n%s", got.exit, test.exit, got.stderr)
			}
			if made := puts(b); made != nil {
				t.Errorf("it made %v", made)
			}
		})
	}
}

// What would cut off everybody is not printed: over http no policy that asks for TLS, and of another
// server than AWS's nothing that it was never seen to bear.
func TestInitPrintsTerraform(t *testing.T) {
	printed := func(b *bench, blocks int, lacks ...string) {
		t.Helper()
		b.Reset()
		got := b.run("init --print terraform", "")
		file, problems := hclsyntax.ParseConfig([]byte(got.stdout), "coffer.tf", hcl.InitialPos)
		if got.exit != 0 || problems.HasErrors() {
			t.Fatalf("exit code %d, %v\n%s", got.exit, problems, got.stdout)
		}
		if n := len(file.Body.(*hclsyntax.Body).Blocks); n != blocks {
			t.Errorf("%d blocks, want %d\n%s", n, blocks, got.stdout)
		}
		for _, text := range lacks {
			if strings.Contains(got.stdout, text) {
				t.Errorf("%q is in it\n%s", text, got.stdout)
			}
		}
		if log := b.Log(); len(log) > 0 {
			t.Errorf("it asked the server: %v", log)
		}
	}
	aws := newBench(t, s3test.Options{})
	aws.env = append(aws.env, "COFFER_ENDPOINT_URL=", "COFFER_S3_BUCKET=bucket")
	printed(aws, 9)

	other := newBench(t, s3test.Options{Quirks: s3test.Quirks{Settings: s3test.SettingsQuirks{BlockDeniesPuts: true}}})
	printed(other, 5, `"aws_s3_bucket_public_access_block"`, `"aws_s3_bucket_versioning"`, `"aws_s3_bucket_policy"`, "SecureTransport")
	other.do("init --yes", "")
	printed(other, 8, `"aws_s3_bucket_public_access_block"`, "SecureTransport")
}

func TestInitTellsWhereLocalSecretsAre(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.env = append(b.env, "COFFER_KMS_KEY_ALIAS=", "COFFER_BACKEND=local")
	got := b.run("init", "")
	if got.exit != 0 || !strings.Contains(got.stdout, "/data/coffer (created by the first write)") || !strings.Contains(got.stdout, "alias_default.age") {
		t.Errorf("exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
	}
	b.do("write team x -", canary)
	if got := b.run("init", ""); strings.Contains(got.stdout, "first write") {
		t.Errorf("after it:\n%s", got.stdout)
	}
}

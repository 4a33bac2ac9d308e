//go:build unix

package cmd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/coffer-secrets/coffer/internal/mototest"
	"github.com/coffer-secrets/coffer/internal/s3test"
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
		"PutBucketVersioning", "PutBucketPolicy", "PutBucketLifecycleConfiguration",
	}
	if made := puts(b); !slices.Equal(made, want) || len(parts) != 7 {
		t.Errorf("made %v, in %d parts", made, len(parts))
	}
	for _, o := range b.Bucket("new").Objects() {
		if !strings.Contains(o.Name, "__kms_") { // an empty index
			t.Errorf("%s is left", o.Name)
		}
	}
	b.do("write team x -", canary)

	b.Reset()
	if initialised(b, ""); len(puts(b)) > 0 {
		t.Errorf("the second run made %v", puts(b))
	}
}

// What somebody else has configured stays.
func TestInitAddsToWhatIsThere(t *testing.T) {
	b := newBench(t, s3test.Options{})
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
	// Moto judges a bucket's policy without its conditions: with it everything is denied.
	b.do("init --yes --without policy", "")
	initialised(b, "--without policy")
	initialised(b, "--without check --yes")
	initialised(b, "--without check")
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
		"a key id of nobody":    {args: "init -y --kms-key-alias 00000000-0000-4000-8000-999999999999", exit: 7, stderr: "there is no key"},
		"a denied bucket":       {setup: policy(s3test.Policy{DenyList: true}), args: "init -y", exit: 5, stderr: "look at the bucket b"},
		"a denied key":          {setup: policy(s3test.Policy{DenyDescribe: true}), args: "init -y", exit: 5, stderr: "kms:DescribeKey"},
		"a backend of services": {args: "init -y --backend ssm", exit: 7, stderr: "the ssm backend needs nothing"},
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

func TestInitPrintsTerraform(t *testing.T) {
	b := newBench(t, s3test.Options{})
	got := b.run("init --print terraform", "")
	file, problems := hclsyntax.ParseConfig([]byte(got.stdout), "coffer.tf", hcl.InitialPos)
	if got.exit != 0 || problems.HasErrors() {
		t.Fatalf("exit code %d, %v\n%s", got.exit, problems, got.stdout)
	}
	if n := len(file.Body.(*hclsyntax.Body).Blocks); n != 9 {
		t.Errorf("%d blocks, want 9", n)
	}
	if log := b.Log(); len(log) > 0 {
		t.Errorf("it asked the server: %v", log)
	}
}

func TestInitTellsWhereLocalSecretsAre(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.env = append(b.env, "COFFER_KMS_KEY_ALIAS=", "COFFER_BACKEND=local")
	got := b.run("init", "")
	if got.exit != 0 || !strings.Contains(got.stdout, "/data/coffer (made at the first write)") || !strings.Contains(got.stdout, "alias_default.age") {
		t.Errorf("exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
	}
	b.do("write team x -", canary)
	if got := b.run("init", ""); strings.Contains(got.stdout, "first write") {
		t.Errorf("after it:\n%s", got.stdout)
	}
}

//go:build unix

package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// contexts gives a bench contexts: its bucket, a directory, and moto in a region of its own.
func (b *bench) contexts(region string) {
	b.Helper()
	dir := b.TempDir()
	text := fmt.Sprintf(`contexts:
  bucket: {backend: s3-kms, bucket: b, kms_key_alias: alias/app, region: us-east-1, endpoint_url: %q}
  desk: {backend: local, dir: %q, key_dir: %q}
`, b.URL, filepath.Join(dir, "desk"), filepath.Join(dir, "keys"))
	if region != "" {
		for _, backend := range []string{"ssm", "secretsmanager"} {
			text += fmt.Sprintf("  %s: {backend: %s, region: %s, endpoint_url: %q}\n", backend, backend, region, mototest.Start(b.T))
		}
	}
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	b.env = append(b.env, "COFFER_CONFIG="+path)
}

// in is the environment of a run in a context, without what newBench says of a store.
func (b *bench) in(context string) *bench {
	c := *b
	c.env = append(append([]string{}, b.env...), "COFFER_S3_BUCKET=", "COFFER_KMS_KEY_ALIAS=", "COFFER_ENDPOINT_URL=", "COFFER_CONTEXT="+context)
	return &c
}

// history is every version of a secret of a context with its value, oldest first.
func (b *bench) history(context, service, key string) []string {
	b.Helper()
	var metas []struct{ Version int }
	parse(b.T, []byte(b.in(context).out("history --json "+service+" "+key)), &metas)
	var out []string
	for _, m := range metas {
		out = append(out, b.in(context).out(fmt.Sprintf("read -n --version %d %s %s", m.Version, service, key)))
	}
	return out
}

// plantParameters makes the parameters of the fixture as chamber left them, with made up values
// where it does not tell them.
func plantParameters(t *testing.T, client *ssm.Client) {
	t.Helper()
	var described struct {
		Parameters []struct {
			Name    string
			Version int64
		}
	}
	parse(t, readFile(t, chamberData+"/ssm-describe-parameters.json"), &described)
	for _, p := range described.Parameters {
		for n := int64(1); n <= p.Version; n++ {
			_, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{
				Name: aws.String(p.Name), Value: aws.String(fmt.Sprintf("%s%s-v%d", canary, p.Name, n)), Description: aws.String(fmt.Sprint(n)),
				Type: types.ParameterTypeSecureString, KeyId: aws.String("alias/parameter_store_key"), Overwrite: aws.Bool(true),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestMigrateWhatChamberLeftInParameterStore(t *testing.T) {
	const region = "ap-south-2"
	b := newBench(t, s3test.Options{})
	b.contexts(region)
	client := ssm.New(ssm.Options{
		BaseEndpoint: aws.String(mototest.Start(t)), Region: region, Credentials: credentials.NewStaticCredentialsProvider("moto", "moto", ""),
	})
	plantParameters(t, client)
	source := b.in("ssm").out("list --json -e api api/worker")
	for _, destination := range []string{"bucket", "desk"} {
		line := "migrate --all-services --from-context ssm --to-context " + destination
		plan := b.run(line+" --dry-run", "")
		if plan.exit != 0 || !strings.Contains(plan.stdout, "db_url") || strings.Contains(plan.stdout+plan.stderr, canary) {
			t.Errorf("%s: the plan: %+v", destination, plan)
		}
		got := b.run(line, "")
		if got.exit != 0 || !strings.Contains(got.stderr, "coffer: api: 2 created; 3 versions written and verified\n") || strings.Contains(got.stderr, canary) {
			t.Errorf("%s: %+v", destination, got)
		}
		want := []string{canary + "/api/db_url-v1", canary + "/api/db_url-v2"}
		if diff := cmp.Diff(want, b.history(destination, "api", "db_url")); diff != "" {
			t.Errorf("%s, api/db_url (-want +got):\n%s", destination, diff)
		}
		for _, service := range []string{"api", "api/worker"} {
			if got := b.run("diff "+service+" --from-context ssm --to-context "+destination, ""); got.exit != 0 {
				t.Errorf("%s: %+v", destination, got)
			}
		}
		b.Reset()
		if got := b.run(line, ""); got.exit != 0 || !strings.Contains(got.stderr, "coffer: api: 2 unchanged\n") {
			t.Errorf("%s, again: %+v", destination, got)
		}
		for _, e := range b.Log() {
			if e.Op == "PutObject" {
				t.Errorf("the run that had nothing to do puts %s", e.Key)
			}
		}
	}
	if diff := cmp.Diff(source, b.in("ssm").out("list --json -e api api/worker")); diff != "" {
		t.Errorf("the source has changed (-before +after):\n%s", diff)
	}
}

func TestMigrateWhatChamberLeftInSecretsManager(t *testing.T) {
	const region = "ap-southeast-4"
	b := newBench(t, s3test.Options{})
	b.contexts(region)
	client := secretsmanager.New(secretsmanager.Options{
		BaseEndpoint: aws.String(mototest.Start(t)), Region: region, Credentials: credentials.NewStaticCredentialsProvider("moto", "moto", ""),
	})
	var left struct{ Name, SecretString string }
	parse(t, readFile(t, chamberData+"/secretsmanager-api.json"), &left)
	if _, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &left.Name, SecretString: &left.SecretString}); err != nil {
		t.Fatal(err)
	}
	b.do("migrate --all-services --from-context secretsmanager --to-context bucket", "")
	if got := b.in("bucket").out("export api"); got != `{"db_url":"sm1","token":"sm2"}`+"\n" {
		t.Errorf("coffer export api: %s", got)
	}
}

// With flags alone, as most people will type it, all of it on one server.
func TestMigrateBetweenBackendsOfOneAccount(t *testing.T) {
	l := newLine(t)
	l.env = append(l.env, "AWS_REGION=us-west-1", "AWS_DEFAULT_REGION=us-west-1")
	l.run("write -b ssm --kms-key-alias alias/aws/ssm line/api key -", "v1")
	l.run("write -b ssm --kms-key-alias alias/aws/ssm line/api key -", "v2")
	l.run("migrate --prefix line/ --from-backend ssm --to-backend s3", "")
	l.run("migrate --prefix line/ --from-backend ssm --to-backend s3 --dry-run", "")
	for version, want := range []string{"v1", "v2"} {
		read := bench{T: t, env: l.env}
		if got := read.out(fmt.Sprintf("read -b s3 -n --version %d line/api key", version+1)); got != want {
			t.Errorf("version %d is %q", version+1, got)
		}
	}
}

// killedAtPut runs a command line, kills it at a put, and reports whether it finished before that one.
func (b *bench) killedAtPut(line string, at int32) (finished bool) {
	b.Helper()
	program := b.command(line)
	var puts atomic.Int32
	reached := make(chan struct{})
	b.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Op != "PutObject" || puts.Add(1) != at {
			return nil
		}
		// With every other the put is applied, and nobody hears of it.
		return &s3test.Fault{Kind: s3test.Hang, After: at%2 == 0, Reached: func() { close(reached) }}
	})
	if err := program.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()
	select {
	case <-reached:
		if err := program.Process.Signal(syscall.SIGKILL); err != nil {
			b.Fatal(err)
		}
		<-ended
	case err := <-ended:
		if err != nil {
			b.Fatal(err)
		}
		finished = true
	}
	b.Fault(nil)
	return finished
}

// A run that is killed at any of its puts has done no harm, and the next one ends what it began.
// make test kills it at every third, make prove at each.
func TestAMigrationKilledAtEachPutGoesOn(t *testing.T) {
	t.Parallel()
	step := int32(proof.Bounded(3, 1))
	b := newBench(t, s3test.Options{})
	b.contexts("")
	want := map[string][]string{"a": {"1", "2", "1"}, "b": {"1"}, "c": {"1", "1", "3", "1"}}
	for key, versions := range want {
		for i, v := range versions {
			versions[i] = canary + v
			b.in("desk").do("write team "+key+" -", versions[i])
		}
	}
	const line = "migrate team --from-context desk --to-context bucket"
	for at, finished := int32(1), false; !finished; at += step {
		for _, o := range b.bucket.Objects() {
			b.bucket.Delete(o.Name)
		}
		finished = b.killedAtPut(line, at)
		b.do(line, "")
		for key, versions := range want {
			if diff := cmp.Diff(versions, b.history("bucket", "team", key)); diff != "" {
				t.Errorf("killed at put %d, %s (-want +got):\n%s", at, key, diff)
			}
		}
		b.Reset()
		b.do(line, "")
		for _, e := range b.Log() {
			if e.Op == "PutObject" {
				t.Errorf("killed at put %d: the third run puts %s", at, e.Key)
			}
		}
		if t.Failed() {
			return
		}
		t.Logf("killed at put %d", at)
	}
}

func TestWhatIsHiddenIsNotMigratedAndTold(t *testing.T) {
	b := newBench(t, s3test.Options{})
	team(b)
	b.contexts("")
	b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyDecrypt: []string{"alias/ops"}})
	got := b.run("migrate team --to-context desk", "")
	if got.exit != 5 || !strings.Contains(got.stderr, `1 secret of service "team" that you can't read were not migrated`) || strings.Contains(got.stderr, canary) {
		t.Errorf("%+v", got)
	}
	if got := b.in("desk").out("read -q team db_url"); got != canary+" of app\n" {
		t.Errorf("what is not hidden is not there: %q", got)
	}
	if got := b.run("diff team --to-context desk", ""); got.exit != 1 || !strings.Contains(got.stdout, "pager\thidden") {
		t.Errorf("diff: %+v", got)
	}
}

// The write that comes between restore's read and its put stands, and is not buried.
func TestAWriteBesideRestoreIsAConflict(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.do("write team db_url -", canary+" 1")
	b.do("write team db_url -", canary+" 2")
	var once atomic.Bool
	b.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Op != "PutObject" || r.Key != "team/db_url.json" || once.Swap(true) {
			return nil
		}
		b.do("write team db_url -", canary+" theirs") // the request waits meanwhile
		return nil
	})
	got := b.run("restore team db_url --version 1", "")
	if got.exit != 4 || !strings.Contains(got.stderr, "is at version 3, not 2; it was left as it is") || strings.Contains(got.stderr, canary) {
		t.Errorf("%+v", got)
	}
	if got := b.out("read -n team db_url"); got != canary+" theirs" {
		t.Errorf("the newest value is %q", got)
	}
}

func TestAKeyThatIsMadeBesideCopyIsAConflict(t *testing.T) {
	b := newBench(t, s3test.Options{})
	team(b)
	var once atomic.Bool
	b.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Op != "PutObject" || r.Key != "web/db_url.json" || once.Swap(true) {
			return nil
		}
		b.do("write web db_url -", canary+" theirs") // the request waits meanwhile
		return nil
	})
	got := b.run("copy team web", "")
	if got.exit != 4 || !strings.Contains(got.stderr, "coffer: web: 1 created, 1 failed\n") || strings.Contains(got.stderr, canary) {
		t.Errorf("%+v", got)
	}
	if got := b.out("export web"); got != `{"db_url":"`+canary+` theirs","pager":"`+canary+" of ops\"}\n" {
		t.Errorf("coffer export web: %s", got)
	}
}

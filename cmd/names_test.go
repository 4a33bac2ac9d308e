//go:build unix

package cmd_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	awssm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/local"
	"github.com/coffer-secrets/coffer/store/s3"
	"github.com/coffer-secrets/coffer/store/s3kms"
	"github.com/coffer-secrets/coffer/store/secretsmanager"
	"github.com/coffer-secrets/coffer/store/ssm"
)

// shelf is a backend with what its commands can do, and the library's store on the same data. The library
// stores a name as it is, as other programs do.
type shelf struct {
	*bench
	other store.Store
	has   string // what the backend has: "tags", "history", "index", "key", "links"
}

// onEachBackend runs a test on each backend.
func onEachBackend(t *testing.T, test func(shelf)) {
	t.Helper()
	for name, open := range map[string]func(*testing.T) shelf{
		"s3-kms": onS3KMS, "s3": onS3, "ssm": onSSM, "secretsmanager": onSecretsManager, "local": onLocal,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(open(t))
		})
	}
}

func onS3KMS(t *testing.T) shelf {
	t.Helper()
	b := newBench(t, s3test.Options{})
	other, err := s3kms.New(t.Context(), b.clientConfig(), s3kms.Options{Bucket: "b", KeyAlias: "alias/app"})
	return shelf{b, checked(t, other, err), "tags history index key links"}
}

func onS3(t *testing.T) shelf {
	t.Helper()
	b := newBench(t, s3test.Options{})
	b.env = append(b.env, "COFFER_BACKEND=s3")
	other, err := s3.New(b.clientConfig(), s3.Options{Bucket: "b"})
	return shelf{b, checked(t, other, err), "tags history index links"}
}

// clientConfig is how a program would be configured that shares the server.
func (b *bench) clientConfig() aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(b.URL),
		Credentials: credentials.NewStaticCredentialsProvider(dev.AccessKeyID, dev.SecretKey, dev.SessionToken),
	}
}

// freeRegions are regions that moto knows and no other test of this binary uses. All tests share a moto.
var freeRegions = []string{
	"us-east-2", "us-west-1", "us-west-2", "ca-central-1", "ca-west-1", "sa-east-1", "me-south-1", "me-central-1", "il-central-1", "af-south-1",
	"ap-east-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "us-gov-west-1", "us-gov-east-1",
}

var takenRegions sync.Map // of a backend: how many

// inFreeRegion gives a backend of moto without any secrets.
func inFreeRegion(t *testing.T, backend string) (*bench, aws.Config) {
	t.Helper()
	taken, _ := takenRegions.LoadOrStore(backend, new(atomic.Int64))
	n := int(taken.(*atomic.Int64).Add(1))
	if n > len(freeRegions) {
		t.Fatal("no region is left: freeRegions needs more")
	}
	region := freeRegions[n-1]
	return onMoto(t, region, backend), motoConfig(t, region)
}

// motoConfig is for clients of the server that [onMoto] uses.
func motoConfig(t *testing.T, region string) aws.Config {
	t.Helper()
	return aws.Config{
		Region: region, BaseEndpoint: aws.String(mototest.Start(t)), Credentials: credentials.NewStaticCredentialsProvider("moto", "moto", ""),
	}
}

func onSSM(t *testing.T) shelf {
	t.Helper()
	b, cfg := inFreeRegion(t, "ssm")
	makeAliases(t, kms.NewFromConfig(cfg), "alias/parameter_store_key", "alias/ops")
	other, err := ssm.New(awsssm.NewFromConfig(cfg), ssm.Options{KeyAlias: "alias/parameter_store_key"})
	return shelf{b, checked(t, other, err), "tags history key"}
}

func onSecretsManager(t *testing.T) shelf {
	t.Helper()
	b, cfg := inFreeRegion(t, "secretsmanager")
	return shelf{b, secretsmanager.New(awssm.NewFromConfig(cfg), secretsmanager.Options{}), "history"}
}

func onLocal(t *testing.T) shelf {
	t.Helper()
	dir := t.TempDir()
	b := &bench{T: t, env: append(ownEnvironment(t.TempDir()), "PATH="+os.Getenv("PATH"), "COFFER_DIR="+dir+"/data", "COFFER_KEY_DIR="+dir+"/keys")}
	other, err := local.New(local.Options{Dir: dir + "/data", KeyDir: dir + "/keys", Author: "another program"})
	return shelf{b, checked(t, other, err), "history index key"}
}

func checked[T any](t *testing.T, value T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// plant stores a secret as another program would: under exactly these names.
func (s shelf) plant(service, key, value string) {
	s.Helper()
	if _, err := s.other.Write(context.WithoutCancel(s.Context()), store.ID{Service: service, Key: key}, store.NewValue(value), store.WriteOptions{PreserveCase: true}); err != nil {
		s.Fatal(err)
	}
}

// stored returns what the backend has, as another program sees it: service/key=value.
func (s shelf) stored() []string {
	s.Helper()
	services, err := s.other.Services(s.Context(), "")
	var all []string
	for _, service := range checked(s.T, services, err) {
		c, err := s.other.Load(s.Context(), service)
		for _, secret := range checked(s.T, c, err).Secrets {
			all = append(all, secret.ID.String()+"="+secret.Value.Reveal())
		}
	}
	slices.Sort(all)
	return all
}

// namedCommand is a command line in which SVC is a service. needs is what the backend must have for it.
type namedCommand struct {
	line, stdin, needs string
	exit               int
	says               string // in the output, in which SVC is the service that is meant
}

// readers are the commands that take a service and change nothing.
var readers = []namedCommand{
	{line: "list SVC -e", says: "of SVC"},
	{line: "read SVC key -q", says: "of SVC"},
	{line: "exec SVC -- printenv KEY", says: "of SVC"},
	{line: "env SVC", says: "of SVC"},
	{line: "export SVC", says: "of SVC"},
	{line: "history SVC key", needs: "history", says: "Created"},
	{line: "audit SVC", needs: "history", says: "key"},
	{line: "audit SVC key", needs: "history", says: "key"},
	{line: "tag read SVC key", needs: "tags", says: "Key"},
	{line: "keys SVC", says: "SVC"},
	{line: "doctor SVC", needs: "index", says: "no problems found"},
	{line: "diff SVC other --reveal", exit: 1, says: "of SVC"},
	{line: "copy SVC new --dry-run", says: "created"},
	{line: "migrate SVC --to-backend null --dry-run", says: "SVC"},
	{line: "rekey SVC --to alias/ops --create --dry-run", needs: "key", says: "SVC"},
	{line: "import SVC - --dry-run", stdin: "key: x", says: "updated"},
	{line: "share SVC key", needs: "links", says: "SVC/key"},
	{line: "policy check reader SVC", needs: "links", says: "SVC/*"},
	{line: "policy reader SVC", needs: "links", says: "SVC/*"},
	{line: "__complete -- read SVC k", says: "key"},
}

// writers are the commands that change a secret. after is its value when they have run.
var writers = []struct {
	namedCommand
	after string
}{
	{namedCommand{line: "write SVC key -", stdin: canary + " new"}, canary + " new"},
	{namedCommand{line: "import SVC -", stdin: "key: " + canary + " imported"}, canary + " imported"},
	{namedCommand{line: "copy other SVC --overwrite"}, canary + " of other"},
	{namedCommand{line: "restore SVC key --version 1", needs: "history"}, canary + " of SVC"},
	{namedCommand{line: "tag write SVC key a=b", needs: "tags"}, canary + " of SVC"},
	{namedCommand{line: "delete SVC key"}, ""},
	{namedCommand{line: "write SVC key -", stdin: canary + " again"}, canary + " again"},
	{namedCommand{line: "delete SVC --service --yes"}, ""},
}

// typedNames are services that other programs have stored, and what somebody types. means is "" if it can
// be several.
var typedNames = map[string]struct {
	stored       []string
	typed, means string
}{
	"as it is":                            {[]string{"Team/API"}, "Team/API", "Team/API"},
	"in lower case":                       {[]string{"Team/API"}, "team/api", "Team/API"},
	"in upper case, as chamber allows":    {[]string{"my.svc-1/sub_2"}, "MY.SVC-1/Sub_2", "my.svc-1/sub_2"},
	"one of two, with capitals":           {[]string{"Team/API", "team/api"}, "Team/API", "Team/API"},
	"one of two, in lower case":           {[]string{"Team/API", "team/api"}, "team/api", "team/api"},
	"neither of two":                      {[]string{"Team/API", "team/api"}, "TEAM/API", ""},
	"beside one that only begins with it": {[]string{"Team/API", "Team/API-2", "team"}, "team/API", "Team/API"},
}

// A name is that of the service of exactly that name, else of the only one that differs in case; the same
// in every command and backend.
func TestNamesAreFoundAsTheyAreListed(t *testing.T) {
	for name, n := range typedNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEachBackend(t, func(s shelf) {
				s.plant("other", "key", canary+" of other")
				plant := func() {
					for _, service := range n.stored {
						s.plant(service, "key", canary+" of "+service)
					}
				}
				plant()
				there := s.stored()
				for _, c := range readers {
					s.wantNamed(c, n.typed, n.means, n.stored)
				}
				if after := s.stored(); !slices.Equal(there, after) {
					s.Errorf("reading has changed %q to %q", there, after)
				}
				for _, c := range writers {
					if s.can(c.needs) {
						plant()
						s.wantNamed(c.namedCommand, n.typed, n.means, n.stored)
						s.wantChanged(c.line, n.stored, n.means, c.after)
					}
				}
			})
		})
	}
}

func (s shelf) can(needs string) bool {
	return needs == "" || slices.Contains(strings.Fields(s.has), needs)
}

// wantNamed runs a command on a service that is typed like this. means is the service that is meant; "" if the
// command must be refused, and name all that it could be.
func (s shelf) wantNamed(c namedCommand, typed, means string, could []string) {
	s.Helper()
	if !s.can(c.needs) {
		return
	}
	line := strings.ReplaceAll(c.line, "SVC", typed)
	got := s.run(line, c.stdin)
	switch {
	case means == "" && strings.HasPrefix(c.line, "__complete"):
	case means == "":
		if got.exit != 2 || got.stdout != "" || !strings.Contains(got.stderr, strings.Join(could, ", ")+"; use the exact name") {
			s.Errorf("coffer %s: %+v", line, got)
		}
	case got.exit != c.exit || !strings.Contains(got.stdout+got.stderr, strings.ReplaceAll(c.says, "SVC", means)):
		s.Errorf("coffer %s means %s: %+v", line, means, got)
	}
}

// wantChanged checks that of all services the one that is meant alone has another value: "" if its secret
// is deleted, and in which SVC is its name.
func (s shelf) wantChanged(line string, planted []string, means, value string) {
	s.Helper()
	want := []string{"other/key=" + canary + " of other"}
	for _, service := range planted {
		text := canary + " of " + service
		if service == means {
			text = strings.ReplaceAll(value, "SVC", service)
		}
		if text != "" {
			want = append(want, service+"/key="+text)
		}
	}
	slices.Sort(want)
	if got := s.stored(); !slices.Equal(got, want) {
		s.Errorf("after coffer %s: %q is stored; want %q", line, got, want)
	}
}

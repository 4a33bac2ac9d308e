//go:build unix

package cmd_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
)

var (
	// A program, and the first word or two behind it.
	invoked   = regexp.MustCompile(`(?m)(?:^ *|\$\()((?:coffer|aws) \S+(?: [a-z]\S*)?)`)
	inTheLog  = regexp.MustCompile(`(?m)^\++ ((?:coffer|aws) \S+(?: [a-z]\S*)?)`)
	awsFailed = regexp.MustCompile(`aws: .*`)
)

// estate is a bucket with versions, the secrets in it, and who looks at them from outside.
type estate struct {
	*bench
	name string // of the bucket
	awsClients
	before map[string]any // what its services hold
	told   string         // by the commands of the guide
}

// newEstate has two services with secrets of two versions under alias/app.
func newEstate(t *testing.T, b *bench) *estate {
	t.Helper()
	for _, id := range []string{"api db_password", "api token", "web token"} {
		for _, version := range []string{"1", "2"} {
			b.do("write "+id+" -", canary+" "+id+" "+version)
		}
	}
	e := &estate{bench: b, name: b.variable("COFFER_S3_BUCKET")}
	provider := credentials.NewStaticCredentialsProvider(b.variable("AWS_ACCESS_KEY_ID"), b.variable("AWS_SECRET_ACCESS_KEY"), b.variable("AWS_SESSION_TOKEN"))
	region, endpoint := b.variable("AWS_REGION"), aws.String(b.variable("AWS_ENDPOINT_URL"))
	e.kms = kms.New(kms.Options{Region: region, BaseEndpoint: endpoint, Credentials: provider})
	e.s3 = s3.New(s3.Options{Region: region, BaseEndpoint: endpoint, Credentials: provider, UsePathStyle: true})
	e.before = e.holds()
	return e
}

// leaked is a CloudTrail that has seen somebody read the index of api.
func leaked(t *testing.T, bucket string) (address string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if target := r.Header.Get("X-Amz-Target"); !strings.HasSuffix(target, ".LookupEvents") {
			t.Errorf("CloudTrail was asked for %q", target)
		}
		at := time.Now().Add(-time.Hour)
		event, err := json.Marshal(map[string]any{
			"eventTime": at.UTC().Format(time.RFC3339), "eventSource": "kms.amazonaws.com", "eventName": "Decrypt", "sourceIPAddress": "203.0.113.7",
			"userIdentity":      map[string]string{"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/eve"},
			"requestParameters": map[string]any{"encryptionContext": map[string]string{"aws:s3:arn": "arn:aws:s3:::" + bucket + "/api/__kms_alias_app__latest.json"}},
		})
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(map[string]any{"Events": []any{
			map[string]any{"EventName": "Decrypt", "EventTime": at.Unix(), "CloudTrailEvent": string(event)},
		}})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// variable returns a variable of the bench's environment.
func (b *bench) variable(name string) string {
	for _, entry := range slices.Backward(b.env) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// holds returns what the services hold: each version of each secret.
func (e *estate) holds() map[string]any {
	e.Helper()
	all := map[string]any{}
	for _, id := range []string{"api db_password", "api token", "web token"} {
		for _, version := range []string{"1", "2"} {
			all[id+" "+version] = e.out("read " + id + " -q --version " + version)
		}
	}
	for _, service := range []string{"api", "web"} {
		values := map[string]string{}
		if err := json.Unmarshal([]byte(e.out("export "+service)), &values); err != nil {
			e.Fatal(err)
		}
		all[service] = values
	}
	return all
}

// follows runs the commands of a section as a person's shell would, from top to bottom, and
// sees that each of them was run.
func (e *estate) follows(commands, preamble string) {
	e.Helper()
	c := exec.CommandContext(e.Context(), "sh", "-eux", "-c", preamble+commands)
	var stdout, stderr strings.Builder
	c.Env, c.Dir, c.Stdout, c.Stderr = e.env, e.TempDir(), &stdout, &stderr
	err := c.Run()
	log := stderr.String()
	e.told = stdout.String()
	if failed := awsFailed.FindString(log); err != nil || failed != "" {
		e.Fatalf("%v %s\n%s\n%s", err, failed, e.told, log)
	}
	if strings.Contains(e.told+log, canary) {
		e.Errorf("a value was told\n%s\n%s", e.told, log)
	}
	ran := map[string]bool{}
	for _, m := range inTheLog.FindAllStringSubmatch(log, -1) {
		ran[m[1]] = true
	}
	all := invoked.FindAllStringSubmatch(commands, -1)
	for _, m := range all {
		if !ran[m[1]] {
			e.Errorf("%q was not run\n%s", m[1], log)
		}
	}
	if len(all) == 0 {
		e.Error("there is no command")
	}
}

// keyOf returns the key that a name leads to.
func (e *estate) keyOf(name string) (arn, state string) {
	e.Helper()
	out, err := e.kms.DescribeKey(e.Context(), &kms.DescribeKeyInput{KeyId: aws.String(name)})
	if err != nil {
		e.Fatal(err)
	}
	return *out.KeyMetadata.Arn, string(out.KeyMetadata.KeyState)
}

// wantAllUnder sees that everything in the bucket is under the key of an alias: what there is
// now, or all that the bucket has kept.
func (e *estate) wantAllUnder(alias string, kept bool) {
	e.Helper()
	key, _ := e.keyOf(alias)
	var secrets []struct {
		KeyAlias string `json:"key_alias"`
	}
	if err := json.Unmarshal([]byte(e.out("list api web --json")), &secrets); err != nil {
		e.Fatal(err)
	}
	for _, s := range secrets {
		if s.KeyAlias != alias {
			e.Errorf("a secret is under %q, not %s", s.KeyAlias, alias)
		}
	}
	versions, err := e.s3.ListObjectVersions(e.Context(), &s3.ListObjectVersionsInput{Bucket: &e.name})
	if err != nil {
		e.Fatal(err)
	}
	seen := 0
	for _, v := range versions.Versions {
		if !*v.IsLatest && !kept {
			continue
		}
		head, err := e.s3.HeadObject(e.Context(), &s3.HeadObjectInput{Bucket: &e.name, Key: v.Key, VersionId: v.VersionId})
		if err != nil {
			e.Fatal(err)
		}
		if id := aws.ToString(head.SSEKMSKeyId); id != key && id != alias { // moto repeats what it was given
			e.Errorf("%s is under %s, not %s", *v.Key, id, key)
		}
		seen++
	}
	if len(secrets) != 3 || seen != 5 {
		e.Errorf("%d secrets, %d objects: want 3, and 5 with the indexes of both services", len(secrets), seen)
	}
}

// wantSame sees that nothing was lost, and no value changed.
func (e *estate) wantSame() {
	e.Helper()
	if diff := cmp.Diff(e.before, e.holds()); diff != "" {
		e.Errorf("what the services hold (-before +after):\n%s", diff)
	}
}

// sections are what must be true once the commands of a section are run. One without a region
// begins with the key of alias/app pinned, and is not followed on moto, which answers a put with
// the alias where S3 names the key.
var sections = map[string]struct {
	region string // moto's keys are those of a region
	holds  func(*estate)
}{
	"A routine rotation, with pinned keys":          {"", func(e *estate) { e.wantPinned("alias/app-2027") }},
	"The same alias, another key, with pinned keys": {"", func(e *estate) { e.wantPinned("alias/app") }},
	"A routine rotation": {"eu-west-2", func(e *estate) {
		e.wantAllUnder("alias/app-2027", false)
		e.wantSame()
	}},
	"The same alias, another key": {"eu-west-3", func(e *estate) {
		e.wantAllUnder("alias/app", false)
		e.wantSame()
	}},
	"After a compromise": {"eu-central-1", func(e *estate) {
		e.env = append(e.env, "COFFER_KMS_KEY_ALIAS=alias/app-safe")
		e.wantAllUnder("alias/app-safe", true)
		old := e.before["api"].(map[string]string)
		now := strings.TrimSpace(e.out("read api db_password -q"))
		if now == old["db_password"] || len(now) != 32 {
			e.Errorf("the leaked value was replaced by %d bytes", len(now))
		}
		old["db_password"] = now
		e.wantSame()
		if _, state := e.keyOf("alias/app"); state != "PendingDeletion" {
			e.Errorf("the old key is %s", state)
		}
		e.wantFenced("alias/app")
		if !strings.Contains(e.told, "user/eve") {
			e.Errorf("it is not told who read:\n%s", e.told)
		}
		if e.Server == nil { // moto names an alias where S3 names a key
			return
		}
		if left := strings.TrimSpace(e.out("keys --key alias/app --json")); left != "[]" {
			e.Errorf("under the old key there is still: %s", left)
		}
	}},
}

// wantPinned sees that all is under the key of an alias, and that readers need no other key.
func (e *estate) wantPinned(alias string) {
	e.Helper()
	key, _ := e.keyOf(alias)
	e.env = append(e.env, "COFFER_KEY_ARNS="+key, "COFFER_KMS_KEY_ALIAS="+alias)
	e.wantAllUnder(alias, false)
	e.wantSame()
	e.do("write api db_password -", canary+" pinned")
}

// wantFenced sees that a key's policy has the statement that keeps writers out, beside all that it had.
func (e *estate) wantFenced(alias string) {
	e.Helper()
	arn, _ := e.keyOf(alias)
	id := arn[strings.LastIndex(arn, "/")+1:]
	out, err := e.kms.GetKeyPolicy(e.Context(), &kms.GetKeyPolicyInput{KeyId: &id, PolicyName: aws.String("default")})
	if err != nil {
		e.Fatal(err)
	}
	var policy struct {
		Statement []struct{ Effect, Action string }
	}
	if err := json.Unmarshal([]byte(*out.Policy), &policy); err != nil {
		e.Fatalf("%v: %s", err, *out.Policy)
	}
	if s := policy.Statement; len(s) != 2 || s[0].Effect != "Deny" || s[0].Action != "kms:GenerateDataKey*" || s[1].Effect != "Allow" {
		e.Errorf("the old key's policy is %s", *out.Policy)
	}
}

func TestTheGuideToRotationHoldsTrue(t *testing.T) {
	t.Parallel()
	found := readGuide(t, filepath.Join("..", "docs", "rotation.md"))
	for section := range found {
		if _, ok := sections[section]; !ok {
			t.Errorf("nothing is known of what section %q leads to", section)
		}
	}
	for server, start := range rotationServers {
		for section, s := range sections {
			if server == "moto" && s.region == "" {
				continue
			}
			t.Run(server+"/"+section, func(t *testing.T) {
				t.Parallel()
				e := newEstate(t, start(t, s.region))
				if s.region == "" {
					key, _ := e.keyOf("alias/app")
					e.env = append(e.env, "COFFER_KEY_ARNS="+key)
				}
				e.env = append(e.env, "AWS_ENDPOINT_URL_CLOUDTRAIL="+leaked(t, e.name))
				preamble := ""
				if server == "moto" { // see rotationServers
					preamble = `coffer() { command coffer "$@" || [ "$1 $?" = "doctor 1" ]; }` + "\n"
				}
				e.follows(found[section], preamble)
				s.holds(e)
			})
		}
	}
}

// What the guides do not use is refused, not passed over.
func TestAnUnknownLineOfAWSIsRefused(t *testing.T) {
	for _, line := range []string{
		"kms", "kms delete-everything --key-id x", "kms disable-key", "kms disable-key --key-id x --force y", "kms disable-key --key-id x --key-id y",
		"kms describe-key --key-id x", "kms describe-key --key-id x --query KeyMetadata.KeyState --output text", "kms disable-key key-id x",
	} {
		if out, err := awsLine(t.Context(), strings.Fields(line)); err == nil || strings.Contains(err.Error(), "ENDPOINT") {
			t.Errorf("aws %s: %q, %v", line, out, err)
		}
	}
}

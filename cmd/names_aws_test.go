//go:build unix

package cmd_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// madeByAWS are names and values in the forms that services of AWS give to their secrets (Secrets Manager's user
// guide, "Secrets managed by other AWS services", and RDS' and EventBridge's own guides).
var madeByAWS = map[string]string{
	"rds!cluster-3f8c2a1e-7b40-4d0c-9a55-1c6f0e2b9d11": `{"username":"admin","password":"` + canary + `"}`,
	"rds!db-5d0c2a1e":                        `{"username":"postgres","password":"` + canary + `"}`,
	"redshift!analytics-admin":               `{"username":"admin","password":"` + canary + `"}`,
	"events!connection/orders/41bb5d0c":      `{"api_key_name":"X-Key","api_key_value":"` + canary + `"}`,
	"appflow!acme-1":                         `{"clientId":"x","password":"` + canary + `"}`,
	"opsworks-cm!aws-ops-works-cm-secrets-1": `{"password":"` + canary + `"}`,
}

// What a service of AWS made is read as any other, and goes to another backend; nothing here changes it.
func TestNamesThatAWSMakesAreReadable(t *testing.T) {
	b, cfg := inFreeRegion(t, "secretsmanager")
	client := awssm.NewFromConfig(cfg)
	for name, value := range madeByAWS {
		if _, err := client.CreateSecret(t.Context(), &awssm.CreateSecretInput{Name: aws.String(name), SecretString: aws.String(value)}); err != nil {
			t.Fatal(err)
		}
	}
	b.env = append(b.env, "COFFER_DIR="+t.TempDir(), "COFFER_KEY_DIR="+t.TempDir()+"/keys")
	if got := b.run("services", ""); got.stderr != "" || strings.Count(got.stdout, "!") != len(madeByAWS) {
		t.Errorf("services: %+v", got)
	}
	for name := range madeByAWS {
		key := "password"
		if strings.HasPrefix(name, "events") {
			key = "api_key_value"
		}
		for _, line := range []string{
			"read NAME KEY -q", "read Name KEY -q", "exec NAME -- sh -c env", "export NAME", "export NAME -f k8s", "env NAME", "list NAME -e",
		} {
			line = strings.NewReplacer("NAME", name, "Name", strings.ToUpper(name[:1])+name[1:], "KEY", key).Replace(line)
			if got := b.run(line, ""); got.exit != 0 || !strings.Contains(got.stdout, canary) && !strings.Contains(line, "k8s") {
				t.Errorf("coffer %s: %+v", line, got)
			}
		}
		for _, line := range []string{"write NAME password -", "write NAME new -", "import NAME -", "delete NAME " + key, "delete NAME --service --yes"} {
			line = strings.ReplaceAll(line, "NAME", name)
			got := b.run(line, `{"password": "x"}`)
			if got.exit != 2 || !strings.Contains(got.stderr, "created this secret and rotates it") || strings.Contains(got.stderr, canary) {
				t.Errorf("coffer %s: %+v", line, got)
			}
		}
		b.do("migrate "+name+" --from-backend secretsmanager --to-backend local", "")
		if got := b.out("read " + name + " " + key + " -q -b local"); got != canary+"\n" {
			t.Errorf("read %s after migrate: %q", name, got)
		}
	}
}

// A name that no service can have is not left out in silence.
func TestNamesThatAreLeftOutAreTold(t *testing.T) {
	b, cfg := inFreeRegion(t, "secretsmanager")
	client := awssm.NewFromConfig(cfg)
	for _, name := range []string{"api", "team@prod", "a+b=c"} {
		if _, err := client.CreateSecret(t.Context(), &awssm.CreateSecretInput{Name: aws.String(name), SecretString: aws.String(`{"key":"` + canary + `"}`)}); err != nil {
			t.Fatal(err)
		}
	}
	got := b.run("services", "")
	if got.exit != 0 || got.stdout != "Service\napi\n" || !strings.Contains(got.stderr, `"a+b=c", "team@prod"`) && !strings.Contains(got.stderr, `"team@prod", "a+b=c"`) {
		t.Errorf("services: %+v", got)
	}
	if got := b.run("exec api -- true", ""); got.exit != 0 || got.stderr != "" {
		t.Errorf("exec of another service: %+v", got)
	}
}

// What is qualified is refused, and never cut down to a part of it.
func TestQualifiedNamesAreNotCutDown(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.do("write app key -", canary)
	b.do("write arn key -", canary)
	for _, name := range []string{
		"arn:aws:secretsmanager:us-east-1:111122223333:secret:app-AbCdEf", "arn:aws:ssm:us-east-1:111122223333:parameter/app", "arn:aws-cn:s3:::b/app", "app:label", "app:", "app:a:b",
	} {
		for _, line := range []string{"read NAME key", "list NAME", "exec NAME -- true", "export NAME", "write NAME key v", "delete NAME key", "copy NAME new"} {
			line = strings.ReplaceAll(line, "NAME", name)
			if got := b.run(line, ""); got.exit != 2 && got.exit != 7 || got.stdout != "" {
				t.Errorf("coffer %s: %+v", line, got)
			}
		}
	}
}

// An alias is that of exactly the name, else the only one that differs in case; an alias of another account or
// region is not taken for the one of the same name here.
func TestAliasesAreFoundAsTheyAreListed(t *testing.T) {
	onEachBackend(t, func(s shelf) {
		if !s.can("key") {
			return
		}
		s.plant("svc", "key", canary)
		alias := map[bool]string{true: "alias/app", false: "alias/default"}[s.Server != nil]
		if s.Server == nil && !s.can("index") {
			alias = "alias/parameter_store_key"
		}
		capitals := strings.ToUpper(alias[len("alias/"):])
		if got := s.run("keys svc --key "+capitals, ""); got.exit != 0 || !strings.Contains(got.stdout, "svc") {
			s.Errorf("keys --key: %+v", got)
		}
		if got := s.run("rekey svc --from "+capitals+" --to alias/ops --create --dry-run", ""); got.exit != 0 || !strings.Contains(got.stdout, "key") {
			s.Errorf("rekey --from: %+v", got)
		}
		if s.Server == nil && s.can("index") { // an alias of KMS must be exact: KMS itself looks it up
			if got := s.run("write svc key - --kms-key-alias "+capitals, canary+"2"); got.exit != 0 || strings.Contains(s.out("keys"), capitals) {
				s.Errorf("write under the alias in another case: %+v", got)
			}
		}
	})
	b := newBench(t, s3test.Options{})
	for _, arn := range []string{"arn:aws:kms:us-east-1:999988887777:alias/app", "arn:aws:kms:eu-west-1:111122223333:alias/app"} {
		if got := b.run("write svc key - --kms-key-alias "+arn, canary); got.exit != 7 || !strings.Contains(got.stderr, arn) {
			t.Errorf("write under %s: %+v", arn, got)
		}
	}
	b.do("write svc key - --kms-key-alias arn:aws:kms:us-east-1:111122223333:alias/app", canary)
}

//go:build unix

package cmd_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
)

// What every backend does, through the program.
func TestADayWithEachAWSService(t *testing.T) {
	for backend, region := range map[string]string{"ssm": "ap-northeast-1", "secretsmanager": "ap-northeast-2"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			b := onMoto(t, region, backend)
			makeAliases(t, kms.NewFromConfig(motoConfig(t, region)), "alias/parameter_store_key")
			b.do("write day db_url -", canary)
			b.do("write day db_url -", canary+" 2")
			b.do("import day -", `{"DB_PASS": "`+canary+` pass", "port": 8080}`)
			if got := b.run("exec day -- printenv DB_URL DB_PASS PORT", ""); got.stdout != canary+" 2\n"+canary+" pass\n8080\n" || got.stderr != "" {
				t.Errorf("exec: %+v", got)
			}
			if got := b.out("read day DB_URL -q"); got != canary+" 2\n" {
				t.Errorf("read: %q", got)
			}
			if got := b.out("export day -f docker"); got != "DB_PASS="+canary+" pass\nDB_URL="+canary+" 2\nPORT=8080\n" {
				t.Errorf("export: %q", got)
			}
			if got := b.out("env day --only port"); got != "export PORT=8080\n" {
				t.Errorf("env: %q", got)
			}
			if got := b.table("services"); got != "Service\nday" {
				t.Errorf("services: %q", got)
			}
			if got := b.table("find db_*"); got != "Service Key\nday db_pass\nday db_url" {
				t.Errorf("find: %q", got)
			}
			if got := b.run("find --by-value -", "8080\n"); !strings.HasSuffix(got.stdout, "day\tport\n") {
				t.Errorf("find --by-value: %+v", got)
			}
			if got := b.out("__complete -- read day db_"); got != "db_pass\ndb_url\n" {
				t.Errorf("completion: %q", got)
			}
			if got := b.run("import day - --dry-run --prune", "port: 8081"); !strings.Contains(got.stdout, "db_url\t2\tdeleted\nport\t1\tupdated\n") {
				t.Errorf("import --dry-run: %+v", got)
			}
			if got := b.run("write day db_url - --if-version 7", canary); got.exit != 4 {
				t.Errorf("write under a condition that does not hold: %+v", got)
			}
			b.do("import day - --prune --yes", "db_url: "+canary)
			b.do("delete day db_url", "")
			if got := b.run("exec day -- true", ""); got.exit != 3 {
				t.Errorf("exec of what is deleted: %+v", got)
			}
			if got := b.run("delete day db_url", ""); got.exit != 3 {
				t.Errorf("a second delete: %+v", got)
			}
		})
	}
}

func TestLabelsOfParameterStore(t *testing.T) {
	const region = "ap-northeast-3"
	b := onMoto(t, region, "ssm")
	b.do("write svc key - --tags team=core", canary+" 1")
	b.do("write svc other -", canary)
	client := ssm.New(ssm.Options{
		BaseEndpoint: aws.String(mototest.Start(t)), Region: region, Credentials: credentials.NewStaticCredentialsProvider("moto", "moto", ""),
	})
	b.do("write svc key -", canary+" 2")
	for version, label := range map[int64]string{1: "stable", 2: "next"} {
		if _, err := client.LabelParameterVersion(t.Context(), &ssm.LabelParameterVersionInput{
			Name: aws.String("/svc/key"), ParameterVersion: aws.Int64(version), Labels: []string{label},
		}); err != nil {
			t.Fatal(err)
		}
	}
	// moto finds labels by path only where the newest version has them.
	for line, want := range map[string]string{
		"read svc:stable key -q":              canary + " 1\n",
		"read svc key -q":                     canary + " 2\n",
		"export svc:next":                     `{"key":"` + canary + ` 2"}` + "\n",
		"exec svc:next -- printenv KEY":       canary + " 2\n",
		"exec svc svc:next -- printenv OTHER": canary + "\n",
		"env svc:next":                        "export KEY='" + canary + " 2'\n",
		"tag read svc key --json":             "{\n  \"team\": \"core\"\n}\n",
	} {
		if got := b.out(line); got != want {
			t.Errorf("coffer %s: %q, want %q", line, got, want)
		}
	}
	for line, want := range map[string]int{
		"read svc:none key":               3,
		"read svc:stable other":           3,
		"exec svc:none -- true":           3,
		"read svc:stable key --version 1": 2,
	} {
		if got := b.run(line, ""); got.exit != want {
			t.Errorf("coffer %s: exit code %d, want %d\n%s", line, got.exit, want, got.stderr)
		}
	}
}

// A service that refuses everything: denied is exit 5, with what to ask for, and never "not found".
func TestDeniedByAnAWSService(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{
			"__type": "AccessDeniedException", "Message": "User: arn:aws:iam::111122223333:user/\x1b[2Jann is not authorized",
		})
	}))
	t.Cleanup(server.Close)
	for backend, hint := range map[string]string{
		"ssm":            "\n  you need ssm:GetParametersByPath",
		"secretsmanager": "\n  you need secretsmanager:GetSecretValue",
	} {
		b := &bench{T: t, env: append(ownEnvironment(t.TempDir()), "PATH="+os.Getenv("PATH"),
			"AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY=secret", "AWS_REGION=us-east-1", "COFFER_RETRIES=1",
			"COFFER_ENDPOINT_URL="+server.URL, "COFFER_BACKEND="+backend)}
		for _, line := range []string{
			"write api key -", "import api -", "read api key", "list api", "exec api -- echo ran", "exec api --allow-empty -- echo ran",
			"export api", "env api", "services", "find key", "history api key", "delete api key",
		} {
			got := b.run(line, "key: "+canary)
			if got.exit != 5 || got.stdout != "" || strings.Contains(got.stderr, canary) || !strings.Contains(got.stderr, hint) || strings.Contains(got.stderr, "\x1b") {
				t.Errorf("%s, coffer %s: %+v", backend, line, got)
			}
		}
	}
}

package integrations_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/need"
)

// gitlabPipeline has a job for each mode of the component. What a job has got it writes to files.
const gitlabPipeline = `
include:
  - {local: /templates/coffer.yml}
  - {local: /templates/coffer.yml, inputs: {job: .env, mode: env, services: api, role: "arn:aws:iam::111122223333:role/ci"}}
  - {local: /templates/coffer.yml, inputs: {job: .some, mode: env, services: api web, only: "db_*,token", prefix: X_}}
  - {local: /templates/coffer.yml, inputs: {job: .file, mode: file, services: api}}
  - {local: /templates/coffer.yml, inputs: {job: .missing, mode: env, services: api none}}

exec:
  extends: .coffer
  script:
    - |
      coffer exec --mask api -- sh -c 'printf %s "$TLS_KEY" >exec.out; echo "$DB_PASSWORD $UNICODE"; printf %s "$TLS_KEY"; exit 0'

env:
  extends: .env
  script:
    - printf %s "$TLS_KEY" >env.tls_key; printf %s "$QUOTED" >env.quoted
    - echo "role $AWS_ROLE_ARN, token ${COFFER_ID_TOKEN-unset}"
    - ls -l "$AWS_WEB_IDENTITY_TOKEN_FILE" && cp "$AWS_WEB_IDENTITY_TOKEN_FILE" token.out

some:
  extends: .some
  script: env | sed 's/=.*//' >some.names

file:
  extends: .file
  script:
    - ls -l "$COFFER_SECRETS_FILE"
    - cp "$COFFER_SECRETS_FILE" file.json

missing:
  extends: .missing
  script: touch missing.ran

fails:
  extends: .env
  script: [sh -c 'exit 3']

traced:
  extends: .env
  variables: {CI_DEBUG_TRACE: "true"}
  script: touch traced.ran
`

// gitlabProject is a machine whose home is a project with a pipeline, and a function that runs jobs of it.
func gitlabProject(t *testing.T, pipeline string) (*machine, func(jobs ...string) (int, string)) {
	t.Helper()
	dir := os.Getenv("COFFER_TEST_GITLAB")
	runner := filepath.Join(dir, "node_modules/gitlab-ci-local/src/index.js")
	if _, err := os.Stat(runner); err != nil || dir == "" {
		need.Missing(t, "gitlab-ci-local", "make gitlab installs it with npm (apt-get install npm)")
	}
	node := need.Program(t, "node", "apt-get install nodejs")
	need.Program(t, "rsync", "apt-get install rsync")
	m := newMachine(t)
	m.store("web", map[string]string{"token": "canary-of-web", "other": "canary-not-asked-for"})
	component, err := os.ReadFile("../templates/coffer.yml")
	if err != nil {
		t.Fatal(err)
	}
	m.file("project/templates/coffer.yml", string(component), 0o600)
	m.file("project/.gitlab-ci.yml", pipeline, 0o600)
	m.env = append(m.env, "TMPDIR="+filepath.Dir(m.file("tmp/.keep", "", 0o600)))
	project := filepath.Join(m.home, "project")
	m.mustRun("git", "init", "-q", "-b", "main", project)
	m.mustRun("git", "-C", project, "add", ".")
	m.mustRun("git", "-C", project, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-q", "-m", "pipeline")
	m.mustRun("git", "-C", project, "remote", "add", "origin", "https://gitlab.example.com/acme/app.git")
	return m, func(jobs ...string) (int, string) {
		args := append([]string{runner, "--cwd", "project", "--force-shell-executor", "--variable", "COFFER_ID_TOKEN=an-id-token"}, jobs...)
		return m.run(node, args...)
	}
}

// TestGitLabJobsHaveTheirSecrets runs the component on gitlab-ci-local: multi-line values too, and nothing of
// a value is printed. Nothing is left when a job has ended.
func TestGitLabJobsHaveTheirSecrets(t *testing.T) {
	t.Parallel()
	m, run := gitlabProject(t, gitlabPipeline)
	code, output := run("exec", "env", "some", "file")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, output)
	}
	hidden(t, output)
	in := func(name string) string {
		text, err := os.ReadFile(filepath.Join(m.home, "project", name))
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	for name, want := range map[string]string{
		"exec.out": canaries["tls_key"], "env.tls_key": canaries["tls_key"], "env.quoted": canaries["quoted"], "token.out": "an-id-token",
	} {
		if diff := cmp.Diff(want, in(name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	var inFile map[string]string
	if err := json.Unmarshal([]byte(in("file.json")), &inFile); err != nil {
		t.Error(err)
	} else if diff := cmp.Diff(canaries, inFile); diff != "" {
		t.Error("file.json: ", diff)
	}
	names := strings.Fields(in("some.names"))
	found := regexp.MustCompile(`(?m)^X_\w+|^(DB_PASSWORD|OTHER)$`).FindAllString(strings.Join(names, "\n"), -1)
	if strings.Join(found, " ") != "X_DB_PASSWORD X_TOKEN" && strings.Join(found, " ") != "X_TOKEN X_DB_PASSWORD" {
		t.Errorf("variables %q", found)
	}
	if !strings.Contains(output, "role arn:aws:iam::111122223333:role/ci, token unset") {
		t.Error("the role isn't in the environment, or the token is")
	}
	if private := regexp.MustCompile(`-rw-------.*/(secrets|token)`).FindAllString(output, -1); len(private) != 2 {
		t.Errorf("private files %q\n%s", private, output)
	}
	if left, err := filepath.Glob(m.home + "/tmp/coffer-*"); len(left) > 0 || err != nil {
		t.Errorf("left after the jobs: %q, %v", left, err)
	}
}

// TestGitLabJobsFailWithoutAValue: what can't be read fails the job before its script, and no output has a value.
func TestGitLabJobsFailWithoutAValue(t *testing.T) {
	t.Parallel()
	m, run := gitlabProject(t, gitlabPipeline)
	code, output := run("missing", "fails", "traced", "--no-json-schema-validation")
	if code == 0 {
		t.Error("the pipeline passed")
	}
	hidden(t, output)
	for _, want := range []string{`service "none" has no secrets`, "CI_DEBUG_TRACE would print the secrets"} {
		if !strings.Contains(output, want) {
			t.Errorf("the output has no %q\n%s", want, output)
		}
	}
	if ran, err := filepath.Glob(m.home + "/project/*.ran"); len(ran) > 0 || err != nil {
		t.Errorf("%q ran all the same, %v", ran, err)
	}
	if left, err := filepath.Glob(m.home + "/tmp/coffer-*"); len(left) > 0 || err != nil {
		t.Errorf("left after the jobs: %q, %v", left, err)
	}
}

// TestGitLabJobsInstallARelease: without coffer on PATH, from a mirror.
func TestGitLabJobsInstallARelease(t *testing.T) {
	t.Parallel()
	r := newReleases(t, program)
	m, run := gitlabProject(t, `
include: {local: /templates/coffer.yml, inputs: {version: v0.1.0, base-url: "`+r.url+`"}}
installed: {extends: .coffer, script: [coffer version]}
`)
	m.withoutCoffer()
	code, output := run("installed", "--no-json-schema-validation")
	if code != 0 || !strings.Contains(output, "> coffer v0.1.0\n") {
		t.Errorf("exit code %d\n%s", code, output)
	}
}

package integrations_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/coffer-secrets/coffer/internal/testing/need"
)

// orb has the fields of CircleCI's orbs that ours uses. A field that isn't here is a mistake.
type orb struct {
	Version     string            `yaml:"version"`
	Description string            `yaml:"description"`
	Display     map[string]string `yaml:"display"`
	Commands    map[string]struct {
		Description string                  `yaml:"description"`
		Parameters  map[string]orbParameter `yaml:"parameters"`
		Steps       []struct {
			Run struct {
				Name        string            `yaml:"name"`
				When        string            `yaml:"when"`
				Environment map[string]string `yaml:"environment"`
				Command     string            `yaml:"command"`
			} `yaml:"run"`
		} `yaml:"steps"`
	} `yaml:"commands"`
	Examples map[string]any `yaml:"examples"`
}

type orbParameter struct {
	Type        string  `yaml:"type"`
	Default     *string `yaml:"default"`
	Description string  `yaml:"description"`
}

func readOrb(t *testing.T) (o orb) {
	t.Helper()
	text, err := os.ReadFile("circleci/orb.yml")
	if err != nil {
		t.Fatal(err)
	}
	parser := yaml.NewDecoder(bytes.NewReader(text))
	parser.KnownFields(true)
	if err := parser.Decode(&o); err != nil {
		t.Fatal(err)
	}
	return o
}

// circleJob is a job of CircleCI on a machine: what a step writes to BASH_ENV, later steps run first.
type circleJob struct {
	*machine
	orb  orb
	bash string
}

func newCircleJob(t *testing.T) *circleJob {
	t.Helper()
	m := newMachine(t)
	m.env = append(m.env,
		"BASH_ENV="+m.file("bash_env", "", 0o600), "TMPDIR="+filepath.Dir(m.file("tmp/.keep", "", 0o600)),
		"CIRCLE_OIDC_TOKEN_V2=an-id-token", "CIRCLE_WORKFLOW_JOB_ID=0190-job")
	return &circleJob{machine: m, orb: readOrb(t), bash: need.Program(t, "bash", "apt-get install bash")}
}

// step runs a command of the orb, with its parameters filled in as CircleCI does.
func (j *circleJob) step(command string, parameters map[string]string) (int, string) {
	j.t.Helper()
	c, exists := j.orb.Commands[command]
	if !exists || len(c.Steps) != 1 {
		j.t.Fatalf("the orb has no command %s of one step", command)
	}
	run := c.Steps[0].Run
	fill := func(text string) string {
		filled := regexp.MustCompile(`<< parameters\.([a-z-]+) >>`).ReplaceAllStringFunc(text, func(reference string) string {
			name := strings.Fields(strings.TrimPrefix(reference, "<< parameters."))[0]
			parameter, declared := c.Parameters[name]
			value, given := parameters[name]
			switch {
			case !declared, !given && parameter.Default == nil:
				j.t.Fatalf("%s: the parameter %s isn't declared, or isn't given", command, name)
			case !given:
				value = *parameter.Default
			}
			return value
		})
		return strings.ReplaceAll(filled, `\<<`, "<<")
	}
	cmd := j.command(j.bash, "-eo", "pipefail", j.file("step.sh", fill(run.Command), 0o600))
	for name, value := range run.Environment {
		cmd.Env = append(cmd.Env, name+"="+fill(value))
	}
	output, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		j.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(output)
}

// then runs a later step of the job, which isn't of the orb.
func (j *circleJob) then(script string) (int, string) {
	j.t.Helper()
	return j.run(j.bash, "-eo", "pipefail", j.file("step.sh", script, 0o600))
}

func TestTheOrbDeclaresWhatItUses(t *testing.T) {
	o := readOrb(t)
	for name, c := range o.Commands {
		used := fmt.Sprint(c.Steps)
		for parameter, p := range c.Parameters {
			if !strings.Contains(used, "<< parameters."+parameter+" >>") {
				t.Errorf("%s doesn't use its parameter %s", name, parameter)
			}
			if p.Description == "" || p.Type != "string" && p.Type != "boolean" {
				t.Errorf("%s: the parameter %s has no description, or the type %q", name, parameter, p.Type)
			}
		}
		if c.Description == "" {
			t.Errorf("%s has no description", name)
		}
	}
	if o.Version != "2.1" || len(o.Commands) != 4 || len(o.Examples) != 1 {
		t.Errorf("version %s, %d commands, %d examples", o.Version, len(o.Commands), len(o.Examples))
	}
}

// TestCircleJobsHaveTheirSecrets in one step or in a file; no step prints one, and clean leaves nothing.
func TestCircleJobsHaveTheirSecrets(t *testing.T) {
	t.Parallel()
	j := newCircleJob(t)
	if code, output := j.step("install", map[string]string{"role": "arn:aws:iam::111122223333:role/ci"}); code != 0 || output != "" {
		t.Fatalf("install: exit code %d\n%s", code, output)
	}
	code, output := j.step("exec", map[string]string{"services": "api", "command": `
printf %s "$TLS_KEY" >exec.out
echo "it has $DB_PASSWORD and $TLS_KEY; ${COFFER_ORB_COMMAND-no variable of the orb}"; echo "$AWS_ROLE_ARN"`})
	if code != 0 || !strings.Contains(output, "it has *** and") || !strings.Contains(output, "no variable of the orb\narn:aws:iam::111122223333:role/ci\n") {
		t.Errorf("exec: exit code %d\n%s", code, output)
	}
	hidden(t, output)
	if got, err := os.ReadFile(j.home + "/exec.out"); err != nil || string(got) != canaries["tls_key"] {
		t.Error(cmp.Diff(canaries["tls_key"], string(got)), err)
	}
	if code, output := j.step("exec", map[string]string{"services": "api", "only": "db_*", "prefix": "X_", "command": `env | sed -n 's/^\(X_[A-Z_]*\)=.*/\1/p'`}); code != 0 || output != "X_DB_PASSWORD\n" {
		t.Errorf("exec with only and prefix: exit code %d\n%s", code, output)
	}
	if code, output := j.step("file", map[string]string{"services": "api", "format": "json"}); code != 0 || output != "" {
		t.Errorf("file: exit code %d\n%s", code, output)
	}
	code, output = j.then(`stat -c %a "$COFFER_SECRETS_FILE" "$AWS_WEB_IDENTITY_TOKEN_FILE"; cat "$AWS_WEB_IDENTITY_TOKEN_FILE"; coffer export api | cmp - "$COFFER_SECRETS_FILE"; env | grep -c canary || true`)
	if code != 0 || output != "600\n600\nan-id-token0\n" {
		t.Errorf("a later step: exit code %d\n%s", code, output)
	}
	if code, output := j.step("clean", nil); code != 0 || output != "" {
		t.Errorf("clean: exit code %d\n%s", code, output)
	}
	if left, err := filepath.Glob(j.home + "/tmp/[a-z]*"); len(left) > 0 || err != nil {
		t.Errorf("left after the job: %q, %v", left, err)
	}
}

func TestCircleJobsFailWithoutAValue(t *testing.T) {
	t.Parallel()
	j := newCircleJob(t)
	if code, output := j.step("install", nil); code != 0 {
		t.Fatalf("install: exit code %d\n%s", code, output)
	}
	for command, parameters := range map[string]map[string]string{
		"exec": {"services": "api none", "command": "touch ran"},
		"file": {"services": "api none"},
	} {
		code, output := j.step(command, parameters)
		if code == 0 || !strings.Contains(output, `service "none" has no secrets`) {
			t.Errorf("%s: exit code %d\n%s", command, code, output)
		}
		hidden(t, output)
	}
	if code, output := j.step("exec", map[string]string{"services": "api", "command": `echo "$DB_PASSWORD" >&2; false | true; touch ran`}); code == 0 {
		t.Errorf("a pipe that failed passed\n%s", output)
	} else {
		hidden(t, output)
	}
	if _, err := os.Stat(j.home + "/ran"); err == nil {
		t.Error("a command ran all the same")
	}
}

func TestCircleJobsInstallARelease(t *testing.T) {
	t.Parallel()
	r := newReleases(t, program)
	j := newCircleJob(t)
	j.withoutCoffer()
	if code, output := j.step("install", map[string]string{"version": "v0.1.0", "base-url": r.url}); code != 0 {
		t.Fatalf("install: exit code %d\n%s", code, output)
	}
	if code, output := j.then("coffer version"); code != 0 || output != "coffer v0.1.0\n" {
		t.Errorf("exit code %d\n%s", code, output)
	}
}

//go:build unix

package integrations_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/need"
)

// action is a folder with what the action needs of this repository, and nothing else.
func action(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	scripts, err := filepath.Glob("github/*.js")
	if err != nil || len(scripts) == 0 {
		t.Fatal(scripts, err)
	}
	for _, name := range append(scripts, "install.sh", "../action.yml") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(folder, "integrations", name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// act runs a job with these steps on the machine, and returns its exit code and its log.
func (m *machine) act(t *testing.T, steps string) (int, string) {
	t.Helper()
	return m.workflow(t, "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n"+steps)
}

// workflow is act for a whole workflow. The action of this repository is its v0.1.0.
func (m *machine) workflow(t *testing.T, text string) (int, string) {
	t.Helper()
	act := os.Getenv("COFFER_TEST_ACT")
	if _, err := os.Stat(act); err != nil {
		need.Missing(t, "act", "make act builds it")
	}
	need.Program(t, "node", "apt-get install nodejs")
	m.file("repo/.github/workflows/deploy.yml", text, 0o600)
	c := m.command(act, "push", "--platform", "ubuntu-latest=-self-hosted", "--local-repository", "coffer-secrets/coffer@v0.1.0="+action(t))
	c.Dir = filepath.Join(m.home, "repo")
	output, err := c.CombinedOutput()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(output)
}

// TestGitHubActionPassesSecretsOnAndHidesThem: in each mode a later step has each byte, and whatever
// it prints, and when it fails, the log shows none.
func TestGitHubActionPassesSecretsOnAndHidesThem(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	code, log := m.act(t, `
      - uses: coffer-secrets/coffer@v0.1.0
        with: {services: api}
      - run: |
          for name in DB_PASSWORD TLS_KEY QUOTED UNICODE; do
            printenv "$name" | tee "$HOME/env-$name"
            printenv "$name" | base64
            printf 'user:%s' "$(printenv "$name")" | base64
            echo "a log line with $(printenv "$name") in it" >&2
          done
      - id: db
        uses: coffer-secrets/coffer@v0.1.0
        with: {services: "api, api", mode: outputs, only: db_*, prefix: MY_}
      - run: printf '%s\n' "${{ steps.db.outputs.MY_DB_PASSWORD }}" | tee "$HOME/output"
      - id: all
        uses: coffer-secrets/coffer@v0.1.0
        with: {services: api, mode: file, format: json}
      - run: |
          cp -p "${{ steps.all.outputs.file }}" "$HOME/file"
          echo "${{ steps.all.outputs.file }}" > "$HOME/path"
          cat "$HOME/file"
      - run: set -x; echo "$DB_PASSWORD" "$TLS_KEY"; env; false
`)
	hidden(t, log)
	if code != 1 || !strings.Contains(log, "Failure - Main set -x") {
		t.Fatalf("exit code %d\n%s", code, log)
	}
	got := map[string]string{}
	for name := range canaries {
		got[name] = strings.TrimSuffix(m.read("env-"+strings.ToUpper(name)), "\n")
	}
	if diff := cmp.Diff(canaries, got); diff != "" {
		t.Error("variables:", diff)
	}
	if got := m.read("output"); got != canaries["db_password"]+"\n" {
		t.Errorf("output %q", got)
	}
	if got := m.read("file"); got != m.mustRun("coffer", "export", "api") {
		t.Errorf("file %q", got)
	}
	info, err := os.Stat(filepath.Join(m.home, "file"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if _, err := os.Stat(strings.TrimSpace(m.read("path"))); !os.IsNotExist(err) {
		t.Error("the file was not removed:", err)
	}
}

// TestGitHubActionInstallsARelease, if its checksum is right. Without coffer no later step runs.
func TestGitHubActionInstallsARelease(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*releases){
		"": func(*releases) {},
		"the checksum of coffer_": func(r *releases) {
			r.files["/download/v0.1.0/"+r.archive] = append(r.files["/download/v0.1.0/"+r.archive], 0)
		},
	} {
		m := newMachine(t)
		r := newReleases(t, "#!/bin/sh\nexec "+m.program+` "$@"`+"\n")
		change(r)
		m.env = append(m.env, "PATH="+os.Getenv("PATH")) // without the coffer of the machine
		code, log := m.act(t, `
      - uses: coffer-secrets/coffer@v0.1.0
        with: {mode: none, version: v0.1.0, base-url: "`+r.url+`"}
      - run: coffer exec api -- printenv DB_PASSWORD > "$HOME/value"
`)
		if failed := code != 0; failed != (name != "") || !strings.Contains(log, name) {
			t.Errorf("exit code %d\n%s", code, log)
		}
		if _, err := os.Stat(filepath.Join(m.home, "value")); (err == nil) != (name == "") {
			t.Error("the next step:", err)
		}
		hidden(t, log)
	}
}

// step runs the main step of the action by itself, with inputs and variables, and returns its exit code and
// its log.
func (m *machine) step(t *testing.T, inputs map[string]string, env ...string) (int, string) {
	t.Helper()
	c := m.command(need.Program(t, "node", "apt-get install nodejs"), filepath.Join(mustAbs(t, "github"), "main.js"))
	for name, value := range inputs {
		c.Env = append(c.Env, "INPUT_"+strings.ToUpper(name)+"="+value)
	}
	for _, name := range []string{"GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_PATH"} {
		c.Env = append(c.Env, name+"="+m.file(name, "", 0o600))
	}
	c.Env = append(append(c.Env, "RUNNER_TEMP="+t.TempDir()), env...)
	output, err := c.CombinedOutput()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(output)
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	absolute, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return absolute
}

// TestGitHubActionExplainsItsFailures in an annotation, with coffer's exit code, and passes nothing on.
func TestGitHubActionExplainsItsFailures(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.store("odd", map[string]string{"node_options": "canary-option"})
	m.store("code", map[string]string{"path": "canary-path"})
	nowhere, r := "http://127.0.0.1:1", newReleases(t, program)
	m.env = append(m.env, "PATH="+toolbox(t, "sh", "curl", "sha256sum")+":"+filepath.Dir(m.program)) // without cosign
	for want, test := range map[string]struct {
		inputs map[string]string
		code   int
	}{
		"mode must be one of env, outputs, file, none":            {map[string]string{"services": "api", "mode": "envs"}, 2},
		"require-signature must be true or false":                 {map[string]string{"services": "api", "require-signature": "yes"}, 2},
		"services is empty: mode env needs at least one":          {nil, 2},
		"services can't be used with mode none":                   {map[string]string{"services": "api", "mode": "none"}, 2},
		"only can't be used with mode none":                       {map[string]string{"only": "x", "mode": "none"}, 2},
		"format can't be used with mode env: it is for mode file": {map[string]string{"services": "api", "format": "json"}, 2},
		`coffer: service "missing" has no secrets%0A`:             {map[string]string{"services": "missing"}, 3},
		"unknown format": {map[string]string{"services": "api", "mode": "file", "format": "jsn"}, 2},
		"GitHub doesn't let a step set NODE_OPTIONS%0A  skip: node_options leaves it out; mode: outputs passes it on; prefix gives it another name\n": {map[string]string{"services": "odd"}, 2},
		"run other code%0A  skip: path leaves it out; mode: outputs passes it on; prefix gives it another name\n":                                     {map[string]string{"services": "code"}, 2},
		"run other code%0A  skip: path leaves it out; format: json takes every name; prefix gives it another one\n":                                   {map[string]string{"services": "code", "mode": "file"}, 2},
		"skip can't be used with mode none":                                     {map[string]string{"skip": "x", "mode": "none"}, 2},
		`no key matches "x"%0A  coffer list shows the keys of a service` + "\n": {map[string]string{"services": "api", "only": "x"}, 3},
		`role-to-assume needs the permission "id-token: write"`:                 {map[string]string{"services": "api", "role-to-assume": "arn:aws:iam::111122223333:role/ci"}, 5},
		"install.sh: cosign is missing":                                         {map[string]string{"services": "api", "version": "v0.1.0", "base-url": r.url, "require-signature": "true"}, 1},
		"install.sh: can't download " + nowhere:                                 {map[string]string{"services": "api", "version": "v0.1.0", "base-url": nowhere}, 1},
		"install.sh: --version must be a release, such as v0.1.0, or":           {map[string]string{"services": "api", "version": "main"}, 1},
	} {
		code, log := m.step(t, test.inputs)
		if code != test.code || !strings.Contains(log, "::error title=coffer::") || !strings.Contains(log, want) {
			t.Errorf("%v: want %q: exit code %d\n%s", test.inputs, want, code, log)
		}
		hidden(t, strings.Join(strings.Split(log, "::add-mask::")[:1], ""))
		if passed := m.read("GITHUB_ENV") + m.read("GITHUB_OUTPUT"); passed != "" {
			t.Errorf("%v: passed on %q", test.inputs, passed)
		}
	}
}

// TestGitHubActionLetsAnOutputHaveAnyName: it is no variable, so it changes nothing of what a program does.
func TestGitHubActionLetsAnOutputHaveAnyName(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	want := map[string]string{}
	secrets := map[string]string{"step_output_x": "canary-x", "1st": "canary\n1st", "left": "canary-left"}
	for _, key := range []string{"path", "ld_preload", "node_options", "github_env", "https_proxy"} {
		secrets[key] = "canary-" + key
	}
	for key, value := range secrets {
		if key != "left" {
			want["MY_"+strings.ToUpper(key)] = value
		}
	}
	m.store("names", secrets)
	code, log := m.step(t, map[string]string{"services": "names", "mode": "outputs", "prefix": "MY_", "skip": "left"})
	if code != 0 || strings.Contains(log, "::notice") {
		t.Fatalf("exit code %d\n%s", code, log)
	}
	if diff := cmp.Diff(want, m.outputs()); diff != "" {
		t.Error(diff)
	}

	code, log = m.step(t, map[string]string{"services": "names", "mode": "outputs", "only": "1st"})
	if diff := cmp.Diff(map[string]string{"_1ST": "canary\n1st"}, m.outputs()); code != 0 || diff != "" {
		t.Errorf("exit code %d\n%s\n%s", code, log, diff)
	}
	m.store("names", map[string]string{"_1st": "canary-other"})
	code, log = m.step(t, map[string]string{"services": "names", "mode": "outputs"})
	if code != 2 || !strings.Contains(log, "two keys become the output _1ST%0A  skip leaves one of them out") || len(m.outputs()) > 0 {
		t.Errorf("exit code %d\n%s", code, log)
	}
	code, log = m.step(t, map[string]string{"services": "names", "mode": "outputs", "prefix": "a/"})
	if code != 2 || !strings.Contains(log, `can't be a variable: the prefix "a/"`) {
		t.Errorf("exit code %d\n%s", code, log)
	}
}

// outputs are those that a step has passed on, as the runner reads them.
func (m *machine) outputs() map[string]string {
	found := map[string]string{}
	lines := strings.Split(m.read("GITHUB_OUTPUT"), "\n")
	for i := 0; i < len(lines)-1; i++ {
		name, delimiter, _ := strings.Cut(lines[i], "<<")
		begin := i + 1
		for i++; lines[i] != delimiter; {
			i++
		}
		found[name] = strings.Join(lines[begin:i], "\n")
	}
	return found
}

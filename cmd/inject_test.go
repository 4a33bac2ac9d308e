//go:build unix

package cmd_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/coffer-secrets/coffer/internal/testing/need"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// TestFilesThatInjectWritesAreReadByTheirPrograms: JSON by node, YAML and INI by Python, and a configuration by
// nginx, all written in one run.
func TestFilesThatInjectWritesAreReadByTheirPrograms(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	password := canary + ` "'\$%{}#; ü`
	b.do("write api db_password -", password)
	b.do("write api user -", "app")
	dir := t.TempDir()
	line := "inject"
	for name, text := range map[string]string{
		"app.json": `{"user": {{ coffer://api/user | json }}, "password": {{ coffer://api/db_password | json }}}`,
		"app.yaml": "db:\n  user: {{ coffer://api/user | yaml }}\n  password: {{ coffer://api/db_password | yaml }} # comment\n",
		"app.ini":  "[db]\nuser = {{ coffer://api/user | ini }}\npassword = {{ coffer://api/db_password | base64 }}\n",
		"nginx.conf": "pid " + dir + "/pid;\nerror_log stderr;\nevents {}\nhttp {\n  access_log off;\n  server {\n    listen unix:" + dir + "/socket;\n    location / {\n" +
			"      proxy_pass http://127.0.0.1:9/?user={{ coffer://api/user | url }};\n      proxy_set_header Authorization \"Basic {{ coffer://api/db_password | base64 }}\";\n    }\n  }\n}\n",
	} {
		template := filepath.Join(dir, name+".tmpl")
		if err := os.WriteFile(template, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		line += " -i " + template + " -o " + filepath.Join(dir, name)
	}
	b.do(line, "")
	for _, c := range []struct {
		file, install, want string
		command             []string
	}{
		{"app.json", "apt-get install nodejs", password, []string{"node", "-e", `process.stdout.write(JSON.parse(require("fs").readFileSync(process.argv[1])).password)`}},
		{"app.yaml", "apt-get install python3 python3-yaml", password, []string{"python3", "-c", `import sys, yaml; print(yaml.safe_load(open(sys.argv[1]))["db"]["password"], end="")`}},
		{"app.ini", "apt-get install python3", password, []string{"python3", "-c", `import sys, base64, configparser
c = configparser.ConfigParser(); c.read(sys.argv[1]); print(base64.b64decode(c["db"]["password"]).decode(), end="")`}},
		{"nginx.conf", "apt-get install nginx-light", "", []string{"nginx", "-t", "-q", "-p", dir, "-c"}},
	} {
		program := need.Program(t, c.command[0], c.install)
		read := exec.CommandContext(t.Context(), program, append(c.command[1:], filepath.Join(dir, c.file))...)
		read.Stderr = os.Stderr
		if got, err := read.Output(); err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v; want %q", c.file, got, err, c.want)
		}
	}
}

// blobCredentials are what a FoundationDB backup agent reads of a blob_credentials.json: FoundationDB's
// documentation, "Backup, Restore, and Replication", section "Blob Credential Files".
type blobCredentials struct {
	APIKey string `json:"api_key"`
	Secret string `json:"secret"`
	Token  string `json:"token"`
}

// rotation is an agent's file, and the credentials that were stored for it, oldest first.
type rotation struct {
	*bench
	file   string
	role   string
	stored []blobCredentials
}

// rotate gets credentials of STS and stores them with a process of its own: three secrets, one after the other.
func (r *rotation) rotate() {
	r.Helper()
	out, err := sts.NewFromConfig(r.clientConfig()).AssumeRole(r.Context(), &sts.AssumeRoleInput{RoleArn: &r.role, RoleSessionName: aws.String("backup")})
	if err != nil {
		r.Fatal(err)
	}
	c := out.Credentials
	r.stored = append(r.stored, blobCredentials{*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken})
	text, err := json.Marshal(map[string]string{"access_key": *c.AccessKeyId, "secret_key": *c.SecretAccessKey, "session_token": *c.SessionToken})
	if err != nil {
		r.Fatal(err)
	}
	r.do("import fdb - --format json", string(text))
}

// poll reads the file until it has the newest credentials. Each time it must be whole: credentials that
// belong together, and none older than before.
func (r *rotation) poll(least int) (seen int) {
	r.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		text, err := os.ReadFile(r.file)
		if os.IsNotExist(err) && least == 0 {
			continue
		}
		var file struct{ Accounts map[string]blobCredentials }
		if err == nil {
			err = json.Unmarshal(text, &file)
		}
		if err != nil {
			r.Fatalf("the file is not whole: %v\n%s", err, text)
		}
		at := slices.Index(r.stored, file.Accounts["@s3.eu-west-1.amazonaws.com"])
		if at < least {
			r.Fatalf("the file has the credentials %d, after %d: %s", at, least, text)
		}
		if least = at; at == len(r.stored)-1 || r.Context().Err() != nil {
			break
		}
	}
	return least
}

// keepCurrent starts coffer, which writes the file and tells the agent. end ends it.
func (r *rotation) keepCurrent(dir string) (end func()) {
	r.Helper()
	c := r.command("inject --watch --interval 1s --signal USR1 --pid-file " + dir + "/agent.pid -i " + dir + "/template -o " + r.file)
	var stderr strings.Builder
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		r.Fatal(err)
	}
	return func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		if err := c.Wait(); err != nil || stderr.Len() > 0 {
			r.Errorf("the end: %v\n%s", err, stderr.String())
		}
	}
}

// startAgent starts a process that says "ready" at its start, "told" at a SIGUSR1 and "here" at a SIGUSR2. wait
// waits for a word; before "here" the agent may say anything.
func startAgent(t *testing.T) (pid int, wait func(word string)) {
	t.Helper()
	agent := exec.CommandContext(t.Context(), "sh", "-c", "trap 'echo told' USR1; trap 'echo here' USR2; echo ready; while :; do sleep 0.1; done")
	said, err := agent.StdoutPipe()
	if err == nil {
		err = agent.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	return agent.Process.Pid, func(want string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == want {
				return
			} else if want != "here" {
				break
			}
		}
		t.Fatalf("the agent said %q, %v; want %q", lines.Text(), lines.Err(), want)
	}
}

// TestABackupAgentsCredentialsStayCurrent keeps FoundationDB's blob_credentials.json current, from STS sessions
// that another process stores. The agent is told by a signal.
func TestABackupAgentsCredentialsStayCurrent(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	dir := t.TempDir()
	r := &rotation{bench: b, file: filepath.Join(dir, "blob_credentials.json"), role: b.SetRole("backup", s3test.Policy{})}
	pid, wait := startAgent(t)
	wait("ready")
	for name, text := range map[string]string{
		"agent.pid": strconv.Itoa(pid) + "\n",
		"template": `{
  "accounts": {
    "@s3.eu-west-1.amazonaws.com": {
      "api_key": {{ coffer://fdb/access_key | json }},
      "secret": {{ coffer://fdb/secret_key | json }},
      "token": {{ coffer://fdb/session_token | json }}
    }
  }
}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.rotate()
	end := r.keepCurrent(dir)
	seen := r.poll(0)
	wait("told")
	r.rotate()
	seen = r.poll(seen)
	wait("told")
	for range 3 {
		r.rotate()
	}
	r.poll(seen)
	wait("told")
	info, err := os.Stat(r.file)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	end()
	// At the next start the file is current, and the agent is told again. Of the three rotations it may have been
	// told more than once.
	if err := syscall.Kill(pid, syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	wait("here")
	end = r.keepCurrent(dir)
	wait("told")
	end()
	if now, err := os.Stat(r.file); err != nil || !os.SameFile(info, now) {
		t.Errorf("the file was written though nothing has changed: %v", err)
	}
}

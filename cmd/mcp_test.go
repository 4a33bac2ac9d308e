//go:build unix

package cmd_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/testing/need"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// agent is a client of coffer mcp, which runs as its child.
type agent struct {
	*testing.T
	*mcp.ClientSession
	server *exec.Cmd
	log    *bytes.Buffer // of the server; for after its end
}

// newAgent starts coffer mcp, which runs as long as the test. Each of words is one argument.
func newAgent(b *bench, dir string, words ...string) *agent {
	b.Helper()
	server := b.commandUntil(b.Context(), "mcp")
	server.Args = append(server.Args, words...)
	a := &agent{T: b.T, server: server, log: &bytes.Buffer{}}
	server.Dir, server.Stderr = dir, a.log
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(b.Context(), &mcp.CommandTransport{Command: server}, nil)
	if err != nil {
		b.Fatal(err, a.log)
	}
	a.ClientSession = session
	b.Cleanup(func() { _ = session.Close() })
	return a
}

// call calls a tool, and returns its whole answer as JSON. It has no value in any case.
func (a *agent) call(tool, arguments string) (answer string, failed bool) {
	a.Helper()
	result, err := a.CallTool(a.Context(), &mcp.CallToolParams{Name: tool, Arguments: json.RawMessage(arguments)})
	if err != nil {
		a.Fatalf("%s: %v", tool, err)
	}
	text, err := json.Marshal(result)
	if err != nil {
		a.Fatal(err)
	}
	if told := formOfCanary(string(text)); told != "" {
		a.Errorf("%s %s tells a value, as %s: %s", tool, arguments, told, text)
	}
	return string(text), result.IsError
}

// formOfCanary returns a form of the canary that a text has, or of another secret that the tests have.
func formOfCanary(text string) string {
	for _, secret := range []string{canary, dev.SecretKey, dev.SessionToken} {
		if form := formOf(secret, text); form != "" {
			return form
		}
	}
	return ""
}

// formOf returns the form of a secret that a text has: as it is, in base64 or in hexadecimal.
func formOf(secret, text string) string {
	for offset := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", offset) + secret))
		if form := encoded[4 : len(encoded)-4]; strings.Contains(text, form) {
			return form
		}
	}
	for _, form := range []string{secret, hex.EncodeToString([]byte(secret))} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
			return form
		}
	}
	return ""
}

// requests are what an agent writes to ask for a few calls, each a tool and its arguments.
func requests(calls ...[2]string) string {
	lines := `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
`
	for i, c := range calls {
		lines += `{"jsonrpc":"2.0","id":` + strconv.Itoa(i+1) + `,"method":"tools/call","params":{"name":"` + c[0] + `","arguments":` + c[1] + "}}\n"
	}
	return lines
}

// TestAnAgentOverStdio: coffer mcp as an agent runs it.
func TestAnAgentOverStdio(t *testing.T) {
	t.Parallel()
	s := newStage(t, s3test.Options{})
	config := s.file("mcp_allow: [./child KEEP]\ncontexts: {dev: {bucket: b}, ops: {bucket: b, mcp_allow: [./child PAGER]}}\n")
	s.env = append(s.env, "COFFER_CONFIG="+config)
	a := newAgent(s.bench, filepath.Join(s.home, "cwd"), "team", "--allow", "./child URL")
	for tool, want := range map[string]string{
		"services": `{"services":["team"]}`,
		"keys":     `{"keys":["gone","keep","pager","url"],"service":"team"}`,
		"describe": `"key_alias":"alias/ops","version":1}`,
	} {
		arguments := `{"service":"TEAM"}`
		if tool == "services" {
			arguments = "{}"
		}
		if text, failed := a.call(tool, arguments); failed || !strings.Contains(strings.ReplaceAll(text, `\"`, `"`), want) {
			t.Errorf("%s: %s", tool, text)
		}
	}
	for _, allowed := range []string{`{"command":["./child","URL"]}`, `{"command":["./child","KEEP"]}`} {
		if text, failed := a.call("run", allowed); failed || !strings.Contains(text, `"stdout":"***\n"`) || !strings.Contains(text, `"exit_status":0`) {
			t.Error(text)
		}
	}
	if text, failed := a.call("run", `{"command":["./child","PAGER"]}`); !failed || !strings.Contains(text, "allowed are: ./child URL; ./child KEEP") {
		t.Error(text)
	}
	if err := a.Close(); err != nil || formOfCanary(a.log.String()) != "" || !strings.Contains(a.log.String(), "coffer: run: ./child URL\n") {
		t.Errorf("%v\n%s", err, a.log)
	}
	// What the configuration allows outside of contexts isn't allowed in one.
	for context, want := range map[string]string{"dev": `unknown tool`, "ops": `"stdout":"***\n"`} {
		a := newAgent(s.bench, filepath.Join(s.home, "cwd"), "team", "--context", context)
		result, err := a.CallTool(t.Context(), &mcp.CallToolParams{Name: "run", Arguments: map[string]any{"command": []string{"./child", "PAGER"}}})
		text, _ := json.Marshal(result)
		if err != nil {
			text = []byte(err.Error())
		}
		if !strings.Contains(string(text), want) {
			t.Errorf("%s: %s", context, text)
		}
	}
}

// TestAnAgentIsToldWhatIsWrong in the sentence of the other commands, with its hint.
func TestAnAgentIsToldWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env          []string
		asks, answer string
	}{
		"no bucket":  {[]string{"COFFER_S3_BUCKET="}, `{"service":"api"}`, "the s3-kms backend needs a bucket"},
		"no server":  {[]string{"COFFER_ENDPOINT_URL=http://127.0.0.1:1", "COFFER_TIMEOUT=2s"}, `{"service":"api"}`, "connection refused"},
		"no service": {nil, `{"service":"apo"}`, `service \"apo\" has no secrets (nearest: \"api\")`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{})
			b.do("write api url -", canary)
			b.env = append(append(b.env, "COFFER_BACKEND=s3-kms"), c.env...)
			a := newAgent(b, t.TempDir())
			if text, failed := a.call("describe", c.asks); !failed || !strings.Contains(text, c.answer) {
				t.Error(text)
			}
		})
	}
}

// TestMCPEndsWithItsInput, after the answers to what was asked before.
func TestMCPEndsWithItsInput(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("write api url -", canary)
	for _, c := range []struct {
		line, in       string
		exit           int
		stdout, stderr string // a part
	}{
		{line: "mcp"},
		{line: "mcp", in: requests([2]string{"keys", `{"service":"api"}`}, [2]string{"keys", `{"service":"web"}`}), stdout: `{"keys":["url"],"service":"api"}`, stderr: `keys: service "web" has no secrets`},
		{line: "mcp", in: "GET / HTTP/1.1\r\n\r\n", stdout: `"id":null,"error":{"code":-32700,`, stderr: "a line of the client is refused: Parse error: the line is not JSON"},
		{line: "mcp", in: `{"jsonrpc":"2.0"` + strings.Repeat(" ", 20<<20), exit: 1, stderr: "the client broke the connection: a line is longer than 16 MiB"},
		{line: "mcp --allow x", exit: 2, stderr: "coffer mcp SERVICE... --allow COMMAND"},
		{line: "mcp api --allow a|b", exit: 2, stderr: "no shell runs it"},
		{line: "mcp api --allow a --time-limit 0s", exit: 2, stderr: "--time-limit"},
		{line: "mcp api --mask-text " + strings.Repeat("x", 33), exit: 2, stderr: "--mask-text"},
	} {
		got := b.run(c.line, c.in)
		if got.exit != c.exit || !strings.Contains(strings.ReplaceAll(got.stdout, `\"`, `"`), c.stdout) || !strings.Contains(got.stderr, c.stderr) || c.stdout == "" && got.stdout != "" {
			t.Errorf("%s: %+v", c.line, got)
		}
		for line := range strings.Lines(got.stdout) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s: %q is not of the protocol", c.line, line)
			}
		}
	}
	wantBroken(b)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full: ", err)
	}
	defer func() { _ = full.Close() }()
	c := b.command("mcp")
	c.Stdin, c.Stdout = strings.NewReader(requests([2]string{"services", "{}"})), full
	var exit *exec.ExitError
	if err := c.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("with a full disk: %v", err)
	}
}

// wantBroken asks, and doesn't wait for the answer: the server ends, and not by the signal for that.
func wantBroken(b *bench) {
	b.Helper()
	c := b.command("mcp")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	in, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := errors.Join(c.Start(), out.Close()); err != nil {
		b.Fatal(err)
	}
	if _, err := in.Write([]byte(requests([2]string{"services", "{}"}))); err != nil {
		b.Fatal(err)
	}
	if err := c.Wait(); c.ProcessState.ExitCode() != 1 || !strings.Contains(stderr.String(), "broken pipe") {
		b.Errorf("%v: %s", err, &stderr)
	}
}

// TestTheEndOfTheServerEndsCommands, also when it is killed.
func TestTheEndOfTheServerEndsCommands(t *testing.T) {
	t.Parallel()
	b := newDeskOrBench(t)
	b.do("write api k -", canary)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGKILL} {
		dir := t.TempDir()
		a := newAgent(b, dir, "api", "--allow", "sh -c *")
		go func() {
			_, _ = a.CallTool(context.WithoutCancel(t.Context()), &mcp.CallToolParams{Name: "run", Arguments: map[string]any{"command": []string{"sh", "-c", "echo $$ >pid.new; mv pid.new pid; while :; do sleep 1; done"}}})
		}()
		var pid int
		for pid == 0 {
			text, _ := os.ReadFile(filepath.Join(dir, "pid"))
			pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
			if pace.Sleep(t.Context(), 5*time.Millisecond) != nil {
				t.Fatal("the command doesn't start")
			}
		}
		if err := a.server.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_ = a.Close()
		if exit := a.server.ProcessState.ExitCode(); sig != syscall.SIGKILL && exit != 130 {
			t.Errorf("%v: exit code %d\n%s", sig, exit, a.log)
		}
		log := a.log.String()
		if said := strings.Contains(log, "coffer: run: the command was ended: the server is ending; the command may have done part of its work\n"); said == (sig == syscall.SIGKILL) || strings.Contains(log, "nothing was changed") {
			t.Errorf("%v: %s", sig, log)
		}
		for syscall.Kill(pid, 0) == nil {
			if pace.Sleep(t.Context(), 10*time.Millisecond) != nil {
				t.Fatalf("%v: the command still runs", sig)
			}
		}
	}
}

// newDeskOrBench has a local store.
func newDeskOrBench(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, s3test.Options{})
	b.env = append(b.env, "COFFER_BACKEND=local", "COFFER_KMS_KEY_ALIAS=")
	return b
}

// TestTheInspectorSeesNoValue asks with a client that isn't of Go's SDK.
func TestTheInspectorSeesNoValue(t *testing.T) {
	t.Parallel()
	inspector := os.Getenv("COFFER_TEST_INSPECTOR")
	if _, err := os.Stat(inspector); err != nil || inspector == "" {
		need.Missing(t, "the MCP inspector", "make test installs it with npm (apt-get install npm)")
	}
	need.Program(t, "node", "apt-get install nodejs")
	b := newDeskOrBench(t)
	b.do("write api db_password -", canary+"-of-an-agent")
	b.do("write web token -", canary+"-of-the-web")
	server := b.command("mcp").Path
	prints := `echo $DB_PASSWORD; printf %s $DB_PASSWORD | base64; printf %s $DB_PASSWORD | od -An -v -tx1 | tr -d " \n"; set -x; echo "$DB_PASSWORD" >&2; exit 3`
	command, err := json.Marshal([]string{"sh", "-c", prints})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		about, want string
		ask         []string
	}{
		{"list", `"inputSchema"`, []string{"--method", "tools/list", "--strict"}},
		{"services", `"services": [ "api" ]`, []string{"--method", "tools/call", "--tool-name", "services"}},
		{"keys", `"keys": [ "db_password" ]`, []string{"--method", "tools/call", "--tool-name", "keys", "--tool-arg", "service=api"}},
		{"other", `"isError": true`, []string{"--method", "tools/call", "--tool-name", "keys", "--tool-arg", "service=web"}},
		{"describe", `"version": 1`, []string{"--method", "tools/call", "--tool-name", "describe", "--tool-arg", "service=api", "key=db_password"}},
		{"run", `"exit_status": 3`, []string{"--method", "tools/call", "--tool-name", "run", "--tool-arg", "command=" + string(command)}},
		{"refused", `this command isn't allowed`, []string{"--method", "tools/call", "--tool-name", "run", "--tool-arg", `command=["env"]`}},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			arguments := append([]string{inspector, "--cli"}, c.ask...)
			for _, v := range b.env { // it passes on no other variable
				if !strings.HasPrefix(v, "PATH=") && !strings.HasSuffix(v, "=") {
					arguments = append(arguments, "-e", v)
				}
			}
			arguments = append(arguments, "--server-stdio", "--", server, "mcp", "api", "--allow", "sh -c *")
			node := exec.CommandContext(t.Context(), "node", arguments...)
			node.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
			out, err := node.CombinedOutput()
			text := strings.Join(strings.Fields(string(out)), " ")
			if told := formOfCanary(string(out)); told != "" || !strings.Contains(text, c.want) {
				t.Errorf("%v, it tells %q: %s", err, told, out)
			}
			if c.about == "list" && (strings.Contains(text, "Warning") || strings.Count(text, `"inputSchema"`) != 4) {
				t.Errorf("%s", out)
			}
		})
	}
}

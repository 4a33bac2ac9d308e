//go:build unix

package mcpserver

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/pace"
)

// newRunner is a session that may run anything with the secrets of api.
func newRunner(t *testing.T, limit time.Duration) *mcp.ClientSession {
	t.Helper()
	return connect(t, newApp(t), Options{
		Services: []string{"api"}, Allow: []string{"sh -c *", "no-such-program", "/dev/null"}, TimeLimit: limit,
		Rules: environ.Rules{NoAWS: true, Skip: []string{"tls_key"}},
	})
}

func TestACommandRunsWithSecretsThatItsOutputHides(t *testing.T) {
	t.Parallel()
	session := newRunner(t, 0)
	out := runs(t, session, "sh", "-c", `echo "out $DB_PASSWORD $TLS_KEY$AWS_SECRET_ACCESS_KEY$COFFER_X$PIN"; echo "err $DB_PASSWORD" >&2; exit 7`)
	want := runOutput{Status: 7, Stdout: "out *** 17\n", Stderr: "err ***\n", Hidden: map[string]int{"api/db_password": 2}, NotHidden: []string{"api/pin"}}
	if !reflect.DeepEqual(out, want) {
		t.Errorf("%+v", out)
	}
	// Standard input has nothing, and there is no terminal.
	out = runs(t, session, "sh", "-c", `cat; (: </dev/tty) 2>/dev/null && echo a terminal; kill -9 $$`)
	if out.Status != 128+9 || out.Stdout+out.Stderr != "" {
		t.Errorf("%+v", out)
	}
}

// TestNoFormOfAValueIsInAnAnswer: split into writes, together with another output, and cut off.
func TestNoFormOfAValueIsInAnAnswer(t *testing.T) {
	t.Parallel()
	session := newRunner(t, 0)
	value := canary + "-1"
	for what, line := range map[string]string{
		"base64": "printf %s $DB_PASSWORD | base64", "base64 in a text": "printf 'user:%s' $DB_PASSWORD | base64",
		"hexadecimal": `printf %s $DB_PASSWORD | od -An -v -tx1 | tr -d ' \n'`, "a trace": "set -x; : $DB_PASSWORD",
		"pieces":     `printf %s "${DB_PASSWORD%????}"; printf %s "${DB_PASSWORD#"${DB_PASSWORD%????}"}"`,
		"one stream": "echo $DB_PASSWORD 2>&1; exec 2>&1; echo $DB_PASSWORD >&2", "a line of another secret": "echo " + canary + "-line 2",
		"a credential of the server": "echo " + canary + "-key-of-aws", "its beginning": `printf %s "${DB_PASSWORD%??}"`,
		"in a long output": `i=0; while [ $i -lt 4000 ]; do echo $DB_PASSWORD $DB_PASSWORD; i=$((i+1)); done`,
		"among bytes":      `printf '\000\377%s\000\033[0m' $DB_PASSWORD`, "an error": "exec /nowhere/$DB_PASSWORD", "arguments": "ps -o args= -p $$; echo $0 " + canary + "-1",
	} {
		out := runs(t, session, "sh", "-c", line)
		all := out.Stdout + out.Stderr
		encoded, digits := base64.StdEncoding.EncodeToString([]byte(value)), hex.EncodeToString([]byte(value))
		for _, form := range []string{value, value[:8], encoded[:len(encoded)-4], digits, digits[:20]} {
			if strings.Contains(all, form) {
				t.Errorf("%s: %+v", what, out)
			}
		}
		if !strings.Contains(all, "***") {
			t.Errorf("%s: nothing is hidden: %+v", what, out)
		}
	}
}

func TestOnlyWhatIsAllowedIsRun(t *testing.T) {
	t.Parallel()
	session := newRunner(t, 0)
	for _, c := range []struct {
		argv []string
		want string
	}{
		{[]string{"sh"}, "this command isn't allowed; allowed are: sh -c *; no-such-program; /dev/null"},
		{[]string{"sh -c", "true"}, "this command isn't allowed"},
		{[]string{"/bin/sh", "-c", "true"}, "this command isn't allowed"},
		{[]string{}, "this command isn't allowed"},
		{[]string{"no-such-program"}, `command not found: "no-such-program"`},
		{[]string{"/dev/null"}, `"/dev/null" can't be executed`},
		{[]string{"sh", "-c", "true\x00"}, "can't be executed: invalid argument"},
		{[]string{"sh", "-c", strings.Repeat("x", 1<<20)}, "argument 2 is too long"},
	} {
		if result, text := call(t, session, "run", arguments{"command": c.argv}); !result.IsError || !strings.Contains(text, c.want) {
			t.Errorf("%.40q: %.300s", c.argv, text)
		}
	}
	if result, text := call(t, connect(t, newApp(t), Options{Services: []string{"api"}, Allow: []string{"true"}, Rules: environ.Rules{Only: []string{"x*"}}}), "run", arguments{"command": []string{"true"}}); !result.IsError || !strings.Contains(text, `x*`) {
		t.Error(text)
	}
}

// TestALongOutputIsCut: the command isn't held up, and its end is seen.
func TestALongOutputIsCut(t *testing.T) {
	t.Parallel()
	out := runs(t, newRunner(t, 0), "sh", "-c", "head -c 20000000 /dev/zero; echo; echo the end")
	if !out.Cut || !strings.HasSuffix(out.Stdout, "\nthe end\n") || len(out.Stdout) > 40<<10 || out.Status != 0 {
		t.Errorf("status %d, %d bytes, cut %v", out.Status, len(out.Stdout), out.Cut)
	}
}

// asleep is a command whose processes, its own and one that it leaves behind, ignore SIGTERM. It writes
// their numbers to files.
func asleep(dir string) []string {
	return []string{"sh", "-c", `trap "" TERM; sh -c 'trap "" TERM; echo $$ >` + dir + `/b.new; mv ` + dir + `/b.new ` + dir + `/b; while :; do sleep 1; done' & echo $$ >` + dir + `/a.new; mv ` + dir + `/a.new ` + dir + `/a; echo started; wait; wait`}
}

// runsIn waits until the processes of asleep run, and returns their numbers.
func runsIn(t *testing.T, dir string) (pids []int) {
	t.Helper()
	for _, name := range []string{"a", "b"} {
		var pid int
		for pid == 0 {
			text, _ := os.ReadFile(filepath.Join(dir, name))
			pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
			if pace.Sleep(t.Context(), 5*time.Millisecond) != nil {
				t.Fatal("the command doesn't start")
			}
		}
		pids = append(pids, pid)
	}
	return pids
}

// wantEnd waits until processes have ended.
func wantEnd(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		for !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) && !zombie(pid) {
			if pace.Sleep(t.Context(), 10*time.Millisecond) != nil {
				t.Fatalf("process %d still runs", pid)
			}
		}
	}
}

// zombie reports whether a process has ended and nobody has waited for it.
func zombie(pid int) bool {
	state, _ := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return strings.HasPrefix(strings.TrimSpace(string(state)), "Z")
}

func TestTheTimeLimitEndsAllProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	result, text := call(t, newRunner(t, 500*time.Millisecond), "run", arguments{"command": asleep(dir)})
	var out runOutput
	if err := json.Unmarshal([]byte(text), &out); err != nil || !result.IsError || out.Ended != "it took longer than the time limit of 500ms; the command may have done part of its work" || out.Status != 128+9 || out.Stdout != "started\n" {
		t.Errorf("%v %s", err, text)
	}
	wantEnd(t, runsIn(t, dir))
}

func TestWhatACommandLeavesBehindIsEnded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	command := asleep(dir)
	command[2] = strings.Replace(command[2], "wait; wait", "while [ ! -e "+dir+"/b ]; do :; done", 1)
	if out := runs(t, newRunner(t, 0), command...); out.Stdout != "started\n" || out.Status != 0 {
		t.Errorf("%+v", out)
	}
	wantEnd(t, runsIn(t, dir))
}

// TestACanceledCallEndsItsProcesses, and no others: calls run at the same time.
func TestACanceledCallEndsItsProcesses(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	session := connect(t, a, Options{Services: []string{"api"}, Allow: []string{"sh -c *"}})
	dirs := []string{t.TempDir(), t.TempDir()}
	var pids [2][]int
	var cancels [2]context.CancelFunc
	ended := make(chan error, 2)
	for i, dir := range dirs {
		ctx, cancel := context.WithCancel(t.Context())
		cancels[i] = cancel
		go func() {
			_, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "run", Arguments: arguments{"command": asleep(dir)}})
			ended <- err
		}()
	}
	for i, dir := range dirs {
		pids[i] = runsIn(t, dir)
	}
	for i := range dirs {
		cancels[i]()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		wantEnd(t, pids[i])
		if i == 0 && syscall.Kill(pids[1][0], 0) != nil {
			t.Error("the other call was ended, too")
		}
	}
	const want = "run: the command was ended: the call was canceled; the command may have done part of its work\n"
	if log, _ := os.ReadFile(a.Stderr.Name()); strings.Count(string(log), want) != 2 || strings.Contains(string(log), "nothing was changed") {
		t.Errorf("the log is %s", log)
	}
	if out := runs(t, session, "sh", "-c", "echo on"); out.Stdout != "on\n" {
		t.Errorf("%+v", out)
	}
}

// TestNoMoreThanAFewCommandsRunAtOnce: the others wait for a place, and none is lost.
func TestNoMoreThanAFewCommandsRunAtOnce(t *testing.T) {
	t.Parallel()
	session, dir := newRunner(t, 0), t.TempDir()
	script := `touch ` + dir + `/$$; ls ` + dir + ` | wc -l; sleep 0.1; rm ` + dir + `/$$`
	counts := make(chan string, 3*atOnce)
	for range 3 * atOnce {
		go func() {
			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "run", Arguments: arguments{"command": []string{"sh", "-c", script}}})
			if err != nil || result.IsError {
				counts <- "failed"
				return
			}
			counts <- strings.TrimSpace(result.StructuredContent.(map[string]any)["stdout"].(string))
		}()
	}
	for range 3 * atOnce {
		count := <-counts
		if n, err := strconv.Atoi(count); err != nil || n < 1 || n > atOnce {
			t.Errorf("%s at once", count)
		}
	}
}

func TestTheEndOfInputEndsCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	t.Run("session", func(t *testing.T) {
		session := newRunner(t, 0)
		go func() {
			_, _ = session.CallTool(t.Context(), &mcp.CallToolParams{Name: "run", Arguments: arguments{"command": asleep(dir)}})
		}()
		runsIn(t, dir)
	}) // its end closes the session, and waits for the server
	wantEnd(t, runsIn(t, dir))
}

// TestAnEndOfInputIsAnsweredWithWhatACommandDid: it has run, and may have changed anything.
func TestAnEndOfInputIsAnsweredWithWhatACommandDid(t *testing.T) {
	t.Parallel()
	a, dir := newApp(t), t.TempDir()
	in, toServer := io.Pipe()
	var out answers
	served := make(chan error, 1)
	go func() {
		served <- Serve(t.Context(), a, in, &out, Options{Services: []string{"api"}, Allow: []string{"sh -c *"}, TimeLimit: time.Minute, Mark: "***"})
	}()
	command, err := json.Marshal(asleep(dir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(toServer, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run","arguments":{"command":`+string(command)+"}}}\n"); err != nil {
		t.Fatal(err)
	}
	pids := runsIn(t, dir)
	if err := toServer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	wantEnd(t, pids)
	log, _ := os.ReadFile(a.Stderr.Name())
	for where, text := range map[string]string{"answer": out.String(), "log": string(log)} {
		if !strings.Contains(text, "the server is ending; the command may have done part of its work") || strings.Contains(text, "nothing was changed") {
			t.Errorf("%s: %s", where, text)
		}
	}
	if !strings.Contains(out.String(), `"stdout":"started\n"`) {
		t.Errorf("the answer has no output: %s", &out)
	}
}

// answers are what a server has written.
type answers struct{ bytes.Buffer }

// Close implements [io.Closer].
func (*answers) Close() error { return nil }

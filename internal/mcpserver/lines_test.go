//go:build unix

package mcpserver

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// pipe is a client that writes its lines itself.
type pipe struct {
	*testing.T
	to     io.WriteCloser
	from   *bufio.Scanner
	log    string     // the path of the server's log
	served chan error // what Serve returned
	out    io.WriteCloser
	busy   atomic.Bool // the server writes
}

// newPipe starts a server with a client that has introduced itself.
func newPipe(t *testing.T) *pipe {
	t.Helper()
	a := newApp(t)
	in, to := io.Pipe()
	from, out := io.Pipe()
	p := &pipe{T: t, to: to, from: bufio.NewScanner(from), log: a.Stderr.Name(), served: make(chan error, 1), out: out}
	p.from.Buffer(nil, 1<<20)
	go func() {
		p.served <- Serve(context.WithoutCancel(t.Context()), a, in, p, Options{Services: []string{"api"}, Allow: []string{"sh -c *"}, TimeLimit: time.Minute, Mark: "***"})
	}()
	p.write(`{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}` + "\n")
	p.wants(`"id":"hello"`)
	p.write(`{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n")
	return p
}

// Write is where the server writes.
func (p *pipe) Write(line []byte) (int, error) {
	if p.busy.Swap(true) {
		p.Error("two writes at once")
	}
	defer p.busy.Store(false)
	return p.out.Write(line)
}

func (p *pipe) Close() error { return p.out.Close() }

func (p *pipe) write(lines string) {
	p.Helper()
	if _, err := io.WriteString(p.to, lines); err != nil {
		p.Fatal(err, <-p.served)
	}
}

// read returns the next line of the server, which is JSON.
func (p *pipe) read() string {
	p.Helper()
	if !p.from.Scan() || !json.Valid(p.from.Bytes()) || strings.Contains(p.from.Text(), canary) {
		p.Fatalf("%v, the server wrote %q", p.from.Err(), p.from.Text())
	}
	return p.from.Text()
}

// wants reads the next answer, which has a part.
func (p *pipe) wants(part string) {
	p.Helper()
	if got := p.read(); !strings.Contains(got, part) {
		p.Errorf("%s, not %s", got, part)
	}
}

// ends ends the input. The server ends without an error.
func (p *pipe) ends() {
	p.Helper()
	if err := p.to.Close(); err != nil {
		p.Error(err)
	}
	if p.from.Scan() {
		p.Errorf("the server wrote %q, too", p.from.Text())
	}
	if err := <-p.served; err != nil {
		p.Error(err)
	}
}

// TestALineThatIsNoMessageEndsNothing: it has an answer, and a command that runs meanwhile goes on.
func TestALineThatIsNoMessageEndsNothing(t *testing.T) {
	t.Parallel()
	p, dir := newPipe(t), t.TempDir()
	command, err := json.Marshal([]string{"sh", "-c", "echo $$ >" + dir + "/a; cp " + dir + "/a " + dir + "/b; while [ ! -e " + dir + "/end ]; do sleep 0.05; done; echo done"})
	if err != nil {
		t.Fatal(err)
	}
	p.write(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run","arguments":{"command":` + string(command) + "}}}\n")
	runsIn(t, dir)
	const noJSON = `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error: the line is not JSON"}}`
	const noMessage = `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid Request: the line is not a JSON-RPC 2.0 message"}}`
	lines := map[string]string{
		"{": noJSON, "\xff\xfe\x00": noJSON, `{"jsonrpc":"2.0","id":2,"method":"` + "\xff" + `"}`: noJSON, "GET / HTTP/1.1": noJSON, `{} {}`: noJSON, strings.Repeat("[", 20000): noJSON,
		"null": noMessage, "[]": noMessage, `"x"`: noMessage, "17": noMessage, "{}": noMessage, "[1]": noMessage, "[[]]": noMessage, strings.Repeat("[", 2000) + strings.Repeat("]", 2000): noMessage,
		`{"id":2,"method":"ping"}`: noMessage, `{"jsonrpc":"1.0","id":2,"method":"ping"}`: noMessage, `{"jsonrpc":"2.0","id":true,"method":"ping"}`: noMessage, `{"jsonrpc":"2.0"}`: noMessage, `{"jsonrpc":"2.0","id":2,"method":7}`: noMessage,
	}
	for line, want := range lines {
		for _, end := range []string{"\n", " \r\n\n \t\r\n"} {
			p.write(line + end)
			if got := p.read(); got != want {
				t.Errorf("%.40q: %s", line, got)
			}
		}
	}
	p.write(" {\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\t \r\n")
	p.wants(`"id":2`)
	if err := os.WriteFile(filepath.Join(dir, "end"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.wants(`"stdout":"done\n"`)
	p.ends()
	log, err := os.ReadFile(p.log)
	if n := strings.Count(string(log), "coffer: a line of the client is refused: "); err != nil || n != 2*len(lines) || strings.Contains(string(log), "was ended") {
		t.Errorf("%d refused, the log is %s", n, log)
	}
}

// TestAnswersToLinesAndCallsDontMix: each is a line of its own, written by itself.
func TestAnswersToLinesAndCallsDontMix(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	const most = 100
	go func() {
		for i := range most {
			_, _ = io.WriteString(p.to, `{"jsonrpc":"2.0","id":`+strconv.Itoa(i)+`,"method":"tools/list"}`+"\n{\n")
		}
	}()
	refused := 0
	for range 2 * most {
		if strings.Contains(p.read(), `"id":null`) {
			refused++
		}
	}
	if refused != most {
		t.Errorf("%d refused", refused)
	}
	p.ends()
}

// TestTheLastLineNeedsNoEnd: an unfinished one is refused, and a line that is too long ends the server.
func TestTheLastLineNeedsNoEnd(t *testing.T) {
	t.Parallel()
	for last, want := range map[string]string{`{"jsonrpc":"2.0","id":3,"method":"ping"}`: `"id":3`, `{"jsonrpc":"2.0","id":3`: `"code":-32700`} {
		p := newPipe(t)
		p.write(last)
		go func() { _ = p.to.Close() }()
		p.wants(want)
		p.ends()
	}
	p := newPipe(t)
	for range longestLine >> 20 {
		p.write(strings.Repeat(" ", 1<<20))
	}
	if err := <-p.served; err == nil || err.Error() != "the client broke the connection: a line is longer than 16 MiB" {
		t.Error(err)
	}
}

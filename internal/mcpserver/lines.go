package mcpserver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// longestLine is the size limit of a message, in bytes.
const longestLine = mcp.DefaultMaxLineLength

// lines are the lines that a client writes and reads. The SDK (v1.8.0) closes the connection at a line that is not
// JSON, and all commands would end with it. So it reads only lines that are: the others are refused here.
type lines struct {
	in      io.ReadCloser
	scanner *bufio.Scanner // of in
	left    []byte         // of the line that the SDK reads
	ended   atomic.Bool
	say     func(why string) // tells the user that a line is refused

	mu  sync.Mutex // of writes to out: the SDK writes, and refuse does
	out io.WriteCloser
}

func newLines(in io.ReadCloser, out io.WriteCloser, say func(string)) *lines {
	l := &lines{in: in, scanner: bufio.NewScanner(in), out: out, say: say}
	l.scanner.Buffer(nil, longestLine)
	return l
}

// connect returns the SDK's connection over the lines. Its end closes both streams.
func (l *lines) connect(ctx context.Context) (mcp.Connection, error) {
	in := struct {
		io.Reader
		io.Closer
	}{l, l.in}
	out := struct {
		io.Writer
		io.Closer
	}{l, l.out}
	return (&mcp.IOTransport{Reader: in, Writer: out, MaxLineLength: -1}).Connect(ctx) // Read has the limit
}

// inputError says why no more lines can be read.
type inputError struct{ error }

func (e *inputError) Unwrap() error { return e.error }

// Read implements [io.Reader]. It returns whole lines, each perhaps in several pieces. An error that isn't
// [io.EOF] is an [*inputError].
func (l *lines) Read(p []byte) (int, error) {
	for len(l.left) == 0 {
		if !l.scanner.Scan() {
			return 0, l.end()
		}
		line := bytes.Trim(l.scanner.Bytes(), " \t\r")
		switch {
		case len(line) == 0:
		case utf8.Valid(line) && json.Valid(line):
			l.left = append(append(l.left, line...), '\n')
		default:
			if err := l.refuse(jsonrpc.CodeParseError, "Parse error: the line is not JSON"); err != nil {
				return 0, &inputError{err}
			}
		}
	}
	n := copy(p, l.left)
	l.left = l.left[n:]
	return n, nil
}

// end returns why there are no more lines.
func (l *lines) end() error {
	switch err := l.scanner.Err(); {
	case err == nil:
		l.ended.Store(true)
		return io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return &inputError{fmt.Errorf("a line is longer than %d MiB", longestLine>>20)}
	default:
		return &inputError{err}
	}
}

// refuse answers a line that is no message. The id is null, as it is unknown.
func (l *lines) refuse(code int, why string) error {
	l.say(why)
	_, err := fmt.Fprintf(l, `{"jsonrpc":"2.0","id":null,"error":{"code":%d,"message":%q}}`+"\n", code, why)
	return err
}

// Write implements [io.Writer]. Each call writes whole lines.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

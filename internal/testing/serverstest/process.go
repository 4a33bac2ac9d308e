package serverstest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/need"
)

// The versions that `make test-servers` builds; a test compares them with the Makefile.
const (
	minioVersion   = "v0.0.0-20260212201848-7aac2a2c5b7c"
	versityVersion = "v1.8.0"

	// These are in the module ./servers; a test compares them with its go.mod.
	gofakes3Version = "v1.2.0"
	rcloneVersion   = "v1.76.0"
)

const (
	toolsVariable = "COFFER_TEST_TOOLS" // the directory that the Makefile calls TOOLS
	patience      = 90 * time.Second    // enough for a cold start on a busy machine
	pollInterval  = 50 * time.Millisecond
)

// binary returns the path of a server that the Makefile builds. If it wasn't built the error is
// [fs.ErrNotExist].
func binary(name, version string) (string, error) {
	tools := os.Getenv(toolsVariable)
	if tools == "" {
		cache := os.Getenv("XDG_CACHE_HOME")
		if cache == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return "", err
			}
			cache = filepath.Join(home, ".cache")
		}
		tools = filepath.Join(cache, "coffer-tools")
	}
	path := filepath.Join(tools, name+"@"+version, name)
	_, err := os.Stat(path)
	return path, err
}

// started ends the test if its server didn't start. If the server was never built the test is
// skipped, or fails if the variable CI is set.
func started(t testing.TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		need.Missing(t, err.Error(), "make test-servers builds it")
	case err != nil:
		t.Fatal(err)
	}
}

// process is a server that stops whenever the test binary ends, even after a crash.
type process struct {
	log   string
	input io.Closer // keeps a reference to the pipe, which the garbage collector would otherwise close
}

// start runs a program that stores its files in dir. dir is removed after the program ends.
func start(dir string, env []string, path string, args ...string) (*process, error) {
	log := filepath.Join(dir, filepath.Base(path)+"-"+rand4()+".log")
	// The shell has our pipe as its input and stops the server when the pipe closes. That happens
	// when the test binary ends, even by a panic or a signal.
	const script = `log=$1 dir=$2; shift 2
"$@" >"$log" 2>&1 </dev/null &
read -r _; kill $!; wait $!; rm -rf "$dir"`
	cmd := exec.Command("sh", append([]string{"-c", script, "sh", log, dir, path}, args...)...)
	cmd.Env = append(env, "PATH="+os.Getenv("PATH"), "HOME="+dir)
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{log, input}, nil
}

// ready waits until the server answers a request for url with 200.
func (p *process) ready(url string) error {
	client := &http.Client{Timeout: 5 * time.Second}
	return p.until(func() error {
		response, err := client.Get(url)
		if err != nil {
			return err
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	}, url)
}

// listening waits until an address accepts connections.
func (p *process) listening(address string) error {
	return p.until(func() error {
		connection, err := net.DialTimeout("tcp", address, 5*time.Second)
		if err != nil {
			return err
		}
		return connection.Close()
	}, address)
}

func (p *process) until(try func() error, what string) error {
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	last := errors.New("no answer")
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-poll.C {
		if last = try(); last == nil {
			return nil
		}
	}
	return fmt.Errorf("%s did not get ready: %w\n%s", what, last, p.tail())
}

// tail returns the last 20 lines of the server's log.
func (p *process) tail() []byte {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-20):], []byte("\n"))
}

// freeAddress returns an unused loopback address, for a server that can't choose one itself.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

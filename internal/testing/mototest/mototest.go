// Package mototest runs a moto server for tests: the APIs of S3, KMS, STS and SSM on loopback. Its
// conditional PUT checks and then writes without a lock, so it can't test races.
package mototest

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/need"
)

const patience = 60 * time.Second // enough for a cold Python on a busy machine

// Start returns the URL of this test binary's moto server. The first call starts it, and it stops
// whenever the binary ends, even after a crash. If moto_server isn't in the PATH, the test ends as
// in [need.Missing].
func Start(t testing.TB) string {
	t.Helper()
	running, err := server()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		need.Missing(t, "moto_server", "make test installs it with Python (apt-get install python3-venv), or pip install 'moto[server]'")
	case err != nil:
		t.Fatalf("moto_server: %v", err)
	}
	return running.url
}

var server = sync.OnceValues(func() (process, error) { return start() }) //nolint:gochecknoglobals // one server for the whole test binary

// process keeps a reference to the pipe, which the garbage collector would otherwise close.
type process struct {
	url   string
	input io.Closer
}

// Enforcing starts another server, which also stops with the test binary. It enforces the users'
// policies once POST /moto-api/reset-auth with the body "0" was sent. It doesn't evaluate
// conditions: a statement with a condition denies. Without moto_server it ends the test as [Start]
// does.
func Enforcing(t testing.TB) string {
	t.Helper()
	Start(t)
	own, err := start("INITIAL_NO_AUTH_ACTION_COUNT=1000000")
	if err != nil {
		t.Fatalf("moto_server: %v", err)
	}
	t.Cleanup(func() { _ = own.input.Close() })
	return own.url
}

func start(environment ...string) (process, error) {
	path, err := exec.LookPath("moto_server")
	if err != nil {
		return process{}, err
	}
	// The shell has our pipe as its input and stops the server when the pipe closes. That happens
	// when the test binary ends, even by a panic or a signal.
	cmd := exec.Command("sh", "-c", `"$0" -p 0 & read -r _; kill $!`, path)
	cmd.Env = append(os.Environ(), environment...)
	input, err := cmd.StdinPipe()
	if err != nil {
		return process{}, err
	}
	output, err := cmd.StderrPipe()
	if err != nil {
		return process{}, err
	}
	if err := cmd.Start(); err != nil {
		return process{}, err
	}
	url, err := address(output)
	return process{url, input}, err
}

// address reads the server's log up to the line with its address. It discards the rest, so that the
// server never blocks on writing its log.
func address(output io.Reader) (string, error) {
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewReader(output)
		for {
			line, err := lines.ReadString('\n')
			if _, url, ok := strings.Cut(line, "Running on "); ok {
				found <- strings.TrimSpace(url)
				break
			}
			if err != nil {
				close(found)
				return
			}
		}
		_, _ = io.Copy(io.Discard, lines)
	}()
	select {
	case url, ok := <-found:
		if !ok {
			return "", errors.New("it ended before it told its address")
		}
		return url, nil
	case <-time.After(patience):
		return "", errors.New("it did not tell its address in time")
	}
}

// Isolate gives the test its own AWS environment: a home without files, static credentials, a
// region, no instance metadata, no endpoint. It returns the home.
func Isolate(t testing.TB) string {
	t.Helper()
	home := t.TempDir()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // restores the old value after the test
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	homeVariable := "HOME"
	if runtime.GOOS == "windows" {
		homeVariable = "USERPROFILE"
	}
	for name, value := range map[string]string{
		homeVariable:                  home,
		"AWS_CONFIG_FILE":             filepath.Join(home, "config"),
		"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(home, "credentials"),
		"AWS_EC2_METADATA_DISABLED":   "true",
		"AWS_REGION":                  "us-east-1",
		"AWS_ACCESS_KEY_ID":           "test-access-key",
		"AWS_SECRET_ACCESS_KEY":       "test-secret-key",
	} {
		t.Setenv(name, value)
	}
	return home
}

// Package mototest gives tests a moto server: the shape of S3, KMS, STS and SSM on
// loopback. Its conditional put checks and then sets without a lock, so it cannot judge races.
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

const patience = 60 * time.Second // a cold Python on a busy machine

// Start returns the URL of this test binary's moto server, which it starts when first
// called and which ends with the binary, however that ends. Without moto_server in the
// PATH the test ends as package need has it.
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

// process holds on to the pipe, which would close when it is garbage.
type process struct {
	url   string
	input io.Closer
}

// Enforcing starts another server, which ends with the test binary too. It judges who may do
// what as the users' policies say once POST /moto-api/reset-auth with the body "0" was sent.
// Of a condition it knows nothing: a statement that has one denies. Without moto_server as [Start].
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
	// The shell holds our pipe as its input and stops the server when the pipe closes: when
	// the test binary ends, even by a panic or a signal.
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

// address reads the server's log up to the line that tells its address, and the rest into
// nothing, so that the server never waits for a reader.
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

// Isolate gives the test an AWS environment of its own: a home without files, static
// credentials, a region, no instance metadata, no endpoint. It returns the home.
func Isolate(t testing.TB) string {
	t.Helper()
	home := t.TempDir()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // remembers the old value
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

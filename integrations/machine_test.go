// Package integrations_test runs what is in this folder, and action.yml, in the programs that they are for.
package integrations_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scratch is removed when the tests end.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "coffer-integrations-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

// built is the program, which all tests share, in a folder of its own.
var built = sync.OnceValues(func() (string, error) {
	program := filepath.Join(scratch, "bin", "coffer")
	output, err := exec.Command("go", "build", "-trimpath", "-o", program, "..").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, output)
	}
	return program, err
})

// canaries are the secrets of the service api: what a runner may split, cut or interpret.
var canaries = map[string]string{
	"db_password": "canary-p4ss",
	"tls_key":     "canary-line-one\ncanary-line-two\n\ncanary-line-four\n",
	"quoted":      `canary "double" 'single' $HOME ${HOME} %25 \n ` + "`id`",
	"unicode":     "canary-é-中-🔑",
}

// machine is a home, with coffer on its PATH and a local store that has the canaries.
type machine struct {
	t       testing.TB
	home    string   // HOME, and the working directory of commands
	program string   // coffer
	env     []string // of commands
}

func newMachine(t testing.TB) *machine {
	t.Helper()
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, home: t.TempDir(), program: program}
	m.env = []string{
		"HOME=" + m.home,
		"PATH=" + filepath.Dir(program) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"LC_ALL=C.UTF-8",
		"COFFER_BACKEND=local",
		"COFFER_DIR=" + filepath.Join(m.home, "store"),
		"COFFER_KEY_DIR=" + filepath.Join(m.home, "keys"),
		"AWS_EC2_METADATA_DISABLED=true",
	}
	m.store("api", canaries)
	return m
}

// store writes the secrets of a service.
func (m *machine) store(service string, secrets map[string]string) {
	m.t.Helper()
	text, err := json.Marshal(secrets)
	if err != nil {
		m.t.Fatal(err)
	}
	cmd := m.command("coffer", "import", service, "-")
	cmd.Stdin = bytes.NewReader(text)
	if output, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("coffer import: %v\n%s", err, output)
	}
}

// command is one that runs on the machine, where coffer is the program that was built.
func (m *machine) command(name string, args ...string) *exec.Cmd {
	if name == "coffer" {
		name = m.program
	}
	cmd := exec.CommandContext(m.t.Context(), name, args...)
	cmd.Dir, cmd.Env = m.home, m.env
	return cmd
}

// run runs a command, and returns its exit code and what it printed on both streams.
func (m *machine) run(name string, args ...string) (int, string) {
	m.t.Helper()
	output, err := m.command(name, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		m.t.Fatalf("%s: %v", name, err)
	}
	if exit != nil {
		return exit.ExitCode(), string(output)
	}
	return 0, string(output)
}

// mustRun is run for a command that succeeds.
func (m *machine) mustRun(name string, args ...string) string {
	m.t.Helper()
	code, output := m.run(name, args...)
	if code != 0 {
		m.t.Fatalf("%s %q: exit code %d\n%s", name, args, code, output)
	}
	return output
}

// file writes a file below the home, and returns its path.
func (m *machine) file(name, text string, mode os.FileMode) string {
	m.t.Helper()
	path := filepath.Join(m.home, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// read returns the text of a file below the home.
func (m *machine) read(name string) string {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.home, filepath.FromSlash(name)))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}

// hidden fails the test for each secret of which an output has a line, or the base64 of the whole.
func hidden(t testing.TB, output string) {
	t.Helper()
	for key, value := range canaries {
		forms := append(strings.Split(value, "\n"), base64.StdEncoding.EncodeToString([]byte(value)))
		for _, form := range forms {
			if form != "" && strings.Contains(output, form) {
				t.Errorf("the output has api/%s, a line of it, or its base64", key)
				break
			}
		}
	}
}

func TestTheMachineHasTheCanaries(t *testing.T) {
	m := newMachine(t)
	var stored map[string]string
	if err := json.Unmarshal([]byte(m.mustRun("coffer", "export", "api")), &stored); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(canaries, stored); diff != "" {
		t.Error(diff)
	}
}

package formats

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/need"
)

// installs are the packages of Debian that have what the tests need; others are called as the program.
var installs = map[string]string{
	"kubectl": "kubernetes-client", "node": "nodejs", "java": "default-jdk-headless", "docker": "docker.io", "systemd-tmpfiles": "systemd", "ksh": "ksh93u+m",
	"python3:dotenv": "python3-dotenv", "python3:yaml": "python3-yaml", "python3:tomllib": "python3", "ruby:dotenv": "ruby-dotenv", "ruby:yaml": "ruby",
}

// nushell is below the folder of the readers.
const nushell = "node_modules/@nushell/linux-x64/bin/nu"

// needs ends the test where a program, or a module of python ("python3:yaml"), is missing.
func needs(t *testing.T, tool string) {
	t.Helper()
	program, module, _ := strings.Cut(tool, ":")
	_, err := exec.LookPath(program)
	switch {
	case tool == "nushell": // npm has it for this system alone
		if _, err := os.Stat(filepath.Join(os.Getenv(readersVariable), nushell)); err != nil || os.Getenv(readersVariable) == "" {
			if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
				t.Skip("make readers installs nushell on linux/amd64 alone")
			}
			need.Missing(t, tool, "make test installs it with npm (apt-get install npm)")
		}
		return
	case tool == "readers":
		if _, err = os.Stat(golib("").command[0]); err != nil || os.Getenv(readersVariable) == "" { // installed last
			need.Missing(t, "the readers of dotenv and YAML", "make test installs them with npm (apt-get install npm)")
		}
	case err == nil && program == "ruby":
		err = exec.Command(program, "-r", module, "-e", "").Run()
	case err == nil && module != "":
		err = exec.Command(program, "-c", "import "+module).Run()
	}
	if err != nil {
		debian, ok := installs[tool]
		if !ok {
			debian = tool
		}
		need.Missing(t, tool, "apt-get install "+debian)
	}
}

func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	// A bare environment: nothing of the caller's may answer for a secret.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8", readersVariable + "=" + os.Getenv(readersVariable)}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%.2000s", name, err, stderr.String())
	}
	return stdout.Bytes()
}

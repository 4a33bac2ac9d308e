package environ

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/coffer-secrets/coffer/store"
)

// execute runs a program to its end and returns the error of execve.
func execute(t *testing.T, path string, argv []string, env Environment) error {
	t.Helper()
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{Env: env.Strings()})
	if err != nil {
		return err
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		t.Fatal(err)
	}
	if status.ExitStatus() != 0 {
		t.Fatalf("%s exited with %v", path, status)
	}
	return nil
}

// program is this test's own program: a path that is there and is no script.
func program(t *testing.T) (path string, argv []string) {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path, []string{path, "-test.run=^$"}
}

func TestLimitsOfOneStringAreTheKernels(t *testing.T) {
	path, argv := program(t)
	l := SystemLimits()
	fits := Environment{secret("NAME", l.Bytes-len("NAME="))}
	over := Environment{secret("NAME", l.Bytes-len("NAME=")+1)}
	if err := errors.Join(Check(path, argv, fits, l), execute(t, path, argv, fits)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if Check(path, argv, over, l) == nil {
		t.Error("beyond the limit: no error")
	}
	if err := execute(t, path, argv, over); !errors.Is(err, syscall.E2BIG) {
		t.Errorf("beyond the limit execve answers %v", err)
	}
}

func TestLimitsOfTheWholeAreTheKernels(t *testing.T) {
	path, argv := program(t)
	l := SystemLimits()
	rest := l.Total - len(path) - 1
	for _, arg := range argv {
		rest -= len(arg) + 1 + l.Pointer
	}
	const each = 1000
	var env Environment
	for i := 0; rest > 2*each; i++ {
		env = append(env, secret(fmt.Sprintf("V%06d", i), each-len("V000000=")-1-l.Pointer))
		rest -= each
	}
	fits := append(env, secret("LAST", rest-len("LAST=")-1-l.Pointer))
	over := append(env[:len(env):len(env)], Variable{Name: "LAST", Value: store.NewValue(fits[len(env)].Value.Reveal() + "x")})
	if err := errors.Join(Check(path, argv, fits, l), execute(t, path, argv, fits)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	var total *TotalError
	if err := Check(path, argv, over, l); !errors.As(err, &total) || total.Size != l.Total+1 || strings.Contains(err.Error(), canary) {
		t.Errorf("beyond the limit: %v", err)
	}
	if err := execute(t, path, argv, over); !errors.Is(err, syscall.E2BIG) {
		t.Errorf("beyond the limit execve answers %v", err)
	}
}

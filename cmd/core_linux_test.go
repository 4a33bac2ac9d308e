package cmd_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// While it holds values the program leaves no core file; the program that it becomes has the
// limit of whoever started it.
func TestNoCoreFileWhileValuesAreHeld(t *testing.T) {
	s := newStage(t, s3test.Options{})
	held, release := make(chan struct{}), make(chan struct{})
	s.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Key != "team/__kms_alias_ops__latest.json" {
			return nil
		}
		close(held)
		<-release
		return nil
	})
	inner, stdout, stderr := s.spawn("exec team -- ./limit", "")
	inner.Path, inner.Args = "/bin/sh", append([]string{"sh", "-c", `ulimit -S -c 8; exec "$@"`, "sh", inner.Path}, inner.Args[1:]...)
	child := "#!/bin/sh\nulimit -S -c\nprintenv URL\n"
	if err := os.WriteFile(s.home+"/cwd/limit", []byte(child), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := inner.Start(); err != nil {
		t.Fatal(err)
	}
	<-held
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", inner.Process.Pid))
	close(release)
	if waited := inner.Wait(); err != nil || waited != nil {
		t.Fatalf("%v, %v\n%s", err, waited, stderr)
	}
	core := ""
	for line := range strings.Lines(string(limits)) {
		if rest, ok := strings.CutPrefix(line, "Max core file size"); ok {
			core = strings.Fields(rest)[0]
		}
	}
	if core != "0" {
		t.Errorf("the limit of core files is %q while values are held", core)
	}
	if got := stdout.String(); got != "8\n"+canary+"-url-2\n" {
		t.Errorf("the program has the limit %q", strings.SplitN(got, "\n", 2)[0])
	}
}

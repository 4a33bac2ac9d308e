// Program gotest runs go test with its arguments and prints the output of go test. It then lists
// the skipped tests, the reasons, and how to install the programs that were missing. Its exit code
// is go test's.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
	}
	os.Exit(code)
}

func run(args []string) (code int, err error) {
	test := exec.Command("go", append([]string{"test", "-json"}, args...)...) //nolint:gosec // who runs this program may run go test
	test.Stderr = os.Stderr
	events, err := test.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := test.Start(); err != nil {
		return 1, err
	}
	r := newReport(os.Stdout)
	err = r.follow(events)
	ended := test.Wait()
	r.end()
	err = errors.Join(err, r.err)
	var exit *exec.ExitError
	switch {
	case errors.As(ended, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode(), err
	case ended != nil || err != nil:
		return 1, errors.Join(ended, err)
	}
	return 0, nil
}

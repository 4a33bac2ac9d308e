package main

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// played has this test binary run the tests below, which are there to be reported.
const played = "COFFER_GOTEST_PLAYED"

func TestPlayedGood(t *testing.T) {
	if os.Getenv(played) != "" {
		t.Log("of a test that passes nothing is shown")
	}
}

func TestPlayedBad(t *testing.T) {
	if os.Getenv(played) != "bad" {
		return
	}
	t.Run("passes", func(t *testing.T) { t.Log("not shown") })
	t.Run("fails", func(t *testing.T) {
		t.Run("deeper", func(t *testing.T) { t.Error("what is wrong") })
	})
}

func TestPlayedSkips(t *testing.T) {
	if os.Getenv(played) == "" {
		return
	}
	t.Run("missing", func(t *testing.T) {
		t.Log("said before")
		t.Skip("zsh is missing: apt-get install zsh")
	})
	for _, name := range []string{"x", "y"} {
		t.Run(name, func(t *testing.T) { t.Skip("there is nothing to try") })
	}
	t.Run("silent", func(t *testing.T) { t.SkipNow() })
}

// play runs the tests above as go test runs them, and what go test -json makes of that through a report.
func play(t *testing.T, which string) (plain, reported string) {
	t.Helper()
	program := func(args ...string) []byte {
		c := exec.Command(os.Args[0], append(args, "-test.run=^TestPlayed")...)
		c.Env = append(os.Environ(), played+"="+which)
		out, _ := c.CombinedOutput() // that tests fail is wanted
		return out
	}
	convert := exec.Command("go", "tool", "test2json", "-p", "example.com/m")
	convert.Stdin = bytes.NewReader(program("-test.v=test2json"))
	events, err := convert.Output()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	r := newReport(&out)
	if err := r.follow(bytes.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	r.end()
	times := regexp.MustCompile(`\d+\.\d+s`)
	return times.ReplaceAllString(string(program()), "TIME"), times.ReplaceAllString(out.String(), "TIME")
}

func TestFailuresAreShownAsGoTestShowsThem(t *testing.T) {
	plain, reported := play(t, "bad")
	reported, _, _ = strings.Cut(reported, "\nSkipped")
	if diff := cmp.Diff(plain+"FAIL\n", reported); diff != "" { // the second FAIL is that of the go command
		t.Errorf("(-go test +gotest):\n%s", diff)
	}
}

func TestSkipsAreListedWithTheirReasons(t *testing.T) {
	_, reported := play(t, "good")
	want := `
Skipped because a program is missing; to run them, install it:
  zsh is missing: apt-get install zsh
      m: TestPlayedSkips/missing

Skipped because they do not apply here:
  no reason given
      m: TestPlayedSkips/silent
  there is nothing to try
      m: TestPlayedSkips/x and 1 more
`
	if diff := cmp.Diff(want, reported); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What the go command says itself, as go1.26 says it with -json.
func TestPackagesThatPassFailAndDoNotBuild(t *testing.T) {
	const events = `{"ImportPath":"m/b [m/b.test]","Action":"build-output","Output":"# m/b [m/b.test]\n"}
{"ImportPath":"m/b [m/b.test]","Action":"build-output","Output":"b/b_test.go:5:28: undefined: x\n"}
{"ImportPath":"m/b [m/b.test]","Action":"build-fail"}
{"Action":"start","Package":"m/b"}
{"Action":"output","Package":"m/b","Output":"FAIL\tm/b [build failed]\n"}
{"Action":"fail","Package":"m/b","Elapsed":0,"FailedBuild":"m/b [m/b.test]"}
{"Action":"output","Package":"m/none","Output":"?   \tm/none\t[no test files]\n"}
{"Action":"skip","Package":"m/none","Elapsed":0}
{"Action":"output","Package":"m/ok","Output":"printed by its TestMain\n"}
{"Action":"output","Package":"m/ok","Output":"PASS\n"}
{"Action":"output","Package":"m/ok","Output":"ok  \tm/ok\t0.002s\n"}
{"Action":"pass","Package":"m/ok","Elapsed":0.002}
no event
`
	const want = `# m/b [m/b.test]
b/b_test.go:5:28: undefined: x
FAIL	m/b [build failed]
?   	m/none	[no test files]
ok  	m/ok	0.002s
no event
FAIL
`
	var out bytes.Buffer
	r := newReport(&out)
	if err := r.follow(strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	r.end()
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

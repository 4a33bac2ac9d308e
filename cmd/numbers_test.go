//go:build unix

package cmd_test

import (
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// A number in an answer is right, or is not there.
func TestNumbersAreRight(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.do("write api key -", canary+" 1")
	b.do("write api key -", canary+" 2")
	for version, want := range map[string]string{"-1": canary + " 2", "1": canary + " 1", "2": canary + " 2"} {
		if got := b.run("read api key -n --version "+version, ""); got.exit != 0 || got.stdout != want {
			t.Errorf("--version %s: %+v", version, got)
		}
	}
	for _, version := range []string{"0", "-2", "-10"} {
		if got := b.run("read api key --version="+version, ""); got.exit != 2 || got.stdout != "" ||
			got.stderr != "coffer: --version "+version+": versions begin at 1, and -1 is the newest\n" {
			t.Errorf("--version %s: %+v", version, got)
		}
	}
	large := b.file(strings.Repeat("x", 4<<20))
	for _, line := range []string{"write api big --from-file " + large, "write api big -"} {
		got := b.run(line, strings.Repeat("x", 4<<20))
		if got.exit != 2 || !strings.Contains(got.stderr, "the value is larger than 1 MiB") || strings.Contains(got.stderr, "1048577") {
			t.Errorf("coffer %s: %+v", line, got)
		}
	}
	for text, line := range map[string]string{
		"a: 1\nb: 2\nc: 3\nd: [1\n":           "line 4",
		"a: 1\nb: 2\nc: 3\n- x\n":             "line 4",
		"a: 1\nb: 2\nc: 3\n\td: 4\n":          "line 4",
		"a:\n  b: 1\n  c: 2\n  d: 3\n  - e\n": "line 5",
		"a: 1\nb: 2\nc: *none\nd: 4\n":        "line 3",
		"a: \"x\n  y\"\nb: }\n":               "line 3",
		"a: 1\nb: \"x\nc: 3\nd: 4\n":          "line 2", // where the quote opens
		"[1\n":                                "line 1",
	} {
		if got := b.run("import api - -f yaml", text); got.exit != 2 || !strings.Contains(got.stderr, "yaml, "+line+": ") {
			t.Errorf("%q: %+v, want %s", text, got, line)
		}
	}
	ssm := onMoto(t, "ap-southeast-3", "ssm")
	ssm.do("write api key -", canary)
	if got := ssm.run("delete api key", ""); got.exit != 0 || !strings.Contains(got.stderr, "api/key: deleted\n") || strings.Contains(got.stderr, "version 0") {
		t.Errorf("delete on ssm: %+v", got)
	}
}

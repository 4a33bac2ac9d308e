//go:build unix

package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// A dry run on Parameter Store finds what the run would fail for: KMS has no such key.
func TestADryRunOnParameterStoreLooksTheKeyUp(t *testing.T) {
	b, cfg := inFreeRegion(t, "ssm")
	makeAliases(t, kms.NewFromConfig(cfg), "alias/parameter_store_key", "alias/ops")
	b.do("write api key -", canary)
	for _, line := range []string{
		"rekey api --to alias/tpyo --dry-run",
		"rekey api --to alias/tpyo",
		"copy api other --kms-key-alias alias/tpyo --dry-run",
		"import other - --kms-key-alias alias/tpyo --dry-run",
	} {
		got := b.run(line, `{"key": "x"}`)
		if got.exit != 3 || got.stdout != "" || !strings.HasPrefix(got.stderr, "coffer: alias/tpyo ") || !strings.Contains(got.stderr, "nothing was changed") {
			t.Errorf("coffer %s: %+v", line, got)
		}
	}
	for _, line := range []string{"rekey api --to alias/ops --dry-run", "copy api other --dry-run", "import other - --dry-run"} {
		if got := b.run(line, `{"key": "x"}`); got.exit != 0 {
			t.Errorf("coffer %s: %+v", line, got)
		}
	}
	if got := b.run("services", ""); got.stdout != "Service\napi\n" {
		t.Errorf("a dry run has changed something: %+v", got)
	}
}

// The first write says what it creates, since a mistyped name would create it, too. The next says nothing.
func TestAWriteSaysWhatItCreates(t *testing.T) {
	home, dir := t.TempDir(), t.TempDir()
	data, keys := filepath.Join(dir, "data", "tpyo"), filepath.Join(dir, "keys")
	b := &bench{T: t, env: append(ownEnvironment(home), "PATH="+os.Getenv("PATH"), "COFFER_DIR="+data, "COFFER_KEY_DIR="+keys)}
	for _, line := range []string{"read api key", "list api", "exec api -- true"} {
		got := b.run(line, "")
		if got.exit != 3 || !strings.Contains(got.stderr, "\n  there is no directory "+data+" ($COFFER_DIR)") {
			t.Errorf("coffer %s: %+v", line, got)
		}
	}
	got := b.run("write api key -", canary)
	directory, key := "coffer: created the directory "+data+" for the secrets\n", "coffer: created the key alias/default in "+keys+"/alias_default.age. Keep a copy"
	if got.exit != 0 || got.stdout != "" || strings.Count(got.stderr, directory) != 1 || strings.Count(got.stderr, key) != 1 || strings.Count(got.stderr, "\n") != 3 {
		t.Errorf("the first write: %+v", got)
	}
	if got := b.run("write web key -", canary); got.exit != 0 || got.stderr != "web/key: version 1\n" {
		t.Errorf("the second write: %+v", got)
	}
	if got := b.run("read nope key", ""); got.exit != 3 || strings.Contains(got.stderr, "directory") {
		t.Errorf("a missing service of a directory that exists: %+v", got)
	}
	b.env = append(b.env, "COFFER_DIR="+data+"2", "COFFER_KEY_DIR="+keys+"2")
	if got := b.run("write api key - -q", canary); got.exit != 0 || got.stderr != "" {
		t.Errorf("--quiet: %+v", got)
	}
}

package cmd_test

import (
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// An alias that does not exist is probably a typing error: nothing moves to it in silence.
func TestTyposDestroyNothing(t *testing.T) {
	b := newDesk(t)
	b.do("write api key -", canary)
	const missing = "coffer: alias/tpyo doesn't exist (existing aliases: alias/default); nothing was changed\n  use --create to create it\n"
	for _, line := range []string{"rekey api --to alias/tpyo", "rekey api --to alias/tpyo --dry-run", "rekey --all-services --to alias/tpyo"} {
		if got := b.run(line, ""); got.exit != 3 || got.stdout != "" || got.stderr != missing {
			t.Errorf("coffer %s: %+v", line, got)
		}
	}
	for keys, want := range map[string]int{"n\r": 3, "\r": 3, "\x04": 3, "\x03": 130} {
		p := sit(t, b, "rekey api --to alias/tpyo")
		p.sees("alias/tpyo doesn't exist (existing aliases: alias/default). Create it? [y/N] ")
		p.types(keys)
		if exit, screen := p.leaves(); exit != want {
			t.Errorf("%q: exit code %d, screen:\n%s", keys, exit, screen)
		}
	}
	if got := b.run("keys api --json", ""); strings.Contains(got.stdout, "tpyo") || !strings.Contains(got.stdout, "alias/default") {
		t.Errorf("%+v", got)
	}
	if got := b.run("rekey api --to alias/new --create", ""); got.exit != 0 || !strings.Contains(got.stderr, "created the key alias/new in ") {
		t.Errorf("--create: %+v", got)
	}
	p := sit(t, b, "rekey api --to alias/newer")
	p.sees("[y/N] ")
	p.types("y\r")
	if exit, screen := p.leaves(); exit != 0 {
		t.Errorf("yes: exit code %d, screen:\n%s", exit, screen)
	}
	if got := b.run("write other key - --kms-key-alias alias/tpyo", canary); got.exit != 0 || !strings.Contains(got.stderr, "created the key alias/tpyo in ") {
		t.Errorf("write: %+v", got)
	}
	if got := b.run("copy api third --kms-key-alias alias/tpyo2 --dry-run", ""); got.exit != 0 || !strings.Contains(got.stderr, "alias/tpyo2 doesn't exist yet") {
		t.Errorf("copy --dry-run: %+v", got)
	}
}

// A dry run finds what the run would fail for: KMS has no such key.
func TestADryRunLooksTheKeyUp(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.do("write api key -", canary)
	for _, line := range []string{
		"rekey api --to alias/tpyo --dry-run",
		"rekey api --to alias/tpyo", // some servers accept a key that they don't have
		"copy api other --kms-key-alias alias/tpyo --dry-run",
		"import other - --kms-key-alias alias/tpyo --dry-run",
		"migrate api --from-backend local --kms-key-alias alias/tpyo --dry-run",
	} {
		want := "coffer: alias/tpyo doesn't exist; nothing was changed\n"
		if strings.HasPrefix(line, "migrate") {
			want += "  coffer init -b s3-kms --bucket b --kms-key-alias alias/tpyo creates it\n"
			b.do("write api key - -b local --kms-key-alias alias/default", canary)
		}
		got := b.run(line, `{"key": "x"}`)
		if got.exit != 3 || got.stdout != "" || got.stderr != want {
			t.Errorf("coffer %s: %+v", line, got)
		}
	}
	for _, line := range []string{"rekey api --to alias/ops --dry-run", "copy api other --dry-run", "import other - --dry-run"} {
		if got := b.run(line, `{"key": "x"}`); got.exit != 0 {
			t.Errorf("coffer %s: %+v", line, got)
		}
	}
}

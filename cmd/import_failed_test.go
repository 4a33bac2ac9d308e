//go:build unix

package cmd_test

import (
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// Two hundred secrets that fail for one reason are one message, and so are those that fail for another.
func TestAFailedImportIsOneMessage(t *testing.T) {
	t.Parallel()
	file, _ := manyKeys()
	for name, c := range map[string]struct {
		denied []string
		lines  []string // what each line of the answer has
	}{
		"all":     {[]string{"many/*"}, []string{"coffer: many: 200 failed", "put many/key_0", "; the same for key_0", " and 197 more; run the same import again to do the rest"}},
		"half":    {[]string{"many/key_1*"}, []string{"coffer: many: 100 created, 100 failed", "and 97 more; run the same import again to do the rest"}},
		"a few":   {[]string{"many/key_001.json", "many/key_002.json"}, []string{"coffer: many: 198 created, 2 failed", `secret "key_00`, `secret "key_00`}},
		"and one": {[]string{"many/key_001.json"}, []string{"coffer: many: 199 created, 1 failed", `secret "key_001"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{})
			b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyPut: c.denied})
			got := b.run("import many -", file)
			if got.exit != 5 || strings.Contains(got.stdout+got.stderr, canary) {
				t.Errorf("exit code %d", got.exit)
			}
			if strings.Count(got.stderr, "coffer: ") > 3 {
				t.Errorf("%d messages", strings.Count(got.stderr, "coffer: "))
			}
			rest := got.stderr
			for _, want := range c.lines {
				before, after, found := strings.Cut(rest, want)
				if !found {
					t.Errorf("no %q after %q", want, before)
				}
				rest = after
			}
			if t.Failed() {
				t.Log(got.stderr)
			}
		})
	}
}

// What failed is tried again by the same import, and by it alone.
func TestAFailedImportIsFinishedByTheSameImport(t *testing.T) {
	t.Parallel()
	file, secrets := manyKeys()
	b := newBench(t, s3test.Options{})
	b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyPut: []string{"many/key_1*"}})
	if got := b.run("import many -", file); got.exit != 5 {
		t.Fatalf("exit code %d\n%s", got.exit, got.stderr)
	}
	b.SetPolicy(dev.AccessKeyID, s3test.Policy{})
	got := b.run("import many -", file)
	if got.exit != 0 || !strings.Contains(got.stderr, "100 created, 100 unchanged") {
		t.Errorf("exit code %d\n%s", got.exit, got.stderr)
	}
	for key, want := range secrets {
		if got := b.run("read many "+key+" -q", ""); strings.TrimSpace(got.stdout) != want {
			t.Errorf("%s isn't stored", key)
		}
		break
	}
}

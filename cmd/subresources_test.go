//go:build unix

package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// A server that takes no notice of a sub-resource takes the request for one for the object.
func TestASecretSurvivesEachCommandOnAServerThatIgnoresSubresources(t *testing.T) {
	t.Parallel()
	const all = "tagging x-amz-tagging versionId versions policy lifecycle encryption publicAccessBlock versioning"
	for i, ignored := range append(strings.Fields(all), all) {
		for _, versions := range []bool{true, false} {
			if ignored != all && versions != (i%2 == 0) && !proof.Whole() {
				continue
			}
			t.Run(fmt.Sprintf("%s, versions %v", ignored, versions), func(t *testing.T) {
				t.Parallel()
				b := newBench(t, s3test.Options{Quirks: s3test.Quirks{Ignores: ignored}})
				b.bucket.KeepVersions(versions)
				b.survivesEachCommand()
			})
		}
	}
}

// survivesEachCommand runs the commands that ask for more than objects, and reads a secret after each.
func (b *bench) survivesEachCommand() {
	b.Helper()
	b.do("write team k -", canary)
	b.do("write team other -", canary+"-other")
	for _, line := range []string{
		"tag write team k a=b", "tag delete team k a", "tag read team k", "delete --purge --yes team other", "restore team other --deleted",
		"restore team --deleted", "share team k", "doctor --probe team", "policy check operator team", "init --yes", "rekey team --to alias/ops",
	} {
		got := b.run(line, "")
		if strings.Contains(got.stderr, canary) {
			b.Errorf("%s tells a value", line)
		}
		if read := b.run("read team k -q", ""); read.stdout != canary+"\n" {
			b.Fatalf("after coffer %s (exit code %d, %s) the secret is gone: %s", line, got.exit, got.stderr, read.stderr)
		}
	}
}

// Where the home directory cannot be written the second write asks nothing of the server but itself.
func TestAWriteWithoutAHomeAsksTheServerOnce(t *testing.T) {
	for name, set := range map[string]func(b *bench, dir string){
		"a runtime directory": func(b *bench, dir string) { b.env = append(b.env, "XDG_RUNTIME_DIR="+dir) },
		"a temporary one":     func(b *bench, dir string) { b.env = append(b.env, "TMPDIR="+dir) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, s3test.Options{})
			dir := t.TempDir()
			b.env = append(b.env, "HOME=", "XDG_CACHE_HOME=")
			set(b, dir)
			b.do("write team k -", canary)
			b.Reset()
			b.do("write team k -", canary+"2")
			for _, e := range b.Log() {
				if strings.Contains(e.Key, "__probe") {
					t.Fatalf("the second write asked again: %s %s", e.Op, e.Key)
				}
			}
			found, err := filepath.Glob(filepath.Join(dir, "coffer*", "probe-*.json"))
			if err != nil || len(found) != 1 {
				t.Fatalf("kept in %q, %v", found, err)
			}
			for path, want := range map[string]os.FileMode{found[0]: 0o600, filepath.Dir(found[0]): 0o700} {
				if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
					t.Errorf("%s: %v, %v", path, info.Mode(), err)
				}
			}
		})
	}
}

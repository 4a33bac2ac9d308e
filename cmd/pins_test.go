//go:build unix

package cmd_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// newPinned is a bucket with secrets under alias/app and alias/ops, whose keys are pinned, and
// a third key that is not.
func newPinned(t *testing.T) (b *bench, stranger string) {
	t.Helper()
	b = newBench(t, s3test.Options{})
	b.do("init --yes", "")
	team(b)
	b.do("write team db_url -", canary+" of app, again")
	b.do("write other x -", canary)
	b.do("write other gone -", canary)
	b.do("delete other gone", "")
	b.do("write moving x - -b local", canary)
	b.do("write broken x -", canary)
	b.bucket.Delete("broken/__kms_alias_app__latest.json") // so that doctor --fix has an index to make
	b.env = append(b.env, "COFFER_KEY_ARNS="+b.KMS.ARN("alias/app")+", "+b.KMS.ARN("alias/ops"))
	return b, b.KMS.CreateKey("alias/stranger")
}

// stored tells all that the bucket has, what it keeps of older states too; of what a look at the
// key has put and deleted, nothing.
func (b *bench) stored() []string {
	var all []string
	for name, versions := range b.bucket.AllVersions() {
		for _, o := range versions {
			if !strings.Contains(name, "/__probe/") {
				all = append(all, fmt.Sprintf("%s %s %s %x", name, o.Version, o.KeyARN, sha256.Sum256(o.Body)))
			}
		}
	}
	slices.Sort(all)
	return all
}

// asked counts the requests of one kind since the log was emptied.
func (b *bench) asked(op string) int {
	n := 0
	for _, e := range b.Log() {
		if e.Op == op {
			n++
		}
	}
	return n
}

// puts are the objects that were put since the log was emptied.
func (b *bench) puts() []string {
	var names []string
	for _, e := range b.Log() {
		if e.Op == "PutObject" && e.Status == 200 {
			names = append(names, e.Key)
		}
	}
	return names
}

// TestNothingIsStoredUnderAKeyThatIsNotPinned: an alias that was pointed at another key stops every
// command that would put under it, before anything is stored or deleted; readers go on.
func TestNothingIsStoredUnderAKeyThatIsNotPinned(t *testing.T) {
	for name, allowed := range map[string]bool{"KMS tells the key": true, "kms:DescribeKey is denied": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, stranger := newPinned(t)
			file := filepath.Join(t.TempDir(), "new.yaml")
			if err := os.WriteFile(file, []byte("db_url: "+canary+"\nmore: "+canary+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			editor := filepath.Join(t.TempDir(), "editor")
			if err := os.WriteFile(editor, []byte("#!/bin/sh\nsed -i s/app/APP/ \"$1\"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			b.env = append(b.env, "EDITOR="+editor)
			b.KMS.PointAlias("alias/app", stranger)
			b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyDescribe: !allowed})
			before := b.stored()
			for _, line := range []string{
				"write team db_url -", "write team fresh -", "write first key -", "import team " + file, "import first " + file,
				"delete team db_url", "delete team db_url --purge --yes", "delete team --service --yes", "delete team unknown",
				"rekey team --from alias/ops --to alias/app", "rekey team --same", "restore team db_url --version 1", "restore other gone --deleted",
				"copy team third", "edit team --yes", "share team db_url --expires 5m", "migrate moving --from-backend local --to-backend s3-kms", "init --yes",
				"doctor --fix broken",
			} {
				exit := 7
				switch {
				case line == "init --yes" && !allowed:
					continue // it needs the permission
				case line == "doctor --fix broken":
					exit = 1 // there is something to mend
				}
				b.Reset()
				got := b.run(line, "v")
				if got.exit != exit || !strings.Contains(got.stderr, "alias/app points to the key "+stranger+", which is not pinned") {
					t.Errorf("%s: exit code %d\n%s", line, got.exit, got.stderr)
				}
				if diff := cmp.Diff(before, b.stored()); diff != "" {
					t.Errorf("%s changed the bucket (-before +after):\n%s", line, diff)
				}
				if put := b.puts(); allowed && len(put) > 0 {
					t.Errorf("%s put %q", line, put)
				} else if !allowed && (len(put) != 1 || !strings.Contains(put[0], "/__probe/")) {
					t.Errorf("%s put %q: want an object to see the key by, and no other", line, put)
				}
			}
			if got := b.run("exec team -- printenv DB_URL", ""); got.exit != 0 || got.stdout != canary+" of app, again\n" {
				t.Errorf("a pinned reader: %+v", got)
			}
		})
	}
}

// TestPinsCostOneLookUp: one request of KMS for each command that changes, beside the others, and
// none for one that reads. Without pins there is not one request more than before.
func TestPinsCostOneLookUp(t *testing.T) {
	b, _ := newPinned(t)
	file := filepath.Join(t.TempDir(), "new.yaml")
	if err := os.WriteFile(file, []byte("a: x\nb: y\nc: z\nd: z\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.do("import team "+file, "")
	for _, c := range []struct {
		line            string
		lookUps, before int // with pins and without
	}{
		{"write team db_url -", 1, 0},
		{"write team key%d -", 1, 0},
		{"write first%d key -", 1, 0},
		{"import team " + file, 1, 0},
		{"import fresh%d " + file, 1, 1}, // the first of a service has asked before
		{"delete team db_url", 1, 0},
		{"rekey team --from alias/ops --to alias/app --dry-run", 2, 1}, // looks the alias up,
		{"exec other -- true", 0, 0},
		{"read other x", 0, 0},
		{"list other", 0, 0},
	} {
		requests := map[bool]int{}
		for i, pinned := range []bool{true, false} {
			p := *b
			if !pinned {
				p.env = append(slices.Clone(b.env), "COFFER_KEY_ARNS=")
			}
			b.do("write team db_url -", "v"+strings.Repeat("x", i))
			b.Reset()
			p.do(strings.ReplaceAll(c.line, "%d", fmt.Sprint(i)), "other"+strings.Repeat("y", i))
			requests[pinned] = len(b.Log())
			if n := b.asked("DescribeKey"); pinned && n != c.lookUps || !pinned && n != c.before {
				t.Errorf("%s, pinned: %v: KMS was asked %d times", c.line, pinned, n)
			}
		}
		if requests[true] != requests[false]+c.lookUps-c.before {
			t.Errorf("%s: %d requests with pins, %d without", c.line, requests[true], requests[false])
		}
	}
}

// TestAPinnedAliasMovesToAnotherPinnedKey: with both keys pinned, writes and rekey --same go on.
func TestAPinnedAliasMovesToAnotherPinnedKey(t *testing.T) {
	b, stranger := newPinned(t)
	b.env = append(b.env, "COFFER_KEY_ARNS="+b.KMS.ARN("alias/app")+","+b.KMS.ARN("alias/ops")+","+stranger)
	b.KMS.PointAlias("alias/app", stranger)
	b.do("write team db_url -", canary+" of app, moved")
	b.do("rekey team --same", "")
	b.env = append(b.env, "COFFER_KEY_ARNS="+stranger+","+b.KMS.ARN("alias/ops")) // the old key is not needed any more
	if got := b.run("exec team -- printenv DB_URL PAGER", ""); got.exit != 0 || got.stdout != canary+" of app, moved\n"+canary+" of ops\n" {
		t.Errorf("after the move: %+v", got)
	}
}

// TestPinsThatNameNoKeyAreRefused: believing every key then would be the opposite of what was meant.
func TestPinsThatNameNoKeyAreRefused(t *testing.T) {
	b, _ := newPinned(t)
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte("key_arns: [\"\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, variable := range []string{"COFFER_KEY_ARNS= ,", "COFFER_KEY_ARNS="} {
		b.env = append(b.env, "COFFER_CONFIG="+config, variable)
		if got := b.run("exec team -- true", ""); got.exit != 7 || !strings.Contains(got.stderr, "key_arns, or COFFER_KEY_ARNS, is empty") {
			t.Errorf("%s: %+v", variable, got)
		}
	}
}

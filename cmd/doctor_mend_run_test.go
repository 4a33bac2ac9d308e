//go:build unix

package cmd_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// sh runs a command as a shell does, in a directory of its own, with words in capitals filled in.
func (b *bench) sh(command string, words ...string) (dir string) {
	b.Helper()
	dir = b.TempDir()
	c := exec.CommandContext(b.Context(), "sh", "-c", strings.NewReplacer(words...).Replace(command))
	c.Env, c.Dir = b.env, dir
	if out, err := c.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", command, err, out)
	}
	return dir
}

// mendOf is the command that doctor names for the one finding of a kind.
func mendOf(t *testing.T, all []found, check string) string {
	t.Helper()
	i := slices.IndexFunc(all, func(f found) bool { return f.Check == check })
	if i < 0 {
		t.Fatalf("no %s in %+v", check, all)
	}
	return all[i].Fix
}

// everything is what is in a service: each secret with its history and all of its values.
func (b *bench) everything(service string) map[string]any {
	b.Helper()
	var listed []struct{ Key string }
	if err := json.Unmarshal([]byte(b.out("list --json "+service)), &listed); err != nil {
		b.Fatal(err)
	}
	all := map[string]any{}
	for _, s := range listed {
		var history []struct {
			Version            int
			Created, CreatedBy string
		}
		if err := json.Unmarshal([]byte(b.out("history --json "+service+" "+s.Key)), &history); err != nil {
			b.Fatal(err)
		}
		for _, v := range history {
			value := b.out("read -n " + service + " " + s.Key + " --version " + itoa(v.Version))
			all[s.Key+" "+itoa(v.Version)] = []string{value, v.Created, v.CreatedBy}
		}
	}
	return all
}

func itoa(n int) string { return string(rune('0' + n)) } // of versions that are few

// Two aliases whose index has one name: the command that is named parts them, with every version of
// every secret, after which anybody can write again.
func TestWhatDoctorNamesPartsTwoAliasesInOneIndex(t *testing.T) {
	const (
		slash, underscore = "alias/team/one", "alias/team_one"
		name              = "api/__kms_alias_team_one__latest.json"
	)
	b := newBench(t, s3test.Options{})
	for _, alias := range []string{slash, underscore, "alias/two"} {
		b.KMS.CreateKey(alias)
	}
	b.do("write api a - --kms-key-alias "+slash, canary+"-a1")
	b.do("write api a - --kms-key-alias "+slash, canary+"-a2")
	b.do("write api x -", canary+"-x")
	// Chamber writes under the other alias, and does not see that the index is of the first.
	b.bucket.Plant("api/b.json", []byte(`{"service":"api","key":"/api/b","values":{`+
		`"1":{"created":"2026-01-01T00:00:00Z","created_by":"chamber","version":1,"value":"`+canary+`-b1"},`+
		`"2":{"created":"2026-01-02T00:00:00Z","created_by":"chamber","version":2,"value":"`+canary+`-b2"}}}`), s3test.AWSKMS, underscore)
	b.bucket.Plant(name, []byte(`{"latest":{"a":{"version":2,"value":"`+canary+`-a2","KMSAlias":"`+slash+`"},`+
		`"b":{"version":2,"value":"`+canary+`-b2","KMSAlias":"`+underscore+`"}}}`), s3test.AWSKMS, underscore)
	before := b.everything("api")
	if len(before) != 5 {
		t.Fatalf("%d versions: %+v", len(before), before)
	}
	for _, alias := range []string{slash, underscore} {
		if got := b.run("write api new - --kms-key-alias "+alias, canary); got.exit != 4 {
			t.Errorf("a write under %s: exit code %d\n%s", alias, got.exit, got.stderr)
		}
	}

	mend := mendOf(t, b.doctor("api", 1), "name-clash")
	if mend != "coffer rekey api --from "+underscore+" --to ALIAS" {
		t.Errorf("it is mended by %q", mend)
	}
	b.sh(mend, "ALIAS", "alias/two")
	if all := b.doctor("api", 0); len(all) > 0 {
		t.Errorf("left: %+v", all)
	}
	if diff := cmp.Diff(before, b.everything("api")); diff != "" {
		t.Errorf("versions (-before +after):\n%s", diff)
	}
	b.sh(mend, "ALIAS", "alias/two") // again: there is nothing to do
	b.do("write api a - --kms-key-alias "+slash, canary+"-a3")
	b.do("write api b - --kms-key-alias alias/two", canary+"-b3")
	if all := b.doctor("api", 0); len(all) > 0 {
		t.Errorf("after writes: %+v", all)
	}
}

// newLocalBench is a bench on the local backend.
func newLocalBench(t *testing.T) (b *bench, home string) {
	home = filepath.Join(t.TempDir(), "a home of mine")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	return &bench{T: t, env: append(ownEnvironment(home), "PATH="+os.Getenv("PATH"))}, home
}

var localRepairs = map[string]struct {
	wound func(b *bench, home string)
	exit  int    // of doctor then
	after int    // and once the command was run
	moved string // the file that is found in the current directory
	lost  string
}{
	"corrupt-secret": {
		wound: func(b *bench, home string) {
			spoil(b, filepath.Join(home, "data", "coffer", "api", "+lost.json"))
			if got := b.run("write api Lost -", canary); got.exit != 8 {
				b.Errorf("a write over it: exit code %d\n%s", got.exit, got.stderr)
			}
		},
		exit: 1, moved: "+lost.json", lost: "Lost 1",
	},
	"corrupt-index": {
		wound: func(b *bench, home string) {
			spoil(b, filepath.Join(home, "data", "coffer", "api", "__kms_alias_default__latest.json"))
		},
		exit: 1, moved: "__kms_alias_default__latest.json",
	},
	"foreign": {
		wound: func(b *bench, home string) { spoil(b, filepath.Join(home, "data", "coffer", "api", "+notes.txt")) },
		moved: "+notes.txt",
	},
	"hidden":       {wound: loseIdentity, after: 1},
	"denied-index": {wound: loseIdentity, after: 1},
	"disabled-key": {
		wound: func(b *bench, home string) {
			if err := os.Chmod(filepath.Join(home, "config", "coffer", "keys", "alias_ops.age"), 0o644); err != nil {
				b.Fatal(err)
			}
		},
		exit: 1,
	},
}

func TestWhatDoctorNamesMendsTheLocalBackend(t *testing.T) {
	for check, test := range localRepairs {
		t.Run(check, func(t *testing.T) {
			t.Parallel()
			b, home := newLocalBench(t)
			b.do("write api url -", canary+"-1")
			b.do("write api url -", canary+"-2")
			b.do("write api Lost - --preserve-case", canary)
			b.do("write api pager - --kms-key-alias alias/ops", canary)
			before := b.everything("api")
			delete(before, test.lost)

			test.wound(b, home)
			command := mendOf(t, b.doctor("api", test.exit), check)
			dir := b.sh(command, "BACKUP", "'"+filepath.Join(home, "backup")+"'")
			// An identity that was made meanwhile is another key: that has its own command.
			for _, f := range b.doctor("api", test.after) {
				b.sh(f.Fix)
			}
			if all := b.doctor("api", 0); len(all) > 0 {
				t.Errorf("left after %q: %+v", command, all)
			}
			if diff := cmp.Diff(before, b.everything("api")); diff != "" {
				t.Errorf("versions (-before +after):\n%s", diff)
			}
			if _, err := os.Stat(filepath.Join(dir, test.moved)); err != nil {
				t.Errorf("%q has moved nothing: %v", command, err)
			}
			b.do("write api pager - --kms-key-alias alias/ops", canary+"-again")
		})
	}
}

// spoil overwrites an object with bytes that do not parse.
func spoil(b *bench, file string) {
	b.Helper()
	if err := os.WriteFile(file, []byte("no secret"), 0o600); err != nil {
		b.Fatal(err)
	}
}

// loseIdentity moves the identity of alias/ops to a backup, after which another one is made.
func loseIdentity(b *bench, home string) {
	b.Helper()
	file, backup := filepath.Join(home, "config", "coffer", "keys", "alias_ops.age"), filepath.Join(home, "backup")
	if err := errors.Join(os.Mkdir(backup, 0o700), os.Rename(file, filepath.Join(backup, "alias_ops.age"))); err != nil {
		b.Fatal(err)
	}
	b.do("write web other - --kms-key-alias alias/ops", canary)
}

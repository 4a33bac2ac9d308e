//go:build unix

package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// asMember gives the person credentials of their own, that may read and write one service and the keys of
// aliases, and no setting of the bucket.
func (b *bench) asMember(name string) *bench {
	b.Helper()
	other := b.colleague(name)
	id := "AKIA" + strings.ToUpper(name)
	b.AddPrincipal(s3test.Principal{Name: name, AccessKeyID: id, SecretKey: "secret-of-" + name, Policy: s3test.Policy{
		ListPrefixes: []string{"api/", "__keys/"}, DenySettings: true, DenyListVersions: true,
		DenyPut: []string{"__*"}, DenyDelete: []string{"__*"},
	}})
	other.env = append(other.env, "AWS_ACCESS_KEY_ID="+id, "AWS_SECRET_ACCESS_KEY=secret-of-"+name, "AWS_SESSION_TOKEN=")
	return other
}

// A member has no rights over the bucket's settings, and no need of them.
func TestInitOfAMemberNeedsNoRightsOverTheBucket(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url -", canary)
	bob := ann.asMember("bob")
	before := ann.bucket.Settings()
	got := bob.run("init --yes", "")
	grant := grantOf(got.stderr)
	if got.exit != 0 || grant == "" || !strings.Contains(got.stderr, "not checked, as you may not look at it: the bucket itself, ") {
		t.Fatalf("init: exit %d\n%s%s", got.exit, got.stdout, got.stderr)
	}
	if again := bob.run("init", ""); again.exit != 0 || grantOf(again.stderr) != grant {
		t.Errorf("init once more: exit %d\n%s", again.exit, again.stderr)
	}
	ann.do(grant+" --name bob", "")
	bob.do("write api other -", canary)
	if got := bob.run("exec api -- printenv DB_URL", ""); got.exit != 0 || got.stdout != canary+"\n" {
		t.Errorf("exec: exit %d, %s", got.exit, got.stderr)
	}
	if got := bob.run("init --yes", ""); got.exit != 0 || !strings.Contains(got.stderr, "your public key is ") || !strings.Contains(got.stderr, "not checked with a test secret") {
		t.Errorf("init of a member: exit %d\n%s", got.exit, got.stderr)
	}
	if after := ann.bucket.Settings(); after != before {
		t.Errorf("settings %s, before %s", after, before)
	}
}

// The identity is made whatever else is refused, and what to ask for is printed.
func TestInitMakesTheIdentityFirst(t *testing.T) {
	for name, test := range map[string]struct {
		policy s3test.Policy
		exit   int
		says   string
	}{
		"no listing, no key":  {s3test.Policy{DenyList: true, DenyGet: []string{"*"}, DenySettings: true}, 5, "not allowed to get the bucket b"},
		"listing, no key":     {s3test.Policy{DenyGet: []string{"*"}, DenySettings: true}, 5, "not allowed to get "},
		"only the key object": {s3test.Policy{DenyList: true, DenySettings: true}, 0, "not checked, as you may not look at it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ann := newTeam(t)
			bob := ann.colleague("bob")
			ann.SetPolicy(dev.AccessKeyID, test.policy)
			got := bob.run("init --yes", "")
			if got.exit != test.exit || !strings.Contains(got.stderr, test.says) || grantOf(got.stderr) == "" {
				t.Errorf("exit %d, want %d\n%s%s", got.exit, test.exit, got.stdout, got.stderr)
			}
			if info, err := os.Stat(filepath.Join(bob.directoryOf(), "config", "coffer", "identity.txt")); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the identity: %v, %v", info, err)
			}
		})
	}
}

// One who has the rights to look at a setting and not to make it is told, as anywhere.
func TestInitOfATeamTellsWhatItMayNotSet(t *testing.T) {
	ann := newTeam(t)
	ann.SetPolicy(dev.AccessKeyID, s3test.Policy{DenySettingChanges: true})
	if got := ann.run("init --yes", ""); got.exit != 5 || !strings.Contains(got.stderr, "not allowed to ") {
		t.Errorf("exit %d\n%s", got.exit, got.stderr)
	}
}

// grantOf returns the command line by which a member grants the key, with the file that is sent and without the name.
func grantOf(stderr string) string {
	_, file, _ := strings.Cut(stderr, "send your public key, ")
	file, rest, _ := strings.Cut(file, ", to a member, who runs: coffer ")
	grant, _, ok := strings.Cut(rest, " "+filepath.Base(file)+" --name YOU")
	if !ok {
		return ""
	}
	return grant + " " + file
}

func (b *bench) directoryOf() string {
	home := ""
	for _, v := range b.env {
		if path, ok := strings.CutPrefix(v, "HOME="); ok {
			home = path
		}
	}
	return home
}

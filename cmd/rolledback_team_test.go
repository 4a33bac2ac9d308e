//go:build unix

package cmd_test

import (
	"bytes"
	"strings"
	"testing"
)

// The key object was put back to an older one, and whoever works now hasn't seen the newer key. Another key on top of the
// older object would bury the one that is missing.
func TestNoKeyIsMadeOnTopOfAnOlderKeyObject(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url "+canary, "")
	bob := ann.colleague("bob")
	bob.do("init --yes", "")
	ann.do("keys grant alias/app "+bob.recipient()+" --name bob", "")
	ann.do("keys grant alias/app "+ann.colleague("carol").withSSHKey()+" --name carol", "")
	old := ann.object(appKey)
	ann.do("keys revoke alias/app carol", "")
	newest := ann.object(appKey)
	ann.bucket.Plant(appKey, old, "", "")
	for _, args := range []string{"read api db_url", "exec api -- true", "keys revoke alias/app carol --dry-run", "keys revoke alias/app carol"} {
		got := bob.run(args, "")
		if got.exit != 8 || !strings.Contains(got.stderr, "it is encrypted under the key ") || !strings.Contains(got.stderr, "\n  coffer doctor api ") {
			t.Errorf("%s: %+v", args, got)
		}
	}
	if !bytes.Equal(ann.object(appKey), old) {
		t.Error("the key object was changed")
	}
	ann.bucket.Plant(appKey, newest, "", "")
	bob.do("keys revoke alias/app carol", "")
	bob.do("read -q api db_url", "")
}

// Where nothing can be written, as in a container, the error says what for, and each way out works.
func TestAFirstKeyThatCannotBeRemembered(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url "+canary, "")
	bob := ann.colleague("bob")
	bob.do("init --yes", "")
	ann.do("keys grant alias/app "+bob.recipient()+" --name bob", "")
	id := keyIDs(t, ann)[0]
	home := bob.env
	bob.env = append(home[:len(home):len(home)], "XDG_STATE_HOME=/proc/state")

	got := bob.run("read -q api db_url", "")
	if got.exit != 7 || !strings.Contains(got.stderr, "the first key of alias/app, "+id+", can't be remembered: mkdir /proc") ||
		!strings.Contains(got.stderr, "\n  set XDG_STATE_HOME to a directory that you can write to, or pin the key with key_ids") {
		t.Errorf("%+v", got)
	}
	if got := bob.run("keys trust alias/app "+id, ""); got.exit != 7 || !strings.Contains(got.stderr, "the key of alias/app can't be remembered: mkdir /proc") {
		t.Errorf("keys trust: %+v", got)
	}
	blocked := bob.env
	for name, way := range map[string][]string{
		"--trust-on-first-use": nil,
		"":                     {"COFFER_CONFIG=" + bob.file("key_ids: {alias/app: "+id+"}\n")},
		" ":                    {"XDG_STATE_HOME=" + t.TempDir()},
	} {
		bob.env = append(blocked[:len(blocked):len(blocked)], way...)
		if got := bob.run("read -q api db_url "+strings.TrimSpace(name), ""); got.exit != 0 || got.stdout != canary+"\n" {
			t.Errorf("%s%q: %+v", name, way, got)
		}
	}
}

// What is copied out of an editor or another program is taken as it is meant.
func TestARecipientWithAMarkAndAnIDInCapitals(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url "+canary, "")
	bob := ann.colleague("bob")
	bob.do("init --yes", "")
	ann.do("keys grant alias/app "+ann.file("\ufeff"+bob.recipient()+"\r\n")+" --name bob", "")
	if got := ann.run("keys grant alias/app - --name bob", "\ufeff"+bob.recipient()); got.exit != 0 || !strings.Contains(got.stderr, "already") {
		t.Errorf("%+v", got)
	}
	bob.do("keys trust alias/app "+strings.ToUpper(keyIDs(t, ann)[0]), "")
	bob.do("read -q api db_url", "")
}

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

//go:build unix

package cmd_test

import (
	"strings"
	"testing"
)

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

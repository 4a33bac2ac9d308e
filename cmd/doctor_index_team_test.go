//go:build unix

package cmd_test

import (
	"slices"
	"strings"
	"testing"
)

// newTeamWithHidden returns a member of alias/app. In the service api she can't read the secret c, which is under alias/ops.
func newTeamWithHidden(t *testing.T) (ann, bob *bench) {
	ann = newTeam(t)
	ann.do("write api a -", canary)
	ann.do("write api b -", canary)
	bob = ann.colleague("bob")
	ann.do("keys grant alias/app "+bob.withSSHKey()+" --name bob", "")
	bob.do("write api c --kms-key-alias alias/ops -", canary)
	return ann, bob
}

// What is wrong with the key of a team is said once, however many secrets are under it, and also beside hidden secrets.
func TestAWrongPinIsSaidOnceBesideHiddenSecrets(t *testing.T) {
	t.Parallel()
	ann, _ := newTeamWithHidden(t)
	pinned := *ann
	pinned.env = append(slices.Clone(ann.env), "COFFER_CONFIG="+ann.file("key_ids: {alias/app: "+strings.Repeat("0", 32)+"}\n"))
	for _, line := range []string{"exec api -- true", "list api", "export api"} {
		got := pinned.run(line, "")
		if got.exit != 8 || strings.Count(got.stderr, "but the pinned key of alias/app is") != 1 || strings.Contains(got.stderr, `secret "a"`) {
			t.Errorf("coffer %s: %+v", line, got)
		}
	}
}

// An index that can't be opened is not made again by doctor --fix, so nothing says so. Who can read every secret is shown
// how to make it again; who can't is told that others can.
func TestTheWayOutOfACopiedIndex(t *testing.T) {
	t.Parallel()
	ann, bob := newTeamWithHidden(t)
	const file = "/__kms_alias_app__latest.json"
	ann.do("write web d -", canary)
	ann.bucket.Plant("api"+file, ann.object("web"+file), "", "")
	for _, line := range []string{"exec api -- true", "write api e -"} {
		got := ann.hints(line, 8, "coffer doctor api shows what is wrong with it")
		if strings.Contains(got.stderr, "--fix") {
			t.Errorf("coffer %s: %+v", line, got)
		}
	}
	if f := finding(t, ann.doctor("api", 1), "copied"); !strings.Contains(f.Fix, "aws s3 cp ") || !strings.Contains(f.Text, "Whoever can read them all") {
		t.Errorf("%+v", f)
	}
	f := finding(t, bob.doctor("api", 1), "copied")
	remove, repair, ok := strings.Cut(f.Fix, " && coffer ")
	if !ok || !strings.HasPrefix(remove, "aws s3api delete-object ") || strings.Contains(f.Text, "Whoever") {
		t.Fatalf("%+v", f)
	}
	ann.bucket.Delete("api" + file) // as aws does
	bob.do(repair, "")
	bob.do("exec api -- true", "")
	ann.do("exec api -- true", "")
}

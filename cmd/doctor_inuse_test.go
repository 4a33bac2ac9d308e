//go:build unix

package cmd_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// replaceKey puts the key object of another team in the place of that of alias/app, and has ann accept it, as a person who
// was deceived would, or one who has lost the first key.
func (b *bench) replaceKey() {
	b.Helper()
	mallory := b.colleague("mallory")
	mallory.env = append(mallory.env, "COFFER_S3_BUCKET=theirs")
	mallory.Bucket("theirs")
	mallory.do(initBare, "")
	mallory.do("keys grant alias/app "+b.recipient()+" --name ann", "")
	forged, _ := mallory.Bucket("theirs").Object(appKey)
	b.bucket.Plant(appKey, forged.Body, "", "")
	trust := regexp.MustCompile(`keys trust alias/app [0-9a-f]{32}`).FindString(finding(b.T, b.doctor("api", 8), "untrusted-key").Text)
	b.do(trust, "")
}

// Objects under a key that the key object of their alias doesn't have are found by their beginnings, 200 at most.
func TestDoctorFindsObjectsOfALostKey(t *testing.T) {
	for _, copies := range []int{0, 250} {
		t.Run(fmt.Sprint(copies), func(t *testing.T) {
			t.Parallel()
			ann := newTeam(t)
			ann.do("write api db_url -", canary)
			lost := keyIDs(t, ann)[0]
			for n := range copies {
				ann.bucket.Plant(fmt.Sprintf("more%03d/db_url.json", n), ann.object("api/db_url.json"), "", "")
			}
			ann.replaceKey()
			if copies > 0 { // only what the look at the keys costs: see keysInUse
				for n := range copies {
					ann.bucket.Delete(fmt.Sprintf("more%03d/db_url.json", n))
					ann.bucket.Plant(fmt.Sprintf("api/x/y/more%03d.json", n), ann.object("api/db_url.json"), "", "")
				}
			}
			ann.Reset()
			got := ann.run("doctor --json", "")
			var all []found
			if err := json.Unmarshal([]byte(got.stdout), &all); err != nil || got.exit != 1 {
				t.Fatalf("%v: %+v", err, got)
			}
			f := finding(t, all, "key-rollback")
			if f.About != appKey || f.Severity != "error" || !strings.Contains(f.Text, lost) || !strings.Contains(f.Text, "api/") || !strings.Contains(f.Fix, "list-object-versions") {
				t.Errorf("%+v", f)
			}
			if part := strings.Contains(got.stderr, fmt.Sprintf("looked at the beginnings of 200 of %d objects", copies+2)); part != (copies > 198) {
				t.Errorf("%+v", got)
			}
			if strings.Contains(got.stdout+got.stderr, canary) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// The key object and the index are deleted: the objects still say what they are encrypted with.
func TestDoctorFindsALostKeyByTheObjectsAlone(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url - --kms-key-alias alias/ops", canary)
	ann.bucket.Delete("__keys/alias/ops.age")
	ann.bucket.Delete("api/__kms_alias_ops__latest.json")
	fresh := ann.colleague("fresh") // who remembers nothing
	fresh.env = append(fresh.env, "COFFER_CONFIG="+ann.file("identity: "+ann.variable("XDG_CONFIG_HOME")+"/coffer/identity.txt\n"))
	if f := finding(t, fresh.doctor("", 1), "lost-key"); f.About != "__keys/alias/ops.age" || f.Severity != "error" {
		t.Errorf("%+v", f)
	}
}

// One who isn't a member sees what to ask for, and that objects are under several keys.
func TestDoctorSaysHowToBecomeAMember(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api a -", canary)
	before := ann.object("api/a.json")
	ann.do("keys grant alias/app "+ann.colleague("eve").withSSHKey()+" --name eve", "")
	ann.do("keys revoke alias/app eve", "")
	bob := ann.colleague("bob")
	public := bob.withSSHKey()
	f := finding(t, bob.doctor("", 1), "not-member")
	if !strings.Contains(f.Text, "coffer keys grant alias/app id_ed25519.pub --name YOU") || strings.Contains(f.Text, "keys, ") {
		t.Errorf("%+v", f)
	}
	current := keyIDs(t, ann)[0]
	ann.bucket.Plant("old/a.json", before, "", "")
	f = finding(t, bob.doctor("", 1), "not-member")
	if !strings.Contains(f.Text, "Its objects are under 2 keys, "+current+": 2 objects (api/__kms_alias_app__latest.json, api/a.json); ") {
		t.Errorf("%+v", f)
	}
	ann.do("keys grant alias/app "+public+" --name YOU", "")
	f = finding(t, bob.doctor("", 1), "new-key") // the first use of the bucket
	if f.Severity != "note" || !strings.Contains(f.Text, current) || bob.typed(f.Fix).exit != 0 {
		t.Errorf("%+v", f)
	}
	if all := ofCheck(bob.doctor("", 1), "new-key"); len(all) > 0 {
		t.Errorf("shown again: %+v", all)
	}
}

// The beginnings are read once each, and no service that is named costs any.
func TestDoctorOfAServiceLooksForNoLostKeys(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api a -", canary)
	ann.do("write web a -", canary)
	reads := func(line string) (n int) {
		ann.Reset()
		ann.run(line, "")
		for _, e := range ann.Log() {
			if e.Op == "GetObject" && strings.HasPrefix(e.Key, "web/") {
				n++
			}
		}
		return n
	}
	if n := reads("doctor api"); n != 0 {
		t.Errorf("doctor api reads web %d times", n)
	}
}

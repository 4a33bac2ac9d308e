//go:build unix

package cmd_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const appKey = "__keys/alias/app.age"

// finding returns the one finding of a check, and fails the test if there is none, or another one.
func finding(t *testing.T, all []found, check string) found {
	t.Helper()
	var one []found
	for _, f := range all {
		if f.Check == check {
			one = append(one, f)
		}
	}
	if len(one) != 1 {
		t.Fatalf("%d findings of %s; want one: %+v", len(one), check, all)
	}
	return one[0]
}

// stored returns an object of the bucket.
func (b *bench) object(name string) []byte {
	b.Helper()
	o, ok := b.bucket.Object(name)
	if !ok {
		b.Fatalf("no object %s", name)
	}
	return slices.Clone(o.Body)
}

// typed runs the command that doctor has named.
func (b *bench) typed(command string) outcome {
	b.Helper()
	line, ok := strings.CutPrefix(command, "coffer ")
	if !ok {
		b.Fatalf("%q is no command of ours", command)
	}
	return b.run(line, "")
}

// A key object that is damaged, no key, or that of another alias. Nothing that it encrypts is at fault, so
// nothing else is to be deleted; once the key is put back, all is well.
func TestDoctorFindsAKeyObjectThatIsNone(t *testing.T) {
	for name, body := range map[string]func(*bench) []byte{
		"plain":   func(*bench) []byte { return []byte(`{"coffer":1,"alias":"alias/app"}`) },
		"empty":   func(*bench) []byte { return nil },
		"cut":     func(ann *bench) []byte { b := ann.object(appKey); return b[:len(b)-20] },
		"changed": func(ann *bench) []byte { b := ann.object(appKey); b[len(b)-1] ^= 1; return b },
		"another": func(ann *bench) []byte { return ann.object("__keys/alias/ops.age") },
		"secret":  func(ann *bench) []byte { return ann.object("api/db_url.json") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ann := newTeam(t)
			ann.do("write api db_url -", canary)
			ann.do("write ops token --kms-key-alias alias/ops -", canary)
			ann.bucket.Plant(appKey, body(ann), "", "")
			spoiled := ann.bucket.Objects()
			for _, args := range []string{"api", "", "api --fix", "--fix"} {
				all := ann.doctor(args, 1)
				f := finding(t, all, "corrupt-key")
				if f.About != appKey || f.Severity != "error" || f.Fix != "aws s3api list-object-versions --endpoint-url "+ann.URL+" --bucket b --prefix "+appKey {
					t.Errorf("doctor %s: %+v", args, f)
				}
				for _, f := range all {
					if strings.Contains(f.Fix, "delete-object") || strings.Contains(f.Text, canary) {
						t.Errorf("doctor %s: %+v", args, f)
					}
				}
			}
			if diff := cmp.Diff(states(spoiled), states(ann.bucket.Objects())); diff != "" {
				t.Errorf("doctor --fix changed something:\n%s", diff)
			}
			if got := ann.run("doctor ops", ""); got.exit != 1 || !strings.Contains(got.stdout, "corrupt-key") {
				t.Errorf("doctor of a service under another alias says nothing of the configured one: %+v", got)
			}
			if got := ann.run("whoami", ""); got.exit != 0 || !strings.Contains(got.stdout, "key of alias/app\tdamaged") {
				t.Errorf("whoami: %+v", got)
			}
			ann.hints("exec api -- true", 8, "coffer doctor names it")
		})
	}
}

func TestDoctorFindsAKeyThatIsMissing(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url -", canary)
	key := ann.object(appKey)
	ann.bucket.Delete(appKey)
	ann.hints("exec api -- true", 5, "coffer doctor api shows what is wrong with the key")
	fresh := ann.colleague("fresh") // who remembers nothing
	fresh.env = append(fresh.env, "COFFER_CONFIG="+ann.file("identity: "+ann.variable("XDG_CONFIG_HOME")+"/coffer/identity.txt\n"))
	for _, who := range []*bench{ann, fresh} {
		for _, args := range []string{"api", ""} {
			if f := finding(t, who.doctor(args, 1), "lost-key"); f.About != appKey || f.Severity != "error" || !strings.Contains(f.Fix, "--prefix "+appKey) {
				t.Errorf("doctor %s: %+v", args, f)
			}
		}
	}
	ann.bucket.Plant(appKey, key, "", "")
	if all := ann.doctor("api", 0); len(all) > 0 {
		t.Errorf("after the key was put back: %+v", all)
	}
	// A pin is evidence too, where nothing is encrypted yet.
	ann.env = append(ann.env, "COFFER_CONFIG="+ann.file("key_ids: {alias/new: "+strings.Repeat("0", 32)+"}\n"))
	if f := finding(t, ann.doctor("", 1), "lost-key"); f.About != "__keys/alias/new.age" {
		t.Errorf("%+v", f)
	}
}

func TestDoctorShowsKeysThatTheCallerCannotOpen(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url -", canary)
	ann.do("write ops token --kms-key-alias alias/ops -", canary)
	bob := ann.colleague("bob")
	ann.do("keys grant alias/ops "+bob.withSSHKey(), "")
	f := finding(t, bob.doctor("", 1), "not-member")
	if f.About != appKey || f.Severity != "warning" || f.Fix != "coffer whoami" || !strings.Contains(f.Text, "coffer keys grant alias/app ") {
		t.Errorf("the alias of what bob writes: %+v", f)
	}
	if got := bob.typed(f.Fix); got.exit != 0 || !strings.Contains(got.stdout, "public_key") { // what a member needs of him
		t.Errorf("%s: %+v", f.Fix, got)
	}
	bob.env = append(bob.env, "COFFER_KMS_KEY_ALIAS=alias/ops")
	if f := finding(t, bob.doctor("", 1), "not-member"); f.About != appKey || f.Severity != "note" {
		t.Errorf("another alias: %+v", f)
	}
	if all := bob.doctor("ops", 0); len(all) > 0 {
		t.Errorf("a service of bob's alias: %+v", all)
	}
	nobody := ann.colleague("nobody")
	got := nobody.run("doctor --json", "")
	if got.exit != 7 || !strings.Contains(got.stdout, `"fix": "coffer init"`) || !strings.Contains(got.stderr, "coffer init makes one") {
		t.Errorf("without an identity: %+v", got)
	}
}

// An older state of the key object is exit 8, whatever else is found. The command that accepts it works.
func TestDoctorFindsAKeyThatWasPutBack(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url -", canary)
	ann.do("keys grant alias/app "+ann.colleague("bob").withSSHKey()+" --name bob", "")
	old := ann.object(appKey)
	ann.do("keys revoke alias/app bob", "")
	newest := ann.object(appKey)
	ann.bucket.Plant(appKey, old, "", "")
	var f found
	for _, args := range []string{"api", "", "api --fix"} {
		f = finding(t, ann.doctor(args, 8), "key-rollback")
		if f.About != appKey || f.Severity != "error" || !strings.Contains(f.Fix, "list-object-versions") {
			t.Errorf("doctor %s: %+v", args, f)
		}
	}
	ann.hints("doctor api", 8, "Restore the newest version of the object")
	ann.bucket.Plant(appKey, newest, "", "")
	if all := ann.doctor("api", 0); len(all) > 0 {
		t.Errorf("after the newest was put back: %+v", all)
	}
	ann.bucket.Plant(appKey, old, "", "")
	_, accept, _ := strings.Cut(f.Text, "accept this one: ")
	if got := ann.typed(accept); got.exit != 0 {
		t.Errorf("%s: %+v", accept, got)
	}
	if all := ann.doctor("api", 1); slices.ContainsFunc(all, func(f found) bool { return strings.Contains(f.Check, "-key") && f.About == appKey }) {
		t.Errorf("after it was accepted: %+v", all)
	}
}

func TestDoctorFindsAForgedKey(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url -", canary)
	mallory := ann.colleague("mallory")
	mallory.env = append(mallory.env, "COFFER_S3_BUCKET=theirs")
	mallory.Bucket("theirs")
	mallory.do("init --yes --without public-access --without policy --without versions --without lifecycle", "")
	mallory.do("keys grant alias/app "+ann.recipient()+" --name ann", "")
	forged, _ := mallory.Bucket("theirs").Object(appKey)
	ann.bucket.Plant(appKey, forged.Body, "", "")
	f := finding(t, ann.doctor("api", 8), "untrusted-key")
	trust := regexp.MustCompile(`coffer keys trust alias/app [0-9a-f]{32}`).FindString(f.Text)
	if f.About != appKey || f.Severity != "error" || !strings.Contains(f.Fix, "list-object-versions") || trust == "" { // nobody trusts by copying a fix
		t.Errorf("%+v", f)
	}
	pinned := *ann
	pinned.env = append(slices.Clone(ann.env), "COFFER_CONFIG="+ann.file("key_ids: {alias/app: "+strings.Repeat("0", 32)+"}\n"))
	if f := finding(t, pinned.doctor("api", 8), "untrusted-key"); f.Fix != "coffer config" || pinned.typed(f.Fix).exit != 0 || !strings.Contains(f.Text, "key_ids: {alias/app: ") {
		t.Errorf("pinned: %+v", f)
	}
	if got := ann.typed(trust); got.exit != 0 {
		t.Errorf("%s: %+v", trust, got)
	}
}

// A key that came after what this machine knew is trusted, and shown once. Where an earlier one is pinned, it is
// shown until that is changed.
func TestDoctorShowsANewKeyAndAnOldPin(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url -", canary)
	carol := ann.colleague("carol")
	carol.env = append(carol.env, "COFFER_CONFIG="+ann.file("identity: "+ann.variable("XDG_CONFIG_HOME")+"/coffer/identity.txt\n"))
	carol.do("exec api -- true", "") // remembers the first key
	first := keyIDs(t, ann)[0]
	ann.do("keys grant alias/app "+ann.colleague("bob").withSSHKey()+" --name bob", "")
	if all := carol.doctor("", 1); len(ofCheck(all, "new-key")) > 0 {
		t.Errorf("a grant makes no new key: %+v", all)
	}
	ann.do("keys revoke alias/app bob", "")
	second := keyIDs(t, ann)[0]
	f := finding(t, carol.doctor("", 1), "new-key")
	if f.About != appKey || f.Severity != "note" || !strings.Contains(f.Text, second+" (number 2, made by") || !strings.Contains(f.Text, first) {
		t.Errorf("%+v", f)
	}
	if got := carol.typed(f.Fix); got.exit != 0 || !strings.Contains(got.stderr, second) {
		t.Errorf("%s: %+v", f.Fix, got)
	}
	if all := carol.doctor("", 1); len(ofCheck(all, "new-key")) > 0 {
		t.Errorf("shown again: %+v", all)
	}

	ann.env = append(ann.env, "COFFER_CONFIG="+ann.file("key_ids: {alias/app: "+first+"}\n"))
	for _, args := range []string{"api", ""} {
		f = finding(t, ann.doctor(args, 1), "old-pin")
		if f.About != appKey || f.Severity != "warning" || f.Fix != "coffer config" || ann.typed(f.Fix).exit != 0 {
			t.Errorf("doctor %s: %+v", args, f)
		}
	}
	_, change, _ := strings.Cut(f.Text, ann.variable("COFFER_CONFIG")+" to ")
	change, _, _ = strings.Cut(change, ", if")
	ann.env = append(ann.env, "COFFER_CONFIG="+ann.file(change+"\n"))
	if all := ann.doctor("api", 0); len(all) > 0 {
		t.Errorf("with %s: %+v", change, all)
	}
}

func ofCheck(all []found, check string) []found {
	return slices.DeleteFunc(slices.Clone(all), func(f found) bool { return f.Check != check })
}

// What a revoke that was cut short has left under the earlier key is found, and either command moves it.
func TestDoctorFindsWhatARevokeHasLeft(t *testing.T) {
	ann := newTeam(t)
	for _, key := range []string{"a", "b"} {
		ann.do("write api "+key+" -", canary)
	}
	ann.do("keys grant alias/app "+ann.colleague("bob").withSSHKey()+" --name bob", "")
	start := ann.bucket.Objects()
	ann.do("keys revoke alias/app bob", "")
	key := ann.object(appKey)
	for _, repair := range []string{"", "keys revoke alias/app bob"} {
		ann.bucket.Restore(start) // only the key was changed
		ann.bucket.Plant(appKey, key, "", "")
		all := ann.doctor("api", 1)
		var about []string
		for _, f := range ofCheck(all, "other-key") {
			if about = append(about, f.About); f.Severity != "warning" || f.Fix != "coffer rekey --same api" {
				t.Errorf("%+v", f)
			}
			if repair == "" {
				repair = strings.TrimPrefix(f.Fix, "coffer ")
			}
		}
		if slices.Sort(about); !slices.Equal(about, []string{"api", "api/__kms_alias_app__latest.json"}) {
			t.Errorf("other-key of %q", about)
		}
		ann.do(repair, "")
		if all := ann.doctor("api", 0); len(all) > 0 || len(keyIDs(t, ann)) != 1 {
			t.Errorf("after %s: %+v", repair, all)
		}
		ann.do("exec api -- true", "")
	}
}

// Names that somebody else has chosen are words for the shell.
func TestDoctorShowsWhatIsNoKeyAmongTheKeys(t *testing.T) {
	ann := newTeam(t)
	for _, name := range []string{"__keys/notes.txt", "__keys/alias/$(x).age", "__keys/app.age", "__keys/alias/a/../app.age", "__keys/n\x1b[2J"} {
		ann.bucket.Plant(name, []byte(canary), "", "")
	}
	f := finding(t, ann.doctor("", 1), "strange-key")
	if f.About != "__keys/" || f.Severity != "note" || !strings.Contains(f.Fix, "aws s3 mv --endpoint-url "+ann.URL+" s3://b/__keys/notes.txt .") ||
		!strings.Contains(f.Fix, "'__keys/alias/$(x).age'") || !strings.Contains(f.Fix, `s3://b/"$(printf '__keys/n\033[2J')" .`) || strings.Contains(f.Text, canary) {
		t.Errorf("%+v", f)
	}
}

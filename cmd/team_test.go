//go:build unix

package cmd_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// colleague returns the bench of another person, with a home of their own, on the bucket of b.
func (b *bench) colleague(name string) *bench {
	b.Helper()
	other := *b
	home := b.TempDir()
	other.env = append(slices.Clone(b.env), "HOME="+home, "USER="+name,
		"XDG_CONFIG_HOME="+filepath.Join(home, "config"), "XDG_STATE_HOME="+filepath.Join(home, "state"), "XDG_CACHE_HOME="+filepath.Join(home, "cache"))
	return &other
}

// newTeam is a bucket on a server without KMS, and Ann, the first member of alias/app.
func newTeam(t *testing.T) (ann *bench) {
	t.Helper()
	return teamOf(newBench(t, s3test.Options{}))
}

func teamOf(b *bench) (ann *bench) {
	b.Helper()
	b.env = append(b.env, "COFFER_BACKEND=s3-age", "COFFER_KMS_KEY_ALIAS=alias/app")
	ann = b.colleague("ann")
	ann.do(initBare, "")
	return ann
}

// initBare creates a bucket without any settings.
const initBare = "init --yes --without public-access --without policy --without versions --without lifecycle"

// recipient returns what whoami prints of a person's age identity.
func (b *bench) recipient() string {
	b.Helper()
	var who struct{ Recipients []string }
	if err := json.Unmarshal([]byte(b.run("whoami --json", "").stdout), &who); err != nil || len(who.Recipients) != 1 {
		b.Fatalf("recipients %q, %v; want one", who.Recipients, err)
	}
	return who.Recipients[0]
}

// withSSHKey gives a person an SSH key as their identity, and returns the file of the public part.
func (b *bench) withSSHKey() (public string) {
	b.Helper()
	file := filepath.Join(b.TempDir(), "id_ed25519")
	if out, err := exec.CommandContext(b.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bob@laptop", "-f", file).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	b.env = append(b.env, "COFFER_CONFIG="+b.file("identity: "+file+"\n"))
	return file + ".pub"
}

func TestATeamSharesABucketWithoutKMS(t *testing.T) { newTeam(t).sharesTheBucket() }

func TestTheMembersOfAnAliasAreCompleted(t *testing.T) {
	ann := newTeam(t)
	ann.do("keys grant alias/app "+ann.colleague("bob").withSSHKey(), "")
	if got := ann.run("__complete keys revoke alias/app b", ""); got.exit != 0 || strings.Fields(got.stdout)[0] != "bob@laptop" {
		t.Errorf("exit %d, %q, %s", got.exit, got.stdout, got.stderr)
	}
}

// TestAnAliasWithoutAKeyIsAMissingName: a slip in the name is no lack of permission.
func TestAnAliasWithoutAKeyIsAMissingName(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api key -", canary)
	for _, line := range []string{"keys members alias/ap", "keys grant alias/ap " + ann.colleague("bob").withSSHKey(), "keys grant alias/ap --dry-run " + ann.colleague("cat").withSSHKey(), "keys revoke alias/ap bob", "keys trust alias/ap 00"} {
		got := ann.run(line, "")
		if got.exit != 3 || !strings.Contains(got.stderr, "alias/ap has no key\n") || !strings.Contains(got.stderr, "aliases with a key: alias/app\n") {
			t.Errorf("%s: exit %d, %s", line, got.exit, got.stderr)
		}
	}
}

// TestAProgramIsNotRunWithoutTheSecretsOfALostKey: whoever deletes a key object would choose what is missing.
func TestAProgramIsNotRunWithoutTheSecretsOfALostKey(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url -", canary)
	ann.do("write api token --kms-key-alias alias/ops -", canary)
	ann.bucket.Delete("__keys/alias/app.age")
	fresh := ann.colleague("fresh") // who remembers nothing
	fresh.env = append(fresh.env, "COFFER_CONFIG="+ann.file("identity: "+ann.variable("XDG_CONFIG_HOME")+"/coffer/identity.txt\n"))
	for _, who := range []*bench{ann, fresh} {
		for _, line := range []string{"exec api -- echo ran", "export api", "list api"} {
			got := who.run(line, "")
			if got.exit != 5 || strings.Contains(got.stdout, "ran") || !strings.Contains(got.stderr, "coffer doctor api shows what is wrong with the key") {
				t.Errorf("%s: %+v", line, got)
			}
		}
	}
}

// The service is called as a word of the command is.
func TestAServiceCalledGrantIsShownByKeysShow(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.do("write grant key -", canary)
	b.do("write api key -", canary)
	if got := b.run("keys show grant", ""); got.exit != 0 || !strings.Contains(got.stdout, "grant\talias/app") {
		t.Errorf("keys show grant: exit %d, %q, %s", got.exit, got.stdout, got.stderr)
	}
	if got := b.run("keys api", ""); got.exit != 0 || !strings.Contains(got.stdout, "api\talias/app") {
		t.Errorf("keys api: exit %d, %q, %s", got.exit, got.stdout, got.stderr)
	}
	for _, line := range []string{"keys grant", "keys members alias/app", "keys grant alias/app x", "keys revoke alias/app bob", "keys trust alias/app 00"} {
		if got := b.run(line, ""); got.exit != 2 || len(strings.Fields(line)) > 2 && !strings.Contains(got.stderr, "only s3-age has") {
			t.Errorf("%s on s3-kms: exit %d, %s", line, got.exit, got.stderr)
		}
	}
}

func TestAForgedKeyIsRefusedUntilItIsTrusted(t *testing.T) { newTeam(t).refusesAForgedKey() }

func TestACopiedObjectIsRefused(t *testing.T) {
	for _, backend := range sealingBackends {
		t.Run(backend, func(t *testing.T) {
			b := newBench(t, s3test.Options{})
			b.env = append(b.env, "COFFER_BACKEND="+backend)
			if backend == "s3-age" {
				b = teamOf(b)
			}
			b.refusesCopies()
		})
	}
}

// A job of CI has the identity in a variable, remembers nothing, and hands the identity to nobody.
func TestCITrustsWhatIsPinned(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url -", canary)
	ci := ann.colleague("ci")
	ci.do("init --yes", "")
	file := ""
	for _, entry := range ci.env {
		if dir, ok := strings.CutPrefix(entry, "XDG_CONFIG_HOME="); ok {
			file = filepath.Join(dir, "coffer", "identity.txt")
		}
	}
	identity, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ann.do("keys grant alias/app "+ci.recipient()+" --name ci", "")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	ci.env = append(ci.env, "CI=true", "COFFER_AGE_IDENTITY="+string(identity))
	got := ci.run("exec api -- true", "")
	pin := regexp.MustCompile(`key_ids: (\{alias/app: [0-9a-f]{32}\})`).FindStringSubmatch(got.stderr)
	if got.exit != 7 || pin == nil {
		t.Fatalf("neither pinned nor accepted: exit %d, %s", got.exit, got.stderr)
	}
	if got := ci.run("exec --trust-on-first-use api -- printenv DB_URL", ""); got.exit != 0 || got.stdout != canary+"\n" {
		t.Errorf("accepted aloud: exit %d, %s", got.exit, got.stderr)
	}
	ci.env = append(ci.env, "COFFER_CONFIG="+ci.file("key_ids: "+pin[1]+"\n"))
	secret := regexp.MustCompile(`AGE-SECRET-KEY-PQ-1\w+`).FindString(string(identity))
	for _, line := range []string{"exec api -- env", "exec api --mask -- env", "config", "whoami", "config --json", "exec --verbose api -- true"} {
		got := ci.run(line, "")
		if got.exit != 0 || strings.Contains(got.stdout+got.stderr, secret[:40]) || strings.Contains(got.stdout, "COFFER_AGE_IDENTITY=") {
			t.Errorf("%s: exit %d, or the identity is told: %s %s", line, got.exit, got.stdout, got.stderr)
		}
	}
}

func TestAGrantChangesOneObject(t *testing.T) {
	ann := newTeam(t)
	for _, key := range []string{"a", "b", "c"} {
		ann.do("write api "+key+" -", canary)
	}
	before := ann.bucket.Objects()
	ann.do("keys grant alias/app "+ann.colleague("bob").withSSHKey(), "")
	for i, o := range ann.bucket.Objects() {
		if changed := o.ETag != before[i].ETag; changed != (o.Name == "__keys/alias/app.age") {
			t.Errorf("%s: changed %v", o.Name, changed)
		}
	}
}

func TestAGrantToAMemberUnderAnotherNameRenamesThem(t *testing.T) {
	ann := newTeam(t)
	public := ann.colleague("bob").withSSHKey()
	ann.do("keys grant alias/app "+public, "")
	ann.do("keys grant alias/app "+ann.colleague("eve").withSSHKey()+" --name eve", "")
	for _, c := range []struct {
		line, says string
		puts       int
	}{
		{"keys grant alias/app " + public, "bob@laptop is a member of alias/app already", 0},
		{"keys grant alias/app " + public + " --name bob --dry-run", "the member bob@laptop of alias/app would be renamed to bob", 0},
		{"keys grant alias/app " + public + " --name bob", "the member bob@laptop of alias/app was renamed to bob; the key is the same", 1},
		{"keys grant alias/app " + public + " --name bob", "bob is a member of alias/app already", 0},
		{"keys grant alias/app " + public, "bob is a member of alias/app already", 0},
		{"keys grant alias/app " + public + " --name robert --json", `"renamed_from": "bob"`, 1},
	} {
		ann.Reset()
		got := ann.run(c.line, "")
		puts := 0
		for _, r := range ann.Log() {
			if r.Op == "PutObject" {
				puts++
			}
		}
		if got.exit != 0 || puts != c.puts || !strings.Contains(got.stdout+got.stderr, c.says) {
			t.Errorf("%s: exit %d, %d puts, %s%s", c.line, got.exit, puts, got.stdout, got.stderr)
		}
	}
	if got := ann.run("keys grant alias/app "+public+" --name Eve", ""); got.exit != 4 || !strings.Contains(got.stderr, "has a member named eve already") {
		t.Errorf("the name of another: exit %d, %s", got.exit, got.stderr)
	}
}

// A run of revoke is killed at each of ten of its requests, and run again. The server keeps tombstones of what was
// deleted, which are objects too.
func TestARevocationThatWasKilledIsFinishedByTheNextRun(t *testing.T) {
	b := newBench(t, s3test.Options{Quirks: s3test.MinIO()})
	b.revokesWhileItIsKilled(b.URL)
}

// keyIDs returns the ids of the keys of alias/app that the headers of the sealed objects name.
func keyIDs(t *testing.T, b *bench) []string {
	t.Helper()
	header := regexp.MustCompile(`-> coffer-alias alias%2Fapp ([0-9a-f]{32}) `)
	found := map[string]bool{}
	for name, body := range b.bodies() {
		if m := header.FindSubmatch(body); m != nil {
			found[string(m[1])] = true
		} else if !strings.HasPrefix(name, "__keys/") && !bytes.Contains(body, []byte("-> coffer-alias alias%2Fops ")) {
			t.Errorf("%s is not sealed under an alias: %.60q", name, body)
		}
	}
	var ids []string
	for id := range found {
		ids = append(ids, id)
	}
	return ids
}

// The key of an alias is one request, which goes out beside the others.
func TestATeamsKeyCostsOneRequest(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url -", canary)
	for line, want := range map[string][]string{
		"exec api -- true": {"GetObject __keys/alias/app.age", "GetObject api/__kms_alias_app__latest.json", "ListObjectsV2 "},
		"read api db_url":  {"GetObject __keys/alias/app.age", "GetObject api/db_url.json"},
	} {
		ann.Reset()
		ann.do(line, "")
		var got []string
		for _, r := range ann.Log() {
			got = append(got, r.Op+" "+r.Key)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: %q; want %q", line, got, want)
		}
	}
}

// Which key is trusted is a matter for a person, also where a script wants nothing but the value.
func TestANewKeyIsAnnouncedUnderQuiet(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url "+canary, "")
	bob, carol := ann.colleague("bob"), ann.colleague("carol")
	for _, p := range []*bench{bob, carol} {
		p.do("init --yes", "")
	}
	ann.do("keys grant alias/app "+bob.recipient()+" --name bob", "")
	ann.do("keys grant alias/app "+carol.recipient()+" --name carol", "")

	first := bob.run("read -q api db_url", "")
	if first.stdout != canary+"\n" || !strings.Contains(first.stderr, "the key of alias/app is trusted on first use: ") {
		t.Errorf("the first use: %+v", first)
	}
	ann.do("keys revoke alias/app carol", "")
	for again, want := range []string{"alias/app has a new key: ", ""} {
		got := bob.run("read -q api db_url", "")
		if got.stdout != canary+"\n" || !strings.Contains(got.stderr, want) || want == "" && got.stderr != "" {
			t.Errorf("read %d after a revoke: %+v", again+1, got)
		}
	}
}

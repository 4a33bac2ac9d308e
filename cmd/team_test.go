//go:build unix

package cmd_test

import (
	"encoding/json"
	"math/rand/v2"
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
	b := newBench(t, s3test.Options{})
	b.env = append(b.env, "COFFER_BACKEND=s3-age", "COFFER_S3_BUCKET=b", "COFFER_KMS_KEY_ALIAS=alias/app")
	ann = b.colleague("ann")
	ann.do("init --yes --without public-access --without policy --without versions --without lifecycle", "")
	return ann
}

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

func TestATeamSharesABucketWithoutKMS(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url -", canary)
	bob, carol := ann.colleague("bob"), ann.colleague("carol")
	public := bob.withSSHKey()
	ann.do("keys grant alias/app "+public, "")
	bob.do("write api token -", canary+"-2")
	for _, who := range []*bench{ann, bob} {
		if got := who.run("exec api -- printenv DB_URL TOKEN", ""); got.exit != 0 || got.stdout != canary+"\n"+canary+"-2\n" {
			t.Errorf("a member: exit %d, %q, %s", got.exit, got.stdout, got.stderr)
		}
	}
	got := carol.run("init --yes", "")
	ask := regexp.MustCompile(`ask a member to run: coffer (keys grant alias/app (age1pq1\w+)) --name YOU`).FindStringSubmatch(got.stderr)
	if got.exit != 0 || ask == nil {
		t.Fatalf("init of one who is no member: exit %d, %s", got.exit, got.stderr)
	}
	for _, line := range []string{"exec api -- true", "read api db_url", "write api other -", "keys members alias/app", "keys grant alias/app " + public} {
		if got := carol.run(line, canary); got.exit != 5 || !strings.Contains(got.stderr, "not a member of alias/app") || !strings.Contains(got.stderr, "coffer "+ask[1]) {
			t.Errorf("%s of one who is no member: exit %d, %s", line, got.exit, got.stderr)
		}
	}
	if got := carol.run("list api", ""); got.exit != 5 {
		t.Errorf("list: exit %d, %s", got.exit, got.stderr)
	}
	doctor := regexp.MustCompile(`coffer (keys members alias/app)`).FindStringSubmatch(carol.run("doctor api", "").stdout)
	if doctor == nil || !strings.Contains(carol.run(doctor[1], "").stderr, "coffer "+ask[1]) {
		t.Errorf("doctor doesn't lead to %s: %q", ask[1], doctor)
	}
	ann.do(ask[1]+" --name carol", "")
	if got := carol.run("exec api -- printenv DB_URL", ""); got.exit != 0 || got.stdout != canary+"\n" {
		t.Errorf("after the grant: exit %d, %q, %s", got.exit, got.stdout, got.stderr)
	}
	for _, o := range ann.bucket.Objects() {
		if strings.Contains(string(o.Body), canary) {
			t.Errorf("%s has a value", o.Name)
		}
	}
}

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

// Whoever can write the bucket can put a key object of their own there, sealed to everybody.
func TestAForgedKeyIsRefusedUntilItIsTrusted(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url -", canary)
	mallory := ann.colleague("mallory")
	mallory.env = append(mallory.env, "COFFER_S3_BUCKET=theirs")
	mallory.Bucket("theirs")
	mallory.do("init --yes --without public-access --without policy --without versions --without lifecycle", "")
	mallory.do("keys grant alias/app "+ann.recipient()+" --name ann", "")
	forged, _ := mallory.Bucket("theirs").Object("__keys/alias/app.age")
	ann.bucket.Plant(forged.Name, forged.Body, "", "")
	got := ann.run("write api db_url -", canary)
	trust := regexp.MustCompile(`coffer (keys trust alias/app [0-9a-f]{32})`).FindStringSubmatch(got.stderr)
	if got.exit != 8 || trust == nil {
		t.Fatalf("write: exit %d, %s", got.exit, got.stderr)
	}
	for _, line := range []string{"exec api -- true", "read api db_url", "keys members alias/app", "keys grant alias/app " + mallory.recipient()} {
		if got := ann.run(line, ""); got.exit != 8 {
			t.Errorf("%s: exit %d, %s", line, got.exit, got.stderr)
		}
	}
	ann.do(trust[1], "")
	ann.do("keys members alias/app", "")
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

// A run of revoke is killed at each of ten of its requests, and run again.
func TestARevocationThatWasKilledIsFinishedByTheNextRun(t *testing.T) {
	ann := newTeam(t)
	for _, key := range []string{"api a", "api b", "api/worker c", "web d"} {
		ann.do("write "+key+" -", canary)
	}
	ann.do("write web gone -", canary)
	ann.do("delete web gone", "")
	bob := ann.colleague("bob")
	ann.do("keys grant alias/app "+bob.withSSHKey()+" --name bob", "")
	bob.do("exec api -- true", "")
	start := ann.bucket.Objects()
	ann.Reset()
	ann.do("keys revoke alias/app bob", "")
	requests := len(ann.Log())
	remembered := ""
	for _, entry := range ann.env {
		if dir, ok := strings.CutPrefix(entry, "XDG_STATE_HOME="); ok {
			remembered = dir // that of ann, which comes last
		}
	}
	for _, n := range rand.Perm(requests)[:min(10, requests)] {
		ann.bucket.Restore(start)
		if err := os.RemoveAll(remembered); err != nil { // the key of the run before never was there
			t.Fatal(err)
		}
		ann.killedAt("keys revoke alias/app bob", n+1, n%2 == 0)
		ann.do("keys revoke alias/app bob", "")
		for _, line := range []string{"exec api -- true", "exec web -- true", "read api/worker c"} {
			if got := bob.run(line, ""); got.exit != 5 || strings.Contains(got.stdout+got.stderr, canary) {
				t.Errorf("killed at request %d: %s of the leaver: exit %d, %s", n+1, line, got.exit, got.stderr)
			}
		}
		first := keyIDs(t, ann)
		if len(first) != 1 {
			t.Errorf("killed at request %d: the objects are under the keys %q; want one", n+1, first)
		}
		if got := ann.run("exec api api/worker web -- printenv A B C D", ""); got.exit != 0 || strings.Count(got.stdout, canary) != 4 {
			t.Errorf("killed at request %d: a member: exit %d, %s", n+1, got.exit, got.stderr)
		}
	}
}

// killedAt runs a command line, and kills it at its nth request, before or after that is applied.
func (b *bench) killedAt(line string, n int, after bool) {
	b.Helper()
	reached := make(chan struct{})
	b.FaultAt(n, s3test.Fault{Kind: s3test.Hang, After: after, Reached: func() { close(reached) }})
	c := b.command(line)
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case <-reached:
		if err := c.Process.Kill(); err != nil {
			b.Fatal(err)
		}
		<-ended
	case err := <-ended: // it made fewer requests this time
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Drain()
	b.Fault(nil)
}

// keyIDs returns the ids of the keys that the headers of the sealed objects name.
func keyIDs(t *testing.T, b *bench) []string {
	t.Helper()
	header := regexp.MustCompile(`-> coffer-alias alias%2Fapp ([0-9a-f]{32}) `)
	found := map[string]bool{}
	for _, o := range b.bucket.Objects() {
		if strings.HasPrefix(o.Name, "__keys/") {
			continue
		}
		m := header.FindSubmatch(o.Body)
		if m == nil {
			t.Errorf("%s is not sealed under the alias: %.60q", o.Name, o.Body)
			continue
		}
		found[string(m[1])] = true
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

//go:build unix

package cmd_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// played is a server as internal/testing/s3test plays it, and what init leaves out there.
type played struct {
	quirks  s3test.Quirks
	config  string   // of the person
	leftOut []string // lines of stderr, without "coffer: left out: ", each at its beginning
}

const (
	noTLS     = "the policy that refuses requests without TLS: this connection uses none"
	noBlock   = "public access: with it this server refuses a new object (403 AccessDenied)"
	noVersion = "versions: with it this server accepts a put with If-None-Match: * over an existing object (it was accepted)"
)

func settings(q s3test.SettingsQuirks) s3test.Quirks { return s3test.Quirks{Settings: q} }

// playedServers are those that were seen, and each of their quirks alone. All are reached over http,
// where a policy that asks for TLS refuses everybody, the administrator too.
func playedServers() map[string]played {
	const unencrypted = "allow_unencrypted: true\n"
	all := map[string]played{
		"AWS's manners": {leftOut: []string{noTLS}},
		"Ceph 16.2.15": {quirks: s3test.Ceph(), leftOut: []string{
			"the key: describing key alias/app: this server doesn't support the KMS API (status 405)", noTLS,
			"default encryption: this server doesn't accept it (400 InvalidArgument)", noBlock, noVersion,
		}},
		"SeaweedFS 4.44": {quirks: s3test.SeaweedFS(), leftOut: []string{noTLS, "public access: this server doesn't support it (501 NotImplemented)"}},
		"versitygw 1.8": {quirks: s3test.Versitygw(), config: unencrypted, leftOut: []string{
			noTLS, "versions: with it this server refuses a new object under the name of one that was deleted (412 PreconditionFailed)",
		}},
		"a block that denies puts":              {quirks: settings(s3test.SettingsQuirks{BlockDeniesPuts: true}), leftOut: []string{noTLS, noBlock}},
		"versions that void conditions":         {quirks: settings(s3test.SettingsQuirks{VersionsVoidPuts: true}), leftOut: []string{noTLS, noVersion}},
		"no KMS":                                {quirks: settings(s3test.SettingsQuirks{NoKMSAPI: true}), leftOut: []string{"the key: describing key alias/app", noTLS}},
		"no default by KMS":                     {quirks: settings(s3test.SettingsQuirks{NoKMSDefault: true}), leftOut: []string{noTLS, "default encryption: this server doesn't accept it (400 InvalidArgument)"}},
		"a policy without its conditions":       {quirks: settings(s3test.SettingsQuirks{PolicyWithoutClauses: true}), leftOut: []string{noTLS, "bucket policy: with it this server refuses a new object (403 AccessDenied)"}},
		"nothing that can be set":               {quirks: settings(s3test.SettingsQuirks{Missing: everySetting}), leftOut: everyPart("this server doesn't support it (501 NotImplemented)")},
		"nothing that is kept":                  {quirks: settings(s3test.SettingsQuirks{Forgets: everySetting}), leftOut: everyPart("this server accepts it, but doesn't keep it")},
		"no bucket to try on, puts denied":      {quirks: settings(s3test.SettingsQuirks{NoNewBuckets: true, BlockDeniesPuts: true}), leftOut: []string{noTLS, noBlock, "versions: versioning can't be turned off again, and it could not be tried"}},
		"no bucket to try on, blind policy":     {quirks: settings(s3test.SettingsQuirks{NoNewBuckets: true, PolicyWithoutClauses: true}), leftOut: []string{noTLS, "bucket policy: with it this server refuses", "versions: versioning can't be turned off again"}},
		"no bucket to try on, voided by itself": {quirks: settings(s3test.SettingsQuirks{NoNewBuckets: true, VersionsVoidPuts: true}), leftOut: []string{noTLS, "versions: versioning can't be turned off again"}},
	}
	all["no conditions"] = played{quirks: s3test.Quirks{NoConditions: true}, config: "single_writer: true\n", leftOut: []string{
		noTLS, "the policy that denies writes without conditions: this server ignores conditions", "bucket policy: none of its statements applies here",
	}}
	all["another question is answered"] = played{
		quirks:  s3test.Quirks{Ignores: "encryption publicAccessBlock policy lifecycle versioning versions versionId tagging"},
		leftOut: everyPart("this server doesn't support it"),
	}
	return all
}

const everySetting = "encryption,publicAccessBlock,policy,lifecycle,versioning"

// everyPart is one line for each setting.
func everyPart(reason string) []string {
	out := []string{noTLS}
	for _, title := range []string{"default encryption", "public access", "bucket policy", "lifecycle", "versions"} {
		out = append(out, title+": "+reason)
	}
	return out
}

// leftOutBy are the lines about what init left out.
func leftOutBy(stderr string) (lines []string) {
	for _, line := range strings.Split(stderr, "\n") {
		if rest, ok := strings.CutPrefix(line, "coffer: left out: "); ok {
			lines = append(lines, rest)
		}
	}
	return lines
}

func (b *bench) with(p played) {
	if p.config != "" {
		b.env = append(b.env, "COFFER_CONFIG="+b.scratch("config.yaml", p.config))
		b.singleWriter = strings.HasPrefix(p.config, "single_writer")
	}
}

// works: what was stored is read, and a secret can be written, read, changed and deleted.
func works(b *bench) {
	b.Helper()
	if b.singleWriter { // each put takes two seconds, and init has written a secret
		return
	}
	if got := b.run("exec team -- printenv DB_URL", ""); got.stdout != canary+"\n" {
		b.Errorf("what was stored before is not read: exit code %d\n%s", got.exit, got.stderr)
	}
	for _, line := range []string{"write works key -", "write works key -", "read works key", "delete works key", "write works key -", "delete works key"} {
		if got := b.run(line, canary); got.exit != 0 {
			b.Errorf("coffer %s: exit code %d\n%s", line, got.exit, got.stderr)
		}
	}
}

// Init on each server, into a bucket with a secret: what the server does not have or does not bear is
// left out and told, the rest is made, nothing remains of the trials, and the bucket works. A second
// run makes nothing.
func TestInitLeavesOutWhatAServerDoesNotBear(t *testing.T) {
	t.Parallel()
	for name, server := range playedServers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{Quirks: server.quirks})
			b.with(server)
			b.do("write team db_url -", canary)
			b.Reset()
			for _, line := range []string{"init --yes", "init"} {
				got := b.run(line, "")
				lines := leftOutBy(got.stderr)
				first := line == "init --yes"
				if got.exit != 0 || first && len(lines) != len(server.leftOut) || !first && changedSettings(b) {
					t.Fatalf("%s: exit code %d, %d lines\n%s", line, got.exit, len(lines), got.stderr)
				}
				for _, want := range server.leftOut {
					if first && !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, want) }) {
						t.Errorf("%s: nothing says %q\n%s", line, want, got.stderr)
					}
				}
				if first && server.quirks.Settings.VersionsVoidPuts && b.bucket.Settings() != strings.TrimSpace(b.bucket.Settings())+" " {
					t.Errorf("versioning was turned on in the bucket itself: %s", b.bucket.Settings())
				}
				b.Reset()
				wantNothingOfATrial(b)
				works(b)
				if t.Failed() {
					t.FailNow()
				}
			}
		})
	}
}

// README's example, on each server: an empty place, one command, and a bucket that works.
func TestInitMakesABucketThatWorksOnEachServer(t *testing.T) {
	for name, server := range playedServers() {
		if server.quirks.Settings.NoNewBuckets {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{Quirks: server.quirks})
			b.with(server)
			b.env = append(b.env, "COFFER_S3_BUCKET=new")
			if got := b.run("init --yes", ""); got.exit != 0 {
				t.Fatalf("exit code %d\n%s", got.exit, got.stderr)
			}
			b.do("write team db_url -", canary)
			works(b)
			wantNothingOfATrial(b)
		})
	}
}

// A bucket that happens to have the name of the trial's, and holds something, is left as it is.
func TestInitTouchesNoBucketOfAnother(t *testing.T) {
	b := newBench(t, s3test.Options{})
	const name = "b-coffer-trial"
	b.Server.Bucket(name).Plant("data/of/somebody", []byte("theirs"), "", "")
	got := b.run("init --yes", "")
	if got.exit != 0 || !strings.Contains(got.stderr, "it has other objects than the test's, so it isn't deleted") {
		t.Errorf("exit code %d\n%s", got.exit, got.stderr)
	}
	for _, e := range b.Log() {
		if e.Bucket == name && !strings.HasPrefix(e.Op, "List") && !strings.HasPrefix(e.Op, "Head") {
			t.Errorf("%s of that bucket", e.Op)
		}
	}
	b.do("write team db_url -", canary)
	works(b)
}

// wantNothingOfATrial: no bucket, and no object or version of a trial.
func wantNothingOfATrial(b *bench) {
	b.Helper()
	for _, name := range b.Buckets() {
		if strings.HasSuffix(name, "-coffer-trial") {
			b.Errorf("the bucket %s is left", name)
		}
		for object := range b.Server.Bucket(name).AllVersions() {
			if strings.Contains(object, "/__probe/init-") {
				b.Errorf("%s is left in %s", object, name)
			}
		}
	}
}

// Every error of a setting's change, and a kill, before it is applied and after: the bucket works, an
// init that did not end well says which part, and the next one ends as if nothing had been.
func TestInitThatIsCutOffAnywhereLeavesABucketThatWorks(t *testing.T) {
	t.Parallel()
	const easy = "a server that bears all"
	servers := map[string]s3test.Quirks{
		easy:           {},
		"Ceph 16.2.15": s3test.Ceph(),
	}
	for name, quirks := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var late atomic.Int64 // by which the server's clock is
			fresh := func() *bench {
				late.Store(0)
				b := newBench(t, s3test.Options{Quirks: quirks, Clock: func() time.Time { return time.Now().Add(time.Duration(late.Load())) }})
				b.do("write team db_url -", canary)
				b.Reset()
				return b
			}
			b := fresh()
			b.do("init --yes", "")
			var changes []s3test.Request
			for _, e := range b.Log() {
				if changesSettings(e.Op) {
					changes = append(changes, e.Request)
				}
			}
			want := b.bucket.Settings()
			every := proof.Bounded(3, 1)
			if name == easy {
				every = proof.Bounded(5, 1) // each change is like the others there
			}
			if len(changes) < 12 {
				t.Fatalf("%d changes: %v", len(changes), changes)
			}
			for n := range changes {
				if n%every != 0 {
					continue
				}
				for _, how := range []string{"failed before", "failed after", "killed after"} {
					cut := fmt.Sprintf("%s of %s, %s it was applied", changes[n].Op, changes[n].Bucket, how)
					b := fresh()
					cutInit(b, n+1, how, cut)
					late.Store(int64(11 * time.Minute)) // what is left is not in use any more
					if got := b.run("init --yes --again", ""); got.exit != 0 {
						t.Errorf("%s: the next init: exit code %d\n%s", cut, got.exit, got.stderr)
					}
					if got := b.bucket.Settings(); got != want {
						t.Errorf("%s: the next init ends with %s, not %s", cut, got, want)
					}
					wantNothingOfATrial(b)
					if t.Failed() {
						t.FailNow()
					}
				}
			}
		})
	}
}

// cutInit cuts a run off at its n-th change. What was stored is read then, and a secret is written.
func cutInit(b *bench, n int, how, cut string) {
	b.Helper()
	if how == "killed after" {
		killInit(b, "init --yes", n, true, func(op, _ string) bool { return changesSettings(op) })
	} else if said := dropInit(b, n, how == "failed after"); said.exit != 0 && !strings.Contains(said.stderr, "\ncoffer: ") {
		b.Errorf("%s: exit code %d\n%s", cut, said.exit, said.stderr)
	}
	if got := b.run("exec team -- printenv DB_URL", ""); got.stdout != canary+"\n" {
		b.Errorf("%s: exec: exit code %d\n%s", cut, got.exit, got.stderr)
	}
	if got := b.run("write team new -", canary); got.exit != 0 {
		b.Errorf("%s: write: exit code %d\n%s", cut, got.exit, got.stderr)
	}
}

// changedSettings tells whether a request since the last reset of the log was one.
func changedSettings(b *bench) bool {
	return slices.ContainsFunc(b.Log(), func(e s3test.Entry) bool { return changesSettings(e.Op) })
}

// changesSettings tells the requests that change what a bucket is.
func changesSettings(op string) bool {
	for _, verb := range []string{"Put", "Delete", "Create"} {
		if rest, ok := strings.CutPrefix(op, verb); ok {
			return strings.HasPrefix(rest, "Bucket") || rest == "PublicAccessBlock"
		}
	}
	return false
}

// dropInit has the connection of the n-th change break.
func dropInit(b *bench, n int, after bool) outcome {
	b.Helper()
	seen := 0
	b.Fault(func(r s3test.Request) *s3test.Fault {
		if changesSettings(r.Op) {
			if seen++; seen == n {
				return &s3test.Fault{Kind: s3test.Drop, After: after}
			}
		}
		return nil
	})
	got := b.run("init --yes", "")
	b.Fault(nil)
	return got
}

// Who does all that doctor recommends has a bucket that works, and a doctor that finds nothing worse
// than before and does not recommend the same again.
func TestDoctorRecommendsWhatInitDoes(t *testing.T) {
	t.Parallel()
	for name, server := range playedServers() {
		if server.quirks.NoConditions {
			continue // init is tried there above; each put takes two seconds
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{Quirks: server.quirks})
			b.with(server)
			b.do("write team db_url -", canary)
			before := siteFindings(b, "")
			for _, f := range before { // no init has run here: whether the server bears it, nobody knows yet
				if strings.HasPrefix(f.Fix, "coffer init") && f.Check != "key" && !strings.Contains(f.Text, "init first tries it on a separate bucket") {
					t.Errorf("recommended for sure, and untried: %+v", f)
				}
			}
			followed := map[string]bool{}
			for range 3 {
				for _, f := range siteFindings(b, "") {
					if !strings.HasPrefix(f.Fix, "coffer init") || followed[f.Fix] {
						continue
					}
					followed[f.Fix] = true
					if got := b.run(strings.TrimPrefix(f.Fix, "coffer ")+" --yes", ""); got.exit != 0 {
						t.Errorf("%s: exit code %d\n%s", f.Fix, got.exit, got.stderr)
					}
					works(b)
				}
			}
			if len(followed) == 0 && len(server.leftOut) < 6 { // some of it can be set there
				t.Error("doctor recommends nothing")
			}
			for _, f := range siteFindings(b, "") {
				if strings.HasPrefix(f.Fix, "coffer init") {
					t.Errorf("after all was done: %+v", f)
				}
				if !slices.ContainsFunc(before, func(was siteFinding) bool { return was.Check == f.Check && rank(was) <= rank(f) }) {
					t.Errorf("worse than before: %+v", f)
				}
			}
		})
	}
}

// rank is less for what is worse.
func rank(f siteFinding) int { return slices.Index([]string{"error", "warning", "note"}, f.Severity) }

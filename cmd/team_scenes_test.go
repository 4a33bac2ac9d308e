//go:build unix

package cmd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// The scenes of this file are played on every server: in process, and on those of make test-servers. They see the
// bucket as any client of S3 does.

// s3Client is a client of the server, without the program.
func (b *bench) s3Client() *s3.Client {
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(b.variable("COFFER_ENDPOINT_URL")), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(b.variable("AWS_ACCESS_KEY_ID"), b.variable("AWS_SECRET_ACCESS_KEY"), b.variable("AWS_SESSION_TOKEN")),
		HTTPClient:  &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, // the server waits for its connections to end
	})
}

// bodies returns all objects of the bucket as they are stored, by name.
func (b *bench) bodies() map[string][]byte {
	b.Helper()
	client, bucket := b.s3Client(), b.variable("COFFER_S3_BUCKET")
	list, err := client.ListObjectsV2(b.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil || aws.ToBool(list.IsTruncated) {
		b.Fatalf("the list of the bucket: %v", err)
	}
	all := map[string][]byte{}
	for _, o := range list.Contents {
		answer, err := client.GetObject(b.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: o.Key})
		if err != nil {
			b.Fatal(err)
		}
		if all[*o.Key], err = io.ReadAll(answer.Body); err != nil {
			b.Fatal(err)
		}
	}
	return all
}

// plant puts an object without the program.
func (b *bench) plant(name string, body []byte) {
	b.Helper()
	bucket := b.variable("COFFER_S3_BUCKET")
	if _, err := b.s3Client().PutObject(b.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &name, Body: bytes.NewReader(body)}); err != nil {
		b.Fatal(err)
	}
}

// sharesTheBucket plays Ann and Bob, who has an SSH key, and Carol, who is no member at first. It returns the values
// that they store.
func (b *bench) sharesTheBucket() (bob *bench, values []string) {
	b.Helper()
	ann := b
	values = []string{canary + "-of-ann", canary + "-of-bob"}
	ann.do("write api db_url -", values[0])
	bob, carol := ann.colleague("bob"), ann.colleague("carol")
	public := bob.withSSHKey()
	ann.do("keys grant alias/app "+public, "")
	bob.do("write api token -", values[1])
	for _, who := range []*bench{ann, bob} {
		if got := who.run("exec api -- printenv DB_URL TOKEN", ""); got.exit != 0 || got.stdout != values[0]+"\n"+values[1]+"\n" {
			b.Errorf("a member: exit %d, %q, %s", got.exit, got.stdout, got.stderr)
		}
	}
	if got := carol.run("exec api -- true", ""); got.exit != 7 || !strings.Contains(got.stderr, "coffer init makes one") {
		b.Errorf("without an identity: exit %d, %s", got.exit, got.stderr)
	}
	got := carol.run("init --yes", "")
	ask := regexp.MustCompile(`send your public key, (\S+), to a member, who runs: coffer (keys grant alias/app identity.pub) --name YOU`).FindStringSubmatch(got.stderr)
	if got.exit != 0 || ask == nil {
		b.Fatalf("init of one who is no member: exit %d, %s", got.exit, got.stderr)
	}
	for _, line := range []string{"exec api -- true", "read api db_url", "write api other -", "keys members alias/app", "keys grant alias/app " + public} {
		if got := carol.run(line, canary); got.exit != 5 || !strings.Contains(got.stderr, "not a member of alias/app") || !strings.Contains(got.stderr, "coffer "+ask[2]) {
			b.Errorf("%s of one who is no member: exit %d, %s", line, got.exit, got.stderr)
		}
	}
	if got := carol.run("list api", ""); got.exit != 5 {
		b.Errorf("list: exit %d, %s", got.exit, got.stderr)
	}
	doctor := regexp.MustCompile(`coffer (keys members alias/app)`).FindStringSubmatch(carol.run("doctor api", "").stdout)
	if doctor == nil || !strings.Contains(carol.run(doctor[1], "").stderr, "coffer "+ask[2]) {
		b.Errorf("doctor doesn't lead to %s: %q", ask[2], doctor)
	}
	ann.do(strings.Replace(ask[2], "identity.pub", ask[1], 1), "") // under the name in the file
	if got := carol.run("exec api -- printenv DB_URL", ""); got.exit != 0 || got.stdout != values[0]+"\n" {
		b.Errorf("after the grant: exit %d, %q, %s", got.exit, got.stdout, got.stderr)
	}
	for name, body := range b.bodies() {
		for _, value := range values {
			if form := formOf(value, string(body)); form != "" {
				b.Errorf("%s has a value, as %s", name, form)
			}
		}
	}
	return bob, values
}

// refusesAForgedKey plays Mallory, who can write the bucket, and puts a key object of their own there, sealed to
// everybody.
func (b *bench) refusesAForgedKey() {
	b.Helper()
	ann, bob := b, b.colleague("bob")
	public := bob.withSSHKey()
	ann.do("write api db_url -", canary)
	ann.do("keys grant alias/app "+public+" --name bob", "")
	bob.do("exec api -- true", "")
	mallory := ann.colleague("mallory")
	mallory.env = append(mallory.env, "COFFER_S3_BUCKET="+b.variable("COFFER_S3_BUCKET")+"-theirs")
	mallory.do(initBare, "")
	mallory.do("keys grant alias/app "+ann.recipient()+" --name ann", "")
	mallory.do("keys grant alias/app "+public+" --name bob", "")
	const keys = "__keys/alias/app.age"
	forged, genuine := mallory.bodies()[keys], ann.bodies()[keys]
	ann.plant(keys, forged)
	got := ann.run("write api db_url -", canary)
	trust := regexp.MustCompile(`coffer (keys trust alias/app [0-9a-f]{32})`).FindStringSubmatch(got.stderr)
	if got.exit != 8 || trust == nil {
		b.Fatalf("write: exit %d, %s", got.exit, got.stderr)
	}
	for _, who := range []*bench{ann, bob} {
		for _, line := range []string{"exec api -- true", "read api db_url", "keys members alias/app", "keys grant alias/app " + mallory.recipient()} {
			if got := who.run(line, ""); got.exit != 8 {
				b.Errorf("%s: exit %d, %s", line, got.exit, got.stderr)
			}
		}
	}
	ann.plant(keys, genuine)
	bob.do("exec api -- true", "") // nothing was changed
	ann.plant(keys, forged)
	ann.do(trust[1], "")
	ann.do("keys members alias/app", "")
}

// refusesCopies has objects copied over others by the server itself.
func (b *bench) refusesCopies() {
	b.Helper()
	b.do("write api db_url -", canary+"-copied-1")
	b.do("write api token -", canary+"-copied-2")
	b.do("write web db_url -", canary+"-copied-3")
	const index = "/__kms_alias_app__latest.json"
	for _, c := range []struct{ from, to, line string }{
		{"api/token.json", "api/db_url.json", "read api db_url"},
		{"api/token.json", "api/db_url.json", "exec api -- true"}, // it isn't what the index has
		{"api/token.json", "api/db_url.json", "write api db_url -"},
		{"web/db_url.json", "api/db_url.json", "read api db_url"},
		{"web" + index, "api" + index, "exec api -- true"},
		{"api/token.json", "api" + index, "exec api -- true"},
	} {
		kept := b.bodies()[c.to]
		bucket := b.variable("COFFER_S3_BUCKET")
		if _, err := b.s3Client().CopyObject(b.Context(), &s3.CopyObjectInput{Bucket: &bucket, Key: &c.to, CopySource: aws.String(bucket + "/" + c.from)}); err != nil {
			b.Fatal(err)
		}
		got := b.run(c.line, canary+"-copied-4")
		if got.exit != 8 || !strings.Contains(got.stderr, `it is a copy of "`+c.from+`"`) || strings.Contains(got.stdout+got.stderr, canary) {
			b.Errorf("%s, with %s copied over %s: exit code %d, %q, %s", c.line, c.from, c.to, got.exit, got.stdout, got.stderr)
		}
		b.plant(c.to, kept)
	}
	if got := b.run("exec api web -- printenv TOKEN", ""); got.exit != 0 || got.stdout != canary+"-copied-2\n" {
		b.Errorf("put back: exit code %d, %s", got.exit, got.stderr)
	}
}

// revokesWhileItIsKilled plays Ann, who takes Bob out of an alias again and again. Each time the revocation is killed
// at a request, chosen by COFFER_KILLS, and is run again. Carol has secrets in the same service that Ann can't read.
func (b *bench) revokesWhileItIsKilled(server string) {
	b.Helper()
	random := rand.New(rand.NewPCG(killSeed(b.T), 0))
	d := newDoor(b.T, server, b.variable("COFFER_S3_BUCKET"))
	b.env = append(b.env, "COFFER_ENDPOINT_URL="+d.url)
	ann := teamOf(b)
	for _, key := range []string{"api a", "api b", "api/worker c", "web d"} {
		ann.do("write "+key+" -", canary)
	}
	ann.do("write web gone -", canary)
	ann.do("delete web gone", "")
	carol := ann.colleague("carol")
	carol.env = append(carol.env, "COFFER_KMS_KEY_ALIAS=alias/ops")
	carol.do("init --yes", "")
	carol.do("write api pager -", canary)
	carol.do("write api unused -", canary)
	carol.do("delete api unused", "")
	bob := ann.colleague("bob")
	const revoke = "keys revoke alias/app bob"
	grant := "keys grant alias/app " + bob.withSSHKey() + " --name bob"
	ann.do(grant, "")
	leaver := newLeaver(bob)
	leaver.knows(ann)
	d.watch(nil)
	ann.do(revoke, "")
	requests, changes := d.requests(), d.changes()
	leaver.opensNothing(ann)

	var deaths []string
	for _, at := range tenRequests(random, requests, changes) {
		ann.do(grant, "")
		leaver.knows(ann)
		ran := d.kills(ann, revoke, at)
		d.watch(nil)
		if ran.died {
			deaths = append(deaths, ran.place)
		}
		ann.do(revoke, "")
		leaver.opensNothing(ann)
	}
	b.Logf("%d requests, %d of them changes; killed at\n\t%s", requests, changes, strings.Join(deaths, "\n\t"))
	if len(deaths) < 9 { // one may have been done before its last request, which depends on the order of others
		b.Errorf("it was killed %d times", len(deaths))
	}
	if got := carol.run("exec api -- printenv PAGER", ""); got.exit != 0 || got.stdout != canary+"\n" {
		b.Errorf("who has another alias: exit %d, %s", got.exit, got.stderr)
	}
}

// tenRequests chooses five requests that change something, and five others or the same.
func tenRequests(random *rand.Rand, requests, changes int) (all []*trap) {
	for _, n := range random.Perm(changes)[:5] {
		all = append(all, &trap{n: n + 1, changes: true})
	}
	for _, n := range random.Perm(requests)[:5] {
		all = append(all, &trap{n: n + 1})
	}
	for _, at := range all {
		at.after, at.alone = random.IntN(2) == 0, random.IntN(4) == 0
	}
	return all
}

// leaver is a member of alias/app who will not be one. They keep their identity, and every key of the alias that
// they have seen.
type leaver struct {
	*bench
	identity age.Identity
	keys     [][]byte
}

func newLeaver(b *bench) *leaver {
	b.Helper()
	config, err := os.ReadFile(b.variable("COFFER_CONFIG"))
	if err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile(strings.TrimSpace(strings.TrimPrefix(string(config), "identity: ")))
	if err != nil {
		b.Fatal(err)
	}
	identity, err := agessh.ParseIdentity(text)
	if err != nil {
		b.Fatal(err)
	}
	return &leaver{bench: b, identity: identity}
}

// knows lets them read all keys that the alias has now. With these they open each object of the alias.
func (l *leaver) knows(b *bench) {
	b.Helper()
	all := b.bodies()
	r, err := age.Decrypt(bytes.NewReader(all["__keys/alias/app.age"]), l.identity)
	if err != nil {
		b.Fatal(err)
	}
	var o struct{ Keys []struct{ Key []byte } }
	if err := json.NewDecoder(r).Decode(&o); err != nil || len(o.Keys) == 0 {
		b.Fatalf("%d keys, %v", len(o.Keys), err)
	}
	l.keys = nil
	for _, k := range o.Keys {
		l.keys = append(l.keys, k.Key)
	}
	for name, body := range all {
		if !l.opens(body) && !bytes.Contains(body, []byte("-> coffer-alias alias%2Fops ")) && !strings.HasPrefix(name, "__keys/alias/ops") {
			b.Fatalf("a member doesn't open %s", name)
		}
	}
}

// opens reports whether they can open an object: by their identity, or by any of the keys, whatever its id.
func (l *leaver) opens(body []byte) bool {
	_, err := age.Decrypt(bytes.NewReader(body), l.identity, unwrapper(func(all []*age.Stanza) ([]byte, error) {
		for _, s := range all {
			for _, key := range l.keys {
				if fileKey, err := unwrapWithAliasKey(s, key); err == nil {
					return fileKey, nil
				}
			}
		}
		return nil, age.ErrIncorrectIdentity
	}))
	var not *age.NoIdentityMatchError
	if err != nil && !errors.As(err, &not) {
		l.Errorf("an object is not of age: %v", err)
	}
	return err == nil
}

// opensNothing checks that nothing in the bucket is left for them, and that a member has lost nothing.
func (l *leaver) opensNothing(ann *bench) {
	l.Helper()
	for name, body := range ann.bodies() {
		if l.opens(body) {
			l.Errorf("who has left opens %s", name)
		}
	}
	if ids := keyIDs(l.T, ann); len(ids) != 1 {
		l.Errorf("the objects are under the keys %q; want one", ids)
	}
	for _, line := range []string{"exec api -- true", "read api/worker c"} {
		if got := l.run(line, ""); got.exit != 5 || strings.Contains(got.stdout+got.stderr, canary) {
			l.Errorf("%s of one who has left: exit %d, %s", line, got.exit, got.stderr)
		}
	}
	if got := ann.run("exec api api/worker web -- printenv A B C D", ""); got.exit != 0 || strings.Count(got.stdout, canary) != 4 {
		l.Errorf("a member: exit %d, %s", got.exit, got.stderr)
	}
}

// taken writes an object as the server has it to a file, and returns its path.
func (b *bench) taken(name string) string {
	b.Helper()
	file := filepath.Join(b.TempDir(), filepath.Base(name))
	if err := os.WriteFile(file, b.bodies()[name], 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}

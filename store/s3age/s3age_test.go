package s3age_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/s3age"
	"github.com/coffer-secrets/coffer/store/storetest"
)

var dev = s3test.Principal{Name: "dev", AccessKeyID: "ASIADEV", SecretKey: "dev-secret", SessionToken: "dev-token"}

func newServer(t *testing.T, o s3test.Options) (*s3test.Server, awsconf.Config) {
	t.Helper()
	o.Buckets, o.Principals = []string{"b", "replica"}, []s3test.Principal{dev}
	server := s3test.New(o)
	t.Cleanup(server.Close)
	mototest.Isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", dev.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", dev.SecretKey)
	t.Setenv("AWS_SESSION_TOKEN", dev.SessionToken)
	cfg, err := awsconf.Load(t.Context(), awsconf.Options{Region: "us-east-1", EndpointURL: server.URL, Retries: 3})
	if err != nil {
		t.Fatal(err)
	}
	return server, cfg
}

// person is a member with an identity and a state directory of their own.
type person struct {
	o         s3age.Options
	recipient string
	told      []string
}

func newPerson(t *testing.T, name string) *person {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "config", "identity.txt")
	recipient, err := s3age.CreateIdentity(file, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	p := &person{recipient: recipient}
	p.o = s3age.Options{
		Bucket: "b", KeyAlias: "alias/app", IdentityFile: file, MemberName: name, StateDir: filepath.Join(dir, "state"),
		Notice: func(text string) { p.told = append(p.told, text) },
	}
	return p
}

func (p *person) open(t *testing.T, cfg awsconf.Config) store.Store {
	t.Helper()
	s, err := s3age.New(cfg, p.o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (p *person) teams(t *testing.T, cfg awsconf.Config) admin.Teams {
	t.Helper()
	return p.open(t, cfg).(admin.Teams)
}

func write(t *testing.T, s store.Store, key, value string) {
	t.Helper()
	if _, err := s.Write(t.Context(), store.ID{Service: "api", Key: key}, store.NewValue(value), store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, s store.Store, key string) (string, error) {
	t.Helper()
	secret, err := s.Read(t.Context(), store.ID{Service: "api", Key: key}, store.Latest)
	return secret.Value.Reveal(), err
}

func TestConformance(t *testing.T) {
	for name, c := range map[string]struct {
		server s3test.Options
		skips  map[string]string
	}{
		"as AWS":       {},
		"pages of two": {server: s3test.Options{PageSize: 2}},
		"as MinIO":     {server: s3test.Options{Quirks: s3test.MinIO()}, skips: storetest.Tombstones()},
	} {
		t.Run(name, func(t *testing.T) {
			_, cfg := newServer(t, c.server)
			ann := newPerson(t, "ann")
			storetest.Run(t, func(t *testing.T) store.Store { return ann.open(t, cfg) }, storetest.Capabilities{Skips: c.skips})
		})
	}
}

func TestAMemberReadsWhatAnotherWroteAndAStrangerIsDeniedAndTold(t *testing.T) {
	_, cfg := newServer(t, s3test.Options{})
	ann, bob := newPerson(t, "ann"), newPerson(t, "bob")
	write(t, ann.open(t, cfg), "db_url", "canary")

	c, err := bob.open(t, cfg).Load(t.Context(), "api")
	if err != nil || len(c.Secrets) != 0 || len(c.Denied) != 1 || len(c.Hidden) != 1 {
		t.Errorf("a stranger loads %d secrets, %d denied indexes, %d hidden, %v; want 0, 1, 1", len(c.Secrets), len(c.Denied), len(c.Hidden), err)
	}
	var refused *store.StorageError
	if _, err := read(t, bob.open(t, cfg), "db_url"); !errors.As(err, &refused) || !errors.Is(err, store.ErrDenied) || refused.Code != store.CodeNotMember {
		t.Errorf("a stranger reads: %v; want a denial", err)
	}

	teams := ann.teams(t, cfg)
	granted, err := teams.Grant(t.Context(), "alias/app", admin.Grant{Recipient: bob.recipient, Name: "bob"})
	if err != nil || !granted.Changed || len(granted.Team.Members) != 2 || !granted.Team.Members[0].Self || granted.Team.Members[1].Self {
		t.Fatalf("granted: %+v, %v", granted, err)
	}
	if value, err := read(t, bob.open(t, cfg), "db_url"); value != "canary" || err != nil {
		t.Errorf("a member reads %q, %v", value, err)
	}
	if told := strings.Join(bob.told, "\n"); !strings.Contains(told, "trusted on first use: "+granted.Team.KeyID) {
		t.Errorf("the first use told %q", told)
	}
	if again, err := teams.Grant(t.Context(), "alias/app", admin.Grant{Recipient: bob.recipient, Name: "bob"}); err != nil || again.Changed {
		t.Errorf("granted again: %+v, %v; want no change", again.Changed, err)
	}
}

func TestAfterARevocationAndARekeyTheLeaverOpensNothing(t *testing.T) {
	_, cfg := newServer(t, s3test.Options{})
	ann, bob := newPerson(t, "ann"), newPerson(t, "bob")
	write(t, ann.open(t, cfg), "db_url", "canary")
	if _, err := ann.teams(t, cfg).Grant(t.Context(), "alias/app", admin.Grant{Recipient: bob.recipient, Name: "bob"}); err != nil {
		t.Fatal(err)
	}
	s := ann.open(t, cfg)
	if _, changed, err := s.(admin.Teams).NextKey(t.Context(), "alias/app", "bob", false); err != nil || !changed {
		t.Fatalf("changed: %v, %v", changed, err)
	}
	results, err := s.(admin.Rekeyer).Rekey(t.Context(), "api", admin.RekeyOptions{Rewrite: true})
	if err != nil || len(results) != 1 {
		t.Fatalf("rekeyed %d secrets, %v; want 1", len(results), err)
	}
	if value, err := read(t, bob.open(t, cfg), "db_url"); !errors.Is(err, store.ErrDenied) {
		t.Errorf("the leaver reads %q, %v", value, err)
	}
	if value, err := read(t, ann.open(t, cfg), "db_url"); value != "canary" || err != nil {
		t.Errorf("a member reads %q, %v", value, err)
	}
	if _, changed, err := s.(admin.Teams).NextKey(t.Context(), "alias/app", "bob", false); err != nil || changed {
		t.Errorf("revoked again: changed %v, %v", changed, err)
	}
	if _, _, err := s.(admin.Teams).NextKey(t.Context(), "alias/app", "carol", false); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("one who never was a member: %v", err)
	}
	if _, _, err := s.(admin.Teams).NextKey(t.Context(), "alias/app", "ann", true); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("the last member, dry: %v; want the refusal of the run", err)
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	server, cfg := newServer(t, s3test.Options{})
	ann, bob := newPerson(t, "ann"), newPerson(t, "bob")
	write(t, ann.open(t, cfg), "db_url", "canary")
	teams := ann.teams(t, cfg)
	if _, err := teams.Team(t.Context(), "alias/app"); err != nil {
		t.Fatal(err)
	}
	server.Reset()
	if g, err := teams.Grant(t.Context(), "alias/app", admin.Grant{Recipient: bob.recipient, Name: "bob", DryRun: true}); err != nil || !g.Changed {
		t.Errorf("grant: %+v, %v", g.Changed, err)
	}
	if g, err := teams.Grant(t.Context(), "alias/app", admin.Grant{Recipient: ann.recipient, Name: "other", DryRun: true}); err != nil || g.Was != "ann" {
		t.Errorf("rename: %+v, %v", g, err)
	}
	for name, recipient := range map[string]string{"ann": bob.recipient, "x y": bob.recipient, "bad": "age1x"} {
		dry, errDry := teams.Grant(t.Context(), "alias/app", admin.Grant{Recipient: recipient, Name: name, DryRun: true})
		if errDry == nil {
			t.Errorf("grant %s: %+v; want the refusal of the run", name, dry)
		}
	}
	for _, r := range server.Log() {
		if !strings.HasPrefix(r.Op, "Get") && !strings.HasPrefix(r.Op, "List") {
			t.Errorf("a dry run sent %s %s", r.Op, r.Key)
		}
	}
}

// CI has no state. What another machine has pinned, or accepts aloud, is trusted.
func TestWithoutStateAKeyMustBePinnedOrAcceptedAloud(t *testing.T) {
	_, cfg := newServer(t, s3test.Options{})
	ann := newPerson(t, "ann")
	write(t, ann.open(t, cfg), "db_url", "canary")
	team, err := ann.teams(t, cfg).Team(t.Context(), "alias/app")
	if err != nil {
		t.Fatal(err)
	}
	ci := *ann
	ci.o.StateDir = ""
	identity, err := os.ReadFile(ann.o.IdentityFile)
	if err != nil {
		t.Fatal(err)
	}
	ci.o.Identity, ci.o.IdentityFrom, ci.o.IdentityFile = string(identity), "$COFFER_AGE_IDENTITY", ""
	var untrusted *store.KeyTrustError
	if _, err := read(t, ci.open(t, cfg), "db_url"); !errors.As(err, &untrusted) || untrusted.KeyID != team.KeyID {
		t.Errorf("neither pinned nor accepted: %v", err)
	}
	accepting, pinned, wrong := ci, ci, ci
	accepting.o.TrustOnFirstUse = true
	pinned.o.KeyIDs = map[string]string{"app": team.KeyID}
	wrong.o.KeyIDs = map[string]string{"alias/app": strings.Repeat("0", 32)}
	for name, p := range map[string]*person{"accepted": &accepting, "pinned": &pinned} {
		if value, err := read(t, p.open(t, cfg), "db_url"); value != "canary" || err != nil {
			t.Errorf("%s: %q, %v", name, value, err)
		}
	}
	if _, err := read(t, wrong.open(t, cfg), "db_url"); !errors.As(err, &untrusted) || !errors.Is(err, store.ErrCorrupt) || !untrusted.Pinned {
		t.Errorf("another key is pinned: %v; want exit 8", err)
	}
}

// Whoever can write the bucket knows everybody's recipients, and can make a key object of their own.
func TestAForgedKeyObjectIsRefusedUntilItIsTrusted(t *testing.T) {
	server, cfg := newServer(t, s3test.Options{})
	ann, mallory := newPerson(t, "ann"), newPerson(t, "mallory")
	write(t, ann.open(t, cfg), "db_url", "canary")
	const object = "__keys/alias/app.age"
	forged := *mallory
	forged.o.Bucket = "replica" // a bucket of her own, to make it with
	teams := forged.teams(t, cfg)
	if _, _, err := teams.CreateKey(t.Context(), "alias/app"); err != nil {
		t.Fatal(err)
	}
	g, err := teams.Grant(t.Context(), "alias/app", admin.Grant{Recipient: ann.recipient, Name: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	genuine, _ := server.Bucket("b").Object(object)
	theirs, ok := server.Bucket("replica").Object(object)
	if !ok {
		t.Fatal("no key object in the other bucket")
	}
	server.Bucket("b").Plant(object, theirs.Body, "", "")
	var untrusted *store.KeyTrustError
	if value, err := read(t, ann.open(t, cfg), "db_url"); !errors.As(err, &untrusted) || !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("read under a forged key: %q, %v; want exit 8", value, err)
	}
	_, err = ann.open(t, cfg).Write(t.Context(), store.ID{Service: "api", Key: "new"}, store.NewValue("v"), store.WriteOptions{})
	if !errors.As(err, &untrusted) {
		t.Errorf("write under a forged key: %v; want exit 8", err)
	}
	if _, err := ann.teams(t, cfg).Trust(t.Context(), "alias/app", strings.Repeat("0", 32)); !errors.Is(err, store.ErrConflict) {
		t.Errorf("trust of another id: %v; want a conflict", err)
	}
	if _, err := ann.teams(t, cfg).Trust(t.Context(), "alias/app", g.Team.KeyID); err != nil {
		t.Errorf("trust: %v", err)
	}
	if _, err := ann.teams(t, cfg).Team(t.Context(), "alias/app"); err != nil {
		t.Errorf("after it was trusted: %v", err)
	}
	server.Bucket("b").Plant(object, genuine.Body, "", "")
	if _, err := ann.teams(t, cfg).Team(t.Context(), "alias/app"); !errors.As(err, &untrusted) {
		t.Errorf("the genuine one again: %v; want that it is not believed now", err)
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	_, cfg := newServer(t, s3test.Options{})
	for name, o := range map[string]s3age.Options{
		"no bucket": {},
		"a KMS key": {Bucket: "b", KeyAlias: "arn:aws:kms:us-east-1:111122223333:key/x"},
		"bad alias": {Bucket: "b", KeyAlias: "a b"},
		"bad pin":   {Bucket: "b", KeyIDs: map[string]string{"alias/app": "3f9c"}},
		"bad pins":  {Bucket: "b", KeyIDs: map[string]string{"a b": strings.Repeat("0", 32)}},
	} {
		if _, err := s3age.New(cfg, o); !errors.Is(err, store.ErrConfiguration) && !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v; want a refusal", name, err)
		}
	}
}

func TestAPluginsIdentityIsTheFirstMemberOnlyIfItsRecipientIsKnown(t *testing.T) {
	_, cfg := newServer(t, s3test.Options{})
	ann := newPerson(t, "ann")
	ann.o.Identity, ann.o.IdentityFrom = "AGE-PLUGIN-X-1Q9RPM6", "$COFFER_AGE_IDENTITY"
	_, _, err := ann.teams(t, cfg).CreateKey(t.Context(), "alias/app")
	if err == nil || !errors.Is(err, store.ErrConfiguration) {
		t.Errorf("%v; want that its recipient must be in a comment", err)
	}
}

func TestSelfIsEachIdentityOfTheFile(t *testing.T) {
	_, cfg := newServer(t, s3test.Options{})
	ann := newPerson(t, "Ann Smith@host name")
	spare, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile(ann.o.IdentityFile)
	if err != nil {
		t.Fatal(err)
	}
	ann.o.Identity, ann.o.IdentityFrom = string(own)+spare.String()+"\n", "$COFFER_AGE_IDENTITY"
	team, made, err := ann.teams(t, cfg).CreateKey(t.Context(), "alias/app")
	if err != nil || !made || len(team.Members) != 2 || team.Members[0].Name != "Ann-Smith@host-name" || team.Members[1].Name != "Ann-Smith@host-name-2" {
		t.Errorf("members %+v, made %v, %v", team.Members, made, err)
	}
	if again, made, err := ann.teams(t, cfg).CreateKey(t.Context(), "alias/app"); made || err != nil || again.KeyID != team.KeyID {
		t.Errorf("again: made %v, %v", made, err)
	}
}

// TestErrorsOfATeamAreThoseOfAStore, so that the exit codes are those of other commands.
func TestErrorsOfATeamAreThoseOfAStore(t *testing.T) {
	_, cfg := newServer(t, s3test.Options{})
	ann, eve := newPerson(t, "ann"), newPerson(t, "eve")
	_, err := ann.teams(t, cfg).Team(t.Context(), "alias/app")
	wantStorageError(t, err, store.ErrDenied, store.CodeNoTeamKey)
	write(t, ann.open(t, cfg), "db_url", "value")
	for _, act := range []func(admin.Teams) error{
		func(s admin.Teams) error { _, err := s.Team(t.Context(), "alias/app"); return err },
		func(s admin.Teams) error {
			_, err := s.Grant(t.Context(), "alias/app", admin.Grant{Recipient: eve.recipient})
			return err
		},
		func(s admin.Teams) error { _, _, err := s.NextKey(t.Context(), "alias/app", "ann", false); return err },
		func(s admin.Teams) error { _, err := s.Trust(t.Context(), "alias/app", "00"); return err },
	} {
		wantStorageError(t, act(eve.teams(t, cfg)), store.ErrDenied, store.CodeNotMember)
	}
}

func wantStorageError(t *testing.T, err, kind error, code string) {
	t.Helper()
	var refused *store.StorageError
	if !errors.As(err, &refused) || refused.Kind != kind || refused.Code != code {
		t.Errorf("error %v, want %v with code %s", err, kind, code)
	}
}

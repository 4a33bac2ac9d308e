package s3envelope_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/s3envelope"
	"github.com/coffer-secrets/coffer/store/storetest"
)

const canary = "canary-5e1d"

// config is that of a caller with a session on the server at url. kms is that of another server; "" for the same.
func config(t *testing.T, url, kms string, p s3test.Principal) awsconf.Config {
	t.Helper()
	mototest.Isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", p.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", p.SecretKey)
	t.Setenv("AWS_SESSION_TOKEN", p.SessionToken)
	if kms != "" {
		t.Setenv("AWS_ENDPOINT_URL_KMS", kms)
	}
	cfg, err := awsconf.Load(t.Context(), awsconf.Options{Region: "us-east-1", EndpointURL: url, Retries: 3})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func open(t *testing.T, cfg awsconf.Config, o s3envelope.Options) store.Store {
	t.Helper()
	if o.Bucket == "" {
		o.Bucket, o.KeyAlias = "b", "alias/app"
	}
	s, err := s3envelope.New(t.Context(), cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var dev = s3test.Principal{Name: "dev", AccessKeyID: "ASIADEV", SecretKey: "dev-secret", SessionToken: "dev-token"}

func newServer(t *testing.T, o s3test.Options) *s3test.Server {
	t.Helper()
	o.Buckets, o.Principals = []string{"b"}, []s3test.Principal{dev}
	server := s3test.New(o)
	t.Cleanup(server.Close)
	server.KMS.CreateKey("alias/app")
	return server
}

// newStore returns a server of both services, and the store of a caller there.
func newStore(t *testing.T) (*s3test.Server, store.Store) {
	t.Helper()
	server := newServer(t, s3test.Options{})
	return server, open(t, config(t, server.URL, "", dev), s3envelope.Options{})
}

func write(t *testing.T, s store.Store, service, key, value string) {
	t.Helper()
	if _, err := s.Write(t.Context(), store.ID{Service: service, Key: key}, store.NewValue(value), store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// The servers have no KMS, but for the first: the keys are on another server.
func TestConformance(t *testing.T) {
	for name, c := range map[string]struct {
		server s3test.Options
		skips  map[string]string
	}{
		"as AWS":       {},
		"as MinIO":     {server: s3test.Options{Quirks: s3test.MinIO()}, skips: storetest.Tombstones()},
		"as versitygw": {server: s3test.Options{Quirks: s3test.Versitygw()}, skips: storetest.Tombstones()},
	} {
		t.Run(name, func(t *testing.T) {
			kms := ""
			if name != "as AWS" {
				c.server.Quirks.NoKMS, c.server.Quirks.Settings.NoKMSAPI = true, true
				kms = newServer(t, s3test.Options{}).URL
			}
			cfg := config(t, newServer(t, c.server).URL, kms, dev)
			storetest.Run(t, func(t *testing.T) store.Store { return open(t, cfg, s3envelope.Options{}) }, storetest.Capabilities{Skips: c.skips})
		})
	}
}

func TestTheBucketHasNoValueInClear(t *testing.T) {
	server, s := newStore(t)
	for range 2 {
		write(t, s, "api", "db_password", canary)
	}
	objects := server.Bucket("b").Objects()
	for _, o := range objects {
		if bytes.Contains(o.Body, []byte(canary)) || !bytes.HasPrefix(o.Body, []byte("age-encryption.org/v1\n-> aws-kms arn:aws:kms:")) {
			t.Errorf("%s: %.60q", o.Name, o.Body)
		}
	}
	if len(objects) != 2 {
		t.Errorf("%d objects, want a secret and an index", len(objects))
	}
}

// Another bucket has no part in what seals an object: a copy of the whole bucket opens.
func TestACopyOfTheBucketOpens(t *testing.T) {
	server, s := newStore(t)
	write(t, s, "api", "db_password", canary)
	for _, o := range server.Bucket("b").Objects() {
		server.Bucket("replica").Plant(o.Name, o.Body, s3test.AES256, "")
	}
	replica := open(t, config(t, server.URL, "", dev), s3envelope.Options{Bucket: "replica", KeyAlias: "alias/app"})
	got, err := replica.Read(t.Context(), store.ID{Service: "api", Key: "db_password"}, store.Latest)
	if err != nil || got.Value.Reveal() != canary {
		t.Errorf("%v, %v", got.Value.Reveal(), err)
	}
}

// Somebody puts objects where they don't belong, in the bucket itself.
func TestAnObjectInAnotherPlaceIsRefused(t *testing.T) {
	for what, c := range map[string]struct{ from, to, alias string }{
		"a secret over another":         {"api/a.json", "api/b.json", ""},
		"a secret over one of another":  {"api/a.json", "web/a.json", ""},
		"an index of another service":   {"api/__kms_alias_app__latest.json", "web/__kms_alias_app__latest.json", ""},
		"an index of another alias":     {"api/__kms_alias_team__latest.json", "api/__kms_alias_app__latest.json", "alias/team"},
		"an index over another alias's": {"api/__kms_alias_app__latest.json", "api/__kms_alias_team__latest.json", "alias/team"},
	} {
		server := newServer(t, s3test.Options{})
		server.KMS.PointAlias("alias/team", "alias/app") // two aliases of one key
		cfg := config(t, server.URL, "", dev)
		s := open(t, cfg, s3envelope.Options{})
		for _, service := range []string{"api", "web"} {
			write(t, s, service, "a", canary)
			write(t, s, service, "b", "other")
		}
		write(t, open(t, cfg, s3envelope.Options{Bucket: "b", KeyAlias: "alias/team"}), "api", "c", "third")
		o, ok := server.Bucket("b").Object(c.from)
		if !ok {
			t.Fatalf("no %s", c.from)
		}
		server.Bucket("b").Plant(c.to, o.Body, s3test.AES256, "")
		service, _, _ := strings.Cut(c.to, "/")
		contents, err := s.Load(t.Context(), service)
		if !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), "a copy of") || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v, %v", what, contents.Keys(), err)
		}
	}
}

func TestAStrangersKeyIsNotAsked(t *testing.T) {
	const stranger = "arn:aws:kms:us-east-1:999999999999:key/00000000-0000-4000-8000-000000000002"
	server, s := newStore(t)
	write(t, s, "api", "a", canary)
	o, _ := server.Bucket("b").Object("api/a.json")
	own := server.KMS.ARN("alias/app")
	server.Bucket("b").Plant("api/a.json", bytes.Replace(o.Body, []byte(own), []byte(stranger), 1), s3test.AES256, "")
	for what, o := range map[string]s3envelope.Options{
		"the account is learned from the index": {Bucket: "b", KeyAlias: "alias/app"},
		"pinned":                                {Bucket: "b", KeyAlias: "alias/app", KeyARNs: []string{own}},
	} {
		server.Reset()
		_, err := open(t, config(t, server.URL, "", dev), o).Load(t.Context(), "api")
		var seal *store.SealError
		if !errors.As(err, &seal) || seal.KeyID != stranger || seal.Object != "api/a.json" {
			t.Errorf("%s: %v", what, err)
		}
		asked := 0
		for _, e := range server.Log() {
			if e.Op == "Decrypt" {
				asked++
			}
		}
		if asked != 1 { // for the index
			t.Errorf("%s: %d requests to KMS", what, asked)
		}
	}
}

// An object of the s3-kms backend, or one that somebody planted, is not taken for a secret.
func TestAnObjectThatIsNotSealedIsRefused(t *testing.T) {
	server, s := newStore(t)
	write(t, s, "api", "a", canary)
	server.Bucket("b").Plant("api/a.json", []byte(`{"service":"api","key":"a","values":{"1":{"version":1,"value":"planted"}}}`), s3test.AES256, "")
	for what, err := range map[string]error{
		"load": errorOf(s.Load(t.Context(), "api")), "read": errorOf(s.Read(t.Context(), store.ID{Service: "api", Key: "a"}, 0)),
	} {
		var seal *store.SealError
		if !errors.As(err, &seal) || seal.Method != s3test.AES256 || seal.Format != "json" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func errorOf[T any](_ T, err error) error { return err }

// Pins hold for what is read and what is written, and a refused write stores nothing.
func TestOnlyPinnedKeysAreUsed(t *testing.T) {
	server, s := newStore(t)
	write(t, s, "api", "a", canary)
	app := server.KMS.ARN("alias/app")
	ops := server.KMS.CreateKey("alias/ops")
	cfg := config(t, server.URL, "", dev)
	pinned := open(t, cfg, s3envelope.Options{Bucket: "b", KeyAlias: "alias/app", KeyARNs: []string{ops}})
	var seal *store.SealError
	if _, err := pinned.Load(t.Context(), "api"); !errors.As(err, &seal) || seal.KeyID != app {
		t.Errorf("load: %v", err)
	}
	var pin *store.PinError
	for what, change := range map[string]func() error{
		"write": func() error {
			return errorOf(pinned.Write(t.Context(), store.ID{Service: "new", Key: "a"}, store.NewValue("1"), store.WriteOptions{}))
		},
		"delete": func() error {
			write(t, s, "web", "a", "1")
			return errorOf(open(t, cfg, s3envelope.Options{Bucket: "b", KeyAlias: "alias/ops", KeyARNs: []string{app}}).Delete(t.Context(), "web", "a"))
		},
	} {
		before := len(server.Bucket("b").Objects())
		if what == "delete" {
			before += 2 // of its own write
		}
		if err := change(); !errors.As(err, &pin) {
			t.Errorf("%s: %v", what, err)
		}
		if n := len(server.Bucket("b").Objects()); n != before {
			t.Errorf("%s: %d objects, want %d", what, n, before)
		}
	}
}

// After an alias was pointed to another key, what is under the old one is read, and rekey moves it.
func TestAnAliasThatPointsToAnotherKey(t *testing.T) {
	server, s := newStore(t)
	write(t, s, "api", "a", canary)
	write(t, s, "api", "b", "2")
	newKey := server.KMS.CreateKey("alias/app")
	c, err := s.Load(t.Context(), "api")
	if err != nil || len(c.Secrets) != 2 {
		t.Fatalf("%d secrets, %v", len(c.Secrets), err)
	}
	write(t, s, "api", "a", "3")
	if _, err := s.(admin.Rekeyer).Rekey(t.Context(), "api", admin.RekeyOptions{Rewrite: true}); err != nil {
		t.Fatal(err)
	}
	for _, o := range server.Bucket("b").Objects() {
		if !bytes.Contains(o.Body, []byte(newKey)) {
			t.Errorf("%s is not under the new key", o.Name)
		}
	}
}

// A refusal of KMS is what it is where S3 asks KMS: a denied key hides what is under it, and is told.
func TestRefusalsOfKMS(t *testing.T) {
	for what, c := range map[string]struct {
		refuse func(*s3test.Server)
		want   error
		code   string
		denied bool // the load succeeds without the alias
	}{
		"denied": {refuse: func(s *s3test.Server) {
			s.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyDecrypt: []string{"alias/ops"}})
		}, denied: true},
		"denied by the context": {refuse: func(s *s3test.Server) {
			s.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyContext: []string{"coffer:index=__kms_alias_ops*", "coffer:key=pager"}})
		}, denied: true},
		"disabled":         {refuse: func(s *s3test.Server) { s.KMS.SetState("alias/ops", s3test.Disabled) }, want: store.ErrUnavailable, code: "KMS.DisabledException"},
		"pending deletion": {refuse: func(s *s3test.Server) { s.KMS.SetState("alias/ops", s3test.PendingDeletion) }, want: store.ErrUnavailable, code: "KMS.KMSInvalidStateException"},
		"deleted":          {refuse: func(s *s3test.Server) { s.KMS.SetState("alias/ops", s3test.Deleted) }, want: store.ErrConfiguration, code: "KMS.NotFoundException"},
		"throttled":        {refuse: failing("ThrottlingException", 400), want: store.ErrUnavailable, code: "KMS.ThrottlingException"},
		"broken":           {refuse: failing("KMSInternalException", 500), want: store.ErrUnavailable, code: "KMS.KMSInternalException"},
		"expired":          {refuse: failing("ExpiredTokenException", 400), want: store.ErrCredentials, code: "ExpiredTokenException"},
		"unknown caller":   {refuse: failing("UnrecognizedClientException", 400), want: store.ErrCredentials},
		"no answer": {refuse: func(s *s3test.Server) {
			s.Fault(func(r s3test.Request) *s3test.Fault {
				if r.Op == "Decrypt" {
					return &s3test.Fault{Kind: s3test.Drop}
				}
				return nil
			})
		}, want: store.ErrUnavailable},
	} {
		t.Run(what, func(t *testing.T) {
			server, s := newStore(t)
			server.KMS.CreateKey("alias/ops")
			write(t, s, "api", "a", "1")
			write(t, open(t, config(t, server.URL, "", dev), s3envelope.Options{Bucket: "b", KeyAlias: "alias/ops"}), "api", "pager", canary)
			c.refuse(server)
			contents, err := s.Load(t.Context(), "api")
			if c.denied {
				if err != nil || !slices.Equal(contents.Hidden, []string{"pager"}) || len(contents.Denied) != 1 || contents.Denied[0].KeyAlias != "alias_ops" ||
					!strings.Contains(contents.Denied[0].Reason, "kms:Decrypt") {
					t.Errorf("hidden %q, denied %+v, %v", contents.Hidden, contents.Denied, err)
				}
				_, err := s.Read(t.Context(), store.ID{Service: "api", Key: "pager"}, 0)
				if !errors.Is(err, store.ErrDenied) {
					t.Errorf("read: %v", err)
				}
				return
			}
			var storage *store.StorageError
			if !errors.Is(err, c.want) || c.code != "" && (!errors.As(err, &storage) || storage.Code != c.code) || strings.Contains(err.Error(), canary) {
				t.Errorf("%v (%+v)", err, storage)
			}
		})
	}
}

// A response of KMS that was cut off says nothing, so it is asked for again.
func TestAResponseThatWasCutOffIsAskedForAgain(t *testing.T) {
	for _, op := range []string{"Encrypt", "Decrypt"} {
		server := newServer(t, s3test.Options{})
		s := open(t, config(t, server.URL, "", dev), s3envelope.Options{})
		write(t, s, "api", "a", "1")
		var cut atomic.Bool
		server.Fault(func(r s3test.Request) *s3test.Fault {
			if r.Op != op || !cut.CompareAndSwap(false, true) {
				return nil
			}
			return &s3test.Fault{Kind: s3test.CutBody}
		})
		write(t, s, "api", "a", "2")
		contents, err := s.Load(t.Context(), "api")
		if !cut.Load() || err != nil || len(contents.Secrets) != 1 || contents.Secrets[0].Value.Reveal() != "2" {
			t.Errorf("%s: cut off: %v; %d secrets, %v", op, cut.Load(), len(contents.Secrets), err)
		}
	}
}

func failing(code string, status int) func(*s3test.Server) {
	return func(s *s3test.Server) {
		s.Fault(func(r s3test.Request) *s3test.Fault {
			if r.Op == "Decrypt" {
				return &s3test.Fault{Kind: s3test.Answer, Status: status, Code: code}
			}
			return nil
		})
	}
}

// An S3 server that KMS's requests reach by mistake says so, before anything is stored.
func TestAnEndpointWithoutKMSIsReported(t *testing.T) {
	server := newServer(t, s3test.Options{Quirks: s3test.Quirks{Settings: s3test.SettingsQuirks{NoKMSAPI: true}}})
	s := open(t, config(t, server.URL, "", dev), s3envelope.Options{})
	_, err := s.Write(t.Context(), store.ID{Service: "api", Key: "a"}, store.NewValue(canary), store.WriteOptions{})
	var storage *store.StorageError
	if !errors.Is(err, store.ErrUnsupported) || !errors.As(err, &storage) || storage.Code != "NoKMS" || len(server.Bucket("b").Objects()) != 0 {
		t.Errorf("%v", err)
	}
}

func TestAKMSThatIsNotReachedIsNamed(t *testing.T) {
	gone := newServer(t, s3test.Options{})
	gone.Close()
	server := newServer(t, s3test.Options{})
	s := open(t, config(t, server.URL, gone.URL, dev), s3envelope.Options{})
	_, err := s.Write(t.Context(), store.ID{Service: "api", Key: "a"}, store.NewValue(canary), store.WriteOptions{})
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "no answer from "+strings.TrimPrefix(gone.URL, "http://")) {
		t.Errorf("%v", err)
	}
}

package engine_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
)

// s3Client tries each request once, and waits so long for its answer.
func s3Client(server *s3test.Server, patience time.Duration) *s3.Client {
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), UsePathStyle: true,
		Credentials:                credentials.NewStaticCredentialsProvider(s3test.AdminKeyID, s3test.AdminSecret, ""),
		HTTPClient:                 &http.Client{Timeout: patience},
		Retryer:                    aws.NopRetryer{},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,

		DisableLogOutputChecksumValidationSkipped: true,
	})
}

// s3World is a world whose bucket is on a server.
func s3World(t *testing.T, o s3test.Options) (*world, *s3test.Server) {
	t.Helper()
	o.Buckets = []string{"b"}
	server := s3test.New(o)
	t.Cleanup(server.Close)
	server.KMS.CreateKey(app)
	server.KMS.CreateKey(ops)
	w := newWorld(t, membucket.Options{})
	w.mem = nil
	w.under = func() bucket.Bucket { return w.driver(server, time.Minute) }
	w.kms = func(alias string) bucket.Seal { return bucket.Seal{Method: "aws:kms", KeyID: server.KMS.ARN(alias)} }
	w.stored = func() map[string]bucket.Object {
		all := map[string]bucket.Object{}
		for _, o := range server.Bucket("b").Objects() {
			all[o.Name] = bucket.Object{Body: o.Body, Info: bucket.Info{
				Name: o.Name, Tag: bucket.Tag(o.ETag), Size: int64(len(o.Body)), Seal: bucket.Seal{Method: o.SSE, KeyID: o.KeyARN},
			}}
		}
		return all
	}
	w.kept = func() map[string][]bucket.Object {
		all := map[string][]bucket.Object{}
		for name, states := range server.Bucket("b").AllVersions() {
			for _, o := range states {
				if !o.Mark {
					all[name] = append(all[name], bucket.Object{Body: o.Body})
				}
			}
		}
		return all
	}
	return w, server
}

func (w *world) driver(server *s3test.Server, patience time.Duration) *s3bucket.Bucket {
	return s3bucket.New(s3Client(server, patience), w.s3Options())
}

func (w *world) s3Options() s3bucket.Options {
	o := s3bucket.Options{Bucket: "b", Encryption: "aws:kms", ConditionalDelete: true}
	if w.sealer != nil {
		o.Encryption = ""
	}
	return o
}

// transplant replaces what is in the bucket of a server by what is in memory; index entries
// that were verified are verified there.
func (w *world) transplant(server *s3test.Server, objects map[string]bucket.Object) {
	w.Helper()
	to := server.Bucket("b")
	to.Restore(nil)
	tags := map[string]string{}
	alias := func(o bucket.Object) string { return "alias/" + o.Seal.KeyID[strings.LastIndex(o.Seal.KeyID, "/")+1:] }
	for name, o := range objects {
		if !strings.Contains(name, "/__") {
			tags[string(o.Tag)] = w.plantOn(to, name, alias(o), o.Body)
		}
	}
	for name, o := range objects {
		if !strings.Contains(name, "/__") {
			continue
		}
		x, err := index.Parse(alias(o), o.Body)
		if err != nil {
			w.Fatal(err)
		}
		for key, e := range x.Entries {
			e.Tag = tags[e.Tag]
			x.Entries[key] = e
		}
		for _, marks := range []map[string]string{x.Other, x.Gone} {
			for key, tag := range marks {
				marks[key] = tags[tag]
			}
		}
		body, err := x.Encode()
		if err != nil {
			w.Fatal(err)
		}
		w.plantOn(to, name, alias(o), body)
	}
}

// plantOn puts an object into the bucket of a server, and returns its tag.
func (w *world) plantOn(to *s3test.Bucket, name, alias string, body []byte) (tag string) {
	w.Helper()
	if w.sealer == nil {
		return to.Plant(name, body, s3test.AWSKMS, alias).ETag
	}
	out, _ := w.sealed(alias, name, body)
	return to.Plant(name, out, "", "").ETag
}

// s3Allowed are the kinds of error that may come of a fault of [s3test.Faults].
func s3Allowed(f s3test.Fault) []error {
	switch {
	case f.Code == "AccessDenied":
		return []error{store.ErrDenied}
	case f.Code == "ExpiredToken":
		return []error{store.ErrConfiguration}
	case f.Code == "ConditionalRequestConflict":
		return []error{store.ErrUnavailable}
	case f.Code == "PreconditionFailed":
		return []error{store.ErrConflict, store.ErrUnknown}
	case f.Kind == s3test.CutBody, f.Kind == s3test.FlipBody, f.Kind == s3test.WrongLength:
		return []error{store.ErrCorrupt, store.ErrUnavailable, store.ErrUnknown}
	case f.Kind == s3test.Garbage:
		return []error{store.ErrCorrupt, store.ErrUnknown, store.ErrUnsupported, store.ErrUnavailable}
	}
	return []error{store.ErrUnavailable, store.ErrUnknown}
}

// s3Mode is a server that the walk on S3 meets.
type s3Mode struct {
	sealing sealing
	quirks  s3test.Quirks
	keeps   bool // versions
}

// TestFaultWalkOnS3 is the walk through the driver: fourteen faults of HTTP, of S3 and of KMS.
// make test takes a sample of them, here and below; make prove meets them all.
func TestFaultWalkOnS3(t *testing.T) {
	var cases, struck atomic.Int64
	t.Cleanup(func() { t.Logf("%d cases, in %d of which the fault struck", cases.Load(), struck.Load()) })
	all := map[string]s3Mode{"unique ETags": {}, "MD5 ETags": {quirks: s3test.Quirks{MD5Tags: true}}, "versions": {keeps: true}}
	for name, s := range sealings {
		all[name] = s3Mode{sealing: s, quirks: s3test.Quirks{NoKMS: true}}
	}
	for name, mode := range all {
		for _, cmd := range commands(membucket.Options{Versioned: mode.keeps}) {
			t.Run(name+"/"+cmd.name, func(t *testing.T) {
				t.Parallel()
				w, server := s3World(t, s3test.Options{Quirks: mode.quirks})
				w.seal(mode.sealing)
				origin := newWorld(t, membucket.Options{})
				sceneKinds["in order"](origin)
				seed := origin.mem.Objects()
				if mode.keeps {
					server.Bucket("b").KeepVersions(true)
				}
				reset := func() {
					w.transplant(server, seed)
					if mode.keeps {
						withDeleted(w)
					}
				}
				reset()
				take := mode.sealing.sample(7)
				for _, at := range requests(cmd, &scene{world: w}) {
					if mode.keeps && !strings.Contains(at.op, "version") {
						continue // as in the other commands
					}
					for _, f := range s3test.Faults() {
						for _, after := range []bool{false, true} {
							if after && (f.Kind == s3test.CutBody || f.Kind == s3test.FlipBody || f.Kind == s3test.WrongLength) {
								continue // they spoil the answer in any case
							}
							if f.Kind == s3test.FlipBody && (at.op == "list" || at.op == "versions") {
								continue // nothing but TLS protects a listing
							}
							if !take() {
								continue
							}
							f.After = after
							cases.Add(1)
							reset()
							if runOnS3(t, w, server, cmd, at, f) {
								struck.Add(1)
							}
						}
					}
				}
			})
		}
	}
}

// runOnS3 runs a command, one request of which meets a fault, and reports whether it struck.
func runOnS3(t *testing.T, w *world, server *s3test.Server, cmd command, at request, f s3test.Fault) bool {
	t.Helper()
	s := &scene{world: w, before: w.truth()}
	patience := time.Minute
	if f.Kind == s3test.Hang {
		patience = 200 * time.Millisecond
	}
	c := s.client(app)
	c.through(w.driver(server, patience))
	hit := strike(server, at, f)
	results, err := cmd.run(t.Context(), c)
	server.Fault(nil)
	final := f.Kind == s3test.Answer && (f.Status == 400 || f.Status == 403)
	s.check(cmd, results, err, s3Allowed(f), f.After && final)
	s.converges(cmd)
	if t.Failed() {
		t.Fatalf("%v at %+v: %v", f, at, err)
	}
	return hit.Load()
}

// strike makes one request go wrong, and tells whether it came.
func strike(server *s3test.Server, at request, f s3test.Fault) *atomic.Bool {
	var hit atomic.Bool
	var seen atomic.Int64
	op := map[string]string{
		"get": "GetObject", "head": "HeadObject", "put": "PutObject", "delete": "DeleteObject", "list": "ListObjectsV2",
		"versions": "ListObjectVersions", "get-version": "GetObject", "delete-version": "DeleteObject",
	}[at.op]
	server.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Op != op || (r.Version != "") != strings.HasSuffix(at.op, "-version") || r.Key+r.Prefix != at.object || int(seen.Add(1)) != at.n {
			return nil
		}
		hit.Store(true)
		return &f
	})
	return &hit
}

func TestTagsStayWithTheSecret(t *testing.T) {
	w, server := s3World(t, s3test.Options{})
	c := w.client(app)
	c.Bucket = w.driver(server, time.Minute)
	tags := func(want map[string]string) {
		t.Helper()
		got, err := c.ReadTags(t.Context(), id("A"))
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("tags %v, error %v; want %v", got, err, want)
		}
	}
	if _, err := c.write("a", "one", store.WriteOptions{Tags: map[string]string{"team": "x", "env": "dev"}}); err != nil {
		t.Fatal(err)
	}
	tags(map[string]string{"team": "x", "env": "dev"})
	c.put("a", "two")
	tags(map[string]string{"team": "x", "env": "dev"})
	if _, err := c.write("a", "three", store.WriteOptions{Tags: map[string]string{"team": "y"}}); err != nil {
		t.Fatal(err)
	}
	tags(map[string]string{"team": "y", "env": "dev"})
	if err := c.WriteTags(t.Context(), id("a"), map[string]string{"env": "prod", "new": "1"}); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteTags(t.Context(), id("a"), "team", "nothing"); err != nil {
		t.Fatal(err)
	}
	tags(map[string]string{"env": "prod", "new": "1"})
	c.wantLoad(map[string]string{"a": "three"}) // tags change no state of the object

	// Deleted between the object's request and that for its tags.
	server.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Op == "GetObjectTagging" {
			server.Bucket("b").Delete(r.Key)
		}
		return nil
	})
	_, err := c.write("a", canary, store.WriteOptions{})
	w.want(err, store.ErrConflict, store.ErrUnknown)
	server.Fault(nil)
	if _, err := c.write("a", "three", store.WriteOptions{Tags: map[string]string{"team": "x"}}); err != nil {
		t.Fatal(err)
	}

	w.want(c.WriteTags(t.Context(), id("b"), nil), store.ErrNotFound)
	server.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Op == "GetObjectTagging" {
			return &s3test.Fault{Kind: s3test.Answer, Status: 403, Code: "AccessDenied"}
		}
		return nil
	})
	_, err = c.ReadTags(t.Context(), id("a"))
	w.want(err, store.ErrDenied)
	_, err = c.write("a", "four", store.WriteOptions{}) // it would lose them
	w.want(err, store.ErrDenied)
	c.wantLoad(map[string]string{"a": "three"})
}

func TestAStoreWithoutTagsSaysSo(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	_, err := c.write("a", canary, store.WriteOptions{Tags: map[string]string{"team": "x"}})
	w.want(err, store.ErrUnsupported)
	c.put("a", "one")
	w.want(c.WriteTags(t.Context(), id("a"), nil), store.ErrUnsupported)
	if n := len(w.documents()); n != 1 {
		t.Error(fmt.Errorf("%d objects", n))
	}
}

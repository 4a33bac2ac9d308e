package s3bucket_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// probing is a bucket on a server of which nothing is known.
func probing(t *testing.T, server *s3test.Server, o s3bucket.ProbeOptions) s3bucket.Whole {
	t.Helper()
	return probingWith(client(t, server.URL), server, o)
}

func probingWith(c *s3.Client, server *s3test.Server, o s3bucket.ProbeOptions) s3bucket.Whole {
	b := s3bucket.New(c, s3bucket.Options{Bucket: bucketName, Encryption: "aws:kms"})
	o.KeyAlias, o.Endpoint = "alias/app", server.URL
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	return s3bucket.Probed(b, o)
}

func create(t *testing.T, b bucket.Bucket, name string) (bucket.Info, error) {
	t.Helper()
	return b.Put(t.Context(), name, []byte(canary), bucket.PutOptions{If: bucket.IfAbsent(), KeyAlias: "alias/app"})
}

func TestTheProbeFindsOutWhatAServerKeeps(t *testing.T) {
	for name, test := range map[string]struct {
		quirks  s3test.Quirks
		refused error
		code    string
		deletes bool // under a condition
	}{
		"AWS":                      {quirks: s3test.Quirks{}, deletes: true},
		"MinIO":                    {quirks: s3test.MinIO()},
		"Ceph":                     {quirks: s3test.Ceph()},
		"SeaweedFS":                {quirks: s3test.SeaweedFS(), deletes: true},
		"versitygw":                {quirks: s3test.Versitygw()},
		"MD5 ETags":                {quirks: s3test.Quirks{MD5Tags: true}, deletes: true},
		"conditions ignored":       {quirks: s3test.Quirks{NoConditions: true}, refused: bucket.ErrUnsupported, code: s3bucket.CodeNoConditions},
		"conditions not supported": {quirks: s3test.Quirks{ConditionsUnsupported: true}, refused: bucket.ErrUnsupported, code: s3bucket.CodeNoConditions},
		"no KMS":                   {quirks: s3test.Quirks{NoKMS: true}, refused: bucket.ErrUnsupported, code: "NotImplemented"},
	} {
		t.Run(name, func(t *testing.T) {
			server := simulator(t, s3test.Options{Quirks: test.quirks})
			b := probing(t, server, s3bucket.ProbeOptions{})
			put, err := create(t, b, "team/x.json")
			if !errors.Is(err, test.refused) {
				t.Fatalf("put: %v; want %v", err, test.refused)
			}
			if test.refused != nil {
				var refusal *bucket.Error
				if !errors.As(err, &refusal) || refusal.Code != test.code || refusal.Name != "team/x.json" {
					t.Errorf("refused with %v", err)
				}
			} else if err := b.Delete(t.Context(), "team/x.json", bucket.IfMatch(put.Tag)); test.deletes != (err == nil) ||
				err != nil && !errors.Is(err, bucket.ErrUnsupported) {
				t.Errorf("delete: %v", err)
			}
			left := 0
			for _, o := range server.Bucket(bucketName).Objects() {
				left++
				if strings.Contains(o.Name, "__probe") || test.refused != nil {
					t.Errorf("%s is left behind", o.Name)
				}
			}
			if !test.deletes && test.refused == nil && left != 1 {
				t.Errorf("%d objects; the refused delete must leave the one", left)
			}
		})
	}
}

func TestAServerThatMixesItsETagsIsRefused(t *testing.T) {
	server := simulator(t, s3test.Options{})
	b := probing(t, server, s3bucket.ProbeOptions{SingleWriter: true})
	// Behind the back of the probe its object changes with each request.
	server.Fault(func(r s3test.Request) *s3test.Fault {
		if strings.Contains(r.Key, "/__probe/") && r.Op == "GetObject" {
			server.Bucket(bucketName).Plant(r.Key, []byte("other"), s3test.AWSKMS, "alias/app")
		}
		return nil
	})
	if _, err := create(t, b, "team/x.json"); !errors.Is(err, bucket.ErrUnsupported) || !strings.Contains(err.Error(), "ETag") {
		t.Errorf("put: %v", err)
	}
	if _, ok := server.Bucket(bucketName).Object("team/x.json"); ok {
		t.Error("it was stored")
	}
}

// Conformance holds on a server of which the probe has found out what it keeps.
func TestConformanceBehindTheProbe(t *testing.T) {
	for name, test := range map[string]struct {
		quirks  s3test.Quirks
		deletes bool
	}{"AWS": {s3test.Quirks{}, true}, "MinIO": {s3test.MinIO(), false}} {
		t.Run(name, func(t *testing.T) {
			server := simulator(t, s3test.Options{Quirks: test.quirks})
			b := probing(t, server, s3bucket.ProbeOptions{})
			if _, err := create(t, b, "first/x.json"); err != nil {
				t.Fatal(err)
			}
			server.Bucket(bucketName).Restore(nil)
			buckettest.Run(t, func(*testing.T) bucket.Bucket { return b }, buckettest.Capabilities{
				Aliases: []string{"alias/app", "alias/ops"}, Method: "aws:kms", NoConditionalDelete: !test.deletes,
			})
		})
	}
}

func TestTheProbeIsMadeOnceAWeek(t *testing.T) {
	server := simulator(t, s3test.Options{})
	dir := filepath.Join(t.TempDir(), "cache", "coffer")
	now := noon
	run := func(what string, o s3bucket.ProbeOptions, probed bool) {
		t.Helper()
		server.Bucket(bucketName).Restore(nil)
		server.Reset()
		o.CacheDir, o.Now = dir, func() time.Time { return now }
		if _, err := create(t, probing(t, server, o), "team/x.json"); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if n := len(server.Log()); n > 1 != probed {
			t.Errorf("%s: %d requests", what, n)
		}
	}
	file := func() string {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(files) != 1 {
			t.Fatalf("files %q, %v", files, err)
		}
		return files[0]
	}
	run("the first run", s3bucket.ProbeOptions{}, true)
	run("the second", s3bucket.ProbeOptions{}, false)
	if info, err := os.Stat(file()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the cache: %v, %v", info.Mode(), err)
	}
	now = noon.Add(7*24*time.Hour + time.Second)
	run("a week later", s3bucket.ProbeOptions{}, true)
	run("right after", s3bucket.ProbeOptions{}, false)
	now = noon.Add(-48 * time.Hour)
	run("when the cache is of the day after tomorrow", s3bucket.ProbeOptions{}, true)
	for what, body := range map[string]string{
		"no JSON": "{", "nothing": "", "another server": `{"endpoint":"https://other","bucket":"secrets","checked":"2026-11-20T12:00:00Z","conditions":true}`,
	} {
		if err := os.WriteFile(file(), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		run("a cache with "+what, s3bucket.ProbeOptions{}, true)
	}
	if err := os.WriteFile(filepath.Join(t.TempDir(), "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(file(), "below a file")
	run("a cache that cannot be written", s3bucket.ProbeOptions{}, true)
}

func TestARefusalIsAskedAgain(t *testing.T) {
	server := simulator(t, s3test.Options{Quirks: s3test.Quirks{NoConditions: true}})
	o := s3bucket.ProbeOptions{CacheDir: t.TempDir()}
	for range 2 {
		server.Reset()
		if _, err := create(t, probing(t, server, o), "team/x.json"); !errors.Is(err, bucket.ErrUnsupported) {
			t.Fatalf("put: %v", err)
		}
		if len(server.Log()) < 2 {
			t.Error("a refusal came from the cache")
		}
	}
	o.SingleWriter, o.Sleep = true, func(context.Context, time.Duration) error { return nil }
	server.Reset()
	if _, err := create(t, probing(t, server, o), "team/x.json"); err != nil {
		t.Fatal(err)
	}
	if n := len(server.Log()); n != 3 {
		t.Errorf("%d requests for a put of a single writer whose server is known; want HEAD, PUT, HEAD", n)
	}
}

func TestChangesThatBeginTogetherProbeOnce(t *testing.T) {
	server := simulator(t, s3test.Options{})
	b := probing(t, server, s3bucket.ProbeOptions{})
	var all sync.WaitGroup
	for _, name := range strings.Fields("a b c d e f g h") {
		all.Go(func() {
			if _, err := create(t, b, "team/"+name+".json"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	probes := map[string]bool{}
	for _, e := range server.Log() {
		if strings.Contains(e.Key, "/__probe/") {
			probes[e.Key[:len(e.Key)-1]] = true // of one probe they differ in the last letter
		}
	}
	if len(probes) != 1 {
		t.Errorf("%d probes", len(probes))
	}
}

// Who may not put beside the object may not put the object: its own refusal is the one to tell.
func TestAProbeThatIsRefusedLeavesTheWordToTheChange(t *testing.T) {
	for name, test := range map[string]struct {
		fault s3test.Fault
		want  error
	}{
		"denied":           {s3test.Fault{Kind: s3test.Answer, Status: 403, Code: "AccessDenied"}, bucket.ErrDenied},
		"a key's fault":    {s3test.Fault{Kind: s3test.Answer, Status: 400, Code: "KMS.DisabledException"}, bucket.ErrKey},
		"credentials":      {s3test.Fault{Kind: s3test.Answer, Status: 403, Code: "InvalidAccessKeyId"}, bucket.ErrCredentials},
		"an outage":        {s3test.Fault{Kind: s3test.Answer, Status: 503, Code: "SlowDown"}, bucket.ErrUnavailable},
		"a broken network": {s3test.Fault{Kind: s3test.Drop}, bucket.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			server := simulator(t, s3test.Options{})
			server.Fault(func(s3test.Request) *s3test.Fault { return &test.fault })
			dir := t.TempDir()
			_, err := create(t, probing(t, server, s3bucket.ProbeOptions{CacheDir: dir}), "team/x.json")
			var refusal *bucket.Error
			if !errors.Is(err, test.want) || !errors.As(err, &refusal) || refusal.Name != "team/x.json" {
				t.Errorf("put: %v; want %v", err, test.want)
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Error("it was remembered")
			}
			server.Fault(nil)
			if _, err := create(t, probing(t, server, s3bucket.ProbeOptions{CacheDir: dir}), "team/x.json"); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// Each fault at each request of the probe: it ends well or in an error, never in a change on a
// server that keeps no conditions.
func TestFaultsOfTheProbe(t *testing.T) {
	for name, quirks := range map[string]s3test.Quirks{"conditions": {}, "no conditions": {NoConditions: true}} {
		t.Run(name, func(t *testing.T) {
			server := simulator(t, s3test.Options{Quirks: quirks})
			c := client(t, server.URL)
			for n := 1; n <= 9; n++ {
				for _, f := range s3test.Faults() {
					for _, after := range []bool{false, true} {
						if f.Kind == s3test.Hang {
							continue // the client's time-out, which is half a minute
						}
						server.Bucket(bucketName).Restore(nil)
						f.After = after
						server.FaultAt(n, f)
						_, err := create(t, probingWith(c, server, s3bucket.ProbeOptions{}), "team/x.json")
						_, stored := server.Bucket(bucketName).Object("team/x.json")
						if stored && quirks.NoConditions && n > 1 {
							t.Errorf("%v at request %d: stored on a server without conditions", f, n)
						}
						if err == nil && !stored {
							t.Errorf("%v at request %d: no error, and nothing is stored", f, n)
						}
					}
				}
			}
		})
	}
}

func TestAValueIsNotSentToAServerThatDoesNotEncrypt(t *testing.T) {
	server := simulator(t, s3test.Options{Quirks: s3test.Quirks{IgnoresSSE: true}})
	open := errors.New("it is not sealed")
	b := probing(t, server, s3bucket.ProbeOptions{Vouch: func(object string, s bucket.Seal) error {
		if s.Method == "" && strings.HasPrefix(object, "team/__probe/") {
			return open
		}
		return nil
	}})
	if _, err := create(t, b, "team/x.json"); !errors.Is(err, open) {
		t.Errorf("put: %v", err)
	}
	for _, e := range server.Log() {
		if e.Op == "PutObject" && e.Key == "team/x.json" {
			t.Error("the value was sent")
		}
	}
	if left := server.Bucket(bucketName).Objects(); len(left) != 0 {
		t.Errorf("%d objects are left", len(left))
	}
}

func TestASingleWriterIsTold(t *testing.T) {
	server := simulator(t, s3test.Options{Quirks: s3test.Quirks{NoConditions: true}})
	var told []string
	var waited []time.Duration
	var meanwhile func()
	b := probing(t, server, s3bucket.ProbeOptions{
		SingleWriter: true, Notice: func(text string) { told = append(told, text) },
		Sleep: func(_ context.Context, d time.Duration) error {
			waited = append(waited, d)
			if meanwhile != nil {
				meanwhile()
			}
			return nil
		},
	})
	first, err := create(t, b, "team/x.json")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := create(t, b, "team/x.json"); !errors.Is(err, bucket.ErrChanged) {
		t.Errorf("a second creation: %v", err)
	}
	if _, err := b.Put(t.Context(), "team/y.json", nil, bucket.PutOptions{If: bucket.IfMatch(first.Tag)}); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("a change of what is gone: %v", err)
	}
	meanwhile = func() { server.Bucket(bucketName).Plant("team/x.json", []byte("theirs"), s3test.AWSKMS, "alias/app") }
	if _, err := b.Put(t.Context(), "team/x.json", []byte("ours"), bucket.PutOptions{If: bucket.IfMatch(first.Tag), KeyAlias: "alias/app"}); !errors.Is(err, bucket.ErrChanged) {
		t.Errorf("a put that another writer has overwritten: %v", err)
	}
	if len(told) != 1 || !strings.Contains(told[0], "the last writer wins") {
		t.Errorf("told: %q", told)
	}
	for _, d := range waited {
		if d < 500*time.Millisecond || d > 2*time.Second {
			t.Errorf("looked again after %v", d)
		}
	}
	if err := b.Delete(t.Context(), "team/x.json", bucket.IfMatch(first.Tag)); !errors.Is(err, bucket.ErrUnsupported) {
		t.Errorf("delete: %v", err)
	}
}

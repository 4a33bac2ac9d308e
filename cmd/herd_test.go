//go:build unix

package cmd_test

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3kms"
)

// A thousand readers, some of them programs of their own, come within three seconds to a
// server that answers 503 above 500 requests a second. All of them get there, with at most 1.3
// times the requests that are needed; the next test holds it closer, on no machine's speed.
func TestAHerdOfReadersIsPatient(t *testing.T) {
	if proof.RaceDetector {
		t.Skip("the race detector is slower than the server's limit: it would hold the herd back")
	}
	const within = 3 * time.Second
	const readers, programs, rate = 1000, 20, 500
	b := newBench(t, s3test.Options{Rate: rate})
	t.Setenv("AWS_ACCESS_KEY_ID", dev.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", dev.SecretKey)
	t.Setenv("AWS_SESSION_TOKEN", dev.SessionToken)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("HOME", t.TempDir())
	b.env = append(b.env, "COFFER_RETRIES=10")
	b.do("write team url -", canary)

	cfg, err := awsconf.Load(t.Context(), awsconf.Options{EndpointURL: b.URL, Retries: 10, RetryMode: "standard"})
	if err != nil {
		t.Fatal(err)
	}
	stores := make([]store.Store, readers-programs)
	for i := range stores { // each has its own client, and its own patience
		if stores[i], err = s3kms.New(t.Context(), cfg, s3kms.Options{Bucket: "b", KeyAlias: "alias/app"}); err != nil {
			t.Fatal(err)
		}
	}
	b.Reset()
	start := time.Now()
	var herd sync.WaitGroup
	arrival := func() <-chan time.Time { return time.After(rand.N(within + 1)) }
	for _, s := range stores {
		herd.Go(func() {
			<-arrival()
			contents, err := s.Load(t.Context(), "team")
			if err != nil || len(contents.Secrets) != 1 || contents.Secrets[0].Value.Reveal() != canary {
				t.Errorf("load: %d secrets, %v", len(contents.Secrets), err)
			}
		})
	}
	for range programs {
		herd.Go(func() {
			<-arrival()
			if got := b.run("exec team -- printenv URL", ""); got.exit != 0 || strings.TrimSpace(got.stdout) != canary {
				t.Errorf("exec: exit code %d\n%s", got.exit, got.stderr)
			}
		})
	}
	herd.Wait()
	elapsed := time.Since(start)
	log := b.Log()
	refused := 0
	for _, e := range log {
		if e.Status == 503 {
			refused++
		}
	}
	t.Logf("%d readers: %d requests, of which %d were refused; %.1f s", readers, len(log), refused, elapsed.Seconds())
	if needed := 2 * readers; float64(len(log)) > 1.3*float64(needed) {
		t.Errorf("%d requests are more than 1.3 times the %d that were needed", len(log), needed)
	}
}

// The same herd in virtual time, where an instant is one, and no machine's speed spreads it.
//
// Each reader needs two requests and makes them at once: of 2,000 in one instant the server
// answers 500, and no patience of those who do not know of one another saves the 1,500
// repetitions. The ideal is therefore each request once, and once more those that come while
// the server has nothing left. It is kept within a tenth.
func TestAHerdInOneInstantRepeatsLittle(t *testing.T) {
	const readers, rate, needed = 1000, 500, 2 * 1000
	for _, test := range []struct {
		within time.Duration
		most   float64 // times needed
	}{
		{0, 1.9},
		{500 * time.Millisecond, 1.75},
		{time.Second, 1.65},
		{2 * time.Second, 1.4},
		{3 * time.Second, 1.1},
	} {
		t.Run(test.within.String(), func(t *testing.T) {
			if proof.RaceDetector && test.within != 0 {
				t.Skip("one herd is enough for the race detector, which takes ten times as long")
			}
			h := virtualHerd(t, readers, rate, test.within)
			if h.failed != 0 {
				t.Errorf("%d readers did not get there", h.failed)
			}
			ideal := float64(needed + max(0, needed-rate-int(rate*test.within.Seconds())))
			t.Logf("%d requests, %.2f times the %d needed and %.2f the ideal; %d of %d refusals of a repetition; %.1f s",
				h.requests, float64(h.requests)/needed, needed, float64(h.requests)/ideal, h.again, h.refused, h.took.Seconds())
			if got := float64(h.requests); got > test.most*needed || got > 1.1*ideal {
				t.Errorf("%.0f requests: want at most %.2f times %d, and 1.1 times %.0f", got, test.most, needed, ideal)
			}
			if h.took > 30*time.Second {
				t.Errorf("it took %v", h.took)
			}
		})
	}
}

type herdOutcome struct {
	requests, refused, again, failed int // again: refused at another attempt than the first
	took                             time.Duration
}

// count adds up the requests of a server's log, and those that it refused.
func (o *herdOutcome) count(log []s3test.Entry) {
	for _, e := range log {
		o.requests++
		if e.Status == http.StatusServiceUnavailable {
			o.refused++
			if !strings.Contains(e.Attempt, "attempt=1;") {
				o.again++
			}
		}
	}
}

// virtualHerd has readers load a service, each with a client of its own, 30 ms away from the
// server, beginning at random within a time.
func virtualHerd(t *testing.T, readers, rate int, within time.Duration) herdOutcome {
	t.Setenv("AWS_ACCESS_KEY_ID", dev.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", dev.SecretKey)
	t.Setenv("AWS_SESSION_TOKEN", dev.SessionToken)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("HOME", t.TempDir())
	var clock atomic.Pointer[func() time.Time] // the server listens outside of the bubble
	outside := func() time.Time { return time.Time{} }
	clock.Store(&outside)
	server := s3test.New(s3test.Options{
		Rate: rate, Buckets: []string{"b"}, Principals: []s3test.Principal{dev}, Clock: func() time.Time { return (*clock.Load())() },
	})
	t.Cleanup(server.Close)
	server.KMS.CreateKey("alias/app")
	var out herdOutcome
	synctest.Test(t, func(t *testing.T) {
		inside := time.Now
		clock.Store(&inside)
		cfg, err := awsconf.Load(t.Context(), awsconf.Options{EndpointURL: server.URL, Retries: 10, RetryMode: "standard"})
		if err != nil {
			t.Fatal(err)
		}
		cfg.HTTPClient = direct{server}
		open := func() store.Store {
			s, err := s3kms.New(t.Context(), cfg, s3kms.Options{Bucket: "b", KeyAlias: "alias/app"})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		if _, err := open().Write(t.Context(), store.ID{Service: "team", Key: "url"}, store.NewValue(canary), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute) // the server is rested
		server.Reset()
		start := time.Now()
		var group sync.WaitGroup
		var failed atomic.Int64
		for range readers {
			s, wait := open(), time.After(rand.N(within+1))
			group.Go(func() {
				<-wait
				contents, err := s.Load(t.Context(), "team")
				if err != nil || len(contents.Secrets) != 1 || contents.Secrets[0].Value.Reveal() != canary {
					failed.Add(1)
				}
			})
		}
		group.Wait()
		out.took, out.failed = time.Since(start), int(failed.Load())
	})
	out.count(server.Log())
	return out
}

// direct leads a client to a server without a network, as virtual time wants it.
type direct struct{ server http.Handler }

var _ aws.HTTPClient = direct{}

func (d direct) Do(r *http.Request) (*http.Response, error) {
	const way = 15 * time.Millisecond
	<-time.After(way)
	incoming := r.Clone(r.Context())
	incoming.Host = r.URL.Host
	if incoming.Body == nil {
		incoming.Body = http.NoBody
	}
	answer := httptest.NewRecorder()
	d.server.ServeHTTP(answer, incoming)
	<-time.After(way)
	response := answer.Result()
	response.Request = r
	return response, nil
}

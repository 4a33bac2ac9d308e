//go:build unix

package cmd_test

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3kms"
)

// A thousand readers, each with a client of its own, and a few of them programs of their own,
// at a server that answers 503 above 500 requests a second. All of them get there within thirty
// seconds. When they come within three seconds, at most 1.3 times the requests are made that
// are needed. When they come in one instant, the server must refuse all but its first second's
// worth: then few are refused a second time.
func TestAHerdOfReadersIsPatient(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector is slower than the server's limit: it would hold the herd back")
	}
	t.Run("within three seconds", func(t *testing.T) { herd(t, 3*time.Second, 1.3) })
	t.Run("in one instant", func(t *testing.T) { herd(t, 0, 2) })
}

func herd(t *testing.T, within time.Duration, most float64) {
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
	if needed := 2 * readers; float64(len(log)) > most*float64(needed) {
		t.Errorf("%d requests are more than %.1f times the %d that were needed", len(log), most, needed)
	}
	if elapsed > 30*time.Second {
		t.Errorf("it took %v", elapsed)
	}
}

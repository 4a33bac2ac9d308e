//go:build unix

package cmd_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3kms"
)

// operatorTurnsOn is a setting in the hands of somebody who does not use init.
type operatorTurnsOn struct {
	quirks s3test.SettingsQuirks
	on     func(*bench)
	off    func(*bench) // what locks everybody out, so that what was acknowledged can be looked at
}

func operatorSettings() map[string]operatorTurnsOn {
	const tls = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
	put := func(part, body string) func(*bench) {
		return func(b *bench) { b.configure("b").put(part, body) }
	}
	return map[string]operatorTurnsOn{
		"a public access block that denies puts": {
			s3test.SettingsQuirks{BlockDeniesPuts: true}, put("publicAccessBlock", "<PublicAccessBlockConfiguration/>"), nil,
		},
		"a policy that asks for TLS": {s3test.SettingsQuirks{}, put("policy", tls), func(b *bench) { b.bucket.DropPolicy() }},
		"versions":                   {s3test.SettingsQuirks{}, func(b *bench) { b.bucket.KeepVersions(true) }, nil},
		"versions that void conditions": {
			s3test.SettingsQuirks{VersionsVoidPuts: true}, func(b *bench) { b.bucket.KeepVersions(true) }, nil,
		},
	}
}

// An operator turns something on that the server does not bear, before twenty writers begin, between
// two writes or while one is under way: what was acknowledged is there, and what could be read is read.
func TestWhateverAnOperatorTurnsOnNothingAcknowledgedIsLost(t *testing.T) {
	const writers = 20
	for name, setting := range operatorSettings() {
		for _, at := range []int{0, 7, 25} { // of the changes that the writers make
			t.Run(fmt.Sprintf("%s at change %d", name, at), func(t *testing.T) {
				t.Parallel()
				b := newBench(t, s3test.Options{Quirks: s3test.Quirks{Settings: setting.quirks}})
				b.do("write team db_url -", canary)
				var changes atomic.Int64
				var once sync.Once
				turn := func() { once.Do(func() { setting.on(b) }) }
				if at == 0 {
					turn()
				}
				b.Fault(func(r s3test.Request) *s3test.Fault {
					if r.Op == "PutObject" && int(changes.Add(1)) == at {
						turn()
					}
					return nil
				})
				acknowledged := make([]int, writers)
				var all sync.WaitGroup
				for w := range writers {
					all.Go(func() { acknowledged[w] = b.writesMany(w) })
				}
				all.Wait()
				b.Fault(nil)
				if setting.off != nil {
					setting.off(b)
				}
				b.wantAcknowledged(acknowledged)
			})
		}
	}
}

// writesMany writes the shared secret twice, as one of several programs; it returns the sum of what it
// was told, as bits: 1 for the first, 2 for the second.
func (b *bench) writesMany(w int) (told int) {
	cfg := aws.Config{
		Region: "us-east-1", BaseEndpoint: &b.URL,
		Credentials: credentials.NewStaticCredentialsProvider(dev.AccessKeyID, dev.SecretKey, dev.SessionToken),
		HTTPClient:  &http.Client{Timeout: 30 * time.Second},
	}
	cache := filepath.Join(strings.TrimPrefix(b.env[0], "HOME="), "cache", "coffer")
	for n := range 2 {
		s, err := s3kms.New(b.Context(), cfg, s3kms.Options{Bucket: "b", KeyAlias: "alias/app", CacheDir: cache, Now: time.Now})
		if err != nil {
			b.Error(err)
			return told
		}
		value := store.NewValue(fmt.Sprintf("%s of %d, %d", canary, w, n))
		if _, err := s.Write(b.Context(), store.ID{Service: "team", Key: "shared"}, value, store.WriteOptions{}); err == nil {
			told |= 1 << n
		}
	}
	return told
}

// wantAcknowledged: each value of which a writer was told is in the history.
func (b *bench) wantAcknowledged(acknowledged []int) {
	b.Helper()
	if got := b.run("exec team -- printenv DB_URL", ""); got.stdout != canary+"\n" {
		b.Errorf("what could be read is not: exit code %d\n%s", got.exit, got.stderr)
	}
	object, _ := b.bucket.Object("team/shared.json") // no writer has made more versions than it keeps
	for w, told := range acknowledged {
		for n := range 2 {
			if value := fmt.Sprintf("%s of %d, %d", canary, w, n); told&(1<<n) != 0 && !strings.Contains(string(object.Body), value) {
				b.Errorf("writer %d was told that its write %d is stored, and it is gone", w, n)
			}
		}
	}
}

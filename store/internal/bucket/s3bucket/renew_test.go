package s3bucket_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/coffer-secrets/coffer/internal/s3test"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// sessions is a provider that gives a new session of the simulator at each call, valid
// for ever by its own word, as an instance's are when their refresh failed.
type sessions struct {
	server *s3test.Server
	made   atomic.Int32
}

func (s *sessions) Retrieve(context.Context) (aws.Credentials, error) {
	n := s.made.Add(1)
	p := s3test.Principal{AccessKeyID: fmt.Sprintf("ASIASESSION%09d", n), SecretKey: "session-secret", SessionToken: fmt.Sprint("token", n)}
	s.server.AddPrincipal(p)
	return aws.Credentials{AccessKeyID: p.AccessKeyID, SecretAccessKey: p.SecretKey, SessionToken: p.SessionToken}, nil
}

// expiring is a bucket whose requests fail with ExpiredToken while they use the first of its sessions.
func expiring(t *testing.T, server *s3test.Server, provider aws.CredentialsProvider) bucket.Bucket {
	t.Helper()
	o := client(t, server.URL).Options()
	o.Credentials = provider
	return sealed(s3.New(o))
}

func expire(server *s3test.Server, requests int) {
	server.Reset()
	server.Fault(func(r s3test.Request) *s3test.Fault {
		if r.N > requests {
			return nil
		}
		return &s3test.Fault{Kind: s3test.Answer, Status: 400, Code: "ExpiredToken", Message: "The provided token has expired."}
	})
}

func TestExpiredTokenIsRenewedOnce(t *testing.T) {
	server := simulator(t, s3test.Options{})
	provider := &sessions{server: server}
	b := expiring(t, server, aws.NewCredentialsCache(provider))

	expire(server, 1)
	if _, err := b.Put(t.Context(), "api/db.json", []byte(canary), bucket.PutOptions{KeyAlias: "alias/app"}); err != nil {
		t.Fatal(err)
	}
	if o, err := b.Get(t.Context(), "api/db.json"); err != nil || string(o.Body) != canary {
		t.Errorf("the repeated put stored %d other bytes (%v)", len(o.Body), err)
	}
	if n := provider.made.Load(); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}

	expire(server, 1)
	if _, err := b.Head(t.Context(), "api/db.json"); err != nil { // its 400 has no code
		t.Error(err)
	}

	expire(server, 2)
	_, err := b.Get(t.Context(), "api/db.json")
	if e := wantSentinel(t, err, bucket.ErrCredentials); e.Code != "ExpiredToken" {
		t.Errorf("code %q", e.Code)
	}
	if n := len(server.Log()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestCredentialsThatStayTheSameAreNotTriedAgain(t *testing.T) {
	server := simulator(t, s3test.Options{})
	static := client(t, server.URL).Options().Credentials
	for name, provider := range map[string]aws.CredentialsProvider{
		"cached":   static,
		"uncached": aws.CredentialsProviderFunc(static.Retrieve),
	} {
		expire(server, 1)
		_, err := expiring(t, server, provider).Get(t.Context(), "api/db.json")
		wantSentinel(t, err, bucket.ErrCredentials)
		if n := len(server.Log()); n != 1 {
			t.Errorf("%s: %d requests, want 1", name, n)
		}
	}
}

func TestRequestsThatExpireTogetherRenewOnce(t *testing.T) {
	const together = 8
	server := simulator(t, s3test.Options{})
	provider := &sessions{server: server}
	b := expiring(t, server, aws.NewCredentialsCache(provider))

	var arrived sync.WaitGroup // all of them are refused before one is renewed
	arrived.Add(together)
	server.Fault(func(r s3test.Request) *s3test.Fault {
		if r.N > together {
			return nil
		}
		arrived.Done()
		arrived.Wait()
		return &s3test.Fault{Kind: s3test.Answer, Status: 400, Code: "ExpiredToken"}
	})
	var requests sync.WaitGroup
	for range together {
		requests.Go(func() {
			if _, err := b.Get(t.Context(), "api/none.json"); err != nil {
				wantSentinel(t, err, bucket.ErrNotFound)
			}
		})
	}
	requests.Wait()
	if n := provider.made.Load(); n != 2 {
		t.Errorf("%d sessions for %d requests, want 2", n, together)
	}
}

package awsconf_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
)

// network answers the n-th request, from 1.
type network func(n int, r *http.Request) (*http.Response, error)

// counted is a network that counts.
type counted struct {
	answer network
	mu     sync.Mutex
	n      int
}

func (c *counted) Do(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.n++
	n := c.n
	c.mu.Unlock()
	answer, err := c.answer(n, r)
	if err != nil {
		return nil, &url.Error{Op: r.Method, URL: r.URL.String(), Err: err}
	}
	return answer, nil
}

func dialError(errno syscall.Errno) error { return &net.OpError{Op: "dial", Net: "tcp", Err: errno} }

func refuses(int, *http.Request) (*http.Response, error) { return nil, dialError(syscall.ECONNREFUSED) }

// empty is the answer of a service without secrets.
func empty(r *http.Request) (*http.Response, error) {
	body := `<ListBucketResult><Name>b</Name></ListBucketResult>`
	return &http.Response{StatusCode: 200, ProtoMajor: 1, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func TestAServerThatIsNotReachedIsGivenUpSoon(t *testing.T) {
	mototest.Isolate(t)
	for name, test := range map[string]struct {
		network  network
		mode     string
		requests int // of the program, one behind the other
		attempts int
		took     time.Duration
		kind     error
		limited  bool // by the watch
	}{
		"refused":                    {refuses, "standard", 1, 3, 3 * time.Second, store.ErrUnavailable, false},
		"refused, adaptive":          {refuses, "adaptive", 1, 3, 3 * time.Second, store.ErrUnavailable, false},
		"given up, and asked again":  {refuses, "standard", 2, 4, 3 * time.Second, store.ErrUnavailable, false},
		"no route":                   {fails(dialError(syscall.EHOSTUNREACH)), "standard", 1, 3, 3 * time.Second, store.ErrUnavailable, false},
		"unknown host":               {fails(&net.DNSError{Err: "no such host", Name: "h", IsNotFound: true}), "standard", 1, 1, 0, store.ErrUnavailable, false},
		"a resolver that fails":      {fails(&net.DNSError{Err: "server misbehaving", Name: "h", IsTemporary: true}), "standard", 1, 3, 3 * time.Second, store.ErrUnavailable, false},
		"plain HTTP":                 {fails(http.ErrSchemeMismatch), "standard", 1, 1, 0, store.ErrConfiguration, false},
		"a proxy that refuses":       {fails(&net.OpError{Op: "proxyconnect", Net: "tcp", Err: dialError(syscall.ECONNREFUSED)}), "standard", 1, 1, 0, store.ErrConfiguration, false},
		"another protocol":           {fails(errors.New(`net/http: HTTP/1.x transport connection broken: malformed HTTP response "SSH-2.0"`)), "standard", 1, 1, 0, store.ErrConfiguration, false},
		"hangs up":                   {fails(io.EOF), "standard", 1, 3, 3 * time.Second, store.ErrUnavailable, false},
		"hangs up between requests":  {fails(errors.New("http: server closed idle connection")), "standard", 1, 3, 3 * time.Second, store.ErrUnavailable, false},
		"a broken pipe":              {fails(&net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}), "standard", 1, 3, 3 * time.Second, store.ErrUnavailable, false},
		"refused, answered before":   {goes(refuses), "standard", 2, 4, 3 * time.Second, store.ErrUnavailable, false},
		"refused while it restarts":  {restarts, "standard", 2, 4, 3 * time.Second, nil, false},
		"no route, answered before":  {goes(fails(dialError(syscall.EHOSTUNREACH))), "standard", 2, 0, 30 * time.Second, nil, true},
		"hangs up, answered before":  {goes(fails(io.EOF)), "standard", 2, 0, 30 * time.Second, nil, true},
		"fails and is gone":          {falls, "standard", 1, 5, 0, store.ErrUnavailable, false},
		"a server that stays silent": {hangs, "standard", 1, 1, 30 * time.Second, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				watch := waiting.New(t.Context(), func(waiting.Report) {})
				defer watch.Close()
				watch.Limit(30 * time.Second)
				net := &counted{answer: test.network}
				cfg := load(t, awsconf.Options{EndpointURL: "http://127.0.0.1:9", Retries: 10, RetryMode: test.mode})
				cfg.HTTPClient = net
				client, start := awsconf.S3(cfg), time.Now()
				var err error
				for range test.requests {
					_, err = client.ListObjectsV2(watch.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("b")})
				}
				if took := time.Since(start); test.took != 0 && took != test.took || test.attempts > 0 && net.n != test.attempts {
					t.Errorf("%d attempts, %v; want %d, %v", net.n, took, test.attempts, test.took)
				}
				if limited := watch.Ended() != nil; limited != test.limited || test.kind != nil && !errors.Is(err, test.kind) {
					t.Errorf("limited %v, %v", limited, err)
				}
			})
		})
	}
}

// goes answers once, and then in another way.
func goes(then network) network {
	return func(n int, r *http.Request) (*http.Response, error) {
		if n == 1 {
			return empty(r)
		}
		return then(n, r)
	}
}

// restarts refuses for a moment.
func restarts(n int, r *http.Request) (*http.Response, error) {
	if n == 2 || n == 3 {
		return refuses(n, r)
	}
	return empty(r)
}

// falls answers with errors before it is gone.
func falls(n int, r *http.Request) (*http.Response, error) {
	if n <= 2 {
		return &http.Response{StatusCode: 500, ProtoMajor: 1, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	return refuses(n, r)
}

func fails(err error) network {
	return func(int, *http.Request) (*http.Response, error) { return nil, err }
}

func hangs(_ int, r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// slow is a body of so many bytes, a piece of it each second.
type slow struct {
	ctx         context.Context
	left, piece int
}

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	select {
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	case <-time.After(time.Second):
	}
	n := min(s.piece, s.left, len(p))
	clear(p[:n])
	s.left -= n
	return n, nil
}

func (s *slow) Close() error { return nil }

func TestABodyIsProgressAtASensibleRate(t *testing.T) {
	mototest.Isolate(t)
	for piece, ends := range map[int]bool{1: true, waiting.Rate / 40: true, waiting.Rate / 20: false} {
		t.Run(fmt.Sprintf("%d bytes a second", piece), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				watch := waiting.New(t.Context(), func(waiting.Report) {})
				defer watch.Close()
				watch.Limit(30 * time.Second)
				cfg := load(t, awsconf.Options{EndpointURL: "http://127.0.0.1:9", Retries: 10})
				cfg.HTTPClient = &counted{answer: func(_ int, r *http.Request) (*http.Response, error) {
					return &http.Response{
						StatusCode: 200, ProtoMajor: 1, Header: http.Header{"Etag": {"x"}}, Request: r,
						Body: &slow{r.Context(), 10 * waiting.Rate, piece},
					}, nil
				}}
				out, err := awsconf.S3(cfg).GetObject(watch.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("api/a.json")})
				if err != nil {
					t.Fatal(err)
				}
				n, err := io.Copy(io.Discard, out.Body)
				_ = out.Body.Close()
				if ended := watch.Ended() != nil; ended != ends || ended == (err == nil) {
					t.Errorf("after %d bytes: %v; ended: %v, want %v", n, err, ended, ends)
				}
			})
		})
	}
}

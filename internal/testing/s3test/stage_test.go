package s3test_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

func TestRestoredObjectsKeepTheirETags(t *testing.T) {
	srv := s3test.New(s3test.Options{Buckets: []string{"b"}})
	t.Cleanup(srv.Close)
	b := srv.Bucket("b")
	planted := b.Plant("x", []byte("one"), s3test.AWSKMS, "")
	all := b.Objects()
	b.Plant("x", []byte("two"), s3test.AWSKMS, "")
	b.Plant("y", nil, s3test.AES256, "")
	b.Restore(all)
	if now := b.Objects(); len(now) != 1 || now[0].ETag != planted.ETag || string(now[0].Body) != "one" {
		t.Errorf("%d objects, the first with %q", len(now), now[0].Body)
	}
}

// TestDrainWaitsForThoseWhoWereNotAcceptedYet: a client that has sent its request and is gone may be one
// that the server has not accepted so far.
func TestDrainWaitsForThoseWhoWereNotAcceptedYet(t *testing.T) {
	srv := s3test.New(s3test.Options{})
	t.Cleanup(srv.Close)
	const clients = 200
	for range clients {
		conn, err := net.Dial("tcp", strings.TrimPrefix(srv.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("GET /b/x HTTP/1.1\r\nHost: b\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	srv.Drain()
	if n := len(srv.Log()); n != clients {
		t.Errorf("%d of %d requests were applied", n, clients)
	}
}

func TestDrainWaitsForThoseWhoHangUp(t *testing.T) {
	srv := s3test.New(s3test.Options{})
	t.Cleanup(srv.Close)
	reached := make(chan struct{})
	srv.Fault(func(s3test.Request) *s3test.Fault {
		return &s3test.Fault{Kind: s3test.Hang, Delay: 20 * time.Millisecond, Reached: func() { close(reached) }}
	})
	answered := make(chan error, 1)
	go func() {
		response, err := http.Get(srv.URL)
		if err == nil {
			_ = response.Body.Close()
		}
		answered <- err
	}()
	<-reached
	srv.Drain()
	if err := <-answered; err == nil {
		t.Error("a request that hung was answered")
	}
}

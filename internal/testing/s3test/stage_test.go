package s3test_test

import (
	"net/http"
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

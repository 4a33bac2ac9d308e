//go:build unix

package cmd_test

import (
	"bufio"
	"context"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// listen serves each connection to a port of loopback, until the test ends.
func listen(t *testing.T, serve func(net.Conn)) (host string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		cancel()
		served.Wait()
	})
	served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				stop := context.AfterFunc(ctx, func() { _ = c.Close() })
				defer stop()
				defer func() { _ = c.Close() }()
				serve(c)
			})
		}
	})
	return l.Addr().String()
}

// silent accepts and never answers.
func silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// dribble answers with the beginning of a long body, a byte at a time.
func dribble(c net.Conn) {
	if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
		return
	}
	_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nETag: \"x\"\r\nContent-Length: 1000000\r\n\r\n")
	for tick := time.NewTicker(100 * time.Millisecond); err == nil; <-tick.C {
		_, err = io.WriteString(c, " ")
	}
}

// resets sends the header of an answer and resets the connection.
func resets(c net.Conn) {
	if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
		return
	}
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nETag: \"x\"\r\nContent-Length: 1000\r\n\r\n")
	_ = c.(*net.TCPConn).SetLinger(0)
}

// tlsServer is one with a certificate that only who has bundle accepts.
func tlsServer(t *testing.T) (s *httptest.Server, bundle string) {
	t.Helper()
	s = httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	bundle = filepath.Join(t.TempDir(), "ca.pem")
	body := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(bundle, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return s, bundle
}

// atEndpoint is a bench without a server of its own.
func atEndpoint(t *testing.T, url string, more ...string) *bench {
	t.Helper()
	return &bench{T: t, env: append(append(ownEnvironment(t.TempDir()), "PATH="+os.Getenv("PATH"),
		"AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY=secret", "AWS_REGION=us-east-1",
		"COFFER_S3_BUCKET=b", "COFFER_KMS_KEY_ALIAS=alias/app", "COFFER_TIMEOUT=3s", "COFFER_ENDPOINT_URL="+url), more...)}
}

// backendsOnAWS are those that wait for a network.
var backendsOnAWS = []string{"s3-kms", "s3", "ssm", "secretsmanager"}

// stalling is a server on which requests that match stay without an answer, applied or not.
func stalling(t *testing.T, applied bool, matches func(*http.Request) bool) *bench {
	t.Helper()
	b := newBench(t, s3test.Options{})
	target := strings.TrimPrefix(b.URL, "http://")
	ctx, cancel := context.WithCancel(context.Background())
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stall := matches(r)
		if stall && !applied {
			_, _ = io.Copy(io.Discard, r.Body)
			<-ctx.Done()
			return
		}
		out := r.Clone(r.Context())
		out.RequestURI, out.URL.Scheme, out.URL.Host = "", "http", target
		answer, err := http.DefaultTransport.RoundTrip(out)
		if err != nil {
			return
		}
		defer func() { _ = answer.Body.Close() }()
		if stall {
			<-ctx.Done()
			return
		}
		for name, values := range answer.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	}))
	t.Cleanup(front.Close)
	t.Cleanup(cancel)
	b.env = append(b.env, "COFFER_ENDPOINT_URL="+front.URL, "COFFER_TIMEOUT=3s", "COFFER_RETRIES=10")
	return b
}

func putOf(object string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, object) }
}

// newBenchOn is the same server without what stands before it.
func newBenchOn(b *bench) *bench {
	other := *b
	other.env = append(append([]string(nil), b.env...), "COFFER_ENDPOINT_URL="+b.URL, "COFFER_TIMEOUT=30s")
	return &other
}

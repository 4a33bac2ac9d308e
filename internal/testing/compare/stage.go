package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/internal/testing/wire"
)

// countRTT is long enough that requests which are sent together overlap on a busy machine too.
const countRTT = 100 * time.Millisecond

// storage is where the secrets are: a directory, or an S3 at some distance.
type storage struct {
	local bool
	rtt   time.Duration
}

func storages(rtts []time.Duration) []storage {
	all := []storage{{local: true}}
	for _, rtt := range rtts {
		all = append(all, storage{rtt: rtt})
	}
	return all
}

func (s storage) String() string {
	if s.local {
		return "local"
	}
	return "S3, " + s.rtt.String()
}

// stage is a storage with one service of n secrets, which both builds use.
type stage struct {
	storage
	proxy  *wire.Proxy // nil: local
	close  func()
	env    []string
	values string // file of the service's secrets
}

func (s storage) open(dir string, n int) (*stage, error) {
	at := &stage{storage: s, close: func() {}, values: filepath.Join(dir, "values.yaml")}
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "key_%05d: value-%05d-0123456789abcdef\n", i, i)
	}
	if err := os.WriteFile(at.values, []byte(text.String()), 0o600); err != nil {
		return nil, err
	}
	if s.local {
		store, err := os.MkdirTemp(dir, "store-")
		if err != nil {
			return nil, err
		}
		at.env = []string{"COFFER_SECRET_BACKEND=local", "COFFER_LOCAL_DIR=" + store, "XDG_DATA_HOME=" + filepath.Join(store, "data"), "XDG_CONFIG_HOME=" + filepath.Join(store, "config")}
		return at, nil
	}
	server := s3test.New(s3test.Options{Buckets: []string{"b"}})
	server.KMS.CreateKey("alias/app")
	upstream, err := url.Parse(server.URL)
	if err != nil {
		return nil, err
	}
	at.proxy = wire.New(upstream, 0)
	front := httptest.NewUnstartedServer(at.proxy)
	front.Config.ConnState = at.proxy.ConnState
	front.Start()
	at.close = func() { front.Close(); server.Close() }
	at.env = []string{
		"AWS_ACCESS_KEY_ID=" + s3test.AdminKeyID, "AWS_SECRET_ACCESS_KEY=" + s3test.AdminSecret, "AWS_REGION=us-east-1",
		"COFFER_S3_BUCKET=b", "COFFER_KMS_KEY_ALIAS=alias/app", "COFFER_ENDPOINT_URL=" + front.URL,
	}
	return at, nil
}

// cost is what one process took.
type cost struct {
	wall, cpu time.Duration
}

// process runs a build once.
func (s *stage) process(ctx context.Context, b build, w work) (cost, error) {
	c := exec.CommandContext(ctx, b.program, strings.Fields(strings.ReplaceAll(w.args, "FILE", s.values))...)
	c.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.home, "USER=ann", "AWS_EC2_METADATA_DISABLED=true", "COFFER_CACHE_KEYRING=false",
	}, s.env...)
	var output bytes.Buffer
	c.Stdin, c.Stderr = strings.NewReader(w.stdin), &output
	start := time.Now()
	err := c.Run()
	took := time.Since(start)
	if err != nil {
		return cost{}, fmt.Errorf("%s of %s, %s: %w\n%s", w.args, b.name, s, err, output.String())
	}
	return cost{took, c.ProcessState.UserTime() + c.ProcessState.SystemTime()}, nil
}

// count runs a build once and counts its requests, and how many of them wait for one another.
func (s *stage) count(ctx context.Context, b build, w work) (wire.Summary, error) {
	if s.local {
		return wire.Summary{}, nil
	}
	s.proxy.Delay(countRTT)
	defer s.proxy.Delay(s.rtt)
	s.proxy.Reset()
	_, err := s.process(ctx, b, w)
	return s.proxy.Summary(), err
}

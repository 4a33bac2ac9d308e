//go:build unix

package cmd_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/wire"
)

// A round trip long enough that requests which the program sends together overlap on a busy
// machine too.
const wireRTT = 100 * time.Millisecond

// TestWire counts what each command costs: requests, and round trips that wait for one another.
// `make bench` prints the table that stands in docs/benchmarks.md.
func TestWire(t *testing.T) {
	l := newLine(t)
	l.fill("one", "alias/app", 50)
	l.fill("hundred", "alias/app", 100)
	for _, service := range []string{"first", "second", "third"} {
		l.fill(service, "alias/app", 20)
		l.fill(service, "alias/ops", 20)
	}
	for _, c := range []struct {
		what, line, stdin string
		requests, depth   int
		unknown           bool // of the server nothing is known yet
		cached            bool // the same command was run before
	}{
		{what: "exec, 1 service, 1 alias, 50 secrets", line: "exec one -- true", requests: 2, depth: 1},
		{what: "exec --cache, the same, read before and unchanged", line: "exec --cache 24h one -- true", requests: 1, depth: 1, cached: true},
		{what: "exec --cache, 3 services x 2 aliases x 20 secrets, unchanged", line: "exec --cache 24h first second third -q -- true", requests: 3, depth: 1, cached: true},
		{what: "exec, 3 services x 2 aliases x 20 secrets", line: "exec first second third -q -- true", requests: 9, depth: 2},
		{what: "list, 100 secrets", line: "list hundred", requests: 3, depth: 2},
		{what: "write, existing key (with STS)", line: "write one alias-app-key-1 -", stdin: "v", requests: 7, depth: 4},
		{what: "write, new key (with STS)", line: "write one new-%d -", stdin: "v", requests: 7, depth: 4},
		{what: "write, the first of a service (with STS)", line: "write first-%d key -", stdin: "v", requests: 9, depth: 5},
		{what: "write, the first of a service that begins with no letter (with STS)", line: "write 1st-%d key -", stdin: "v", requests: 8, depth: 5},
		{what: "write, the first of a service without letters (with STS)", line: "write 2026-%d key -", stdin: "v", requests: 7, depth: 4},
		{what: "write to a server that was never asked", line: "write one alias-app-key-2 -", stdin: "v", requests: 18, depth: 8, unknown: true},
		{what: "read", line: "read one alias-app-key-1", requests: 1, depth: 1},
		{what: "history", line: "history one alias-app-key-1", requests: 1, depth: 1},
		{what: "history --expand", line: "history one alias-app-key-1 --expand", requests: 1, depth: 1},
		{what: "import, 100 new keys (with STS)", line: "import new-%d " + l.file("new", "alias/app", 100), requests: 108, depth: 8},
		{what: "import, 100 unchanged (with STS)", line: "import hundred " + l.file("hundred", "alias/app", 100), requests: 3, depth: 1},
		{what: "import, 20 unchanged, 2 aliases in the service (with STS)", line: "import first " + l.file("first", "alias/app", 20), requests: 4, depth: 2},
	} {
		t.Run(c.what, func(t *testing.T) {
			if c.cached {
				l.run(c.line, "")
			}
			requests, depth, runs := math.MaxInt, math.MaxInt, 0
			for range proof.Bounded(1, 3) { // the least of three, for the table
				r, d := fewest(l.proxy, c.requests, c.depth, func() {
					if c.unknown {
						l.forget()
					}
					l.run(strings.ReplaceAll(c.line, "%d", fmt.Sprint(runs)), c.stdin)
					runs++
				})
				requests, depth = min(requests, r), min(depth, d)
			}
			t.Logf("| %s | %d | %d |", c.what, requests, depth)
			if requests > c.requests || depth > c.depth {
				t.Errorf("%d requests, depth %d; want at most %d and %d", requests, depth, c.requests, c.depth)
			}
		})
	}
}

// fewest runs a command until it makes no more than so many requests, and so many that wait for one another,
// but three times at most. It returns the least that it has seen. A busy machine can only pull requests apart that
// are sent at once, and less so the longer a round trip is: each time it is four times as long.
func fewest(proxy *wire.Proxy, requests, depth int, run func()) (leastRequests, leastDepth int) {
	leastRequests, leastDepth = math.MaxInt, math.MaxInt
	defer proxy.Delay(wireRTT)
	for _, rtt := range []time.Duration{wireRTT, 4 * wireRTT, 16 * wireRTT} {
		proxy.Delay(rtt)
		proxy.Reset()
		run()
		got := proxy.Summary()
		leastRequests, leastDepth = min(leastRequests, got.Requests), min(leastDepth, got.Depth)
		if leastRequests <= requests && leastDepth <= depth {
			break
		}
	}
	return leastRequests, leastDepth
}

// line is moto behind the counting proxy, with a bucket and two aliases.
type line struct {
	*testing.T
	proxy *wire.Proxy
	env   []string
	dir   string
}

func newLine(t *testing.T) *line {
	t.Helper()
	moto := mototest.Start(t)
	upstream, err := url.Parse(moto)
	if err != nil {
		t.Fatal(err)
	}
	l := &line{T: t, proxy: wire.New(upstream, wireRTT), dir: t.TempDir()}
	server := httptest.NewServer(l.proxy)
	t.Cleanup(server.Close)
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &moto, Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", "")}
	bucket := fmt.Sprintf("wire-%d", time.Now().UnixNano())
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	makeAliases(l.T, kms.NewFromConfig(cfg), "alias/app", "alias/ops")
	l.env = append(ownEnvironment(l.dir),
		"PATH="+os.Getenv("PATH"), "AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY=secret", "AWS_SESSION_TOKEN=token", "AWS_REGION=us-east-1",
		"COFFER_ENDPOINT_URL="+server.URL, "COFFER_S3_BUCKET="+bucket, "COFFER_CACHE_KEYRING=false", "COFFER_KMS_KEY_ALIAS=alias/app")
	return l
}

// makeAliases makes keys that another test of this binary may have made before.
func makeAliases(t *testing.T, client *kms.Client, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := client.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &name}); err == nil {
			continue
		}
		key, err := client.CreateKey(t.Context(), &kms.CreateKeyInput{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &name, TargetKeyId: key.KeyMetadata.KeyId}); err != nil {
			t.Fatal(err)
		}
	}
}

func (l *line) run(args, stdin string) {
	l.Helper()
	program, err := exec.LookPath("coffer")
	if err != nil {
		l.Fatal(err)
	}
	c := exec.CommandContext(l.Context(), program, strings.Fields(args)...)
	var output bytes.Buffer
	c.Env, c.Stdin, c.Stdout, c.Stderr = l.env, strings.NewReader(stdin), &output, &output
	if err := c.Run(); err != nil {
		l.Fatalf("coffer %s: %v\n%s", args, err, output.String())
	}
}

// forget removes what the program remembers of servers.
func (l *line) forget() {
	l.Helper()
	found, err := filepath.Glob(filepath.Join(l.dir, "cache", "coffer", "probe-*.json"))
	if err != nil || len(found) == 0 {
		l.Fatal("nothing is remembered: ", err)
	}
	for _, file := range found {
		if err := os.Remove(file); err != nil {
			l.Fatal(err)
		}
	}
}

// file writes n secrets whose keys name their alias.
func (l *line) file(name, alias string, n int) string {
	l.Helper()
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "%s-key-%d: value\n", strings.ReplaceAll(alias, "/", "-"), i)
	}
	path := filepath.Join(l.dir, name+".yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		l.Fatal(err)
	}
	return path
}

func (l *line) fill(service, alias string, n int) {
	l.Helper()
	l.run("import --kms-key-alias "+alias+" "+service+" "+l.file(service, alias, n), "")
}

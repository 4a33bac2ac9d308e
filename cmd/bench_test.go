//go:build unix

package cmd_test

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/internal/testing/wire"
)

// dev has a session, as most people have today. Tests write with it, and then take
// permissions away from it.
var dev = s3test.Principal{Name: "dev", AccessKeyID: "ASIADEV", SecretKey: "dev-secret", SessionToken: "dev-token"}

// bench is a server with the bucket "b" and the keys of alias/app and alias/ops, and a
// person who works on it with the program.
type bench struct {
	*testing.T
	*s3test.Server
	bucket *s3test.Bucket
	on     storage
	team   *ageTeam // of s3-age
	env    []string

	singleWriter bool // its configuration says so
}

func newBench(t *testing.T, o s3test.Options) *bench {
	t.Helper()
	return benchOn(t, sseKMS{}, o)
}

func benchOn(t *testing.T, on storage, o s3test.Options) *bench {
	t.Helper()
	on.server(&o)
	o.Buckets, o.Principals = []string{"b"}, []s3test.Principal{dev}
	server := s3test.New(o)
	t.Cleanup(server.Close)
	server.KMS.CreateKey("alias/app")
	server.KMS.CreateKey("alias/ops")
	b := &bench{T: t, Server: server, bucket: server.Bucket("b"), on: on, env: append(ownEnvironment(t.TempDir()),
		"PATH="+os.Getenv("PATH"),
		"AWS_ACCESS_KEY_ID="+dev.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY="+dev.SecretKey,
		"AWS_SESSION_TOKEN="+dev.SessionToken,
		"AWS_REGION=us-east-1",
		"COFFER_S3_BUCKET=b",
		"COFFER_KMS_KEY_ALIAS=alias/app",
		"COFFER_ENDPOINT_URL="+server.URL,
		"COFFER_RETRIES=1",
		"COFFER_CACHE_KEYRING=false", // the keyring belongs to the person
	)}
	if o.TLS {
		b.env = append(b.env, "AWS_CA_BUNDLE="+b.scratch("ca.pem", string(server.Certificate())))
	}
	on.choose(b)
	return b
}

// counted puts a proxy that counts requests between the program and the server, which adds a round-trip time to each.
func (b *bench) counted(rtt time.Duration) *wire.Proxy {
	b.Helper()
	upstream, err := url.Parse(b.URL)
	if err != nil {
		b.Fatal(err)
	}
	proxy := wire.New(upstream, rtt)
	server := httptest.NewServer(proxy)
	b.Cleanup(server.Close)
	b.env = append(b.env, "COFFER_ENDPOINT_URL="+server.URL)
	return proxy
}

// hung is how long one run of the program may take. It is for a program that never ends: a busy machine doesn't
// reach it.
const hung = 5 * time.Minute

// command is one run of the program. Arguments are split at spaces.
func (b *bench) command(line string) *exec.Cmd {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), hung)
	b.Cleanup(cancel)
	return b.commandUntil(ctx, line)
}

// commandUntil is a run of the program that is killed at the end of ctx.
func (b *bench) commandUntil(ctx context.Context, line string) *exec.Cmd {
	b.Helper()
	program, err := exec.LookPath("coffer") // put there by TestMain
	if err != nil {
		b.Fatal(err)
	}
	c := exec.CommandContext(ctx, program, strings.Fields(line)...)
	c.Env = b.env
	return c
}

type outcome struct {
	exit           int
	stdout, stderr string
}

func (b *bench) run(line, stdin string) outcome {
	b.Helper()
	c := b.command(line)
	var stdout, stderr bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.Fatal(err)
	}
	return outcome{exitCode(exit), stdout.String(), stderr.String()}
}

// do is a run that must succeed.
func (b *bench) do(line, stdin string) {
	b.Helper()
	if got := b.run(line, stdin); got.exit != 0 {
		b.Fatalf("coffer %s: exit code %d\n%s", line, got.exit, got.stderr)
	}
}

// team has two secrets of service team, one under each alias.
func team(b *bench) {
	b.do("write team db_url -", canary+" of app")
	b.do("write team pager - --kms-key-alias alias/ops", canary+" of ops")
}

// after gives a setup that follows team.
func after(more func(*bench)) func(*bench) {
	return func(b *bench) {
		team(b)
		more(b)
	}
}

func policy(p s3test.Policy) func(*bench) {
	return func(b *bench) { b.SetPolicy(dev.AccessKeyID, p) }
}

package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

func TestTheReadmesLinesForAServerWithoutKMSRun(t *testing.T) {
	t.Parallel()
	newBench(t, s3test.Options{Quirks: s3test.MinIO()}).runsTheReadme()
}

// runsTheReadme runs its lines for a server without KMS as a person types them, one after the other, on an empty server.
func (b *bench) runsTheReadme() {
	b.Helper()
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		b.Fatal(err)
	}
	block := regexp.MustCompile("(?s)## Use it on an S3 server without KMS.*?```sh\n(.*?)\n```").FindSubmatch(readme)
	if block == nil {
		b.Fatal("README has no such block")
	}
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "server"), []byte("#!/bin/sh\ntest \"$DB_PASSWORD\" = "+canary+"\n"), 0o700); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.CommandContext(b.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, "bob")).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	coffer, err := exec.LookPath("coffer")
	if err != nil {
		b.Fatal(err)
	}
	b.env = append(b.env, "COFFER_KMS_KEY_ALIAS=", "TERM=xterm", "PATH="+filepath.Dir(coffer)+":"+os.Getenv("PATH"))
	desk := &desk{b, dir}
	lines := strings.Split(string(block[1]), "\n")
	if len(lines) > 6 {
		b.Errorf("a first run has %d lines; want at most 6", len(lines))
	}
	for _, line := range lines {
		line, _, _ = strings.Cut(line, "  #")
		line = strings.TrimSpace(line)
		if set, ok := strings.CutPrefix(line, "export "); ok {
			b.env = append(b.env, strings.Fields(strings.ReplaceAll(set, "https://s3.example.com", b.variable("COFFER_ENDPOINT_URL")))...)
			continue
		}
		if exit, said := desk.example(line); exit != 0 {
			b.Fatalf("%s: exit code %d\n%s", line, exit, said)
		}
	}
	objects := b.bodies()
	if len(objects) == 0 {
		b.Error("nothing was stored")
	}
	for name, body := range objects {
		if strings.Contains(string(body), canary) {
			b.Errorf("%s has the value", name)
		}
	}
}

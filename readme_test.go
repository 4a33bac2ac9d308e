//go:build unix

package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestTheReadmesFirstCommandWorksInAClone: one command runs the main job, with Go and without AWS.
func TestTheReadmesFirstCommandWorksInAClone(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)## Try it.*?```sh\n([^\n]+)\n```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("README has no block of one command below \"Try it\"")
	}
	caches, err := exec.CommandContext(t.Context(), "go", "env", "GOCACHE", "GOMODCACHE", "GOPATH").Output()
	if err != nil {
		t.Fatal(err)
	}
	dirs := strings.Split(strings.TrimSpace(string(caches)), "\n")
	command := exec.CommandContext(t.Context(), "sh", "-c", string(block[1]))
	command.Env = []string{
		"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "AWS_EC2_METADATA_DISABLED=true", "CGO_ENABLED=" + os.Getenv("CGO_ENABLED"), "GOFLAGS=" + os.Getenv("GOFLAGS"),
		"GOCACHE=" + dirs[0], "GOMODCACHE=" + dirs[1], "GOPATH=" + dirs[2], "GOPROXY=off",
	}
	out, err := command.Output()
	if err != nil || string(out) != "the child has s3cret\n" {
		t.Errorf("%v: %q", err, out)
	}
}

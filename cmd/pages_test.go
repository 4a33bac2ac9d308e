//go:build unix

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

// A page's commands need these beside coffer.
var pageStubs = map[string]string{
	"server":     "#!/bin/sh\nexit 0\n",
	"deploy":     "#!/bin/sh\nexit 0\n",
	"kubectl":    "#!/bin/sh\ncat > /dev/null\n",
	"install.sh": "#!/bin/sh\nexit 0\n",
	"cosign":     "#!/bin/sh\nexit 0\n",
}

// What must be there before a page is read from its top.
var pageStart = map[string]string{
	"getting-started.md": "",
	"running-programs.md": "export COFFER_S3_BUCKET=acme-secrets COFFER_KMS_KEY_ALIAS=alias/app\ncoffer init\nexport TEST_COFFER_NOW=2026-07-01T12:00:00Z\nprintf x | coffer write api db_password -\nprintf x | coffer write api db_user -\nprintf x | coffer write shared region -\nunset TEST_COFFER_NOW\n" +
		"coffer exec --pristine api -- true\n",
	"ci.md":         "printf x | coffer write api db_password -\n",
	"containers.md": "printf x | coffer write api db_password -\n",
	"team-setup.md": "",
	"troubleshooting.md": "export COFFER_S3_BUCKET=acme-secrets COFFER_KMS_KEY_ALIAS=alias/app\ncoffer init\n" +
		"printf x | coffer write api db_password -\n",
}

// TestCommandsOfThePagesRun: each block of commands on a page of docs by task runs, in order, in one
// shell. init is answered with --yes, since there is no terminal.
func TestCommandsOfThePagesRun(t *testing.T) {
	t.Parallel()
	block := regexp.MustCompile("(?ms)^```sh\n(.*?)^```")
	for page, start := range pageStart {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("..", "docs", page))
			if err != nil {
				t.Fatal(err)
			}
			script := "coffer() { case $1 in init) command coffer \"$@\" --yes;; *) command coffer \"$@\";; esac; }\n" + start
			blocks := block.FindAllStringSubmatch(string(text), -1)
			if len(blocks) == 0 {
				t.Fatal("there is no command")
			}
			for _, b := range blocks {
				script += b[1]
			}
			dir := t.TempDir()
			for name, program := range pageStubs {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(program), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			server := s3test.New(s3test.Options{})
			t.Cleanup(server.Close)
			c := exec.CommandContext(t.Context(), "sh", "-eux", "-c", script)
			c.Dir = dir
			c.Env = append(ownEnvironment(t.TempDir()), "PATH="+dir+":"+os.Getenv("PATH"), "GITHUB_ENV="+filepath.Join(dir, "github-env"),
				"AWS_ACCESS_KEY_ID="+s3test.AdminKeyID, "AWS_SECRET_ACCESS_KEY="+s3test.AdminSecret, "AWS_REGION=us-east-1", "AWS_ENDPOINT_URL="+server.URL,
				"COFFER_CACHE_KEYRING=false")
			var out strings.Builder
			c.Stdout, c.Stderr = &out, &out
			if err := c.Run(); err != nil {
				t.Errorf("%v\n%s", err, out.String())
			}
		})
	}
}

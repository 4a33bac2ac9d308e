//go:build unix

package cmd_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// slips are lines that people type, and the line that is suggested. A word in capitals is a placeholder.
var slips = map[string]string{
	// A command or a flag with a letter too many, too few, or two that are swapped.
	"histroy api db_url":          "coffer history api db_url",
	"lsit api":                    "coffer list api",
	"servces":                     "coffer services",
	"-q reed api db_url":          "coffer -q read api db_url",
	"policy raeder api":           "coffer policy reader api",
	"tag raed api db_url":         "coffer tag read api db_url",
	"exprot api --format yaml":    "coffer export api --format yaml",
	"list 'a b' --expnd":          "--expand",
	"import api f.env --dryrun":   "--dry-run",
	"copy api web --forse":        "--overwrite",
	"delete api db_url --forse":   "--yes",
	"import api f.env --force":    "--yes",
	"export api --output x":       "--out",
	"list api --bakcend local":    "--backend",
	"rekey api --kms-key-id x":    "--kms-key-alias",
	"list api --endpoint http://": "--endpoint-url",
	"exec api --exclude x -- ls":  "--except",

	// What other tools call it.
	"secrets":                       "coffer list SERVICE",
	"secrets list":                  "coffer list SERVICE",
	"get-parameter --name /api/x":   "coffer read SERVICE KEY",
	"ssm get-parameter --name /a/x": "coffer read SERVICE KEY",
	"describe-parameters":           "coffer list SERVICE",
	"delete-parameter --name x":     "coffer delete SERVICE KEY",
	"unset api db_url":              "coffer delete SERVICE KEY",
	"login":                         "coffer whoami",
	"sts get-caller-identity":       "coffer whoami",
	"kv get secret/api":             "coffer read SERVICE KEY",
	"kv list secret":                "coffer list SERVICE",
	"kv delete secret/api":          "coffer delete SERVICE KEY",
	"kv metadata":                   "coffer --help",
	"printenv api":                  "coffer env SERVICE",
	"upload api f":                  "coffer import SERVICE FILE",
	"dump api":                      "coffer export SERVICE",
	"mv api web":                    "coffer copy SOURCE DESTINATION",
	"versions api db_url":           "coffer history SERVICE KEY",
	"rotate api":                    "coffer rekey SERVICE --to ALIAS",
	"status":                        "coffer doctor",
	"setup":                         "coffer init",
	"settings":                      "coffer config",
	"undelete api x":                "coffer restore SERVICE KEY --version N",
	"shell api":                     "coffer exec SERVICE -- COMMAND",
	"presign api x":                 "coffer share SERVICE KEY",
	"grep x":                        "coffer find TEXT",
	"tags api x":                    "coffer tag read SERVICE KEY",

	// A forgotten "--", or a forgotten command.
	"exec api ./server":                     "coffer exec api -- ./server",
	"run api ./server":                      "coffer run api -- ./server",
	"exec api ls":                           "coffer exec api -- ls",
	"exec api web ls":                       "coffer exec api web -- ls",
	"exec api --only db_url ls":             "coffer exec api --only db_url -- ls",
	"-q exec api ./server":                  "coffer -q exec api -- ./server",
	"exec api -c ls":                        "coffer exec api -- sh -c COMMAND",
	"exec api /bin/ls":                      "coffer exec api -- /bin/ls",
	"exec ./server":                         "coffer exec SERVICE -- ./server",
	"exec api web":                          "coffer exec api web -- COMMAND",
	"exec api":                              "coffer exec api -- COMMAND",
	"exec api ./server --port 80 " + canary: "coffer exec api -- ./server",
	"exec api ls -l " + canary:              "coffer exec api -- ls",
	"exec api env " + canary + " -p=1":      "coffer exec api -- env",

	// What may be a secret isn't repeated.
	"put api db_url " + canary:                        "coffer write SERVICE KEY",
	"kv put secret/api x=" + canary:                   "coffer write SERVICE KEY",
	"ssm put-parameter --name x --value " + canary:    "coffer write SERVICE KEY",
	"put-parameter --name x --value " + canary:        "coffer write SERVICE KEY",
	"create api db_url " + canary:                     "coffer write SERVICE KEY",
	"wrote api db_url " + canary:                      "coffer write --help",
	"write api db_url " + canary + " --prezerve-case": "--preserve-case",
	"fnid " + canary:                                  "coffer find --help",
	"sett api db_url " + canary:                       "coffer set --help",
}

// TestSlipsGetASuggestionThatWorks types each, and then what is suggested.
func TestSlipsGetASuggestionThatWorks(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("import api - --format json", `{"db_url": "`+canary+`"}`)
	b.do("write api db_url -", canary+"-2")
	b.do("tag write api db_url team=core", "")
	b.do("import web - --format json", `{"db_url": "`+canary+`"}`)
	dir := t.TempDir()
	for _, name := range []string{"server", "f.env"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	words := strings.NewReplacer("SERVICE", "api", "SOURCE", "api", "DESTINATION", "new", "KEY", "db_url", "FILE", "/dev/null --format env", "TEXT", "db_url",
		"ALIAS", "alias/ops --dry-run", "COMMAND", "true", "--version N", "--version 1")
	line := regexp.MustCompile(`coffer [^?(]*[^?( .]`)
	for slip, want := range slips {
		got := b.run(slip, "")
		if got.exit != 2 || got.stdout != "" || strings.Contains(got.stderr, canary) || !strings.Contains(got.stderr, want) {
			t.Errorf("coffer %s: exit code %d, want %q\n%s", slip, got.exit, want, got.stderr)
			continue
		}
		_, hint, _ := strings.Cut(got.stderr, "\n")
		suggested := strings.TrimSpace(line.FindString(hint))
		if strings.HasPrefix(want, "-") || strings.HasSuffix(want, "--help") {
			suggested = regexp.MustCompile(`coffer [a-z ]*--help`).FindString(hint)
		} else if suggested != want {
			t.Errorf("coffer %s: what is suggested is %q, want %q", slip, suggested, want)
		}
		c := b.command(words.Replace(strings.TrimPrefix(suggested, "coffer ")))
		c.Dir, c.Stdin = dir, strings.NewReader(canary)
		out, err := c.CombinedOutput()
		said := string(out)
		if err != nil && (strings.Contains(said, "usage") || strings.Contains(said, "unknown") || strings.Contains(said, "unexpected") || strings.Contains(said, "--help")) {
			t.Errorf("coffer %s: the suggested %s: %v\n%s", slip, suggested, err, said)
		}
	}
}

//go:build unix

package cmd_test

import (
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// TestUsageErrorsSayWhatIsTaken types lines that the parser refuses: what is said has the words of the
// help, not the parser's own.
func TestUsageErrorsSayWhatIsTaken(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	for line, want := range map[string]string{
		"export api --out":            "--out needs a value",
		"list api -b":                 "--backend needs a value",
		"write api db_url --generate": "--generate needs a value",
		"edit api --format toml":      `--format: "toml" is not one of yaml, dotenv`,
		"init --print cdk":            `--print: "cdk" is not one of terraform`,
		"policy check api":            `ROLE: "api" is not one of reader, writer, operator`,
		"completion tcsh":             `SHELL: "tcsh" is not one of bash, zsh, fish`,
		"tag api db_url":              "there is no command tag api\n  usage: coffer tag read SERVICE KEY",
		"find":                        "missing argument: TEXT\n  usage: coffer find TEXT",
	} {
		b.wants(line, "", 2, nil, []string{want})
	}
}

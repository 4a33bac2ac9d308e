//go:build unix

package cmd_test

import (
	"bytes"
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
		"tag api db_url":              "unknown command tag api: expected one of read, write, delete\n  usage: coffer tag read SERVICE KEY",
		"policy admin api":            "unknown command policy admin: expected one of reader, writer, operator, check\n  usage: coffer policy reader SERVICE...",
		"policy reder api":            "unknown command policy reder\n  did you mean: coffer policy reader api",
		"cache foo":                   "unknown command cache foo: expected one of list, clear\n  usage: coffer cache list",
		"find":                        "missing argument: TEXT\n  usage: coffer find TEXT",
	} {
		b.wants(line, "", 2, nil, []string{want})
	}
}

// An empty word is what an unset variable leaves: coffer exec "$SERVICE".
func TestAnEmptyWordCrashesNoCommand(t *testing.T) {
	t.Parallel()
	b := onDisk(t)
	for name := range everyCommand {
		for _, words := range [][]string{{""}, {"", ""}, {"a", ""}, {"", "a"}, {"a", "", "b"}, {"-"}, {"--"}, {"--", ""}, {"=", "-="}} {
			c := b.command(name)
			c.Args = append(c.Args, words...)
			c.Env = append(c.Env, "VISUAL=true")
			var out bytes.Buffer
			c.Stdout, c.Stderr = &out, &out
			if err := c.Run(); c.ProcessState == nil || c.ProcessState.ExitCode() < 0 || bytes.Contains(out.Bytes(), []byte("panic:")) {
				t.Errorf("coffer %s %q: %v\n%s", name, words, err, out.Bytes())
			}
		}
	}
}

//go:build linux

package cmd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/help"
	"github.com/coffer-secrets/coffer/internal/testing/need"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// typed are the answers to examples that ask a person.
func typed() map[string][2]string {
	return map[string][2]string{
		"coffer write api db_password": {"api/db_password: ", canary + "\n"},
		"coffer init":                  {"[y/N] ", "y\n"},
		"coffer edit api":              {"", ""}, // the editor changes nothing, so nothing is asked
	}
}

// elsewhere are the examples that need what no server of the tests has at once, with the test that runs
// the like. Their lines are parsed by TestDocumentsKeepTheirPromises.
func elsewhere() map[string]string {
	return map[string]string{
		"coffer migrate --all-services --from-backend ssm --to-backend s3-kms --dry-run": "TestMigrateWhatChamberLeftInParameterStore",
		"coffer audit api --cloudtrail":                                                     "TestAuditTellsWhoRead",
		"coffer keys trust alias/app 63c046c85403744e83c7b2146ece2648":                      "TestAForgedKeyIsRefusedUntilItIsTrusted", // the id is another each time
		"coffer keys trust alias/app 63c046c85403744e83c7b2146ece2648 --json":               "TestAForgedKeyIsRefusedUntilItIsTrusted",
		"coffer whoami --recipient":                                                         "TestWhoamiPrintsARecipientOnlyWhereThereAreMembers",
		"coffer inject --watch -i server.json.tmpl -o server.json --exec 'nginx -s reload'": "TestABackupAgentsCredentialsStayCurrent", // it doesn't end
	}
}

// desk is where a person types examples: a bench with a working directory.
type desk struct {
	*bench
	dir string
}

// newDeskOfExamples has what the examples are about: secrets, contexts, files and programs.
func newDeskOfExamples(t *testing.T, command string) *desk {
	t.Helper()
	b := newBench(t, s3test.Options{})
	if command == "restore" { // the bucket keeps versions
		b.do("init --yes", "")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"values.env": "db_url=" + canary + "\nregion=eu\n", "cert.pem": "-----BEGIN-----\nx\n-----END-----\n",
		"server": "#!/bin/sh\ntest -n \"$DB_URL\"\n", "bin/psql": "#!/bin/sh\ntest -n \"$1\"\n",
		"config.yaml": "contexts: {dev: {backend: local}}\n", "server.json.tmpl": `{"db": {{ coffer://api/db_url | json }}}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	coffer, err := exec.LookPath("coffer")
	if err != nil {
		t.Fatal(err)
	}
	b.env = append(b.env, "COFFER_CONFIG="+filepath.Join(dir, "config.yaml"), "EDITOR=true", "VISUAL=", "TERM=xterm",
		"PATH="+strings.Join([]string{filepath.Join(dir, "bin"), filepath.Dir(coffer), os.Getenv("PATH")}, ":"))
	today := b.env
	b.env = append(b.env, fixedNow+"=2026-07-01T12:00:00Z")
	b.do("import api - --format json", `{"db_url": "`+canary+`-1", "tls_cert": "x", "old_token": "y"}`)
	b.do("write api db_url -", canary+"-2")
	b.do("tag write api db_url team=core owner=ann", "")
	b.do("import web - --format json", `{"token": "`+canary+`"}`)
	b.env = today
	b.do("lock api -o "+filepath.Join(dir, "coffer.lock"), "")
	if strings.HasPrefix(command, "keys ") {
		prepareTeam(b, dir, command)
	}
	if command == "exec" {
		if err := os.WriteFile(filepath.Join(dir, "coffer.yaml"), []byte("services: [api]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if command == "diff" {
		b.do("import api - --format json --context dev", `{"db_url": "`+canary+`"}`)
	}
	if err := os.MkdirAll(filepath.Join(strings.TrimPrefix(b.env[0], "HOME="), ".config/fish/completions"), 0o700); err != nil {
		t.Fatal(err)
	}
	return &desk{b, dir}
}

// prepareTeam is for the examples of the members of an alias, which only s3-age has.
func prepareTeam(b *bench, dir, command string) {
	b.Helper()
	if command == "keys show" {
		b.do("write grant key -", canary)
		return
	}
	b.env = append(b.env, "COFFER_BACKEND=s3-age", "COFFER_S3_BUCKET=team", "COFFER_KMS_KEY_ALIAS=alias/app")
	b.Bucket("team")
	b.do("init --yes --without public-access --without policy --without versions --without lifecycle", "")
	for _, line := range []string{"-f deploy_key", "-f bob"} {
		c := exec.CommandContext(b.Context(), "bash", "-c", "ssh-keygen -q -t ed25519 -N '' "+line)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
	if command == "keys revoke" {
		b.do("keys grant alias/app "+filepath.Join(dir, "bob.pub")+" --name bob", "")
	}
}

// example runs a line as a person types it: in bash, at a terminal where it asks.
func (b *desk) example(line string) (exit int, said string) {
	b.Helper()
	if ask, ok := typed()[line]; ok {
		p := sit(b.T, b.bench, strings.TrimPrefix(line, "coffer "))
		p.sees(ask[0])
		p.types(ask[1])
		return p.leaves()
	}
	c := exec.CommandContext(b.Context(), "bash", "-c", line)
	var out bytes.Buffer
	c.Env, c.Dir, c.Stdout, c.Stderr = b.env, b.dir, &out, &out
	err := c.Run()
	if c.ProcessState == nil {
		b.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String()
}

// TestExamplesOfHelpRun runs every example of every command as it stands, one after the other.
func TestExamplesOfHelpRun(t *testing.T) {
	t.Parallel()
	for _, command := range help.Entries() {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			b := newDeskOfExamples(t, command)
			switch command {
			case "restore":
				b.do("delete api old_token", "")
			case "scan":
				need.Program(t, "git", "apt-get install git")
				if exit, said := b.example("git init -q && git add . && git -c user.name=ann -c user.email=ann@example.com commit -q -m first"); exit != 0 {
					t.Fatal(said)
				}
			case "cache clear":
				b.do("exec --cache 24h api -- true", "")
			}
			for _, e := range help.Find(command).Examples {
				if elsewhere()[e.Line] != "" {
					continue
				}
				want := []int{0}
				if command == "diff" || command == "doctor" || command == "scan" {
					want = []int{0, 1} // different; something to repair; something found
				}
				if exit, said := b.example(e.Line); !slices.Contains(want, exit) {
					t.Errorf("%s: exit code %d\n%s", e.Line, exit, said)
				}
			}
		})
	}
}

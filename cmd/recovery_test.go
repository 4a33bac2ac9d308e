//go:build unix

package cmd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/need"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// realAge returns the folder in which make has installed age and npm's age-encryption.
func realAge(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("COFFER_TEST_AGE")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "age-encryption")); err != nil || dir == "" {
		need.Missing(t, "age", "make age installs it, with npm (apt-get install npm)")
	}
	return dir
}

// A section of docs/recovery.md: what coffer stores before its commands run, and what they print.
type recovery struct {
	start  string
	plugin bool // the section is about coffer as a plugin of age, so coffer is there
	want   []string
}

const recoveryStart = `printf 'the first' | coffer write api db_password -
printf 'canary "1"\nof two lines' | coffer write api db_password -
printf %s 'canary-2 $x' | coffer write api DB_URL - --preserve-case
printf canary-3 | coffer write web/eu token - --kms-key-alias alias/ops
printf canary-4 | coffer write web/eu gone -
coffer delete web/eu gone
`

var recoveredOne, recoveredAll = []string{`canary "1"`, "of two lines"}, []string{
	`["/api/DB_URL","canary-2 $x"]`,
	`["/api/db_password","canary \"1\"\nof two lines"]`,
	`["/web/eu/token","canary-3"]`,
}

// recoverySettings are those of a store in the bucket of the page.
func recoverySettings(backend string) string {
	return "export COFFER_BACKEND=" + backend + " COFFER_S3_BUCKET=acme-secrets COFFER_KMS_KEY_ALIAS=alias/app\n"
}

// ownIdentity is what a person with age makes, so that coffer need not.
const ownIdentity = "mkdir -p ~/.config/coffer\nage-keygen -pq -o ~/.config/coffer/identity.txt 2>/dev/null\n"

var recoveries = map[string]recovery{
	"local":                         {recoveryStart, false, slices.Concat(recoveredOne, recoveredAll)},
	"s3-kms and s3":                 {recoverySettings("s3-kms") + recoveryStart, false, slices.Concat(recoveredOne, recoveredAll)},
	"s3-envelope":                   {recoverySettings("s3-envelope") + recoveryStart, false, slices.Concat(recoveredOne, recoveredAll)},
	"s3-age":                        {recoverySettings("s3-age") + ownIdentity + recoveryStart, false, slices.Concat(recoveredOne, recoveredAll)},
	"age with Coffer as its plugin": {recoverySettings("s3-age") + ownIdentity + recoveryStart, true, slices.Concat(recoveredOne, recoveredAll)},
}

// recoverySections returns the commands of docs/recovery.md by section.
func recoverySections(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "recovery.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections, title := map[string]string{}, ""
	block := regexp.MustCompile("(?m)^## (.*)$|(?s)```sh\n(.*?)```")
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		if m[1] != "" {
			title = m[1]
			continue
		}
		sections[title] += m[2]
	}
	return sections
}

// TestEverySecretComesBackWithoutCoffer runs the commands of docs/recovery.md with the real age and the
// real age-encryption: what coffer has stored comes back without it.
func TestEverySecretComesBackWithoutCoffer(t *testing.T) {
	t.Parallel()
	sections := recoverySections(t)
	functions := sections["What a file looks like"]
	delete(sections, "What a file looks like")
	for title := range recoveries {
		if sections[title] == "" {
			t.Errorf("docs/recovery.md has no commands below %q", title)
		}
	}
	for title, commands := range sections {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			r, ok := recoveries[title]
			if !ok {
				t.Fatal("nothing is stored for these commands")
			}
			need.Program(t, "jq", "apt-get install jq")
			need.Program(t, "node", "apt-get install nodejs")
			home, env := recoveryHome(t)
			tools := recoveryTools(t)
			shell(t, home, append(env, "PATH="+tools+":"+os.Getenv("PATH")), r.start)
			if r.plugin {
				tools = filepath.Join(home, "bin") + ":" + tools + ":" + os.Getenv("PATH")
			} else if out := shell(t, home, append(env, "PATH="+tools), "command -v coffer || true"); out != "" {
				t.Fatalf("coffer is there: %s", out)
			}
			out := shell(t, home, append(env, "PATH="+tools), functions+commands)
			got := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
			sorted := func(lines []string) []string { return slices.Sorted(slices.Values(lines)) }
			if !slices.Equal(sorted(got), sorted(r.want)) {
				t.Errorf("the commands print\n%s\nwant\n%s", out, strings.Join(r.want, "\n"))
			}
		})
	}
}

// recoveryHome is a home directory, and the environment of a person there who may use a server with
// the bucket of the page.
func recoveryHome(t *testing.T) (home string, env []string) {
	t.Helper()
	server := s3test.New(s3test.Options{Buckets: []string{"acme-secrets"}})
	t.Cleanup(server.Close)
	server.KMS.CreateKey("alias/app")
	server.KMS.CreateKey("alias/ops")
	home = t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "open.mjs"), []byte(recoveryScript(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	return home, []string{
		"HOME=" + home, "USER=ann", "AWS_EC2_METADATA_DISABLED=true", "GORACE=atexit_sleep_ms=0",
		"AWS_ACCESS_KEY_ID=" + s3test.AdminKeyID, "AWS_SECRET_ACCESS_KEY=" + s3test.AdminSecret, "AWS_REGION=us-east-1", "AWS_ENDPOINT_URL=" + server.URL,
		"COFFER_CACHE_KEYRING=false",
	}
}

// recoveryScript is the script that the page says to save as open.mjs.
func recoveryScript(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "recovery.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```js\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatal("docs/recovery.md has no script")
	}
	return string(block[1])
}

// recoveryTools is a PATH without coffer: the system's programs, age, aws as far as the page needs it, and
// an npm that has installed one package already: the version in internal/ageplugin/npm.
func recoveryTools(t *testing.T) string {
	t.Helper()
	aws, err := exec.LookPath("aws") // put there by TestMain
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(aws, filepath.Join(dir, "aws")); err != nil {
		t.Fatal(err)
	}
	npm := `#!/bin/sh
set -eu
version=$(jq -r '.dependencies["age-encryption"]' "$INSTALLED/package.json")
test "$*" = "install age-encryption@$version" || { echo "npm $*: the tests have $version" >&2; exit 1; }
ln -sfn "$INSTALLED/node_modules" node_modules
`
	npm = strings.ReplaceAll(npm, "$INSTALLED", realAge(t))
	if err := os.WriteFile(filepath.Join(dir, "npm"), []byte(npm), 0o700); err != nil {
		t.Fatal(err)
	}
	return strings.Join([]string{dir, filepath.Join(realAge(t), "bin"), "/usr/local/bin", "/usr/bin", "/bin"}, ":")
}

// shell runs commands that must succeed, and returns what they print.
func shell(t *testing.T, dir string, env []string, commands string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sh", "-eu", "-c", commands)
	var out, errs bytes.Buffer
	c.Dir, c.Env, c.Stdout, c.Stderr = dir, env, &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, errs.String(), commands)
	}
	if strings.Contains(errs.String(), "canary") {
		t.Errorf("standard error tells a value: %s", errs.String())
	}
	return out.String()
}

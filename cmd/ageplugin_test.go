//go:build unix

package cmd_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// ageDesk is a person with the real age, with the program as its plugin, and with a copy of the bucket of a
// backend. In it are api/db_url under alias/app, and api/pager under alias/ops.
type ageDesk struct {
	*bench
	copied string // the folder
}

// sealingBackends are the backends whose files the plugin decrypts.
var sealingBackends = []string{"s3-age", "s3-envelope"}

// deskWithAge gives a person the real age, and the program as its plugin.
func deskWithAge(b *bench) *ageDesk {
	b.Helper()
	bin := b.TempDir()
	self, err := exec.LookPath("age-plugin-coffer") // put there by TestMain
	if err != nil {
		b.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "age-plugin-coffer")); err != nil {
		b.Fatal(err)
	}
	with := *b
	with.env = append(slices.Clone(b.env), "PATH="+bin+":"+filepath.Join(realAge(b.T), "bin")+":/usr/bin:/bin", "TMPDIR="+b.TempDir())
	return &ageDesk{bench: &with, copied: b.TempDir()}
}

func newAgeDesk(t *testing.T, backend string) *ageDesk {
	t.Helper()
	d := deskWithAge(newBench(t, s3test.Options{}))
	d.env = append(d.env, "COFFER_BACKEND="+backend)
	d.identity(newAgeIdentity(t))
	d.do("write api db_url -", canary+" of app")
	d.do("write api pager - --kms-key-alias alias/ops", canary+" of ops")
	for _, o := range d.bucket.Objects() {
		file := d.file(o.Name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, o.Body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.env = append(d.env, "COFFER_BACKEND=", "COFFER_KMS_KEY_ALIAS=") // the file says which
	return d
}

func newAgeIdentity(t *testing.T) string {
	t.Helper()
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

// identity makes a text the identity of the person.
func (d *ageDesk) identity(text string) {
	d.Helper()
	folder := filepath.Join(d.variable("XDG_CONFIG_HOME"), "coffer")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		d.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "identity.txt"), []byte(text+"\n"), 0o600); err != nil {
		d.Fatal(err)
	}
}

// ownIdentity returns what [ageDesk.identity] wrote.
func (d *ageDesk) ownIdentity() string {
	d.Helper()
	text, err := os.ReadFile(filepath.Join(d.variable("XDG_CONFIG_HOME"), "coffer", "identity.txt"))
	if err != nil {
		d.Fatal(err)
	}
	return string(text)
}

func (d *ageDesk) variable(name string) (value string) {
	for _, v := range d.env {
		if text, ok := strings.CutPrefix(v, name+"="); ok {
			value = text
		}
	}
	return value
}

func (d *ageDesk) file(object string) string {
	return filepath.Join(d.copied, filepath.FromSlash(object))
}

// age runs the real age, without a terminal.
func (d *ageDesk) age(args ...string) outcome {
	d.Helper()
	program := filepath.Join(realAge(d.T), "bin", "age")
	c := exec.CommandContext(d.Context(), program, args...)
	var stdout, stderr bytes.Buffer
	c.Env, c.Dir, c.Stdout, c.Stderr = d.env, d.copied, &stdout, &stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		d.Fatal(err)
	}
	if strings.Contains(stderr.String(), canary) || strings.Contains(stderr.String(), "AGE-SECRET") {
		d.Errorf("standard error tells a secret: %s", stderr.String())
	}
	return outcome{exitCode(exit), stdout.String(), stderr.String()}
}

// opens must decrypt a file, and say what it is.
func (d *ageDesk) opens(file, value string, says ...string) {
	d.Helper()
	got := d.age("-d", "-j", "coffer", file)
	if got.exit != 0 || !strings.Contains(got.stdout, value) {
		d.Errorf("%s: exit code %d, %q, %s", file, got.exit, got.stdout, got.stderr)
	}
	for _, text := range says {
		if !strings.Contains(got.stderr, text) {
			d.Errorf("%s: age doesn't say %q: %s", file, text, got.stderr)
		}
	}
}

// fails must decrypt nothing, and say why.
func (d *ageDesk) fails(file string, says ...string) {
	d.Helper()
	got := d.age("-d", "-j", "coffer", file)
	if got.exit == 0 || got.stdout != "" {
		d.Errorf("%s: exit code %d, %q", file, got.exit, got.stdout)
	}
	for _, text := range says {
		if !strings.Contains(got.stderr, text) {
			d.Errorf("%s: age doesn't say %q: %s", file, text, got.stderr)
		}
	}
}

func TestAgeDecryptsFilesOfTheBackendsThatSeal(t *testing.T) {
	t.Parallel()
	for _, backend := range sealingBackends {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			d := newAgeDesk(t, backend)
			d.opens("api/db_url.json", canary+" of app", "age: coffer plugin: api/db_url.json, encrypted under ")
			d.opens("api/pager.json", canary+" of ops", "api/pager.json, encrypted under ")
			d.opens("api/__kms_alias_app__latest.json", canary+" of app", "api/__kms_alias_app__latest.json, encrypted under ")

			// What was copied over it tells which one it is.
			if err := os.Rename(d.file("api/pager.json"), d.file("api/db_url.json")); err != nil {
				t.Fatal(err)
			}
			d.opens("api/db_url.json", canary+" of ops", "api/pager.json, encrypted under ")
		})
	}
}

// TestAgeDecryptsNothingThatWasChanged flips bits of a file, one after the other, and cuts it.
func TestAgeDecryptsNothingThatWasChanged(t *testing.T) {
	t.Parallel()
	for _, backend := range sealingBackends {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			d := newAgeDesk(t, backend)
			whole, err := os.ReadFile(d.file("api/db_url.json"))
			if err != nil {
				t.Fatal(err)
			}
			header := bytes.Index(whole, []byte("\n--- "))
			at := []int{header - 60, header - 10, header + 8, header + 48, len(whole) - 1}
			for i := 24; i < header; i += header / 8 {
				at = append(at, i)
			}
			for _, i := range at {
				changed := slices.Clone(whole)
				changed[i] ^= 1
				d.write("changed.json", changed)
				d.fails("changed.json")
			}
			for _, n := range []int{0, 10, header / 2, header + 6, len(whole) - 1} {
				d.write("changed.json", whole[:n])
				d.fails("changed.json")
			}
		})
	}
}

func (d *ageDesk) write(file string, body []byte) {
	d.Helper()
	if err := os.WriteFile(d.file(file), body, 0o600); err != nil {
		d.Fatal(err)
	}
}

func TestAgeNeedsNoServerWithACopyOfTheKeyObject(t *testing.T) {
	t.Parallel()
	d := newAgeDesk(t, "s3-age")
	before := len(d.Log())
	d.env = append(d.env, "COFFER_S3_BUCKET=", "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_REGION=", "COFFER_ENDPOINT_URL=")
	d.fails("api/db_url.json", "no bucket is configured", "set COFFER_S3_BUCKET; or COFFER_KEY_OBJECT to the absolute path of a copy")
	env := d.env
	for path, files := range map[string][]string{
		d.copied:                       {"api/db_url.json", "api/pager.json"},
		d.file("__keys/alias/app.age"): {"api/db_url.json"},
		d.file("./__keys/../__keys/alias/ops.age"): {"api/pager.json"},
	} {
		d.env = append(slices.Clone(env), "COFFER_KEY_OBJECT="+path)
		for _, file := range files {
			d.opens(file, canary, "is trusted on first use", file+", encrypted under alias/")
		}
	}
	for path, says := range map[string]string{
		"__keys/alias/app.age":         `"$PWD/..."`,
		d.file("none"):                 "no such file or directory",
		d.file("api"):                  "COFFER_KEY_OBJECT is the path of the key object, __keys/alias/app.age, or of a copy of the bucket",
		d.file("api/db_url.json"):      "alias/app",
		d.file("__keys/alias/ops.age"): `it is the key object of "alias/ops"`,
		"/dev/null":                    "it is not a plain file",
	} {
		d.env = append(slices.Clone(env), "COFFER_KEY_OBJECT="+path)
		d.fails("api/db_url.json", says)
	}
	if after := len(d.Log()); after != before {
		t.Errorf("%d requests were sent", after-before)
	}
}

// TestWhoMayNotReadIsToldByAge: what a command of coffer would say, age says.
func TestWhoMayNotReadIsToldByAge(t *testing.T) {
	t.Parallel()
	t.Run("s3-age", func(t *testing.T) {
		t.Parallel()
		d := newAgeDesk(t, "s3-age")
		d.identity(newAgeIdentity(t))
		d.fails("api/db_url.json", "age: error: coffer plugin: ", "you are not a member of alias/app")
		if err := os.Remove(filepath.Join(d.variable("XDG_CONFIG_HOME"), "coffer", "identity.txt")); err != nil {
			t.Fatal(err)
		}
		d.fails("api/db_url.json", "identity.txt")
		d.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyGet: []string{"*"}})
		d.fails("api/db_url.json", "not allowed to get __keys/alias/app.age")
	})
	t.Run("s3-envelope", func(t *testing.T) {
		t.Parallel()
		d := newAgeDesk(t, "s3-envelope")
		d.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyDecrypt: []string{"alias/app"}})
		d.fails("api/db_url.json", "not allowed to decrypt api/db_url.json")
		d.opens("api/pager.json", canary)
		d.env = append(d.env, "COFFER_KEY_ARNS="+d.KMS.ARN("alias/app"))
		d.fails("api/pager.json", "api/pager.json is encrypted with age:aws-kms under ", "expected: ")
	})
	for _, backend := range sealingBackends {
		t.Run(backend+" without a server", func(t *testing.T) {
			t.Parallel()
			d := newAgeDesk(t, backend)
			d.Close()
			d.fails("api/db_url.json", "age: error: coffer plugin: ", "connection refused")
		})
	}
}

// TestAgeEncryptsNothingForCoffer: a file that age made would be no secret that coffer finds.
func TestAgeEncryptsNothingForCoffer(t *testing.T) {
	t.Parallel()
	d := newAgeDesk(t, "s3-age")
	if got := d.age("-e", "-j", "coffer", "api/db_url.json"); got.exit == 0 || !strings.Contains(got.stderr, "coffer write stores a secret") {
		t.Errorf("%+v", got)
	}
}

// TestOtherFilesAreLeftToOtherIdentities: the plugin says what a file without a key of coffer's needs.
func TestOtherFilesAreLeftToOtherIdentities(t *testing.T) {
	t.Parallel()
	d := newAgeDesk(t, "s3-age")
	d.fails("__keys/alias/app.age", "the file has no key of coffer's", "age -d -i IDENTITY")
	identity := filepath.Join(d.variable("XDG_CONFIG_HOME"), "coffer", "identity.txt")
	if got := d.age("-d", "-j", "coffer", "-i", identity, "__keys/alias/app.age"); got.exit != 0 || !strings.Contains(got.stdout, `"alias":"alias/app"`) || got.stderr != "" {
		t.Errorf("%+v", got)
	}
}

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

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// ageDesk is a person with the real age, with the program as its plugin, and with a copy of the bucket of a
// backend. In it are api/db_url under alias/app, and api/pager under alias/ops.
type ageDesk struct {
	*bench
	copied string // the folder
}

// sealingBackends are the backends whose files the plugin decrypts.
var sealingBackends = []string{"s3-envelope"}

func newAgeDesk(t *testing.T, backend string) *ageDesk {
	t.Helper()
	bin := t.TempDir()
	self, err := exec.LookPath("age-plugin-coffer") // put there by TestMain
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "age-plugin-coffer")); err != nil {
		t.Fatal(err)
	}
	d := &ageDesk{bench: newBench(t, s3test.Options{}), copied: t.TempDir()}
	d.env = append(d.env, "COFFER_BACKEND="+backend, "PATH="+bin+":"+filepath.Join(realAge(t), "bin")+":/usr/bin:/bin", "TMPDIR="+t.TempDir())
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

// TestWhoMayNotReadIsToldByAge: what a command of coffer would say, age says.
func TestWhoMayNotReadIsToldByAge(t *testing.T) {
	t.Parallel()
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
	d := newAgeDesk(t, "s3-envelope")
	if got := d.age("-e", "-j", "coffer", "api/db_url.json"); got.exit == 0 || !strings.Contains(got.stderr, "coffer write stores a secret") {
		t.Errorf("%+v", got)
	}
}

//go:build unix

package cmd_test

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/need"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
)

// TestThePastOnEveryBackend: a time, and a lock file, give the value that a secret had, and --check says what
// has moved.
func TestThePastOnEveryBackend(t *testing.T) {
	t.Parallel()
	onEachBackend(t, func(s shelf) {
		s.do("write svc k -", canary+"-old")
		s.do("write svc same -", canary+"-same")
		var listed []struct{ Key, Created string }
		if err := json.Unmarshal([]byte(s.out("list svc --json")), &listed); err != nil || len(listed) != 2 {
			s.Fatalf("%d secrets, error %v", len(listed), err)
		}
		at := " --at " + max(listed[0].Created, listed[1].Created)
		lock := s.scratch("coffer.lock", "")
		s.do("lock svc -o "+lock, "")
		s.wants("lock --check "+lock, "", 0, nil, []string{"2 locked secrets, none changed"})
		s.do("write svc k -", canary+"-new")
		s.do("write svc later -", canary+"-later")

		const show = " -- sh -c 'echo $K,$SAME,$LATER'"
		for line, want := range map[string]string{
			"exec svc":                       canary + "-new," + canary + "-same," + canary + "-later\n",
			"exec svc" + at:                  canary + "-old," + canary + "-same,\n",
			"exec --locked " + lock:          canary + "-old," + canary + "-same,\n",
			"exec SVC --locked " + lock:      canary + "-old," + canary + "-same,\n",
			"exec svc --only k -q" + at:      canary + "-old,,\n",
			"exec --only k --locked " + lock: canary + "-old,,\n",
		} {
			if got := s.sh2(line + show); got != want {
				s.Errorf("coffer %s: %q; want %q", line, got, want)
			}
		}
		s.wants("read svc k -q"+at, "", 0, []string{canary + "-old\n"}, nil)
		s.wants("export svc"+at, "", 0, []string{`{"k":"` + canary + `-old","same":"` + canary + `-same"}`}, nil)
		s.wants("list svc"+at, "", 0, []string{"k\t1\t", "same\t1\t"}, nil)
		s.wants("diff svc"+at, "", 1, []string{"k\tdiffers\t1\t2\n", "later\tonly right\t-\t1\n"}, nil)
		s.wants("read svc later"+at, "", 3, nil, []string{"svc/later: it didn't exist yet"})
		s.wants("lock --check "+lock, "", 1, []string{"svc/k\tchanged\t1\t2\n", "svc/later\tadded\t-\t1\n"}, nil)
		s.do("delete svc same", "")
		s.wants("exec --locked "+lock+" -- true", "", 3, nil, []string{"not as locked: svc/same version 1 (deleted)"})
		s.wants("lock --check "+lock, "", 1, []string{"svc/same\tremoved\t1\t-\n"}, nil)
		s.do("write svc same -", canary+"-other")
		if got := s.run("exec --locked "+lock+" -- true", ""); got.exit != 3 && got.exit != 8 { // Parameter Store begins again at version 1
			s.Errorf("a secret that was made anew: %+v", got)
		}
	})
}

// sh2 runs a line of coffer whose command has spaces.
func (b *bench) sh2(line string) string {
	b.Helper()
	c := b.command("version")
	c.Path, c.Args = "/bin/sh", []string{"sh", "-c", "exec coffer " + line}
	c.Env = append(c.Env, "K=", "SAME=", "LATER=")
	out, err := c.Output()
	if err != nil {
		b.Errorf("coffer %s: %v", line, err)
	}
	return string(out)
}

// TestARollbackOfTheCodeRollsBackItsSecrets: with the lock file in git beside the code.
func TestARollbackOfTheCodeRollsBackItsSecrets(t *testing.T) {
	t.Parallel()
	need.Program(t, "git", "apt-get install git")
	b := newBench(t, s3test.Options{})
	repository := t.TempDir()
	sh := func(script string) string {
		t.Helper()
		c := b.command("version")
		c.Path, c.Args, c.Dir = "/bin/sh", []string{"sh", "-ec", script}, repository
		c.Env = append(c.Env, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com",
			"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
		return string(out)
	}
	const release = "coffer lock api -q -o coffer.lock; git add -A; git commit -qm "
	b.do("write api token -", canary+"-1")
	sh("git init -q .; printf '#!/bin/sh\\necho \"code 1 with $TOKEN\"\\n' >run; chmod +x run; " + release + "one")
	b.do("write api token -", canary+"-2")
	sh("sed -i s/1/2/ run; " + release + "two")
	b.do("write api token -", canary+"-3")

	const run = "coffer exec -q --locked coffer.lock -- ./run"
	if got, want := sh(run), "code 2 with "+canary+"-2\n"; got != want {
		t.Errorf("the release: %q; want %q", got, want)
	}
	if diff := sh("git diff HEAD~1 -- coffer.lock"); strings.Count(diff, "\n-api/token 1 ") != 1 || strings.Count(diff, "\n+api/token 2 ") != 1 || strings.Count(diff, "\n+") != 2 {
		t.Errorf("the change is more than a line:\n%s", diff)
	}
	sh("git checkout -q HEAD~1")
	if got, want := sh(run), "code 1 with "+canary+"-1\n"; got != want {
		t.Errorf("the release before: %q; want %q", got, want)
	}
	sh("git checkout -q -")
	if got, want := sh(run), "code 2 with "+canary+"-2\n"; got != want {
		t.Errorf("the release again: %q; want %q", got, want)
	}
}

// TestALockedVersionThatWasReplacedIsRefused: somebody who may put objects under the key, and knows the lock file,
// the number and the date, but can't read the value, and so not the salt.
func TestALockedVersionThatWasReplacedIsRefused(t *testing.T) {
	t.Parallel()
	for name, salt := range map[string]any{"without a salt": nil, "with a salt of his own": "0123456789abcdef0123456789abcdef", "with an empty one": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{})
			b.do("write api token -", canary)
			b.do("write api other -", canary)
			lock := b.scratch("coffer.lock", "")
			b.do("lock api -o "+lock, "")
			object, _ := b.bucket.Object("api/token.json")
			var document map[string]any
			if err := json.Unmarshal(object.Body, &document); err != nil {
				t.Fatal(err)
			}
			version := document["values"].(map[string]any)["1"].(map[string]any)
			version["value"], version["salt"] = "evil", salt
			if salt == nil {
				delete(version, "salt")
			}
			forged, err := json.Marshal(document)
			if err != nil {
				t.Fatal(err)
			}
			b.bucket.Plant("api/token.json", forged, s3test.AWSKMS, "alias/app")
			if got := b.run("exec api -- printenv TOKEN", ""); got.stdout != "evil\n" {
				t.Fatalf("the forged value isn't what exec reads: %+v", got)
			}
			want := "not as locked: api/token version 1 ("
			b.wants("exec --locked "+lock+" -- printenv TOKEN", "", 8, nil, []string{want})
			b.wants("lock --check "+lock, "", 8, []string{"api/token\tre"}, []string{want})
			b.wants("exec --except token --locked "+lock+" -- printenv OTHER", "", 0, []string{canary}, nil)
		})
	}
}

// TestALockFileOfAnotherStoreIsRefused: the same names and numbers, with other values, and with the same.
func TestALockFileOfAnotherStoreIsRefused(t *testing.T) {
	t.Parallel()
	dev, prod := newBench(t, s3test.Options{}), newBench(t, s3test.Options{})
	dev.do("write api token -", canary)
	prod.do("write api token -", canary)
	lock := dev.scratch("coffer.lock", "")
	dev.do("lock api -o "+lock, "")
	prod.wants("exec --locked "+lock+" -- true", "", 8, nil, []string{"or of another store"})
}

// TestVersionsThatAreNotKeptAreNamed: 100 versions before the newest are kept, as by chamber.
func TestVersionsThatAreNotKeptAreNamed(t *testing.T) {
	t.Parallel()
	s := newStage(t, s3test.Options{})
	lock := s.scratch("coffer.lock", "")
	s.do("lock team --kms-key-alias alias/app -o "+lock, "")
	before := time.Now().UTC()
	writer := s.store("alias/app")
	for range 102 {
		for _, key := range []string{"url", "keep"} {
			if _, err := writer.Write(t.Context(), store.ID{Service: "team", Key: key}, store.NewValue(canary), store.WriteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.wants("exec --locked "+lock+" -- true", "", 3, nil, []string{"not as locked: team/keep version 1, team/url version 2 (not kept any more)"})
	s.wants("exec team --at "+before.Format(time.RFC3339Nano)+" -- true", "", 3, nil,
		[]string{"team/keep: its history begins with version 3 (", "team/url: its history begins with version 4 ("})
}

// TestALockIsMadeAndUsedWithoutTheRightToWrite, and a secret that is hidden from somebody isn't missing for him.
func TestALockIsMadeAndUsedWithoutTheRightToWrite(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	team(b)
	lock := b.scratch("coffer.lock", "")
	policy(s3test.Policy{DenyPut: []string{"*"}, DenyDelete: []string{"*"}})(b)
	b.do("lock team -o "+lock, "")
	b.do("exec --locked "+lock+" -- true", "")
	b.do("lock --check "+lock, "")
	policy(s3test.Policy{DenyPut: []string{"*"}, DenyDelete: []string{"*"}, DenyDecrypt: []string{"alias/ops"}})(b)
	b.wants("exec --locked "+lock+" -- true", "", 5, nil, []string{"not as locked: team/pager version 1 (you may not read it)"})
	b.wants("exec --locked "+lock+" --except pager -- printenv DB_URL", "", 0, []string{canary + " of app"}, nil)
	if got := b.run("exec --locked "+lock+" --except pager --skip pager -- true", ""); got.exit != 0 || strings.Contains(got.stderr, "no key matches") {
		t.Errorf("%+v", got)
	}
	b.wants("lock --check "+lock, "", 1, []string{"team/pager\thidden\t1\t-\n"}, nil)
	b.wants("lock team", "", 0, []string{"team/db_url 1 "}, []string{"1 hidden"})
}

// TestALockFileHelpsNoGuess: neither the value is in it, nor anything that can be computed from the value and what is
// not secret; and equal values look different.
func TestALockFileHelpsNoGuess(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	const pin = "4711"
	for _, id := range []string{"api a", "api b", "web a"} {
		b.do("write "+id+" -", pin)
	}
	text := b.out("lock api web")
	b.do("write api a -", pin) // the same value as version 2
	text += b.out("lock api")
	for _, value := range []string{pin, pin + "\n", "api/a" + pin, "api/a 1 " + pin, `"` + pin + `"`} {
		for _, encoded := range digests(value, "", "api", "a", "api/a", "1", "coffer-lock 1", pin, "alias/app") {
			if strings.Contains(text, encoded) {
				t.Errorf("the file has %q, computed from %q", encoded, value)
			}
		}
	}
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) == 3 && strings.HasPrefix(words[2], "hmac-sha256:") {
			seen[words[2]] = true
		}
	}
	if len(seen) != 4 { // api/a twice, and api/b and web/a; api/b is the same in both
		t.Errorf("%d different fingerprints of four versions with one value:\n%s", len(seen), text)
	}
	b.do("delete web a", "")
	b.do("write web a -", pin)
	if strings.Contains(text, b.out("lock web")) {
		t.Error("a secret that was made anew has its old fingerprint")
	}
}

// digests returns hashes of a text, and with the keys, as text.
func digests(text string, keys ...string) []string {
	out := []string{base64.StdEncoding.EncodeToString([]byte("x" + text + "x")), hex.EncodeToString([]byte(text))}
	for _, algorithm := range []func() hash.Hash{md5.New, sha1.New, sha256.New, sha512.New} {
		sums := []hash.Hash{algorithm()}
		for _, key := range keys {
			sums = append(sums, hmac.New(algorithm, []byte(key)))
		}
		for _, h := range sums {
			fmt.Fprint(h, text)
			sum := h.Sum(nil)
			out = append(out, hex.EncodeToString(sum)[:12], base64.StdEncoding.EncodeToString(sum)[:12], base64.URLEncoding.EncodeToString(sum)[:12])
		}
	}
	return out
}

// TestWhatChamberWroteIsLockedByItsDate, with a note, and is used; what chamber rewrites can't be compared.
func TestWhatChamberWroteIsLockedByItsDate(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	object := func(versions string) string {
		return `{"service":"api","key":"/api/old","values":{` + versions + `}}`
	}
	one := `"1":{"created":"2026-08-01T12:00:00.5Z","created_by":"x","version":1,"value":"` + canary + `-1"}`
	b.bucket.Plant("api/old.json", []byte(object(one)), s3test.AWSKMS, "alias/app")
	b.do("write api new -", canary+"-new")
	lock := b.scratch("coffer.lock", "")
	b.wants("lock api -o "+lock, "", 0, nil, []string{"1 secret locked by number and date", ": api/old\n"})
	if text, err := os.ReadFile(lock); err != nil || !strings.Contains(string(text), "api/old 1 date:2026-08-01T12:00:00.5Z\n") {
		t.Errorf("error %v, the file: %s", err, text)
	}
	b.do("write api old -", canary+"-2")
	b.wants("exec --locked "+lock+" -- printenv OLD", "", 0, []string{canary + "-1"}, nil)

	b.do("lock api -q -o "+lock, "")
	b.do("exec --locked "+lock+" -- true", "")
	two := `,"2":{"created":"2026-08-02T12:00:00Z","created_by":"x","version":2,"value":"` + canary + `-2"}`
	b.bucket.Plant("api/old.json", []byte(object(one+two)), s3test.AWSKMS, "alias/app")
	want := "not as locked: api/old version 2 (can't be compared with its fingerprint, because another program has rewritten the secret)"
	b.wants("exec --locked "+lock+" -- true", "", 8, nil, []string{want})
	b.wants("lock --check "+lock, "", 8, []string{"api/old\trewritten\t2\t2\n"}, []string{want})
}

// TestALockFileIsForEverybodyAndWhole: its mode is that of other files, and a full disk leaves the old one.
func TestALockFileIsForEverybodyAndWhole(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("write api a -", canary)
	lock := filepath.Join(t.TempDir(), "coffer.lock")
	b.do("lock api -o "+lock, "")
	info, err := os.Stat(lock)
	if err != nil || info.Mode().Perm()&0o444 == 0 || info.Mode().Perm()&0o111 != 0 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if err := os.Symlink(lock, lock+"-link"); err != nil {
		t.Fatal(err)
	}
	if got := b.run("lock api -o "+lock+"-link", ""); got.exit == 0 {
		t.Error("a link was followed")
	}
	c := exec.Command("sh", "-c", "exec coffer lock api >/dev/full")
	c.Env = b.env
	if err := c.Run(); err == nil {
		t.Error("a full disk is no error")
	}
}

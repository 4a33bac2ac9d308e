//go:build unix

package cmd_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// What is done to other secrets does not take the alarm away, and says so; who decides, does.
func TestAnOlderVersionPutBackStaysRefused(t *testing.T) {
	t.Parallel()
	for decision, want := range map[string]struct {
		value string
		next  int
	}{
		"restore team db_url --version 1":      {canary + " of app", 4},
		"doctor --fix --allow-rollback team":   {canary + " of app", 3},
		"write team db_url " + canary + "-new": {canary + "-new", 4},
	} {
		t.Run(decision, func(t *testing.T) {
			b := newBench(t, s3test.Options{})
			team(b)
			b.do("write team other -", "o1")
			rollback(b)
			for _, step := range []string{"write team other -", "write team new -", "delete team other", "doctor --fix team"} {
				got := b.run(step, "v")
				if step != "doctor --fix team" && !strings.Contains(got.stderr, "team/db_url is at version 1, but version 2 was written") {
					t.Errorf("%s: exit code %d, said %q", step, got.exit, got.stderr)
				}
				if got := b.run("exec team -- echo ran", ""); got.exit != 8 || got.stdout != "" {
					t.Fatalf("exec after %s: exit code %d", step, got.exit)
				}
			}
			b.run(decision, "")
			if got := b.run("exec team -- printenv DB_URL", ""); got.exit != 0 || strings.TrimSpace(got.stdout) != want.value {
				t.Errorf("exec after the decision: exit code %d, %s", got.exit, got.stderr)
			}
			b.do("write team db_url -", "next")
			if got := b.run("read team db_url --json", ""); !strings.Contains(got.stdout, fmt.Sprintf(`"version": %d`, want.next)) {
				t.Errorf("the next version: %s; want %d", got.stdout, want.next)
			}
		})
	}
}

// Who may only read is told that a secret is not there, and nothing of permissions: there was
// nothing to take out of the index. Where there is, it is not gone.
func TestAReaderDeletesWhatIsNotThere(t *testing.T) {
	b := newBench(t, s3test.Options{})
	team(b)
	b.SetPolicy(dev.AccessKeyID, s3test.Policy{
		DenyPut: []string{"*"}, DenyDelete: []string{"*"}, DenyGenerateDataKey: []string{"*"}, ListPrefixes: []string{"team/"},
	})
	for args, test := range map[string]struct {
		exit   int
		stderr string // all of it
	}{
		"delete team none":     {3, "coffer: no secret \"none\" in service \"team\"\n"},
		"delete team db_ur":    {3, "coffer: no secret \"db_ur\" in service \"team\" (nearest: \"db_url\")\n"},
		"delete team none no2": {3, "coffer: no secret \"no2\" in service \"team\"\ncoffer: no secret \"none\" in service \"team\"\n"},
	} {
		if got := b.run(args, ""); got.exit != test.exit || got.stderr != test.stderr {
			t.Errorf("coffer %s: exit code %d, want %d\n%s", args, got.exit, test.exit, got.stderr)
		}
	}
	b.bucket.Delete("team/db_url.json") // a delete that died before its index
	got := b.run("delete team db_url", "")
	if got.exit != 5 || !strings.Contains(got.stderr, "not allowed to put "+appIndex) || !strings.Contains(got.stderr, "s3:PutObject") {
		t.Errorf("its value is in the index: exit code %d\n%s", got.exit, got.stderr)
	}
	b.SetPolicy(dev.AccessKeyID, s3test.Policy{})
	if got := b.run("delete team db_url", ""); got.exit != 3 {
		t.Errorf("who may write takes it out: exit code %d\n%s", got.exit, got.stderr)
	}
	if index, _ := b.bucket.Object(appIndex); bytes.Contains(index.Body, []byte(canary+" of app")) {
		t.Error("it is still in the index")
	}
}

func TestARefusedWriteLeavesNothingBehind(t *testing.T) {
	for name, test := range map[string]struct {
		quirks s3test.Quirks
		args   string
		exit   int
	}{
		"a store that ignores encryption":      {s3test.Quirks{IgnoresSSE: true}, "write team x -", 8},
		"the same, without conditional DELETE": {s3test.Versitygw(), "write team x -", 8},
		"a store that ignores conditions":      {s3test.Quirks{NoConditions: true}, "write team x -", 7},
		"a store that refuses conditions":      {s3test.Quirks{ConditionsUnsupported: true}, "write team x -", 7},
		"an alias that does not exist":         {s3test.Quirks{}, "write team x - --kms-key-alias alias/none", 7},
		"a condition":                          {s3test.Quirks{}, "write team x - --if-version 3", 4},
		"a name":                               {s3test.Quirks{}, "write team __x -", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{Quirks: test.quirks})
			if got := b.run(test.args, canary); got.exit != test.exit {
				t.Errorf("exit code %d, want %d\n%s", got.exit, test.exit, got.stderr)
			}
			for _, o := range b.bucket.Objects() {
				t.Errorf("%s is left in the bucket", o.Name)
			}
		})
	}
}

// A write that is killed between its two puts has been made: every reader sees it, and the
// next writer of the service repairs the index.
func TestAWriteKilledBeforeItsIndexIsStored(t *testing.T) {
	b := newBench(t, s3test.Options{})
	team(b)
	reached := make(chan struct{})
	b.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Op != "PutObject" || r.Key != appIndex {
			return nil
		}
		close(reached)
		return &s3test.Fault{Kind: s3test.Hang}
	})
	c := b.command("write team db_url -")
	c.Stdin = strings.NewReader(canary + " of later")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	<-reached
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	b.Fault(nil)

	before, _ := b.bucket.Object(appIndex)
	if got := b.run("exec team -- printenv DB_URL", ""); got.exit != 0 || got.stdout != canary+" of later\n" || got.stderr != "" {
		t.Errorf("exec: %+v", got)
	}
	b.do("write team other -", canary)
	if now, _ := b.bucket.Object(appIndex); now.ETag == before.ETag || !bytes.Contains(now.Body, []byte("of later")) {
		t.Error("the next write has not repaired the index")
	}
}

// What is written through one alias is encrypted under its key, and asked for without a
// bucket key and under a condition.
func TestEachPutAsksForItsKey(t *testing.T) {
	b := newBench(t, s3test.Options{})
	team(b)
	b.do("write team db_url -", canary)
	puts := 0
	for _, e := range b.Log() {
		if e.Op != "PutObject" || strings.Contains(e.Key, "/__probe/") {
			continue
		}
		puts++
		h := e.Header
		if h.Get("X-Amz-Server-Side-Encryption") != "aws:kms" ||
			!strings.HasPrefix(h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"), "alias/") ||
			h.Get("X-Amz-Server-Side-Encryption-Bucket-Key-Enabled") != "false" {
			t.Errorf("%s asks for %v", e.Key, h)
		}
		match, none := h.Get("If-Match"), h.Get("If-None-Match")
		if none != "*" && (match == "" || strings.Contains(match, `"`)) {
			t.Errorf("%s is put if %q or none of %q", e.Key, match, none)
		}
	}
	if puts != 6 {
		t.Errorf("%d puts, want 6: three objects, three indexes", puts)
	}
	for _, o := range b.bucket.Objects() {
		alias := "alias/app"
		if o.Name == "team/pager.json" || o.Name == opsIndex {
			alias = "alias/ops"
		}
		if o.KeyARN != b.KMS.ARN(alias) {
			t.Errorf("%s is under %s", o.Name, o.KeyARN)
		}
	}
}

//go:build unix

package cmd_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// endedWords are what servers call a session that has ended.
func endedWords() map[string]s3test.Quirks {
	return map[string]s3test.Quirks{
		"AWS":       {},
		"SeaweedFS": {ExpiredInvalidKeyID: true},
		"Ceph":      {ExpiredAccessDenied: true},
	}
}

// visitor gives the bench a web identity in the place of its keys.
func visitor(b *bench) {
	role := b.SetRole("app", s3test.Policy{})
	b.env = append(b.env, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=",
		"AWS_ROLE_ARN="+role, "AWS_WEB_IDENTITY_TOKEN_FILE="+b.scratch("token", "the token"))
}

func trusting(string) string { return "" }

// many is a file of so many secrets.
func many(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "k%05d: %s-%d\n", i, canary, i)
	}
	return text.String()
}

func TestImportThroughShortSessionsLosesNothing(t *testing.T) {
	t.Parallel()
	for name, quirks := range endedWords() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A denial is that of a session that has ended by our clock: there it is short by the clock.
			o := s3test.Options{Quirks: quirks, Trust: trusting, SessionRequests: 150}
			if quirks.ExpiredAccessDenied {
				o.SessionRequests, o.SessionLife = 0, 2*time.Second
			}
			b := newBench(t, o)
			visitor(b)
			if o.SessionLife != 0 {
				b.Fault(func(r s3test.Request) *s3test.Fault { // so that the import outlasts a session on any machine
					if r.Op != "PutObject" || !strings.Contains(r.Key, "/k") {
						return nil
					}
					return &s3test.Fault{Kind: s3test.Delay, After: true, Delay: 500 * time.Millisecond}
				})
			}
			got := b.run("import team - -f yaml", many(400))
			if got.exit != 0 || !strings.Contains(got.stderr, "400 created") {
				t.Fatalf("exit code %d\n%s", got.exit, got.stderr)
			}
			if n := len(b.Sessions()); n < 2 {
				t.Errorf("%d sessions: they were not short", n)
			}
			if got := b.run("import team - -f yaml", many(400)); got.exit != 0 || !strings.Contains(got.stderr, "400 unchanged") {
				t.Errorf("again: exit code %d\n%s", got.exit, got.stderr)
			}
		})
	}
}

// endAt ends every session when the n-th request of an operation for the service has been answered.
func (b *bench) endAt(op string, n int64) {
	var seen atomic.Int64
	b.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Op == op && strings.Contains(r.Key, "/k") && seen.Add(1) == n {
			return &s3test.Fault{Kind: s3test.Delay, After: true, Reached: func() {
				b.SetExpiry(dev.AccessKeyID, time.Now().Add(-time.Minute))
			}}
		}
		return nil
	})
}

// A session that ends in the midst of many changes, and that nobody can renew, is told in one line.
func TestSessionThatEndsStopsABatchInOneLine(t *testing.T) {
	t.Parallel()
	for name, quirks := range endedWords() {
		for _, batch := range []struct{ line, stdin, op, of string }{
			{"import team - -f yaml", many(250), "PutObject", "of 250 secrets not done: "},
			{"delete team --service --yes", "", "DeleteObject", "of 150 secrets not done: "},
			{"delete team --service --yes", "", "GetObject", "150 of 150 secrets not done: "},
			{"copy team team2", "", "PutObject", "of 150 secrets not done: "},
			{"migrate mine --from-backend local --to-backend s3-kms", "", "PutObject", "of 150 secrets not done: "},
			{"rekey team --to alias/ops", "", "PutObject", "of 150 secrets not done: "},
		} {
			t.Run(name+"/"+strings.Fields(batch.line)[0]+" at "+batch.op, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, s3test.Options{Quirks: quirks})
				b.do("import team - -f yaml", many(150))
				if strings.HasPrefix(batch.line, "migrate") {
					b.do("import mine - -f yaml -b local", many(150))
				}
				b.endAt(batch.op, 20)
				stdin := batch.stdin
				if stdin != "" {
					stdin = strings.ReplaceAll(stdin, canary, canary+"-new")
				}
				got := b.run(batch.line, stdin)
				if got.exit != 7 || strings.Count(got.stderr, "not done: ") != 1 || strings.Contains(got.stderr, "ask for ") || strings.Contains(got.stderr, `secret "k`) {
					t.Errorf("exit code %d\n%s", got.exit, got.stderr)
				}
				for _, want := range []string{batch.of, "get new credentials", "what was done is kept: run the same command again to do the rest"} {
					if !strings.Contains(got.stderr, want) {
						t.Errorf("no word of %q in\n%s", want, got.stderr)
					}
				}
				b.Fault(nil)
				b.SetExpiry(dev.AccessKeyID, time.Time{})
				b.do(batch.line, stdin)
			})
		}
	}
}

// When the session comes back, though too late for the batch, the index has what was stored.
func TestABatchThatStopsBringsItsIndexUpToDate(t *testing.T) {
	t.Parallel()
	var refuse atomic.Bool
	b := newBench(t, s3test.Options{Trust: func(string) string {
		if refuse.CompareAndSwap(true, false) {
			return "InvalidIdentityToken"
		}
		return ""
	}})
	visitor(b)
	b.do("import team - -f yaml", many(1))
	var seen atomic.Int64
	b.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Op == "PutObject" && strings.HasPrefix(r.Key, "team/k") && seen.Add(1) == 20 {
			return &s3test.Fault{Kind: s3test.Delay, After: true, Reached: func() {
				refuse.Store(true)
				for id := range b.Sessions() {
					b.SetExpiry(id, time.Now().Add(-time.Minute))
				}
			}}
		}
		return nil
	})
	got := b.run("import team - -f yaml", many(200))
	b.Fault(nil)
	if got.exit != 7 || !strings.Contains(got.stderr, "of 200 secrets not done: the session has ended (ExpiredToken) and could not be renewed: ") ||
		strings.Contains(got.stderr, "not up to date") {
		t.Fatalf("exit code %d\n%s", got.exit, got.stderr)
	}
	if found := b.doctor("team", 0); len(found) != 0 {
		t.Errorf("doctor finds %+v", found)
	}
}

func TestUnreachableSTSIsToldOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	visitor(b)
	b.env = append(b.env, "AWS_ENDPOINT_URL_STS=http://127.0.0.1:1")
	got := b.run("import team - -f yaml", many(200))
	if got.exit != 7 || !strings.Contains(got.stderr, "no answer from the STS at http://127.0.0.1:1: connection refused") || strings.Count(got.stderr, "coffer: ") != 1 {
		t.Errorf("exit code %d\n%s", got.exit, got.stderr)
	}
}

//go:build unix

package cmd_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
)

// TestSessionExpiresAtEachRequest: from one request on the session of the program has ended.
// What it has done by then is whole, it says that new credentials are needed, and a run with
// new ones does the rest.
func TestSessionExpiresAtEachRequest(t *testing.T) {
	t.Parallel()
	for _, a := range acts() {
		if !a.isOn("s3-kms") {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, s3test.Options{})
			all, take, ran, ended := s.requests(a), proof.Sample(3), 0, 0
			for _, at := range all {
				if !take() {
					continue
				}
				ran++
				s.reset()
				s.meets(at, s3test.Fault{Kind: s3test.Delay, After: true, Reached: func() {
					s.SetExpiry(dev.AccessKeyID, time.Now().Add(-time.Minute))
				}})
				got := s.perform("--verbose "+a.line, a.stdin)
				s.Fault(nil)
				s.SetExpiry(dev.AccessKeyID, time.Time{})
				if got.exit != 0 {
					ended++
				}
				if got.exit != 0 && (got.exit != 7 || !strings.Contains(got.stderr, "the session has ended: get new credentials")) {
					s.Errorf("exit code %d", got.exit)
				}
				if got.exit == 0 && a.prints != "" && compact(got.stdout) != compact(a.prints) {
					s.Error("it printed something else")
				}
				s.wantSilence(a, got)
				s.wantChanged(a, got.exit == 0)
				s.wantSound()
				s.wantTidy()
				s.wantConverging(a)
				if t.Failed() {
					t.Fatalf("expired after %v: exit code %d\n%s", at, got.exit, got.stderr)
				}
			}
			t.Logf("the end of the session ended %d of %d runs", ended, ran)
			if ended == 0 && len(all) > 1 {
				t.Error("the end of the session never mattered")
			}
		})
	}
}

// TestSessionExpiresAtEachRequestOnCeph: there each request of a session that has ended is
// 403 AccessDenied, as that for an index of another team is. The program hands on all that it
// would have, or nothing.
func TestSessionExpiresAtEachRequestOnCeph(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"exec", "export", "list"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, a := newStage(t, s3test.Options{Quirks: s3test.Ceph()}), actNamed(name)
			noticed := 0
			for _, at := range s.requests(a) {
				s.reset()
				s.meets(at, s3test.Fault{Kind: s3test.Delay, After: true, Reached: func() {
					s.SetExpiry(dev.AccessKeyID, time.Now().Add(-time.Minute))
				}})
				got := s.perform("--verbose "+a.line, a.stdin)
				s.Fault(nil)
				s.SetExpiry(dev.AccessKeyID, time.Time{})
				switch {
				case got.exit == 7 && strings.Contains(got.stderr, "the session has ended"):
					noticed++
				case got.exit == 0 && (a.prints == "" || compact(got.stdout) == compact(a.prints)) && !strings.Contains(got.stderr, "hidden"):
				default:
					t.Errorf("expired after %v: exit code %d\n%s%s", at, got.exit, got.stdout, got.stderr)
				}
				s.wantSilence(a, got)
			}
			if noticed == 0 {
				t.Error("the end of the session was never noticed")
			}
			// From the start on nobody can tell it from a denial, and nothing is run.
			s.SetExpiry(dev.AccessKeyID, time.Now().Add(-time.Minute))
			if got := s.perform(a.line, a.stdin); got.exit != 5 || got.stdout != "" {
				t.Errorf("of a session that had ended: exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
			}
		})
	}
}

// TestClockIsWrong: the program's clock is that of this machine; the server's is off. The
// program goes by the server's, as the SDK does, and without a second attempt says what is wrong.
func TestClockIsWrong(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{
		"behind by 16 minutes": 16 * time.Minute, "ahead by 16 minutes": -16 * time.Minute,
		"behind by a day": 24 * time.Hour, "ahead by a day": -24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{Clock: func() time.Time { return time.Now().Add(skew) }})
			b.env = append(b.env, "COFFER_RETRIES=3")
			for _, value := range []string{"one", "two", "three"} {
				b.do("write team url -", canary+"-"+value)
			}
			if got := b.run("exec team -- printenv URL", ""); got.exit != 0 || got.stdout != canary+"-three\n" {
				t.Errorf("exec: exit code %d\n%s", got.exit, got.stderr)
			}
			b.env = append(b.env, "COFFER_RETRIES=1")
			if got := b.run("exec team -- printenv URL", ""); got.exit != 7 || !strings.Contains(got.stderr, "this machine's clock is wrong") {
				t.Errorf("exec without a second attempt: exit code %d\n%s", got.exit, got.stderr)
			}
		})
	}
}

// Versions are ordered by their numbers alone, whatever clocks their writers had.
func TestClocksOrderNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, s3test.Options{})
	id := store.ID{Service: "team", Key: "url"}
	for i, off := range []time.Duration{24 * time.Hour, -24 * time.Hour, 16 * time.Minute, -16 * time.Minute} {
		clock := func() time.Time { return time.Now().Add(off) }
		value := store.NewValue(canary + "-" + string(rune('a'+i)))
		if _, err := s.storeAt("alias/app", clock).Write(t.Context(), id, value, store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.perform("exec team -- printenv URL", ""); got.stdout != canary+"-d\n" {
		t.Errorf("exec does not have what was written last: exit code %d\n%s", got.exit, got.stderr)
	}
	got := s.perform("history team url --json", "")
	type version struct {
		Version int
		Created time.Time
	}
	var versions []version
	if err := json.Unmarshal([]byte(got.stdout), &versions); err != nil || len(versions) != 6 {
		t.Fatalf("history: %d versions, %v\n%s", len(versions), err, got.stderr)
	}
	byNumber := func(a, b version) int { return a.Version - b.Version }
	byClock := func(a, b version) int { return a.Created.Compare(b.Created) }
	if !slices.IsSortedFunc(versions, byNumber) || slices.IsSortedFunc(versions, byClock) {
		t.Error("the history is not in the order of its versions, or its clocks were in order after all")
	}
	s.do("write team url -", canary+"-e")
	if now := s.state()["url"]; len(now.values) != 7 || now.newest() != canary+"-e" {
		t.Errorf("after one more write there are %d versions", len(now.values))
	}
	s.wantExact()
}

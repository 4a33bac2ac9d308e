//go:build unix

package cmd_test

import (
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// met is one case of the fault walk.
type met struct {
	act   act
	at    spot
	fault s3test.Fault
}

// walkMode is where the program is walked: a storage, and a server with ways of its own.
type walkMode struct {
	name string
	walked
	quirks s3test.Quirks
}

// walkModes are s3-kms with unique ETags, in make prove also with those of MD5, and the other storages.
func walkModes() []walkMode {
	all := []walkMode{{"unique ETags", storages["s3-kms"], s3test.Quirks{}}}
	if proof.Whole() {
		all = append(all, walkMode{"MD5 ETags", storages["s3-kms"], s3test.Quirks{MD5Tags: true}})
	}
	for _, name := range slices.Sorted(maps.Keys(storages)) {
		if name != "s3-kms" {
			all = append(all, walkMode{name, storages[name], s3test.Quirks{}})
		}
	}
	return all
}

// hangs is how long a server that says nothing keeps its connections.
const hangs = 300 * time.Millisecond

// TestFaultWalkOfTheProgram has the program meet every fault at every request, before and
// after the request is applied, at the highest verbosity. `make prove` walks all commands in all
// modes, `make test` a sample of a few commands.
func TestFaultWalkOfTheProgram(t *testing.T) {
	start := time.Now()
	acted, modes := []act{actNamed("keys revoke"), actNamed("write update"), actNamed("exec")}, walkModes()
	if proof.Whole() {
		acted = acts()
	} else {
		if proof.RaceDetector { // each process takes ten times as long
			acted = acted[2:]
		}
		t.Logf("%d commands of %d, one mode of ETags of two; make prove does them all", len(acted), len(acts()))
	}
	var c walkCount
	for _, mode := range modes {
		c.walk(t, mode, acted)
	}
	t.Logf("%d cases, in %d of which the fault struck; %d passed; %.0f s", c.cases.Load(), c.struck.Load(), c.passed.Load(), time.Since(start).Seconds())
	if c.struck.Load() != c.cases.Load() || c.cases.Load() == 0 {
		t.Error("not every fault struck")
	}
}

// TestASampleOfTheWalkMeetsEveryFault: when one case in 5 was taken of 25 faults, 20 of them were met at no request.
func TestASampleOfTheWalkMeetsEveryFault(t *testing.T) {
	faults := int64(len(faultsBeforeAndAfter()))
	for name, on := range storages {
		for _, every := range []int{3 * on.inTest, on.inWalk} {
			if common := new(big.Int).GCD(nil, nil, big.NewInt(faults), big.NewInt(int64(every))).Int64(); common != 1 {
				t.Errorf("%s: one case in %d meets %d of %d faults", name, every, faults/common, faults)
			}
		}
	}
}

type walkCount struct{ cases, passed, struck atomic.Int64 }

func (c *walkCount) walk(t *testing.T, mode walkMode, acted []act) {
	todo := make(chan met)
	var walkers sync.WaitGroup
	for range 12 { // most of the time of a case is waiting before a second attempt
		s := newWalkingStage(t, mode)
		walkers.Go(func() {
			for m := range todo {
				after := "before"
				if m.fault.After {
					after = "after"
				}
				t.Run(fmt.Sprintf("%s/%s/%s/%s/%s", mode.name, m.act.name, m.at, m.fault.String(), after), func(t *testing.T) {
					s.T = t
					c.cases.Add(1)
					if s.meetsFault(m) {
						c.struck.Add(1)
					}
					if !t.Failed() {
						c.passed.Add(1)
					}
				})
			}
		})
	}
	few, ofTeams := mode.sample(3), proof.Thinned(97, 13)
	counting := newWalkingStage(t, mode)
	for _, a := range acted {
		if !a.isOn(mode.name) {
			continue
		}
		take := few
		if a.on != "" {
			take = ofTeams
		}
		for _, at := range counting.requests(a) {
			for _, f := range faultsBeforeAndAfter() {
				if take() {
					todo <- met{a, at, f}
				}
			}
		}
	}
	close(todo)
	walkers.Wait()
}

// saysChanged is how an error says that something is, or may be, changed.
var saysChanged = regexp.MustCompile(`is stored|not be stored|[1-9]\d* (created|updated|deleted)|[1-9]\d* of \d+ secrets? moved|is no longer a member`)

func newWalkingStage(t *testing.T, mode walkMode) *stage {
	t.Helper()
	return stageOn(t, mode.storage, s3test.Options{Quirks: mode.quirks})
}

// faultsBeforeAndAfter are the fourteen of s3test, and again after the request is applied
// where that is another thing.
func faultsBeforeAndAfter() []s3test.Fault {
	var all []s3test.Fault
	for _, f := range s3test.Faults() {
		if f.Kind == s3test.Hang {
			f.Delay = hangs
		}
		all = append(all, f)
		if f.Kind != s3test.CutBody && f.Kind != s3test.FlipBody && f.Kind != s3test.WrongLength {
			f.After = true
			all = append(all, f)
		}
	}
	return all
}

// meetsFault is one case. It reports whether the fault struck.
func (s *stage) meetsFault(m met) (struck bool) {
	s.Helper()
	s.act = m.act
	s.reset()
	_ = os.Remove(filepath.Join(s.home, "argv"))
	var hit atomic.Bool
	m.fault.Reached = func() { hit.Store(true) }
	if m.fault.Kind == s3test.Delay && !m.fault.After {
		hit.Store(true) // which s3test does not call a strike
	}
	s.meets(m.at, m.fault)
	got := s.perform("--verbose "+m.act.line, m.act.stdin)
	s.Drain()
	s.Fault(nil)

	if !slices.Contains(m.allowed(), got.exit) {
		s.Errorf("exit code %d; allowed: %v", got.exit, m.allowed())
	}
	s.wantSilence(m.act, got)
	s.wantTidy()
	if m.fault.Kind == s3test.FlipBody {
		return hit.Load() // what TLS lets nobody do, and no checksum of these servers tells
	}
	changed := s.wantChanged(m.act, got.exit == 0)
	if m.act.prints != "" && got.exit == 0 && compact(got.stdout) != compact(m.act.prints) && !strings.Contains(got.stderr, "hidden") {
		s.Errorf("it printed something else, and did not say so")
	}
	if changed && got.exit != 0 && !m.lies() && !saysChanged.MatchString(got.stderr) {
		s.Error("something was changed, and the program does not say so")
	}
	s.wantHonest(m.act, got)
	s.wantSound()
	s.wantConverging(m.act)
	if s.Failed() {
		s.Logf("exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
	}
	return hit.Load()
}

// lies reports whether the answer says that a change was not made which was.
func (m met) lies() bool {
	return m.fault.After && m.fault.Kind == s3test.Answer && (m.fault.Status == 403 || m.fault.Status == 400)
}

// allowed are the exit codes that may come of a fault: 0 where the program has got over it.
func (m met) allowed() []int {
	f := m.fault
	switch {
	case f.Code == "AccessDenied" && m.act.name == "exec":
		return []int{0, 5, 9} // 9: the child, whose secret is hidden
	case f.Code == "AccessDenied":
		return []int{0, 5}
	case f.Code == "ExpiredToken":
		return []int{0, 7}
	case f.Code == "KMS.DisabledException":
		return []int{0, 6}
	case m.at.ofKMS() && f.Kind == s3test.Answer && f.Status < 500:
		return []int{0, 6, 7} // what S3 would say, and KMS wouldn't: it may not be KMS
	case m.at.ofKMS() && (f.Kind == s3test.WrongLength || f.Kind == s3test.Garbage):
		return []int{0, 6} // it is no valid response of KMS
	case f.Code == "ConditionalRequestConflict":
		return []int{0, 6}
	case f.Code == "PreconditionFailed" && m.at.ofKey():
		return []int{0, 1, 4} // 1: to a read that had no condition, and of no secret
	case f.Code == "PreconditionFailed":
		return []int{0, 4}
	case f.Kind == s3test.FlipBody:
		return []int{0, 2, 3, 4, 6, 7, 8, 9}
	case f.Kind == s3test.Garbage && m.at.op == "DeleteObject":
		return []int{0, 6} // 6: said to be deleted, and still listed
	case f.Kind == s3test.Garbage:
		return []int{0, 7, 8} // 7: a server that does not speak S3
	case f.Kind == s3test.WrongLength:
		return []int{0, 8}
	}
	return []int{0} // one lost or late answer is never more than a second attempt
}

// wantSilence: no stream, and no argument of the child, has a value that was not asked for.
func (s *stage) wantSilence(a act, got outcome) {
	s.Helper()
	if strings.Contains(got.stderr, canary) || a.prints == "" && strings.Contains(got.stdout, canary) {
		s.Error("a value was told")
	}
	if strings.Contains(got.stderr, dev.SecretKey) || strings.Contains(got.stderr, dev.SessionToken) {
		s.Error("a credential was told")
	}
	if strings.Contains(got.stderr, "panic:") || strings.Contains(got.stderr, "goroutine ") {
		s.Error("it crashed")
	}
	if argv, err := os.ReadFile(filepath.Join(s.home, "argv")); err == nil && string(argv) != "./child\nURL\nKEEP\nPAGER\n" {
		s.Errorf("the child's arguments are %q", argv)
	}
}

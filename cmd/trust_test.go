//go:build unix

package cmd_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// TestKilledAtEachRequest ends each changing command with SIGKILL at each of its requests,
// before the request is applied and after it: make test at a sample of them, make prove at all.
// A rekey under the same alias is for make prove alone, here and below.
func TestKilledAtEachRequest(t *testing.T) {
	t.Parallel()
	eachChange(t, func(t *testing.T, s *stage, a act, take func() bool) {
		all, kills := s.requests(a), 0
		for _, at := range all {
			for _, after := range []bool{false, true} {
				if !take() {
					continue
				}
				kills++
				s.reset()
				s.kill(a, at, after)
				s.wantChanged(a, false)
				s.wantSound()
				s.wantTidy()
				s.wantConverging(a)
				if t.Failed() {
					t.Fatalf("killed at %v, after it: %v", at, after)
				}
			}
		}
		t.Logf("%d kills at %d requests", kills, len(all))
	})
}

// eachChange runs a test for each command that changes something, on each storage that has it. On those that seal,
// make test takes two commands, and keys revoke.
func eachChange(t *testing.T, test func(t *testing.T, s *stage, a act, take func() bool)) {
	for name, on := range storages {
		for _, a := range acts() {
			few := name != "s3-kms" && a.name != "write update" && a.name != "rekey" && a.revokes == ""
			if !a.changes() || !a.isOn(name) || (a.name == "rekey same" || few) && !proof.Whole() {
				continue
			}
			take := on.sample(3)
			if a.on != "" {
				take = proof.Sample(31) // whole, also where other commands aren't
			}
			t.Run(name+"/"+a.name, func(t *testing.T) {
				t.Parallel()
				test(t, stageOn(t, on.storage, s3test.Options{}), a, take)
			})
		}
	}
}

// kill runs a command until it has made a request, and ends it there. When it returns,
// everything that the process had sent is applied.
func (s *stage) kill(a act, at spot, after bool) {
	s.Helper()
	reached := make(chan struct{})
	s.meets(at, s3test.Fault{Kind: s3test.Hang, After: after, Reached: func() { close(reached) }})
	c, _, stderr := s.spawn(a.line, a.stdin)
	if err := c.Start(); err != nil {
		s.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case <-reached:
	case err := <-ended:
		s.Fatalf("it ended without the request: %v\n%s", err, stderr)
	case <-s.Context().Done():
		s.Fatal("neither the request nor the end came")
	}
	if err := c.Process.Kill(); err != nil {
		s.Fatal(err)
	}
	<-ended
	s.Drain()
	s.Fault(nil)
	if strings.Contains(stderr.String(), canary) {
		s.Error("a value was told")
	}
}

// TestInterruptedAtEachRequest sends SIGINT during each request of each changing command: what
// is stored by then reaches the index, and the exit code tells.
func TestInterruptedAtEachRequest(t *testing.T) {
	t.Parallel()
	eachChange(t, func(t *testing.T, s *stage, a act, take func() bool) {
		interrupted, tried := 0, 0
		for _, at := range s.requests(a) {
			if !take() {
				continue
			}
			tried++
			s.reset()
			c, _, stderr := s.spawn(a.line, a.stdin)
			reached := make(chan struct{})
			s.meets(at, s3test.Fault{Kind: s3test.Delay, After: true, Delay: 50 * time.Millisecond, Reached: func() { close(reached) }})
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			<-reached
			_ = c.Process.Signal(os.Interrupt)
			var exit *exec.ExitError
			if err := c.Wait(); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			s.Drain()
			s.Fault(nil)
			code := exitCode(exit)
			if code == 130 {
				interrupted++
			}
			// 6: interrupted in a put, of which nobody knows whether it was made.
			if code != 0 && code != 130 && (code != 6 || !strings.Contains(stderr.String(), "may or may not")) {
				t.Errorf("exit code %d", code)
			}
			if s.wantChanged(a, code == 0) {
				s.wantExact()
			}
			s.wantSound()
			s.wantTidy()
			s.wantConverging(a)
			if strings.Contains(stderr.String(), canary) {
				t.Error("a value was told")
			}
			if t.Failed() {
				t.Fatalf("interrupted at %v: exit code %d\n%s", at, code, stderr)
			}
		}
		if interrupted == 0 && tried > 3 {
			t.Error("no interrupt was noticed")
		}
	})
}

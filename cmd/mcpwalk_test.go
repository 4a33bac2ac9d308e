//go:build unix

package cmd_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// agentsCalls are the tools, each with its arguments.
var agentsCalls = [][2]string{
	{"run", `{"command":["./child","URL","KEEP"]}`},
	{"describe", `{"service":"team"}`},
	{"describe", `{"service":"team","key":"url"}`},
	{"keys", `{"service":"team"}`},
	{"services", `{}`},
}

// agentMet is one case of the walk: call is an index of agentsCalls.
type agentMet struct {
	call  int
	at    spot
	fault s3test.Fault
}

func (m agentMet) String() string {
	after := "before"
	if m.fault.After {
		after = "after"
	}
	return fmt.Sprintf("%d %s/%s/%s/%s", m.call, agentsCalls[m.call][0], m.at, m.fault, after)
}

// callStage is an agent with a stage of its own, and what each call answers when all is well.
type callStage struct {
	*stage
	*agent
	well []string
}

func newCallStage(t *testing.T) *callStage {
	t.Helper()
	s := newStage(t, s3test.Options{})
	s.env = append(s.env, "COFFER_RETRIES=2")
	c := &callStage{stage: s, agent: newAgent(s.bench, filepath.Join(s.home, "cwd"), "team", "--allow", "./child URL KEEP", "--verbose")}
	for _, call := range agentsCalls {
		answer, failed := c.call(call[0], call[1])
		if failed {
			t.Fatalf("%s: %s", call, answer)
		}
		c.well = append(c.well, answer)
	}
	return c
}

// cases are those of the walk: each fault at each request of each call, or two faults of them.
func (c *callStage) cases() (all []agentMet) {
	faults := faultsBeforeAndAfter()
	for i, call := range agentsCalls {
		c.reset()
		c.call(call[0], call[1])
		for n, at := range c.spots() {
			for j := range proof.Bounded(2, len(faults)) {
				all = append(all, agentMet{i, at, faults[(2*n+j)%len(faults)]})
			}
		}
	}
	return all
}

// meetsFault is one case: the call fails with a sentence, or says what is missing, or answers as ever.
func (c *callStage) meetsFault(t *testing.T, m agentMet) {
	t.Helper()
	c.stage.T, c.T = t, t
	c.reset()
	c.meets(m.at, m.fault)
	text, failed := c.call(agentsCalls[m.call][0], agentsCalls[m.call][1])
	switch {
	case failed && (strings.Contains(text, "goroutine") || strings.Contains(text, `"text":""`)):
		t.Errorf("it fails without a sentence: %s", text)
	case !failed && text != c.well[m.call] && !strings.Contains(text, `"notes":[`) && m.fault.Kind != s3test.FlipBody: // which changes a date, say
		t.Errorf("it doesn't say what is missing: %s", text)
	}
}

// answersAsBefore calls each tool again, now that nothing goes wrong, and ends the agent.
func (c *callStage) answersAsBefore(t *testing.T) {
	t.Helper()
	c.stage.T, c.T = t, t
	c.reset()
	for i, call := range agentsCalls {
		if answer, failed := c.call(call[0], call[1]); failed || answer != c.well[i] {
			t.Errorf("%s: it doesn't answer as before: %s", call, answer)
		}
	}
	_ = c.Close() // the agent, not the server of the stage
	if told := formOfCanary(c.log.String()); told != "" || strings.Contains(c.log.String(), "panic") {
		t.Errorf("the log has %q\n%s", told, c.log)
	}
}

// TestFaultWalkOfAnAgentsCalls: something goes wrong at each request of a call. The server
// answers with a sentence, and goes on.
func TestFaultWalkOfAnAgentsCalls(t *testing.T) {
	t.Parallel()
	todo := make(chan agentMet)
	walkers := make([]*callStage, proof.Bounded(3, 12)) // most of the time of a case is waiting before a second attempt
	var walks sync.WaitGroup
	for i := range walkers {
		walkers[i] = newCallStage(t)
		walks.Go(func() {
			for m := range todo {
				t.Run(m.String(), func(t *testing.T) { walkers[i].meetsFault(t, m) })
			}
		})
	}
	all := newCallStage(t).cases()
	for _, m := range all {
		todo <- m
	}
	close(todo)
	walks.Wait()
	t.Logf("%d cases", len(all))
	for _, w := range walkers {
		w.answersAsBefore(t)
	}
}

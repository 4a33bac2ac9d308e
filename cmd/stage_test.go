//go:build unix

package cmd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
)

// The real program as a process, walked through every request that it makes: killed there
// (trust_test.go), met by each fault (faultwalk_test.go), or by the end of its session
// (clock_test.go). What is stored is read directly afterwards
// (stage_wants_test.go).

// act is one command of the walks, on the service that stage prepares.
type act struct {
	name, line, stdin string
	wants             map[string]string // what it stores; "" deletes
	moves             string            // the alias under which a rekey stores everything
	same              bool              // it is stored anew under the alias that it is of, which leads to another key now
	prints            string            // what it prints when all is well, canaries included; "" anything without one

	on              string // the one storage that has it; "" all
	grants, revokes string // the member that it makes or takes out of alias/app
	trusts          bool
}

func acts() []act {
	secret := func(key string) string { return canary + "-" + key }
	five := map[string]string{"m1": secret("m1"), "m2": secret("m2"), "m3": secret("m3"), "url": secret("url"), "keep": secret("keep")}
	file, err := json.Marshal(five)
	if err != nil {
		panic(err)
	}
	return append([]act{
		{name: "write new", line: "write team new -", stdin: secret("new"), wants: map[string]string{"new": secret("new")}},
		{name: "write update", line: "write team url -", stdin: secret("url"), wants: map[string]string{"url": secret("url")}},
		{name: "delete", line: "delete team gone", wants: map[string]string{"gone": ""}},
		{name: "import 5", line: "import team -", stdin: string(file), wants: five},
		{name: "exec", line: "exec team -- ./child URL KEEP PAGER", prints: secret("url-2") + "\n" + secret("keep") + "\n" + secret("pager") + "\n"},
		{name: "export", line: "export team --format json", prints: `{"gone":"` + secret("gone") + `","keep":"` + secret("keep") + `","pager":"` + secret("pager") + `","url":"` + secret("url-2") + `"}`},
		{name: "list", line: "list team"},
		{name: "history", line: "history team url"},
		{name: "rekey", line: "rekey team --to alias/ops", moves: "alias/ops"},
		{name: "rekey same", line: "rekey team --same", moves: "alias/app", same: true},
	}, teamActs()...)
}

func (a act) changes() bool { return a.wants != nil || a.moves != "" || a.on != "" }

func actNamed(name string) act {
	all := acts()
	return all[slices.IndexFunc(all, func(a act) bool { return a.name == name })]
}

// stage is a server on which a service stands as it was at the start of each case.
type stage struct {
	*bench
	act    act               // the one that is under way
	keys   map[string]string // the aliases, and the keys that they led to at the start
	home   string
	start  []s3test.Object
	past   map[string][]s3test.Object // all versions at the start, where they are kept
	before map[string]secretState
	reader store.Store
}

// newStage prepares service team: url in two versions, gone and keep under alias/app, pager
// under alias/ops. The server is known to keep conditions.
func newStage(t *testing.T, o s3test.Options) *stage {
	t.Helper()
	return stageOn(t, sseKMS{}, o)
}

func stageOn(t *testing.T, on storage, o s3test.Options) *stage {
	t.Helper()
	s := &stage{bench: benchOn(t, on, o)}
	s.home = strings.TrimPrefix(s.env[0], "HOME=")
	for _, dir := range []string{"tmp", "cwd"} {
		if err := os.Mkdir(filepath.Join(s.home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// The child tells its arguments, and the variables that they name.
	child := "#!/bin/sh\nprintf '%s\\n' \"$0\" \"$@\" >../argv\nfor v; do printenv \"$v\" || exit 9; done\n"
	if err := os.WriteFile(filepath.Join(s.home, "cwd", "child"), []byte(child), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.home, "needs.yaml"), []byte(needsOtherTypes), 0o600); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "TMPDIR="+filepath.Join(s.home, "tmp"), "COFFER_RETRIES=") // as often as the program tries by itself
	s.reader = s.store("alias/app")
	s.write("alias/app", "url", "url-1")
	s.write("alias/app", "url", "url-2")
	s.write("alias/app", "gone", "gone")
	s.write("alias/app", "keep", "keep")
	s.write("alias/ops", "pager", "pager")
	s.start, s.before = s.bucket.Objects(), s.state()
	s.keys = map[string]string{"alias/app": on.key(s.bench, "alias/app"), "alias/ops": on.key(s.bench, "alias/ops"), "next": on.next(s)}
	return s
}

// store is the store without the program around it. It shares what the program knows of the server.
func (s *stage) store(alias string) store.Store { return s.storeAt(alias, time.Now) }

func (s *stage) storeAt(alias string, clock func() time.Time) store.Store {
	s.Helper()
	return s.visit(visit{alias: alias, clock: clock})
}

func (s *stage) visit(v visit) store.Store {
	s.Helper()
	opened, err := s.on.open(s, v)
	if err != nil {
		s.Fatal(err)
	}
	return opened
}

func (s *stage) write(alias, key, value string) {
	s.Helper()
	id := store.ID{Service: "team", Key: key}
	if _, err := s.store(alias).Write(s.Context(), id, store.NewValue(canary+"-"+value), store.WriteOptions{}); err != nil {
		s.Fatalf("write %s: %v", key, err)
	}
}

// reset puts everything back to the start of the act.
func (s *stage) reset() {
	s.Fault(nil)
	s.bucket.Restore(s.start)
	if s.past != nil {
		s.bucket.RestoreVersions(s.past)
	}
	s.on.restore(s)
	if s.act.revokes != "" {
		s.reader = s.store("alias/app") // one that learns of the new key; another looks four times a minute
	} else if s.act.same {
		s.on.renew(s)
	}
	s.Reset()
}

// spawn prepares a run of the program that has its own working directory.
func (s *stage) spawn(line, stdin string) (c *exec.Cmd, stdout, stderr *bytes.Buffer) {
	s.Helper()
	c = s.command(strings.ReplaceAll(line, "KEYID", s.keys["alias/app"]))
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	c.Dir = filepath.Join(s.home, "cwd")
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), stdout, stderr
	return c, stdout, stderr
}

func (s *stage) perform(line, stdin string) outcome {
	s.Helper()
	c, stdout, stderr := s.spawn(line, stdin)
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.Fatal(err)
	}
	return outcome{exitCode(exit), stdout.String(), stderr.String()}
}

// spot is one request of a command: the n-th of its like, from 1. Requests that are made at
// once have no order of their own.
type spot struct {
	op, object string
	n          int
}

func (p spot) String() string { return fmt.Sprintf("%s %s #%d", p.op, p.object, p.n) }

// ofKMS reports whether KMS is asked, as by a backend that encrypts here.
func (p spot) ofKMS() bool { return p.op == "Encrypt" || p.op == "Decrypt" }

// ofKey reports whether the request is for the key of a team.
func (p spot) ofKey() bool { return strings.HasPrefix(p.object, "__keys/") }

// meets makes the request at a spot go wrong, and no other.
func (s *stage) meets(p spot, f s3test.Fault) {
	var seen atomic.Int64
	s.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Op == p.op && r.Key+r.Prefix == p.object && seen.Add(1) == int64(p.n) {
			return &f
		}
		return nil
	})
}

// requests are those that a command makes when nothing goes wrong.
func (s *stage) requests(a act) []spot {
	s.Helper()
	s.act = a
	s.reset()
	if got := s.perform(a.line, a.stdin); got.exit != 0 || a.prints != "" && compact(got.stdout) != compact(a.prints) {
		s.Fatalf("coffer %s: exit code %d\n%s%s", a.line, got.exit, got.stdout, got.stderr)
	}
	return s.spots()
}

// spots are those of the requests since the last reset.
func (s *stage) spots() (all []spot) {
	seen := map[spot]int{}
	for _, e := range s.Log() {
		like := spot{op: e.Op, object: e.Key + e.Prefix}
		seen[like]++
		all = append(all, spot{like.op, like.object, seen[like]})
	}
	return all
}

// compact drops the spaces of JSON.
func compact(text string) string {
	var out bytes.Buffer
	if json.Compact(&out, []byte(text)) != nil {
		return text
	}
	return out.String()
}

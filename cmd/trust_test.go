//go:build unix

package cmd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3kms"
)

// The real program as a process, walked through every request that it makes: killed there
// (this file), met by each fault (faultwalk_test.go), or by the end of its session
// (clock_test.go). What is stored is read directly afterwards.

// act is one command of the walks, on the service that stage prepares.
type act struct {
	name, line, stdin string
	wants             map[string]string // what it stores; "" deletes
	moves             string            // the alias under which a rekey stores everything
	same              bool              // it is stored anew under the alias that it is of, which leads to another key now
	prints            string            // what it prints when all is well, canaries included; "" anything without one
}

func acts() []act {
	secret := func(key string) string { return canary + "-" + key }
	five := map[string]string{"m1": secret("m1"), "m2": secret("m2"), "m3": secret("m3"), "url": secret("url"), "keep": secret("keep")}
	file, err := json.Marshal(five)
	if err != nil {
		panic(err)
	}
	return []act{
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
	}
}

func (a act) changes() bool { return a.wants != nil || a.moves != "" }

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
	s := &stage{bench: newBench(t, o)}
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
	s.env = append(s.env, "TMPDIR="+filepath.Join(s.home, "tmp"), "COFFER_RETRIES=") // as often as the program tries by itself
	s.reader = s.store("alias/app")
	s.write("alias/app", "url", "url-1")
	s.write("alias/app", "url", "url-2")
	s.write("alias/app", "gone", "gone")
	s.write("alias/app", "keep", "keep")
	s.write("alias/ops", "pager", "pager")
	s.start, s.before = s.bucket.Objects(), s.state()
	s.keys = map[string]string{"alias/app": s.KMS.ARN("alias/app"), "alias/ops": s.KMS.ARN("alias/ops"), "next": s.KMS.CreateKey()}
	return s
}

// store is the store without the program around it. It shares what the program knows of the server.
func (s *stage) store(alias string) store.Store { return s.storeAt(alias, time.Now) }

func (s *stage) storeAt(alias string, clock func() time.Time) store.Store {
	s.Helper()
	return s.storeOf(s3test.Principal{AccessKeyID: s3test.AdminKeyID, SecretKey: s3test.AdminSecret}, alias, clock)
}

func (s *stage) storeOf(who s3test.Principal, alias string, clock func() time.Time) store.Store {
	s.Helper()
	opened, err := s3kms.New(s.Context(), aws.Config{
		Region: "us-east-1", BaseEndpoint: &s.URL,
		Credentials: credentials.NewStaticCredentialsProvider(who.AccessKeyID, who.SecretKey, who.SessionToken),
		HTTPClient:  &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}, s3kms.Options{Bucket: "b", KeyAlias: alias, CacheDir: filepath.Join(s.home, "cache", "coffer"), Now: clock})
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
	s.KMS.PointAlias("alias/app", s.keys["alias/app"])
	if s.act.same {
		s.KMS.PointAlias("alias/app", s.keys["next"])
	}
	s.Reset()
}

// spawn prepares a run of the program that has its own working directory.
func (s *stage) spawn(line, stdin string) (c *exec.Cmd, stdout, stderr *bytes.Buffer) {
	s.Helper()
	c = s.command(line)
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
	var all []spot
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

// secretState is what an object holds.
type secretState struct {
	values []string // oldest first
	alias  string
	key    string // that it is really under
	tag    string
}

func (s secretState) newest() string { return s.values[len(s.values)-1] }

// state reads the secrets of the service from their objects. Deleted ones are left out.
func (s *stage) state() map[string]secretState {
	s.Helper()
	all := map[string]secretState{}
	for _, o := range s.bucket.Objects() {
		key, ok := strings.CutSuffix(strings.TrimPrefix(o.Name, "team/"), ".json")
		if !ok || strings.HasPrefix(key, "__") {
			continue
		}
		var document struct {
			Alias   string `json:"kms_alias"`
			Deleted bool
			Values  map[string]struct{ Value string }
		}
		if err := json.Unmarshal(o.Body, &document); err != nil {
			s.Fatalf("%s: %v", o.Name, err)
		}
		if document.Deleted {
			continue
		}
		secret := secretState{alias: document.Alias, key: o.KeyARN, tag: o.ETag}
		for n := 1; len(secret.values) < len(document.Values); n++ {
			if v, ok := document.Values[strconv.Itoa(n)]; ok {
				secret.values = append(secret.values, v.Value)
			}
		}
		all[key] = secret
	}
	return all
}

func (s *stage) index(alias string) *index.Index {
	s.Helper()
	o, ok := s.bucket.Object("team/" + index.FileName(alias))
	if !ok {
		for key, is := range s.state() {
			if is.alias == alias {
				s.Errorf("the index of %s is gone, and %s is under it", alias, key)
			}
		}
		return index.New(alias)
	}
	x, err := index.Parse(alias, o.Body)
	if err != nil {
		s.Errorf("the index of %s: %v", alias, err)
		return index.New(alias)
	}
	return x
}

// wantChanged: every secret that the command was to change is as it was or as it was to be,
// all of them as they were to be if the command succeeded, and nothing else is changed. It
// reports whether anything is.
func (s *stage) wantChanged(a act, succeeded bool) (changed bool) {
	s.Helper()
	now := s.state()
	for key, was := range s.before {
		if _, touched := a.wants[key]; !touched && !slices.Equal(now[key].values, was.values) {
			s.Errorf("%s had %d versions and has %d, which nobody asked for", key, len(was.values), len(now[key].values))
		}
		if is, ok := now[key]; ok && a.moves == "" && (is.alias != was.alias || is.key != was.key) {
			s.Errorf("%s was under %s and is under %s", key, was.alias, is.alias)
		}
	}
	for key := range now {
		_, touched := a.wants[key]
		if _, was := s.before[key]; !was && !touched {
			s.Errorf("%s came into being, which nobody asked for", key)
		}
	}
	for key, value := range a.wants {
		was := s.before[key].values
		want := append(slices.Clone(was), value)
		if value == "" {
			want = nil
		} else if len(was) > 0 && was[len(was)-1] == value {
			want = was // an import leaves it as it is
		}
		made, untouched := slices.Equal(now[key].values, want), slices.Equal(now[key].values, was)
		if !made && !untouched {
			s.Errorf("%s: it had %d versions and has %d: neither what was nor what was to be", key, len(was), len(now[key].values))
		}
		if succeeded && !made {
			s.Errorf("%s: the command succeeded, and it is not done", key)
		}
		changed = changed || !untouched
	}
	return s.wantMoved(a, now, succeeded) > 0 || changed
}

// wantSound is what is true at every instant: all is sealed with the key of its alias (I10),
// no index entry with the tag of its object says anything else (I2), and a reader gets the
// newest value of every secret (I9).
func (s *stage) wantSound() {
	s.Helper()
	now := s.state()
	for _, o := range s.bucket.Objects() {
		var document struct {
			Alias string `json:"kms_alias"`
		}
		if err := json.Unmarshal(o.Body, &document); err != nil {
			s.Errorf("%s: %v", o.Name, err)
		}
		alias := document.Alias
		for _, a := range []string{"alias/app", "alias/ops"} {
			if o.Name == "team/"+index.FileName(a) {
				alias = a
			}
		}
		before := s.act.same && o.KeyARN == s.keys[alias] // not yet stored anew
		if o.SSE != s3test.AWSKMS || o.KeyARN != s.KMS.ARN(alias) && !before {
			s.Errorf("%s is sealed with %s under %s", o.Name, o.SSE, o.KeyARN)
		}
	}
	for _, alias := range []string{"alias/app", "alias/ops"} {
		for key, e := range s.index(alias).Entries {
			if is, ok := now[key]; ok && e.Tag == is.tag && (e.Value.Reveal() != is.newest() || is.alias != alias && !e.Moving) {
				s.Errorf("index of %s: the entry of %s has the tag of its object and another content", alias, key)
			}
		}
	}
	s.wantVisible(now)
	contents, err := s.reader.Load(s.Context(), "team")
	if err != nil {
		s.Errorf("a reader fails: %v", err)
		return
	}
	read := map[string]string{}
	for _, secret := range contents.Secrets {
		read[secret.ID.Key] = secret.Value.Reveal()
	}
	for key, is := range now {
		if read[key] != is.newest() {
			s.Errorf("a reader does not get the newest value of %s", key)
		}
	}
	if len(read) != len(now) || len(contents.Hidden)+len(contents.Denied) > 0 {
		s.Errorf("a reader gets %d secrets, of %d", len(read), len(now))
	}
}

// wantExact: the indexes hold what the objects do, and nothing else.
func (s *stage) wantExact() {
	s.Helper()
	now := s.state()
	for _, alias := range []string{"alias/app", "alias/ops"} {
		entries := s.index(alias).Entries
		for key, is := range now {
			if e, ok := entries[key]; is.alias == alias && (!ok || e.Tag != is.tag || e.Value.Reveal() != is.newest()) {
				s.Errorf("index of %s: %s is missing or old", alias, key)
			}
		}
		for key, e := range entries {
			if ahead := e.Moving && e.Tag == now[key].tag; now[key].alias != alias && !ahead {
				s.Errorf("index of %s: %s does not belong there", alias, key)
			}
		}
	}
}

// wantConverging: the next writer of another secret leaves the index exact (I4), and the same
// command, run again, does what it was to do.
func (s *stage) wantConverging(a act) {
	s.Helper()
	if a.moves != "" {
		s.wantMovedAgain(a)
	}
	if a.wants == nil {
		return
	}
	_, unfinished := s.state()["gone"]
	id := store.ID{Service: "team", Key: "next"}
	if _, err := s.reader.Write(s.Context(), id, store.NewValue(canary+"-next"), store.WriteOptions{}); err != nil {
		s.Errorf("the next write: %v", err)
	}
	s.wantExact()
	got := s.perform(a.line, a.stdin)
	if finished := a.name == "delete" && !unfinished; got.exit != 0 && (!finished || got.exit != 3) {
		s.Errorf("run again: exit code %d\n%s", got.exit, got.stderr)
	}
	now := s.state()
	for key, value := range a.wants {
		if is, ok := now[key]; ok != (value != "") || ok && is.newest() != value {
			s.Errorf("run again: %s is not what it was to be", key)
		}
	}
	s.wantExact()
	s.wantSound()
}

// wantTidy: nothing is left behind but what is known of the server, and no file holds a value.
func (s *stage) wantTidy() {
	s.Helper()
	s.files(func(name string) {
		if name != "argv" && name != filepath.Join("cwd", "child") && !strings.HasPrefix(name, filepath.Join("cache", "coffer")) {
			s.Errorf("%s is left behind", name)
		}
	})
}

func (s *stage) wantNoFileTells() {
	s.Helper()
	s.files(func(string) {})
}

// files visits the files of the home and of the temporary directory. None may hold a value.
func (s *stage) files(visit func(name string)) {
	s.Helper()
	err := filepath.WalkDir(s.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(s.home, path)
		if err != nil {
			return err
		}
		body, err := os.ReadFile(path)
		if bytes.Contains(body, []byte(canary)) {
			s.Errorf("%s holds a value", name)
		}
		visit(name)
		return err
	})
	if err != nil {
		s.Error(err)
	}
}

// TestKilledAtEachRequest ends each changing command with SIGKILL at each of its requests,
// before the request is applied and after it: make test at a sample of them, make prove at all.
// A rekey under the same alias is for make prove alone, here and below.
func TestKilledAtEachRequest(t *testing.T) {
	t.Parallel()
	for _, a := range acts() {
		if !a.changes() || a.same && !proof.Whole() {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, s3test.Options{})
			all, take, kills := s.requests(a), proof.Sample(3), 0
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
	for _, a := range acts() {
		if !a.changes() || a.same && !proof.Whole() {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, s3test.Options{})
			interrupted, take := 0, proof.Sample(3)
			for _, at := range s.requests(a) {
				if !take() {
					continue
				}
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
				if code != 0 && code != 130 && (code != 6 || !strings.Contains(stderr.String(), "may or may not be stored")) {
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
			if interrupted == 0 {
				t.Error("no interrupt was noticed")
			}
		})
	}
}

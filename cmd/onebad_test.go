//go:build unix

package cmd_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/local"
	"github.com/coffer-secrets/coffer/store/s3kms"
)

// oneBad is a store with good services, api and web; with bad, of which one secret is damaged; and with
// closed and shut, which the caller may not read.
type oneBad struct {
	shelf
	damage func(name string) // of an object
	lose   func(name string) // an index
	lock   func()            // takes the permission for alias/ops away
	ops    store.Store       // writes under alias/ops
}

func (s oneBad) fill() {
	s.Helper()
	for _, service := range []string{"api", "bad", "web"} {
		s.plant(service, "good", canary+"-of-"+service)
		s.plant(service, "same", canary)
	}
	s.damage("bad/same.json")
	for _, service := range []string{"closed", "shut"} {
		id := store.ID{Service: service, Key: "same"}
		if _, err := s.ops.Write(context.WithoutCancel(s.Context()), id, store.NewValue(canary), store.WriteOptions{}); err != nil {
			s.Fatal(err)
		}
	}
	s.lock()
}

func withOneBad(t *testing.T, test func(oneBad)) {
	t.Helper()
	for name, open := range map[string]func(*testing.T) oneBad{"local": oneBadLocal, "s3-kms": oneBadS3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			s.fill()
			test(s)
		})
	}
}

func oneBadLocal(t *testing.T) oneBad {
	t.Helper()
	s, dir := onLocal(t), ""
	for _, v := range s.env {
		if text, ok := strings.CutPrefix(v, "COFFER_DIR="); ok {
			dir = filepath.Dir(text)
		}
	}
	ops, err := local.New(local.Options{Dir: dir + "/data", KeyDir: dir + "/keys", Author: "another program", KeyAlias: "alias/ops"})
	return oneBad{
		shelf: s, ops: checked(t, ops, err),
		damage: func(name string) { spoil(s.bench, filepath.Join(dir, "data", name)) },
		lose: func(name string) {
			if err := os.Remove(filepath.Join(dir, "data", name)); err != nil {
				t.Fatal(err)
			}
		},
		lock: func() {
			if err := os.Remove(filepath.Join(dir, "keys", "alias_ops.age")); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func oneBadS3(t *testing.T) oneBad {
	t.Helper()
	s := onS3KMS(t)
	ops, err := s3kms.New(t.Context(), s.clientConfig(), s3kms.Options{Bucket: "b", KeyAlias: "alias/ops"})
	damage := func(name string) { s.bucket.Plant(name, []byte("{"+canary), s3test.AWSKMS, "alias/app") }
	return oneBad{
		shelf: s, ops: checked(t, ops, err), damage: damage, lose: damage,
		lock: func() { policy(s3test.Policy{DenyDecrypt: []string{"alias/ops"}})(s.bench) },
	}
}

const (
	damaged      = `secret "same" in service "bad"`
	closedDenied = `not allowed to read the secrets of service "closed"`
	shutDenied   = `not allowed to read the secrets of service "shut"`
)

// oneBadLines are commands that handle several secrets or services. What they print has the good ones,
// and what they say names the others.
var oneBadLines = map[string]struct {
	exit      int
	out, said []string
	never     []string // in no output
}{
	"find --by-value " + canary:           {8, []string{"api\tsame", "web\tsame"}, []string{damaged, "2 secrets couldn't be searched"}, nil},
	"find -v " + canary + "-of-bad":       {8, []string{"bad\tgood"}, []string{damaged}, nil},
	"services -s":                         {8, []string{"api/good", "bad/good", "closed/same", "web/same"}, []string{damaged}, nil},
	"list api bad web":                    {8, []string{"api", "bad", "web"}, []string{damaged}, nil},
	"list bad":                            {8, []string{"good\t1"}, []string{damaged}, nil},
	"list api closed web":                 {5, []string{"api", "web"}, []string{closedDenied}, nil},
	"list closed bad nope api":            {8, []string{"api", "bad"}, []string{damaged, `"closed"`, `service "nope" has no secrets`}, nil},
	"list nope api":                       {3, []string{"api"}, []string{`service "nope" has no secrets`}, nil},
	"audit bad":                           {8, []string{"good\t1"}, []string{damaged}, nil},
	"keys":                                {0, []string{"api", "bad", "closed", "web"}, nil, nil},
	"keys nope api":                       {3, []string{"api"}, []string{`service "nope" has no secrets`}, nil},
	"exec api bad nope -- echo it-ran":    {8, nil, []string{damaged, `service "nope" has no secrets`}, []string{"it-ran"}},
	"exec closed api shut -- echo it-ran": {5, nil, []string{closedDenied, shutDenied}, []string{"it-ran"}},
	"env api nope other":                  {3, nil, []string{`service "nope" has no secrets`, `service "other" has no secrets`}, []string{"export"}},
	"export bad closed nope":              {8, nil, []string{damaged, closedDenied, `service "nope" has no secrets`}, []string{"good"}},
	"env shut closed bad api":             {8, nil, []string{damaged, closedDenied, shutDenied}, []string{"export"}},
	"exec nope shut bad -- echo it-ran":   {8, nil, []string{damaged, shutDenied, `service "nope" has no secrets`}, []string{"it-ran"}},
	"diff bad api":                        {8, []string{"good\tdiffers", "same\tdamaged"}, []string{damaged}, nil},
	"diff bad web --keys good":            {1, []string{"good\tdiffers"}, nil, []string{damaged}},
	"diff closed shut":                    {5, nil, []string{closedDenied, shutDenied}, nil},
	"diff closed nope":                    {5, nil, []string{closedDenied, `service "nope" has no secrets`}, nil},
	"diff nope nada":                      {3, nil, []string{`service "nope" has no secrets`, `service "nada" has no secrets`}, nil},
	"copy bad new --dry-run":              {8, []string{"good\t-\tcreated"}, []string{damaged}, nil},
	"copy api bad --overwrite --dry-run":  {8, []string{"good\t1\tupdated", damaged}, []string{damaged}, nil},
	"copy closed nope --dry-run":          {5, nil, []string{closedDenied}, nil},
	"copy bad new --keys same":            {8, nil, []string{damaged}, nil},
	"rekey nope bad web --same --create":  {8, nil, []string{`service "nope" has no secrets`, "web: nothing to move"}, nil},
}

func TestOneBadThingDoesNotStopAll(t *testing.T) {
	withOneBad(t, func(s oneBad) {
		for line, want := range oneBadLines {
			got := s.run(line, "")
			if got.exit != want.exit {
				s.Errorf("coffer %s: exit code %d, want %d", line, got.exit, want.exit)
			}
			for _, text := range want.out {
				if !strings.Contains(got.stdout, text) {
					s.Errorf("coffer %s: standard output lacks %q", line, text)
				}
			}
			for _, text := range want.said {
				if strings.Count(got.stderr, text) != 1 {
					s.Errorf("coffer %s: standard error does not say %q once", line, text)
				}
			}
			for _, text := range append(want.never, canary) {
				if strings.Contains(got.stdout+got.stderr, text) {
					s.Errorf("coffer %s: the output has %q", line, text)
				}
			}
			if s.Failed() {
				s.Fatalf("coffer %s\n%s\n%s", line, got.stdout, got.stderr)
			}
		}
	})
}

// oneBadStep is a command line and what it ends with. file is what import reads.
type oneBadStep struct {
	line, file string
	exit       int
	out, said  []string
}

// oneBadChanges are commands that change several secrets, in this order.
var oneBadChanges = []oneBadStep{
	{"import bad - --dry-run", `{"good":"x","more":"y","same":"z"}`, 8, []string{"good\t1\tupdated", "more\t-\tcreated", damaged}, []string{damaged}},
	{"import bad - --skip-existing", `{"good":"x","more":"y","same":"z"}`, 8, nil, []string{"1 created", behind}},
	{"import bad - --prune --yes", `{"good":"x"}`, 8, nil, []string{"keeps 1 secret: hidden from you, damaged,", "1 updated", "bad: nothing was deleted, since not all was written", behind}},
	{"copy bad new", "", 8, nil, []string{"new: 2 created", damaged}},
	{"read new good -q", "", 0, []string{"x"}, nil},
	{"copy api bad --overwrite", "", 8, nil, []string{damaged}}, // nothing is written, as same can't be
	{"read bad good -q", "", 0, []string{"x"}, nil},
	{"edit bad --yes", "", 8, nil, []string{"1 secret left out, because it is damaged: same", "bad/good: changed", "1 updated", damaged}},
	{"read bad good -q", "", 0, []string{"edited"}, nil},
	{"delete bad good", "", 8, nil, []string{"bad/same.json"}}, // the number of its version is in no index
	{"services -s bad", "", 8, nil, []string{damaged}},
}

const behind = `the change is stored, but the index is not up to date`

// oneBadDeletes are commands that delete, in this order.
var oneBadDeletes = []oneBadStep{
	{"delete bad good Good", "", 2, nil, []string{"name the same secret"}},
	{"delete bad Good --exact-key", "", 3, nil, []string{`no secret "Good" in service "bad"`}},
	{"delete bad --service --yes", "", 8, nil, []string{"bad/good: deleted (was version 1)", damaged + ": ", behind}},
	{"services -s bad", "", 8, nil, []string{damaged}},
}

func TestOneBadThingDoesNotStopChanges(t *testing.T) {
	withOneBad(t, func(s oneBad) { s.steps(oneBadChanges) })
}

func TestOneBadThingDoesNotStopDeletes(t *testing.T) {
	withOneBad(t, func(s oneBad) { s.steps(oneBadDeletes) })
}

func (s oneBad) steps(all []oneBadStep) {
	s.env = append(s.env, "EDITOR=sed -i s/x/edited/")
	for _, step := range all {
		got := s.run(step.line, step.file)
		if got.exit != step.exit {
			s.Errorf("coffer %s: exit code %d, want %d", step.line, got.exit, step.exit)
		}
		for _, text := range step.out {
			if !strings.Contains(got.stdout, text) {
				s.Errorf("coffer %s: standard output lacks %q", step.line, text)
			}
		}
		for _, text := range step.said {
			if !strings.Contains(got.stderr, text) {
				s.Errorf("coffer %s: standard error lacks %q", step.line, text)
			}
		}
		if strings.Contains(got.stdout+got.stderr, canary) {
			s.Errorf("coffer %s: a value was printed", step.line)
		}
		if s.Failed() {
			s.Fatalf("coffer %s\n%s\n%s", step.line, got.stdout, got.stderr)
		}
	}
}

// migrate moves the good secrets of a service whose others are damaged, and the other services.
func TestADamagedSecretDoesNotStopAMigration(t *testing.T) {
	s := oneBadLocal(t)
	s.fill()
	file := filepath.Join(t.TempDir(), "config.yaml")
	there := "contexts: {there: {backend: local, dir: " + t.TempDir() + "/there}}\n"
	if err := os.WriteFile(file, []byte(there), 0o600); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "COFFER_CONFIG="+file)
	got := s.run("migrate bad closed api --to-context there", "")
	if got.exit != 8 || strings.Count(got.stderr, damaged) != 1 || strings.Count(got.stderr, closedDenied) != 1 || !strings.Contains(got.stderr, "bad: 1 created, 1 failed") {
		t.Errorf("migrate: %+v", got)
	}
	for _, line := range []string{"diff api --to-context there", "diff bad --keys good --to-context there"} {
		if got := s.run(line, ""); got.exit != 0 {
			t.Errorf("coffer %s: %+v", line, got)
		}
	}
}

// config prints every setting, and then each value that can't be used.
func TestConfigNamesEveryBadSetting(t *testing.T) {
	s := onLocal(t)
	s.env = append(s.env, "COFFER_RETRIES=few", "COFFER_TIMEOUT=soon", "COFFER_RETRY_MODE=never")
	got := s.run("config", "")
	for _, text := range []string{"dir\t", "retries\tfew\t$COFFER_RETRIES", "timeout\tsoon\t"} {
		if !strings.Contains(got.stdout, text) {
			t.Errorf("standard output lacks %q", text)
		}
	}
	for _, text := range []string{`$COFFER_RETRIES: "few"`, `$COFFER_TIMEOUT: "soon"`, `$COFFER_RETRY_MODE: "never"`} {
		if strings.Count(got.stderr, text) != 1 {
			t.Errorf("standard error does not say %q once", text)
		}
	}
	if got.exit != 7 || t.Failed() {
		t.Fatalf("%+v", got)
	}
}

// An outage, and credentials that end, would only repeat: they end everything, and are said once.
func TestAnOutageEndsAllAtOnce(t *testing.T) {
	s := oneBadS3(t)
	s.fill()
	s.Fault(func(r s3test.Request) *s3test.Fault {
		if strings.HasPrefix(r.Prefix, "web/") {
			return &s3test.Fault{Kind: s3test.Answer, Status: 503, Code: "SlowDown"}
		}
		return nil
	})
	for _, line := range []string{"find --by-value " + canary, "services -s", "list api bad web", "keys bad web api", "diff bad web", "copy web bad --dry-run"} {
		if got := s.run(line, ""); got.exit != 6 || got.stdout != "" || strings.Contains(got.stderr, canary) {
			t.Errorf("coffer %s: %+v", line, got)
		}
	}
}

// doctor --fix repairs the index of a service for its good secrets, and those of the other services.
func TestADamagedSecretDoesNotStopRepairs(t *testing.T) {
	withOneBad(t, func(s oneBad) {
		alias := "app"
		if s.Server == nil {
			alias = "default"
		}
		for _, service := range []string{"api", "bad", "web"} {
			s.lose(service + "/__kms_alias_" + alias + "__latest.json")
		}
		got := s.run("doctor --fix api bad nope web", "")
		if got.exit != 3 || strings.Count(got.stderr, "fixed ") < 3 || !strings.Contains(got.stderr, `service "nope" has no secrets`) || strings.Contains(got.stdout+got.stderr, canary) {
			s.Errorf("--fix: %+v", got)
		}
		got = s.run("doctor api bad web", "")
		if got.exit != 1 || strings.Count(got.stdout, "\n") != 2 || !strings.Contains(got.stdout, "corrupt-secret") {
			s.Errorf("afterwards: %+v", got)
		}
		if got := s.run("read bad good -q", ""); got.stdout != canary+"-of-bad\n" {
			s.Errorf("the good secret: %+v", got)
		}
	})
}

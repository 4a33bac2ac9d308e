//go:build unix

package cmd_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// found is a finding as it is printed.
type found struct {
	Severity, Check, About, Text, Fix string
	Fixed                             bool
}

// doctor runs it with --json and an exit code that is wanted.
func (b *bench) doctor(args string, exit int) []found {
	b.Helper()
	got := b.run("doctor --json "+args, "")
	if got.exit != exit {
		b.Fatalf("doctor %s: exit code %d, want %d\n%s%s", args, got.exit, exit, got.stdout, got.stderr)
	}
	var all []found
	if err := json.Unmarshal([]byte(got.stdout), &all); err != nil {
		b.Fatal(err)
	}
	for _, f := range all {
		if f.Fix == "" && !f.Fixed {
			b.Errorf("no command mends %+v", f)
		}
	}
	return all
}

// checks returns what was found, each once, without notes.
func checks(all []found) []string {
	names := map[string]bool{}
	for _, f := range all {
		if f.Severity != "note" {
			names[f.Check] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// states are the ETags of objects, by name.
func states(objects []s3test.Object) map[string]string {
	tags := map[string]string{}
	for _, o := range objects {
		tags[o.Name] = o.ETag
	}
	return tags
}

func TestDoctorFindsAndMendsWhatChamberLeaves(t *testing.T) {
	finds := map[string][]string{
		"nothing but chamber's own index":  {"unverifiable"},
		"an index that lost keys":          {"orphan", "unverifiable"},
		"an index wiped to one entry":      {"orphan", "unverifiable"},
		"an index that is gone":            {"orphan", "unverifiable"}, // that of alias/ops
		"a stale entry":                    {"drift", "unverifiable"},
		"an entry newer than its object":   {"drift", "unverifiable"},
		"a key in another alias's index":   {"stray", "unverifiable"},
		"a ghost after a half done delete": {"ghost", "unverifiable"},
		"fields that chamber dropped":      {"unverifiable"},

		"s3: an index that lost keys":          {"orphan", "unverifiable"},
		"s3: an index that is gone":            {"orphan"},
		"s3: a stale entry":                    {"drift", "unverifiable"},
		"s3: a ghost after a half done delete": {"ghost", "unverifiable"},
		"s3: fields that chamber dropped":      {"unverifiable"},
	}
	for name, test := range chamberWounds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, want := newChamberBucket(t, test.backend), test.healthy(t)
			test.wound(c)
			before := c.bucket.Objects()

			all := c.doctor("api", 1)
			if diff := cmp.Diff(finds[name], checks(all)); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
			for _, f := range all {
				if f.Severity != "note" && f.Fix != "coffer doctor --fix api" {
					t.Errorf("%s of %s is mended by %q", f.Check, f.About, f.Fix)
				}
			}
			if diff := cmp.Diff(states(before), states(c.bucket.Objects())); diff != "" {
				t.Errorf("doctor changed something without --fix:\n%s", diff)
			}

			for _, f := range c.doctor("api --fix", 0) {
				if !f.Fixed && f.Severity != "note" {
					t.Errorf("left: %+v", f)
				}
			}
			c.doctor("api", 0)
			if diff := cmp.Diff(want, c.reader().export("api")); diff != "" {
				t.Errorf("chamber export after doctor --fix (-want +got):\n%s", diff)
			}
			c.exactIndexes("api")
			for _, o := range before {
				if now, _ := c.bucket.Object(o.Name); !strings.Contains(o.Name, "/__") && now.ETag != o.ETag {
					t.Errorf("%s was changed", o.Name)
				}
			}
		})
	}
}

func TestDoctorTellsWhatTheCallerMayNotMend(t *testing.T) {
	c := newChamberBucket(t, "s3-kms")
	editIndex(apiApp, keepOnly("empty"))(c)
	c.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyPut: []string{"b/api/__kms_alias_app*", "api/__kms_alias_app*"}})
	got := c.run("doctor --fix api", "")
	if got.exit != 1 || !strings.Contains(got.stderr, "not allowed to put "+apiApp) ||
		!strings.Contains(got.stderr, "fixed "+apiOps+": unverifiable") || !strings.Contains(got.stdout, "orphan") {
		t.Errorf("exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
	}
}

// What no command of ours may decide has one of AWS.
func TestDoctorNamesTheCommandsOfAWS(t *testing.T) {
	for check, c := range map[string]struct {
		spoil func(b *bench)
		mend  string
	}{
		"corrupt-secret": {
			func(b *bench) { b.Bucket("b").Plant("api/x.json", []byte("{"), s3test.AWSKMS, "alias/app") },
			"aws s3 cp --endpoint-url URL s3://b/api/x.json .",
		},
		"unsealed": {
			func(b *bench) { b.Bucket("b").Plant("api/x.json", []byte(`{}`), "AES256", "") },
			"aws s3 cp --endpoint-url URL s3://b/api/x.json .",
		},
		"disabled-key": {
			func(b *bench) { b.KMS.SetState("alias/app", s3test.Disabled) }, "aws kms enable-key --key-id ARN",
		},
	} {
		t.Run(check, func(t *testing.T) {
			b := newBench(t, s3test.Options{})
			b.do("write api url -", canary)
			want := strings.NewReplacer("ARN", b.KMS.ARN("alias/app"), "URL", b.URL).Replace(c.mend)
			c.spoil(b)
			all := b.doctor("api", 1)
			if !slices.ContainsFunc(all, func(f found) bool { return f.Check == check && f.Fix == want }) {
				t.Errorf("%+v; want one that %q mends", all, want)
			}
		})
	}
}

func TestDoctorNeedsServicesFromWhoMayNotListAll(t *testing.T) {
	b := newBench(t, s3test.Options{})
	team(b)
	b.SetPolicy(dev.AccessKeyID, s3test.Policy{ListPrefixes: []string{"team/"}})
	if got := b.run("doctor", ""); got.exit != 5 || !strings.Contains(got.stderr, "coffer doctor SERVICE") {
		t.Errorf("exit code %d\n%s", got.exit, got.stderr)
	}
	if found := b.doctor("team", 0); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// On a server that deletes under no condition a delete leaves a tombstone. It stays, unless
// the caller says that nobody else writes.
func TestDoctorCollectsTombstonesOnlyWhereThatIsSafe(t *testing.T) {
	for name, quirks := range map[string]s3test.Quirks{"conditional": {}, "unconditional": {DeleteIgnoresMatch: true}} {
		t.Run(name, func(t *testing.T) {
			var past atomic.Int64
			b := newBench(t, s3test.Options{Quirks: quirks, Clock: func() time.Time { return time.Now().Add(-time.Duration(past.Load())) }})
			b.do("write team db_url -", canary)
			tombstone := `{"service":"team","key":"/team/old","values":{},"kms_alias":"alias/app","deleted":true}`
			past.Store(int64(48 * time.Hour))
			b.bucket.Plant("team/old.json", []byte(tombstone), s3test.AWSKMS, "alias/app")
			past.Store(0)
			b.bucket.Plant("team/young.json", []byte(strings.ReplaceAll(tombstone, "old", "young")), s3test.AWSKMS, "alias/app")
			b.do("write team db_url -", canary) // which learns what the server keeps

			mends := map[string]string{}
			for _, f := range b.doctor("team", 0) {
				mends[f.Check+" "+f.About] = f.Fix
			}
			want := map[string]string{"tombstone team/old": "coffer doctor --fix team", "tombstone team/young": "coffer doctor --fix team"}
			if quirks.DeleteIgnoresMatch {
				for about := range want {
					want[about] += " --single-writer"
				}
			}
			if diff := cmp.Diff(want, mends); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
			b.do("doctor --fix team", "")
			if _, there := b.bucket.Object("team/old.json"); there != quirks.DeleteIgnoresMatch {
				t.Errorf("after --fix the old tombstone is there: %v", there)
			}
			b.do("doctor --fix team --single-writer", "")
			if _, there := b.bucket.Object("team/old.json"); there {
				t.Error("the old tombstone is still there")
			}
			if _, there := b.bucket.Object("team/young.json"); !there {
				t.Error("the young tombstone is gone")
			}
		})
	}
}

// An index without entries is shown only once --fix deletes it, an hour after it was put. One that knows the
// version numbers of deleted secrets stays, and is no problem.
func TestDoctorShowsAnEmptyIndexWhenItCanBeDeleted(t *testing.T) {
	t.Parallel()
	var past atomic.Int64
	b := newBench(t, s3test.Options{Clock: func() time.Time { return time.Now().Add(-time.Duration(past.Load())) }})
	b.do("write api db_url -", canary)
	b.do("delete api db_url --yes", "")
	for _, args := range []string{"api", "--fix api"} {
		if got := b.run("doctor "+args, ""); got.exit != 0 || strings.Contains(got.stdout+got.stderr, "--fix") || !strings.Contains(got.stderr, "no problems found") {
			t.Errorf("right after the delete, doctor %s: exit code %d\n%s%s", args, got.exit, got.stdout, got.stderr)
		}
	}

	const left = "api/__kms_alias_ops__latest.json"
	b.KMS.CreateKey("alias/ops")
	b.do("write api db_url -", canary)
	for _, age := range []time.Duration{0, 2 * time.Hour} {
		past.Store(int64(age))
		b.bucket.Plant(left, []byte(`{"latest":{}}`), s3test.AWSKMS, "alias/ops")
		past.Store(0)
		var want []found
		exit := 0
		if age > 0 {
			exit = 1
			want = []found{{Severity: "warning", Check: "left-index", About: left, Text: "has no entries, and no secret uses its alias. If its key is disabled, every reader fails", Fix: "coffer doctor --fix api"}}
		}
		if diff := cmp.Diff(want, b.doctor("api", exit), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s after it was put (-want +got):\n%s", age, diff)
		}
	}
	b.do("doctor --fix api", "")
	if _, there := b.bucket.Object(left); there {
		t.Error("--fix left it")
	}
}

//go:build unix

package cmd_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// TestWhatWasDeletedComesBackFromUnderAnEarlierKey: a bucket with versions keeps objects that were stored under the key
// that an alias had before. They are listed and restored, under the key that it has now.
func TestWhatWasDeletedComesBackFromUnderAnEarlierKey(t *testing.T) {
	t.Parallel()
	for name, on := range storages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stageOn(t, on.storage, s3test.Options{})
			s.bucket.KeepVersions(true)
			s.write("alias/app", "url", "url-3")
			s.act = act{same: true}
			s.on.renew(s)
			s.do("rekey team --same", "")
			s.wantUnder("url", s.keys["next"])
			s.do("delete team url", "")
			s.restoreEach("url", s.keys["next"])
			s.do("restore team url --version 1", "")
			if got := s.out("history team url --expand"); strings.Count(got, canary+"-url-1\n") != 2 {
				t.Errorf("history: %s", got)
			}
			s.do("rekey team --to alias/ops", "")
			s.wantUnder("url", s.on.key(s.bench, "alias/ops"))
			if got := s.out("read -n team url --version 2"); got != canary+"-url-2" {
				t.Errorf("version 2 is %q", got)
			}
		})
	}
}

// TestARevocationLeavesWhatTheBucketKeepsReadable, for those who stay.
func TestARevocationLeavesWhatTheBucketKeepsReadable(t *testing.T) {
	t.Parallel()
	s := stageOn(t, teamAge{}, s3test.Options{})
	s.bucket.KeepVersions(true)
	s.write("alias/app", "url", "url-3")
	s.do("keys revoke alias/app app", "")
	s.learn("alias/app")
	s.do("delete team url", "")
	s.restoreEach("url", s.team.now["alias/app"][0])
}

// wantUnder checks which key a secret is really under.
func (s *stage) wantUnder(key, want string) {
	s.Helper()
	if is := s.state()[key]; is.key != want || is.alias == "" {
		s.Errorf("%s is under %s, %s; want %s", key, is.alias, is.key, want)
	}
}

// restoreEach restores each state of a deleted secret that the bucket keeps; the oldest last. Some of them are under
// another key than the alias has now. The value of a state is named for how many versions it has.
func (s *stage) restoreEach(key, now string) {
	s.Helper()
	var states []struct {
		Key, State, Error string
		Versions          int
	}
	parse(s.T, []byte(s.out("restore team --deleted --json")), &states)
	keys := map[string]bool{}
	for _, versions := range s.bucket.AllVersions()["team/"+key+".json"] {
		if len(versions.Body) > 0 {
			_, under := s.on.read(s.bench, versions)
			keys[under] = true
		}
	}
	if len(states) < 3 || states[0].Versions != 3 || len(keys) != 2 {
		s.Fatalf("%d states, under %d keys", len(states), len(keys))
	}
	for i, state := range states {
		if state.Key != key || state.Error != "" || state.Versions == 0 {
			s.Errorf("%+v", state)
		}
		if i > 0 {
			s.do("delete team "+key, "")
		}
		s.do("restore team "+key+" --deleted --at "+state.State, "")
		s.wantUnder(key, now)
		if got, want := s.out("read -n team "+key), fmt.Sprintf("%s-%s-%d", canary, key, state.Versions); got != want {
			s.Errorf("state %s: %q; want %q", state.State, got, want)
		}
	}
}

// TestASingleWriterOnAServerWithoutConditions: what encrypts doesn't change what the server must keep.
func TestASingleWriterOnAServerWithoutConditions(t *testing.T) {
	t.Parallel()
	for name, on := range storages {
		if !on.seals() {
			continue // TestFailuresOnS3
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := benchOn(t, on.storage, s3test.Options{Quirks: s3test.Quirks{NoConditions: true}})
			b.do("whoami", "") // with s3-age, the first use of all aliases that are there
			b.wants("write team x -", canary, 7, nil, []string{"(NoConditionalWrites): the server ignores conditional puts", "\n  if nobody else writes to this bucket, use --single-writer"})
			b.wants("write team x - --single-writer", canary+"-1", 0, nil, []string{"the server ignores conditions: if someone else writes at the same time, the last writer wins\n", "team/x: version 1\n"})
			b.do("write team x - --single-writer", canary+"-2")
			if name == "s3-age" {
				b.wants("keys grant alias/app "+newcomer+" --name newcomer", "", 7, nil, []string{"(NoConditionalWrites)"})
				b.do("keys grant alias/app "+newcomer+" --name newcomer --single-writer", "")
				b.do("keys revoke alias/app newcomer --single-writer", "")
			}
			b.wants("rekey team --to alias/ops", "", 7, nil, []string{"(NoConditionalWrites)"})
			b.do("rekey team --to alias/ops --single-writer", "")
			b.wants("read -n team x --version 1", "", 0, []string{canary + "-1"}, nil)
			b.wants("exec team -- printenv X", "", 0, []string{canary + "-2\n"}, nil)
			b.do("delete team x --single-writer --kms-key-alias alias/ops", "")
			b.wants("read team x", "", 3, nil, nil)
		})
	}
}

// TestNamesAreCompletedWhereSecretsAreSealed as on s3-kms, in silence.
func TestNamesAreCompletedWhereSecretsAreSealed(t *testing.T) {
	t.Parallel()
	for name, on := range storages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stageOn(t, on.storage, s3test.Options{})
			for line, want := range map[string]string{
				"read te": "team", "read team k": "keep", "exec --require p team --pri": "--pristine", "write team ur": "url", "delete team p": "pager",
				"history team g": "gone", "-b s3-": "s3-age s3-envelope s3-kms",
			} {
				got := s.run("__complete -- "+line, "")
				words := strings.Fields(got.stdout)
				slices.Sort(words)
				if got.exit != 0 || strings.Join(words, " ") != want || got.stderr != "" {
					t.Errorf("%s: %+v; want %q", line, got, want)
				}
			}
		})
	}
}

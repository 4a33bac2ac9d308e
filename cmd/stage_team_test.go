//go:build unix

package cmd_test

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"filippo.io/age"
)

// What the walks want of the commands that change a team, beside what they want of every command.

// teamActs are the commands of s3-age that change a team. The member app of alias/app is the one who holds its key alone.
func teamActs() []act {
	return []act{
		{name: "keys grant", line: "keys grant alias/app " + newcomer + " --name newcomer", grants: "newcomer", on: "s3-age"},
		{name: "keys revoke", line: "keys revoke alias/app app", revokes: "app", moves: "alias/app", same: true, on: "s3-age"},
		{name: "keys trust", line: "keys trust alias/app KEYID", trusts: true, on: "s3-age"},
	}
}

// newcomer is the recipient of an identity that nobody has kept.
const newcomer = "age1hpzh09vtanf07nnvntx0udl2se0gur6l2uyczrfrlnywtch08snsymmdg8"

// isOn reports whether an act is for a storage.
func (a act) isOn(storage string) bool { return a.on == "" || a.on == storage }

// teamObject is the key object of alias/app, opened with dev's identity.
type teamObject struct {
	Keys []struct {
		ID     string
		Key    []byte
		Number int
	}
	Members, Former []struct{ Name, Recipient string }
}

func (b *bench) teamObject(alias string) (t teamObject) {
	b.Helper()
	o, ok := b.bucket.Object("__keys/" + alias + ".age")
	if !ok {
		b.Fatalf("the key object of %s is gone", alias)
	}
	r, err := age.Decrypt(bytes.NewReader(o.Body), b.team.people["dev"])
	if err != nil {
		b.Fatalf("the key object of %s: %v", alias, err)
	}
	body, err := io.ReadAll(r)
	if err == nil {
		err = json.Unmarshal(body, &t)
	}
	if err != nil || len(t.Keys) == 0 {
		b.Fatalf("the key object of %s: %d keys, %v", alias, len(t.Keys), err)
	}
	return t
}

// learn reads the keys of an alias as the bucket has them now.
func (b *bench) learn(alias string) {
	b.Helper()
	b.team.now[alias] = nil
	for _, k := range b.teamObject(alias).Keys {
		b.team.secrets[k.ID] = k.Key
		b.team.now[alias] = append(b.team.now[alias], k.ID)
	}
}

// wantTeam: the members and keys of the alias are those before the command or after it, and after it if it succeeded. A
// member keeps the key, whatever happens.
func (s *stage) wantTeam(a act, succeeded bool) {
	s.Helper()
	if a.on == "" {
		return
	}
	t := s.teamObject("alias/app")
	var members []string
	for _, m := range t.Members {
		members = append(members, m.Name)
	}
	slices.Sort(members)
	was, is, keys := []string{"app", "dev"}, []string{"app", "dev"}, 1
	switch {
	case a.grants != "":
		is = []string{"app", "dev", a.grants}
	case a.revokes != "":
		is, keys = []string{"dev"}, 2
	}
	done := slices.Equal(members, is) && len(t.Keys) == keys
	if untouched := slices.Equal(members, was) && len(t.Keys) == 1; !done && (succeeded || !untouched) {
		s.Errorf("the members are %q with %d keys (the command succeeded: %v)", members, len(t.Keys), succeeded)
	}
	if t.Keys[len(t.Keys)-1].ID != s.keys["alias/app"] {
		s.Error("the first key is gone from the key object")
	}
}

// wantTeamAgain: the same command, run again, succeeds and has nothing more to do.
func (s *stage) wantTeamAgain(a act) {
	s.Helper()
	if a.on == "" {
		return
	}
	for range 2 {
		s.Reset()
		if got := s.perform(a.line, a.stdin); got.exit != 0 {
			s.Errorf("run again: exit code %d\n%s", got.exit, got.stderr)
		}
		s.wantTeam(a, true)
	}
	for _, e := range s.Log() {
		if (e.Op == "PutObject" || e.Op == "DeleteObject") && !strings.Contains(e.Key, "__probe/") {
			s.Errorf("the third run makes a %s of %s", e.Op, e.Key)
		}
	}
	if a.revokes == "" {
		return
	}
	leaver := s.team.people["alias/app"].String()
	got := s.perform("--identity "+s.file(leaver)+" read team url", "")
	if got.exit != 5 || strings.Contains(got.stdout+got.stderr, canary) {
		s.Errorf("the leaver: exit code %d\n%s", got.exit, got.stderr)
	}
}

//go:build unix

package cmd_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

const (
	cachedTeam   = "exec --cache 24h team -- ./child URL KEEP"
	valuesOfTwo  = canary + "-url-2\n" + canary + "-keep\n"
	revokeTheDev = "keys revoke alias/app dev"
)

// newTeamCache is a stage on s3-age on which dev has the secrets of a service in the cache, all of them under
// alias/app. Owner is the other member of that alias.
func newTeamCache(t *testing.T) (dev *offlineBench, owner *bench) {
	t.Helper()
	s := stageOn(t, teamAge{}, s3test.Options{})
	if _, err := s.store("alias/ops").Delete(t.Context(), "team", "pager"); err != nil {
		t.Fatal(err)
	}
	dev = &offlineBench{stage: s, now: time.Now().Truncate(time.Second)}
	dev.env = append(dev.env, "COFFER_RETRIES=1")
	owner = dev.colleague("owner")
	owner.env = append(owner.env, "COFFER_CONFIG="+owner.file("identity: "+owner.file(s.team.people["alias/app"].String())+"\n"))
	dev.wantRun(0, cachedTeam, valuesOfTwo)
	dev.wantFiles(1)
	return dev, owner
}

// TestWhoWasRevokedHasNoCache: a revocation stores everything again, so a listing is no proof any more, and who
// left is refused by the next command that has the network.
func TestWhoWasRevokedHasNoCache(t *testing.T) {
	t.Parallel()
	for _, line := range []string{cachedTeam, "exec team -- ./child URL", "export team", "env team", "read team url"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			dev, owner := newTeamCache(t)
			owner.do(revokeTheDev, "")
			dev.wantRun(5, line, "", "you are not a member of alias/app")
			dev.wantFiles(0)
			dev.Close()
			dev.wantRun(6, cachedTeam, "")
		})
	}
}

// TestWhoIsBeingRevokedHasTheCacheForAnHour: the revocation was killed when it had made the new key, and had
// stored nothing again.
func TestWhoIsBeingRevokedHasTheCacheForAnHour(t *testing.T) {
	t.Parallel()
	dev, owner := newTeamCache(t)
	owner.killedAtKey(t, revokeTheDev)
	dev.wantRun(0, cachedTeam, valuesOfTwo)
	dev.later(time.Hour + time.Minute)
	dev.wantRun(5, cachedTeam, "", "you are not a member of alias/app")
	dev.wantFiles(0)
	owner.do(revokeTheDev, "")
	dev.wantRun(5, "read team url", "")
}

// killedAtKey kills a command that has put the key object.
func (b *bench) killedAtKey(t *testing.T, line string) {
	t.Helper()
	reached := make(chan struct{})
	b.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Op != "PutObject" || r.Key != "__keys/alias/app.age" {
			return nil
		}
		return &s3test.Fault{Kind: s3test.Hang, After: true, Reached: func() { close(reached) }}
	})
	c := b.command(line)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	<-reached
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // killed
	b.Drain()
	b.Fault(nil)
}

// TestTheCacheIsOfOneAgeIdentity: of two people or jobs with the same S3 credentials, one is a member. Nobody but
// them is given what they have read, also if a listing would show that nothing has changed.
func TestTheCacheIsOfOneAgeIdentity(t *testing.T) {
	t.Parallel()
	dev, _ := newTeamCache(t)
	member := filepath.Join(dev.home, identityFile)
	text, err := os.ReadFile(member)
	if err != nil {
		t.Fatal(err)
	}
	others := dev.team.people["alias/ops"].String()
	const theirs = "you are not a member of alias/app"
	// dev has a session of the server's, so that a denial deletes the copies of all sessions: each begins with one.
	dev.wantRun(5, "--identity "+dev.file(others)+" "+cachedTeam, "", theirs)
	dev.wantRun(0, cachedTeam, valuesOfTwo)
	env := dev.env
	dev.env = append(slices.Clone(env), "COFFER_AGE_IDENTITY="+others)
	dev.wantRun(5, "--trust-on-first-use "+cachedTeam, "", theirs)
	dev.env = env
	dev.wantRun(0, cachedTeam, valuesOfTwo)
	replace := func(identity string) {
		if err := os.WriteFile(member, []byte(identity), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replace(others)
	dev.wantRun(5, cachedTeam, "", theirs)
	replace(string(text))
	dev.wantRun(0, cachedTeam, valuesOfTwo)
	if err := os.Remove(member); err != nil { // as on a stick that was taken out
		t.Fatal(err)
	}
	dev.wantRun(7, cachedTeam, "", "no age identity")
	dev.wantRun(0, "exec --cache 24h --allow-empty none -- true", "")

	dev.Close()
	dev.wantRun(6, cachedTeam, "")
	replace(others)
	dev.wantRun(6, cachedTeam, "")
	replace(string(text))
	dev.wantRun(0, cachedTeam, valuesOfTwo, "the storage can't be reached")
}

// TestTheCacheOfAnotherKeyIsNotUsed: what is pinned decides what is believed, so other pins are another store. So is
// another KMS on s3-envelope.
func TestTheCacheOfAnotherKeyIsNotUsed(t *testing.T) {
	t.Parallel()
	dev, _ := newTeamCache(t)
	pinned := dev.file("key_ids: {alias/app: " + dev.team.now["alias/app"][0] + "}\n")
	other := dev.file("key_ids: {alias/app: 00000000000000000000000000000000}\n")
	env := dev.env
	dev.env = append(slices.Clone(env), "COFFER_CONFIG="+other)
	dev.wantRun(8, cachedTeam, "")
	dev.env = append(slices.Clone(env), "COFFER_CONFIG="+pinned)
	dev.wantRun(0, cachedTeam, valuesOfTwo)
	dev.wantFiles(2)

	e := newOfflineOn(t, storages["s3-envelope"].storage, s3test.Options{})
	e.Close()
	e.wantRun(0, runCached, valuesOfTeam, "the storage can't be reached")
	e.env = append(e.env, "AWS_ENDPOINT_URL_KMS=http://127.0.0.1:9")
	e.wantRun(6, runCached, "")
}

// TestTheOwnersRuleIsObeyedWhereSecretsAreSealed: an index has it, however it is encrypted.
func TestTheOwnersRuleIsObeyedWhereSecretsAreSealed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"s3-envelope", "s3-age"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			theOwnersRule(t, newOfflineOn(t, storages[name].storage, s3test.Options{}))
		})
	}
}

// TestARevokedReaderOfEnvelopesHasNoCache: KMS refuses, and the bucket still answers. A listing is a proof for an hour.
func TestARevokedReaderOfEnvelopesHasNoCache(t *testing.T) {
	t.Parallel()
	for name, revoke := range map[string]struct {
		do   func(*offlineBench)
		exit int
	}{
		"the keys":           {func(b *offlineBench) { b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyDecrypt: []string{"*"}}) }, 5},
		"everybody's access": {func(b *offlineBench) { b.KMS.SetState("alias/app", s3test.Disabled) }, 6},
	} {
		for _, line := range []string{runCached, "export team", "read team url"} {
			t.Run(name+", "+line, func(t *testing.T) {
				t.Parallel()
				b := newOfflineOn(t, storages["s3-envelope"].storage, s3test.Options{})
				revoke.do(b)
				b.wantRun(0, runCached, valuesOfTeam)
				b.later(time.Hour + time.Minute)
				b.wantRun(revoke.exit, line, "")
				b.wantFiles(0)
				b.Close()
				b.wantRun(6, runCached, "")
			})
		}
	}
}

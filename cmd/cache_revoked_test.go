//go:build unix

package cmd_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

func TestARevokedReaderHasNoCache(t *testing.T) {
	t.Parallel()
	all := s3test.Policy{DenyList: true, DenyGet: []string{"*"}}
	for name, revoke := range map[string]struct {
		do   func(*offlineBench)
		exit int
	}{
		"everything":         {func(b *offlineBench) { b.SetPolicy(dev.AccessKeyID, all) }, 5},
		"the keys":           {func(b *offlineBench) { b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyDecrypt: []string{"*"}}) }, 5},
		"the objects":        {func(b *offlineBench) { b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyGet: []string{"*"}}) }, 5},
		"the access key":     {func(b *offlineBench) { b.RemovePrincipal(dev.AccessKeyID) }, 7},
		"everybody's access": {func(b *offlineBench) { b.KMS.SetState("alias/app", s3test.Disabled) }, 6},
	} {
		for _, line := range []string{runCached, "exec team -- ./child URL", "export team", "env team", "read team url"} {
			t.Run(name+", "+line, func(t *testing.T) {
				t.Parallel()
				b := newOffline(t, s3test.Options{})
				b.later(time.Hour + time.Minute)
				revoke.do(b)
				b.wantRun(revoke.exit, line, "")
				b.wantFiles(0)
				b.Close()
				b.wantRun(6, runCached, "")
			})
		}
	}
}

// TestAReaderWhoLosesOneKeyLosesItsSecrets: those of the other key stay.
func TestAReaderWhoLosesOneKeyLosesItsSecrets(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"exec --cache 24h team -- ./child URL KEEP", "exec team -- ./child URL KEEP", "read team pager"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			b := newOffline(t, s3test.Options{})
			b.later(time.Hour + time.Minute)
			b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyDecrypt: []string{"alias/ops"}})
			b.perform(line, "")
			cached := strings.Contains(line, "--cache")
			b.wantFiles(map[bool]int{true: 1}[cached])
			b.Close()
			if !cached {
				b.wantRun(6, runCached, "")
				return
			}
			url, _, _ := strings.Cut(valuesOfTeam, canary+"-pager")
			b.wantRun(0, line, url, "the storage can't be reached", "team: 3 secrets could be read, 1 hidden; 1 index denied")
			b.wantRun(5, "exec --cache 24h --require-all team -- ./child URL", "")
			b.wantRun(3, "exec --cache 24h --require pager team -- ./child URL", "")
		})
	}
}

// TestWhatIsNoOutageIsNotForTheCache: an answer that says something else is an answer. It is no denial of the
// reader either, so the cache stays.
func TestWhatIsNoOutageIsNotForTheCache(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		code   string
		exit   int
		files  int
	}{
		{400, "ExpiredToken", 7, 1},
		{403, "RequestTimeTooSkewed", 7, 1},
		{403, "SignatureDoesNotMatch", 7, 1},
		{404, "NoSuchBucket", 7, 1},
		{301, "PermanentRedirect", 7, 1},
		{403, "InvalidAccessKeyId", 7, 0},
		{403, "AccessDenied", 5, 0},
	} {
		t.Run(c.code, func(t *testing.T) {
			t.Parallel()
			b := newOffline(t, s3test.Options{})
			b.answers(c.status, c.code)
			b.wantRun(c.exit, runCached, "")
			b.wantFiles(c.files)
		})
	}
}

func TestTheCacheOfADeletedServiceIsDeleted(t *testing.T) {
	t.Parallel()
	b := newOffline(t, s3test.Options{})
	b.do("delete team pager --kms-key-alias alias/ops", "")
	b.do("delete team --service --yes", "")
	b.wantRun(3, runCached, "")
	b.wantFiles(0)
}

func TestTheOwnersRuleIsObeyed(t *testing.T) {
	t.Parallel()
	theOwnersRule(t, newOffline(t, s3test.Options{}))
}

// theOwnersRule has the owners of two aliases forbid to keep what is under them.
func theOwnersRule(t *testing.T, b *offlineBench) {
	t.Helper()
	b.do("keys team --no-cache alias/ops", "")
	b.wantRun(0, runCached, valuesOfTeam, "1 secret of team not cached: the owner of alias/ops forbids it")
	b.wantFiles(1)
	b.Fault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Kind: s3test.Drop} })
	b.wantRun(0, "exec --cache 24h team -- ./child URL KEEP", strings.TrimSuffix(valuesOfTeam, canary+"-pager\n"), "1 secret of team not cached, because the owner forbids it: pager", "1 hidden")
	b.wantRun(5, "exec --cache 24h team --require-all -- ./child URL KEEP", "")
	b.Fault(nil)

	b.do("keys team --no-cache alias/app", "")
	b.wantRun(0, "export team", b.perform("export team", "").stdout)
	b.wantFiles(0) // deleted by a command that doesn't use it
	b.wantRun(0, runCached, valuesOfTeam, "4 secrets of team not cached")
	b.wantFiles(0)
	got := b.perform("keys team --json", "")
	if n := strings.Count(got.stdout, `"no_cache": true`); n != 2 {
		t.Errorf("%d aliases: %s", n, got.stdout)
	}

	b.do("keys team --allow-cache alias/app", "")
	b.do("keys --allow-cache alias/ops", "")
	b.wantRun(0, runCached, valuesOfTeam)
	b.wantFiles(1)
}

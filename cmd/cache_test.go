//go:build unix

package cmd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// offlineBench is a stage on which exec --cache has run once: the three secrets of alias/app in service team
// are in the cache, and the one of alias/ops.
type offlineBench struct {
	*stage
	now time.Time
}

const runCached = "exec --cache 24h team -- ./child URL KEEP PAGER"

var valuesOfTeam = canary + "-url-2\n" + canary + "-keep\n" + canary + "-pager\n"

func newOffline(t *testing.T, o s3test.Options) *offlineBench {
	t.Helper()
	return newOfflineOn(t, sseKMS{}, o)
}

func newOfflineOn(t *testing.T, on storage, o s3test.Options) *offlineBench {
	t.Helper()
	b := &offlineBench{stage: stageOn(t, on, o), now: time.Now().Truncate(time.Second)}
	b.env = append(b.env, "COFFER_RETRIES=1")
	b.wantRun(0, runCached, valuesOfTeam)
	b.wantFiles(1)
	b.Reset()
	return b
}

// later moves the clock of the program.
func (b *offlineBench) later(d time.Duration) {
	b.now = b.now.Add(d)
	b.env = append(b.env, fixedNow+"="+b.now.Format(time.RFC3339))
}

// wantRun runs the program, which prints exactly stdout, and each of says on standard error.
func (b *offlineBench) wantRun(exit int, line, stdout string, says ...string) outcome {
	b.Helper()
	got := b.perform(line, "")
	if got.exit != exit || got.stdout != stdout {
		b.Errorf("coffer %s: exit code %d, want %d\n%s%s", line, got.exit, exit, got.stdout, got.stderr)
	}
	for _, text := range says {
		if !strings.Contains(got.stderr, text) {
			b.Errorf("coffer %s doesn't say %q:\n%s", line, text, got.stderr)
		}
	}
	if strings.Contains(got.stderr, canary) {
		b.Errorf("coffer %s: stderr has a value", line)
	}
	b.wantNoFileTells()
	return got
}

func (b *offlineBench) dir() string { return filepath.Join(b.home, "cache", "coffer", "secrets") }

func (b *offlineBench) paths() []string {
	b.Helper()
	paths, err := filepath.Glob(filepath.Join(b.dir(), "*.age"))
	if err != nil {
		b.Fatal(err)
	}
	return paths
}

// wantFiles checks how many services are in the cache.
func (b *offlineBench) wantFiles(n int) {
	b.Helper()
	if paths := b.paths(); len(paths) != n {
		b.Errorf("files of the cache: %q; want %d", paths, n)
	}
}

// answers has each request answered so.
func (b *offlineBench) answers(status int, code string) {
	b.Fault(func(s3test.Request) *s3test.Fault {
		return &s3test.Fault{Kind: s3test.Answer, Status: status, Code: code}
	})
}

func (b *offlineBench) requests() []string {
	var ops []string
	for _, e := range b.Log() {
		ops = append(ops, e.Op)
	}
	return ops
}

func TestASecondRunWithoutTheNetworkUsesTheCache(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(*offlineBench){
		"refused": func(b *offlineBench) { b.Close() },
		"dropped": func(b *offlineBench) {
			b.Fault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Kind: s3test.Drop} })
		},
		"hangs": func(b *offlineBench) {
			b.env = append(b.env, "COFFER_TIMEOUT=3s")
			b.Fault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Kind: s3test.Hang} })
		},
		"500": func(b *offlineBench) { b.answers(500, "InternalError") },
		"503": func(b *offlineBench) { b.answers(503, "SlowDown") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newOffline(t, s3test.Options{})
			b.later(3*time.Hour + time.Minute)
			cut(b)
			b.wantRun(0, runCached, valuesOfTeam, "the storage can't be reached; using the secrets of team read 3 hours ago (")
			b.wantRun(0, "-q "+runCached, valuesOfTeam, "read 3 hours ago")
			b.wantRun(6, "exec team -- ./child URL", "")
			b.wantRun(6, "exec --cache 24h other -- ./child URL", "")
			b.wantRun(6, "exec --cache 24h team other -- ./child URL", "")
			b.wantRun(6, "export team", "")
			b.wantFiles(1)
		})
	}
}

// TestWaitsForTheCacheAreShort: who has the secrets already isn't kept waiting as long as who hasn't.
func TestWaitsForTheCacheAreShort(t *testing.T) {
	t.Parallel()
	b := newOffline(t, s3test.Options{})
	b.env = append(b.env, "COFFER_RETRIES=10")
	b.Fault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Kind: s3test.Hang} })
	b.wantRun(0, runCached, valuesOfTeam, "no progress for 5s while waiting for ")
}

func TestAnUnchangedServiceIsOneListing(t *testing.T) {
	t.Parallel()
	b := newOffline(t, s3test.Options{})
	b.wantRun(0, runCached, valuesOfTeam)
	if ops := b.requests(); !slices.Equal(ops, []string{"ListObjectsV2"}) {
		t.Errorf("requests: %q", ops)
	}
	b.write("alias/app", "url", "url-3")
	b.wantRun(0, runCached, strings.Replace(valuesOfTeam, "url-2", "url-3", 1))
	b.Reset()
	b.wantRun(0, runCached, strings.Replace(valuesOfTeam, "url-2", "url-3", 1))
	if ops := b.requests(); !slices.Equal(ops, []string{"ListObjectsV2"}) {
		t.Errorf("requests after a change was read: %q", ops)
	}

	// A listing doesn't show that the caller may still decrypt. So the values are read again.
	b.later(time.Hour + time.Minute)
	b.Reset()
	b.wantRun(0, runCached, strings.Replace(valuesOfTeam, "url-2", "url-3", 1))
	if ops := b.requests(); !slices.Contains(ops, "GetObject") {
		t.Errorf("requests an hour later: %q", ops)
	}
}

func TestAnOldCacheIsNotUsed(t *testing.T) {
	t.Parallel()
	b := newOffline(t, s3test.Options{})
	b.later(26 * time.Hour)
	b.Close()
	b.wantRun(6, runCached, "", "the cache of team is not used: its secrets were read 1 day ago, longer ago than --cache allows (24h)")
	b.wantRun(0, "exec --cache 7d team -- ./child URL KEEP PAGER", valuesOfTeam, "read 1 day ago")
	b.later(-48 * time.Hour)
	b.wantRun(6, runCached, "", "the cache of team is not used: its secrets were read at ", "this machine's clock is now before that")
}

// TestTheCacheOfAnotherStoreOrReaderIsNotUsed: by what is configured, without a request.
func TestTheCacheOfAnotherStoreOrReaderIsNotUsed(t *testing.T) {
	t.Parallel()
	b := newOffline(t, s3test.Options{})
	if err := os.MkdirAll(filepath.Join(b.home, ".aws"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.home, ".aws", "config"), []byte("[profile other]\nregion = us-east-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Close()
	env := b.env
	for _, other := range []string{
		"COFFER_S3_BUCKET=c", "AWS_ACCESS_KEY_ID=AKIDOTHER", "AWS_PROFILE=other", "AWS_REGION=eu-west-1", "COFFER_BACKEND=s3", "COFFER_EXPECTED_BUCKET_OWNER=123456789012",
		"COFFER_KEY_ARNS=arn:aws:kms:us-east-1:000000000000:key/x",
	} {
		b.env = append(slices.Clone(env), other)
		b.wantRun(6, runCached, "")
	}
	b.env = env
	b.wantRun(0, runCached, valuesOfTeam)
}

func TestADamagedCacheIsNotUsedAndDoesNoHarm(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(body []byte) []byte{
		"empty":   func([]byte) []byte { return nil },
		"cut":     func(body []byte) []byte { return body[:len(body)-1] },
		"changed": func(body []byte) []byte { body[len(body)-20] ^= 1; return body },
		"text":    func([]byte) []byte { return []byte(`{"secrets":[{"key":"url","value":"x"}]}`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newOffline(t, s3test.Options{})
			path := b.paths()[0]
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			broken := damage(slices.Clone(body))
			write := func() {
				if err := os.WriteFile(path, broken, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write()
			b.wantRun(0, runCached, valuesOfTeam) // and is written again
			write()
			b.wantRun(0, "cache list", "Service\tStore\tAlias\tSecrets\tRead\tExpires\tKeyIn\n", "can't open 1 file: it is damaged")
			b.Close()
			b.wantRun(6, runCached, "", "the cache of team is not used: ")
			b.wantRun(0, "cache clear team", "", "deleted from the cache: 1 file")
		})
	}
}

func TestASwappedCacheIsNotUsed(t *testing.T) {
	t.Parallel()
	b := newOffline(t, s3test.Options{})
	b.do("write other url -", canary+"-of-other")
	first := b.paths()[0]
	b.wantRun(0, "exec --cache 24h other -- ./child URL", canary+"-of-other\n")
	paths := b.paths()
	second := paths[1-slices.Index(paths, first)]
	for _, names := range [][2]string{{first, first + "x"}, {second, first}, {first + "x", second}} {
		if err := os.Rename(names[0], names[1]); err != nil {
			t.Fatal(err)
		}
	}
	b.Close()
	b.wantRun(6, runCached, "", "the cache of team is not used: ")
	b.wantRun(6, "exec --cache 24h other -- ./child URL", "", "the cache of other is not used: ")
}

func TestACacheThatCannotBeWrittenStopsNothing(t *testing.T) {
	t.Parallel()
	b := newOffline(t, s3test.Options{})
	if err := os.RemoveAll(b.dir()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.dir(), nil, 0o600); err != nil { // where the directory should be
		t.Fatal(err)
	}
	b.wantRun(0, runCached, valuesOfTeam, "the secrets can't be kept for --cache: ")
	b.wantRun(0, "exec --cache off team -- ./child URL", canary+"-url-2\n")
	b.env = append(b.env, "HOME=", "XDG_CACHE_HOME=", "XDG_STATE_HOME=")
	b.wantRun(0, runCached, valuesOfTeam, "the secrets can't be kept for --cache: there is no home directory")
}

func TestCacheListAndClear(t *testing.T) {
	t.Parallel()
	b := newOffline(t, s3test.Options{})
	b.do("write other url -", canary)
	b.wantRun(0, "exec --cache 1h other -- ./child URL", canary+"\n")
	var rows []map[string]any
	if err := json.Unmarshal([]byte(b.perform("cache list --json", "").stdout), &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0]["service"] != "other" || rows[1]["service"] != "team" || fmt.Sprint(rows[1]["aliases"]) != "[alias/app alias/ops]" ||
		fmt.Sprint(rows[1]["keys"]) != "[gone keep pager url]" || rows[1]["sealed_by"] != filepath.Join(b.home, "state", "coffer", "cache.key") {
		t.Errorf("%v", rows)
	}
	b.wantRun(3, "cache clear nothing", "", `the cache has no service "nothing"`)
	b.wantRun(0, "cache clear other --json", "{\n  \"deleted\": 1\n}\n")
	b.wantFiles(1)
	b.wantRun(0, "cache clear", "", "deleted from the cache: 1 file")
	b.wantFiles(0)
	if _, err := os.Stat(filepath.Join(b.home, "state", "coffer", "cache.key")); err == nil {
		t.Error("the key is still there")
	}
	if ops := b.requests(); slices.Contains(ops, "") {
		t.Error(ops)
	}
}

func TestCacheTimesThatCannotBe(t *testing.T) {
	t.Parallel()
	b := newOffline(t, s3test.Options{})
	for _, line := range []string{"--cache 24", "--cache -1h", "--cache 1s", "--cache 31d", "--cache 999999d", "--cache never", "--cache 24h -b local", "--cache 24h -b null"} {
		b.wantRun(2, "exec "+line+" team -- ./child URL", "")
	}
	config := filepath.Join(b.home, "config.yaml")
	if err := os.WriteFile(config, []byte("cache: 24h\ncontexts:\n  off: {cache: \"off\"}\n  here: {backend: local}\n  bad: {cache: soon}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.env = append(b.env, "COFFER_CONFIG="+config)
	b.Reset()
	b.wantRun(0, "exec team -- ./child URL", canary+"-url-2\n")
	if ops := b.requests(); len(ops) != 1 {
		t.Errorf("with the setting: %q", ops)
	}
	b.Reset()
	b.wantRun(0, "exec --context off team -- ./child URL", canary+"-url-2\n")
	if ops := b.requests(); len(ops) != 3 {
		t.Errorf("switched off: %q", ops)
	}
	b.wantRun(7, "exec --context bad team -- ./child URL", "", "cache: \"soon\" is not a time")
	b.wantRun(3, "exec --context here team -b local -- ./child URL", "")
}

// TestAKilledWriterLeavesTheOldCache: a temporary file of a process that was killed is never used, and goes.
func TestAKilledWriterLeavesTheOldCache(t *testing.T) {
	t.Parallel()
	b := newOffline(t, s3test.Options{})
	left := filepath.Join(b.dir(), ".coffer-left.tmp")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(left, long, long); err != nil {
		t.Fatal(err)
	}
	b.wantRun(0, runCached, valuesOfTeam)
	b.write("alias/app", "url", "url-2") // something new to keep
	b.wantRun(0, runCached, valuesOfTeam)
	if _, err := os.Stat(left); err == nil {
		t.Error("it is still there")
	}
}

package watch_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/internal/watch"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3kms"
)

const interval = time.Minute

// room is a watcher of services, and what it was seen to do. Time passes by steps of the test: each
// pause of the watcher is one.
type room struct {
	*testing.T
	*s3test.Server
	writer  store.Store
	watcher *watch.Watcher
	refuse  error // the answer of Changed

	read   []map[string]string // the values of each change, by service/key
	failed []string            // the failures, and "" for when all was well again
	pauses []time.Duration
}

func newRoom(t *testing.T, o s3test.Options, services ...string) *room {
	t.Helper()
	o.Buckets = []string{"b"}
	r := &room{T: t, Server: s3test.New(o)}
	t.Cleanup(r.Close)
	r.KMS.CreateKey("alias/app")
	r.AddPrincipal(s3test.Principal{AccessKeyID: "AKIAREADER", SecretKey: "secret"})
	for name, value := range map[string]string{
		"HOME": t.TempDir(), "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": r.URL,
		"AWS_ACCESS_KEY_ID": s3test.AdminKeyID, "AWS_SECRET_ACCESS_KEY": s3test.AdminSecret,
	} {
		t.Setenv(name, value)
	}
	cfg, err := awsconf.Load(t.Context(), awsconf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.writer, err = s3kms.New(t.Context(), cfg, s3kms.Options{Bucket: "b", KeyAlias: "alias/app"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAREADER")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	set := func(value string) app.Setting { return app.Setting{Value: value} }
	r.watcher = &watch.Watcher{
		App: &app.App{Globals: &app.Globals{}, Now: time.Now, InForce: &app.Settings{
			Backend: set("s3-kms"), Bucket: set("b"), KMSKeyAlias: set("alias/app"), Retries: set("1"), RetryMode: set("standard"),
			Timeout: app.Setting{Value: "30s", From: "--timeout"}, File: &app.FileConfig{},
		}},
		Services: services, Interval: interval,
		Changed: func(all []store.Contents) (func(), error) {
			if r.refuse == nil {
				r.read = append(r.read, values(all))
			}
			return func() {
				if len(r.failed) > 0 && r.failed[len(r.failed)-1] != "" {
					r.Errorf("it acts after the failure %q", r.failed[len(r.failed)-1])
				}
			}, r.refuse
		},
		Failed: func(err error) {
			text := ""
			if err != nil {
				text = app.Sentence(err)
			}
			r.failed = append(r.failed, text)
		},
	}
	return r
}

func values(all []store.Contents) map[string]string {
	values := map[string]string{}
	for _, c := range all {
		for _, s := range c.Secrets {
			values[s.ID.Service+"/"+s.ID.Key] = s.Value.Reveal()
		}
	}
	return values
}

func (r *room) write(name, value string) {
	r.Helper()
	id, err := store.ParseID(name)
	if err == nil {
		_, err = r.writer.Write(r.Context(), id, store.NewValue(value), store.WriteOptions{})
	}
	if err != nil {
		r.Fatal(err)
	}
}

// load reads the services as a command does before it watches them.
func (r *room) load() []store.Contents {
	r.Helper()
	all, failed, err := r.watcher.App.LoadReadable(r.Context(), r.watcher.Services, false)
	if err := errors.Join(append(failed, err)...); err != nil {
		r.Fatal(err)
	}
	return all
}

// passes watches, with a step in each pause. It returns the operations that were asked for after each step.
func (r *room) passes(read []store.Contents, steps ...func()) (requests [][]string) {
	r.Helper()
	ctx, cancel := context.WithCancel(r.Context())
	n := 0
	r.watcher.Pause = func(_ context.Context, d time.Duration) error {
		if n > 0 {
			requests = append(requests, r.operations())
		}
		if n == len(steps) {
			cancel()
			return ctx.Err()
		}
		r.pauses = append(r.pauses, d)
		if step := steps[n]; step != nil {
			step()
		}
		r.Reset()
		n++
		return nil
	}
	r.watcher.Run(ctx, read)
	return requests
}

// operations returns what was asked for, sorted.
func (r *room) operations() []string {
	var all []string
	for _, e := range r.Log() {
		all = append(all, strings.TrimSpace(e.Op+" "+e.Prefix+e.Key))
	}
	slices.Sort(all)
	return all
}

func (r *room) want(read []map[string]string, failed ...string) {
	r.Helper()
	if !slices.EqualFunc(read, r.read, maps.Equal) {
		r.Errorf("read: %v\nwant: %v", r.read, read)
	}
	if !slices.EqualFunc(r.failed, failed, func(got, want string) bool { return strings.Contains(got, want) && (got == "") == (want == "") }) {
		r.Errorf("failures: %q\nwant: %q", r.failed, failed)
	}
}

func TestAPollIsOneListingOfEachService(t *testing.T) {
	r := newRoom(t, s3test.Options{}, "api", "web", "api")
	r.write("api/k", "one")
	r.write("web/k", "one")
	lists := []string{"ListObjectsV2 api/", "ListObjectsV2 web/"}
	reads := append(slices.Clone(lists), "GetObject api/__kms_alias_app__latest.json", "GetObject web/__kms_alias_app__latest.json")
	slices.Sort(reads)
	got := r.passes(r.load(), nil, nil, func() { r.write("web/k", "two") }, nil, nil)
	for i, want := range [][]string{lists, lists, lists, slices.Sorted(slices.Values(append(reads, lists...))), lists} {
		if !slices.Equal(got[i], want) {
			t.Errorf("requests %d: %q\nwant: %q", i, got[i], want)
		}
	}
	r.want([]map[string]string{{"api/k": "one", "web/k": "two"}})
	for i, d := range r.pauses {
		if quiet := i == 3; quiet && d != watch.Quiet || !quiet && (d > interval || d < interval*3/4) {
			t.Errorf("pause %d is %v", i, d)
		}
	}
}

func TestManyWritesAreOneChange(t *testing.T) {
	r := newRoom(t, s3test.Options{}, "api")
	r.write("api/k", "0")
	var steps []func()
	for i := range 5 {
		steps = append(steps, func() { r.write("api/k", fmt.Sprint(i+1)) })
	}
	r.passes(r.load(), append(steps, nil, nil, nil)...)
	r.want([]map[string]string{{"api/k": "5"}})
}

// TestValuesThatAreBeingWrittenAreNotReadInPart: the write of three values that belong together begins while the
// change before is read.
func TestValuesThatAreBeingWrittenAreNotReadInPart(t *testing.T) {
	r := newRoom(t, s3test.Options{}, "api")
	all := func(value string) {
		for _, key := range []string{"a", "b", "c"} {
			r.write("api/"+key, value)
		}
	}
	all("one")
	var begun atomic.Bool
	r.passes(r.load(), func() { all("two") }, func() {
		r.Fault(func(q s3test.Request) *s3test.Fault {
			if q.Op == "GetObject" && begun.CompareAndSwap(false, true) { // the index, which the load reads
				r.write("api/a", "three")
			}
			return nil
		})
	}, func() { r.write("api/b", "three"); r.write("api/c", "three") }, nil, nil, nil)
	r.want([]map[string]string{{"api/a": "three", "api/b": "three", "api/c": "three"}})
}

// TestAServiceThatIsNeverQuietIsRead: a secret that is written all the time holds back no other.
func TestAServiceThatIsNeverQuietIsRead(t *testing.T) {
	r := newRoom(t, s3test.Options{}, "api")
	r.write("api/k", "0")
	var steps []func()
	for i := range 20 {
		steps = append(steps, func() { r.write("api/k", fmt.Sprint(i+1)) })
	}
	r.passes(r.load(), steps...)
	r.want([]map[string]string{{"api/k": "16"}})
}

func TestAChangeThatIsTakenBackIsNotRead(t *testing.T) {
	r := newRoom(t, s3test.Options{}, "api")
	r.write("api/k", "one")
	r.passes(r.load(), func() { r.write("api/new", "one") }, func() {
		if _, err := r.writer.Delete(t.Context(), "api", "new"); err != nil {
			t.Fatal(err)
		}
	}, nil, nil)
	r.want(nil)
}

func TestAFailureIsToldOnceAndWhenItIsOver(t *testing.T) {
	r := newRoom(t, s3test.Options{}, "api")
	r.write("api/k", "one")
	down := func(down bool) func() {
		return func() {
			r.Fault(func(s3test.Request) *s3test.Fault {
				if !down {
					return nil
				}
				return &s3test.Fault{Kind: s3test.Answer, Status: 503, Code: "ServiceUnavailable"}
			})
		}
	}
	r.passes(r.load(), down(true), nil, nil, down(false), nil, func() { r.write("api/k", "two") }, down(true), down(false), nil, nil)
	// The second time it is down while it waits for quiet.
	r.want([]map[string]string{{"api/k": "two"}}, "ServiceUnavailable", "", "ServiceUnavailable", "")
}

func TestWhatCanNoLongerBeListedIsNotRead(t *testing.T) {
	r := newRoom(t, s3test.Options{}, "api")
	r.write("api/k", "one")
	policy := func(p s3test.Policy) func() { return func() { r.SetPolicy("AKIAREADER", p) } }
	got := r.passes(r.load(), nil, policy(s3test.Policy{DenyList: true}), nil, policy(s3test.Policy{}), nil)
	for _, requests := range got {
		if !slices.Equal(requests, []string{"ListObjectsV2 api/"}) {
			t.Errorf("requests: %q", requests)
		}
	}
	r.want(nil, "not allowed", "")
}

// TestAServiceThatCantBeListedIsReadEachTime: it could be read from the beginning.
func TestAServiceThatCantBeListedIsReadEachTime(t *testing.T) {
	r := newRoom(t, s3test.Options{}, "api")
	r.write("api/k", "one")
	r.SetPolicy("AKIAREADER", s3test.Policy{ListPrefixes: []string{"api/__kms"}})
	r.passes(r.load(), nil, nil, func() { r.write("api/k", "two") }, nil, nil, nil)
	r.want([]map[string]string{{"api/k": "one"}, {"api/k": "two"}})
}

func TestARefusedChangeIsOfferedAgain(t *testing.T) {
	r := newRoom(t, s3test.Options{}, "api")
	r.write("api/k", "one")
	r.passes(r.load(), func() {
		r.write("api/k", "two")
		r.refuse = errors.New("refused")
	}, nil, nil, nil, func() { r.refuse = nil }, nil, nil)
	r.want([]map[string]string{{"api/k": "two"}}, "refused", "")
}

func TestAServiceThatIsDeletedIsAFailure(t *testing.T) {
	r := newRoom(t, s3test.Options{}, "api")
	r.write("api/k", "one")
	r.passes(r.load(), func() {
		if _, err := r.writer.Delete(t.Context(), "api", "k"); err != nil {
			t.Fatal(err)
		}
	}, nil, nil, nil, func() { r.write("api/k", "two") }, nil, nil)
	r.want([]map[string]string{{"api/k": "two"}}, `service "api" has no secrets`, "")
}

// TestSessionsAreRenewed: each session ends after a few requests, and each token is good for one of them.
func TestSessionsAreRenewed(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "token")
	var used []string
	r := newRoom(t, s3test.Options{SessionRequests: 7, Trust: func(token string) string {
		if slices.Contains(used, token) {
			return "ExpiredTokenException"
		}
		used = append(used, token)
		return ""
	}}, "api")
	r.write("api/k", "one")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ROLE_ARN": r.SetRole("app", s3test.Policy{}), "AWS_WEB_IDENTITY_TOKEN_FILE": tokens,
	} {
		t.Setenv(name, value)
	}
	renew := func(n int) {
		if err := os.WriteFile(tokens, fmt.Append(nil, "token ", n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	renew(0)
	var steps []func()
	for i := range 60 {
		steps = append(steps, func() { renew(i + 1) })
	}
	steps = append(steps, func() { r.write("api/k", "two") }, nil, nil)
	r.passes(r.load(), steps...)
	r.want([]map[string]string{{"api/k": "two"}})
	if len(used) < 8 {
		t.Errorf("%d sessions", len(used))
	}
}

// TestCredentialsThatWereRefusedAreReadAgain: those of a file, for example, that a person has renewed.
func TestCredentialsThatWereRefusedAreReadAgain(t *testing.T) {
	r := newRoom(t, s3test.Options{}, "api")
	r.write("api/k", "one")
	file := filepath.Join(t.TempDir(), "credentials")
	credentials := func(key string) {
		text := "[default]\naws_access_key_id = " + key + "\naws_secret_access_key = secret\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	credentials("AKIAREADER")
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SHARED_CREDENTIALS_FILE": file} {
		t.Setenv(name, value)
	}
	r.passes(r.load(), nil, func() {
		r.RemovePrincipal("AKIAREADER")
		r.write("api/k", "two")
	}, nil, func() {
		r.AddPrincipal(s3test.Principal{AccessKeyID: "AKIANEWKEY", SecretKey: "secret"})
		credentials("AKIANEWKEY")
	}, nil, nil)
	r.want([]map[string]string{{"api/k": "two"}}, "credentials", "")
}

// TestAThousandPollsNeedNoMoreMemoryThanAHundred: half of them fail.
func TestAThousandPollsNeedNoMoreMemoryThanAHundred(t *testing.T) {
	r := newRoom(t, s3test.Options{}, "api")
	r.write("api/k", "one")
	r.Fault(func(q s3test.Request) *s3test.Fault {
		if q.N%2 == 0 {
			return nil
		}
		return &s3test.Fault{Kind: s3test.Answer, Status: 503, Code: "ServiceUnavailable"}
	})
	use := func() (heap uint64, goroutines int) {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, runtime.NumGoroutine()
	}
	var heap uint64
	var goroutines int
	r.watcher.Failed = func(error) {}
	steps := make([]func(), 1000)
	steps[100] = func() { heap, goroutines = use() }
	steps[999] = func() {
		if h, g := use(); h > heap+500<<10 || g > goroutines+10 {
			t.Errorf("after 1000 polls: %d bytes and %d goroutines; after 100: %d and %d", h, g, heap, goroutines)
		}
	}
	r.passes(nil, steps...)
}

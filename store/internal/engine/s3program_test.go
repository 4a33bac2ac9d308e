package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/clienttest"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
)

// passing are the faults that come and go, and that a second attempt overcomes.
func passing() []s3test.Fault {
	kinds := []s3test.Fault{
		{Kind: s3test.Drop},
		{Kind: s3test.Answer, Status: 500, Code: "InternalError"},
		{Kind: s3test.Answer, Status: 503, Code: "SlowDown"},
		{Kind: s3test.Hang, Delay: 10 * time.Millisecond},
	}
	var all []s3test.Fault
	for _, f := range kinds {
		lost := f
		lost.After = true
		all = append(all, f, lost)
	}
	return all
}

// conditional are the commands whose conditions a repeated request of ours would break.
func conditional() []command {
	write := func(name, key string, version int) command {
		value := canary + "-" + key
		return command{name: name, wants: map[string]string{key: value}, run: func(ctx context.Context, c *client) ([]store.Result, error) {
			r, err := c.Write(ctx, id(key), store.NewValue(value), store.WriteOptions{IfVersion: &version})
			return []store.Result{r}, err
		}}
	}
	return []command{write("create only", "n", 0), write("update only", "u", 2)}
}

// TestFaultWalkOnS3WithTheProgramsClient has each request go wrong once under the client that the
// program has, which repeats it: a put whose answer was lost is then refused, by our own object. The
// command succeeds, and has made one version.
func TestFaultWalkOnS3WithTheProgramsClient(t *testing.T) {
	mototest.Isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.AdminKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.AdminSecret)
	full := proof.Whole()
	cases := 0
	for mode, quirks := range map[string]s3test.Quirks{"unique ETags": {}, "MD5 ETags": {MD5Tags: true}, "versions": {}} {
		keeps := mode == "versions"
		if !full && mode != "unique ETags" {
			continue
		}
		all := commands(membucket.Options{Versioned: keeps})
		if !keeps {
			all = append(all, conditional()...)
		}
		for _, cmd := range all {
			w, server := s3World(t, s3test.Options{Quirks: quirks})
			origin := newWorld(t, membucket.Options{})
			sceneKinds["in order"](origin)
			seed := origin.mem.Objects()
			server.Bucket("b").KeepVersions(keeps)
			reset := func() {
				w.transplant(server, seed)
				if keeps {
					withDeleted(w)
				}
			}
			reset()
			for _, at := range requests(cmd, &scene{world: w}) {
				for _, f := range passing() {
					changes := slices.Contains([]string{"put", "delete", "delete-version"}, at.op)
					if !full && (!changes || !f.After || f.Kind != s3test.Drop) {
						continue
					}
					cases++
					t.Run(fmt.Sprintf("%s/%s/%s %s %d/%s", mode, cmd.name, at.op, at.object, at.n, f), func(t *testing.T) {
						outer := w.T
						w.T = t
						defer func() { w.T = outer }()
						reset()
						runWithProgramsClient(t, w, server, cmd, at, f)
					})
				}
			}
		}
	}
	t.Logf("%d cases; make prove does them all", cases)
}

// runWithProgramsClient runs a command, one request of which meets a fault that passes.
func runWithProgramsClient(t *testing.T, w *world, server *s3test.Server, cmd command, at request, f s3test.Fault) {
	t.Helper()
	s := &scene{world: w, before: w.truth()}
	c := s.client(app)
	c.through(s3bucket.New(clienttest.S3(t, server.URL), w.s3Options()))
	hit := strike(server, at, f)
	results, err := cmd.run(t.Context(), c)
	server.Fault(nil)
	if !hit.Load() {
		t.Error("the fault did not strike")
	}
	if err != nil {
		t.Errorf("error: %v", err)
	}
	s.check(cmd, results, err, nil, false)
	if !strings.HasSuffix(cmd.name, "only") { // whose condition does not hold again
		s.converges(cmd)
	}
}

// Package schedule holds the real engine against the protocol under every order of its
// requests. Clients share one bucket in memory; each of their requests waits until the
// scheduler gives it its turn, and one is made at a time. What a run did is a list of
// choices, so that any run can be repeated: see [TestReplay].
//
// A client may have several requests waiting at once, as the engine overlaps reads: each is
// a choice of its own. The scheduler chooses when nothing moves any more, which the bubble
// of testing/synctest tells: every goroutine waits for a turn or has ended.
package schedule

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// fate is what becomes of a request at its turn.
type fate int

const (
	made       fate = iota
	lostBefore      // the answer is lost, and the change was not made
	lostAfter       // the answer is lost, and the change was made
	crashed         // the client ends: this request and all later ones are never made
)

func (f fate) String() string { return [...]string{"", " LOST before", " LOST after", " CRASH"}[f] }

// errCrashed is what a client that has crashed is told, so that its goroutines end. The
// engine does not try such a request again.
var errCrashed = errors.New("the client has crashed")

// request waits for its turn.
type request struct {
	client   *client
	op, name string
	turn     chan fate
}

// world is one run: a bucket, its clients, and what has happened so far.
type world struct {
	s       scenario
	mem     *membucket.Bucket
	clients []*client

	mu      sync.Mutex
	waiting []*request

	lost, crashes int // how many of either the schedule may still choose
	choices       []int
	trace         []string
	log           []commit // the changes of secret objects in their order
	broken        []string // promises broken while a request was made
}

// client runs one task through a bucket that waits for turns.
type client struct {
	w    *world
	n    int
	task task
	mem  *membucket.Bucket

	nth     map[string]int // how many requests of a kind it has made
	history digest         // what it was answered
	nonces  int
	listed  int // the length of the log at its first LIST; -1: none yet
	dead    bool
	done    bool
	outcome outcome
}

// start seeds a bucket and sets the clients of a scenario off.
func start(ctx context.Context, s scenario, etags membucket.ETags) *world {
	w := &world{s: s, lost: s.lost, crashes: s.crashes, mem: s.seeded(ctx, etags)}
	for n, t := range s.tasks {
		c := &client{w: w, n: n, task: t, mem: w.mem.Client(), nth: map[string]int{}, listed: -1}
		if t.without != "" {
			c.mem.DenyKeys(membucket.KeyID(t.without))
		}
		w.clients = append(w.clients, c)
	}
	for _, c := range w.clients {
		b := s.over(s.paging(&waitingBucket{c}), c.task.without)
		if s.mutation != nil && (s.mutant == "" || s.mutant == c.task.op) {
			b = s.mutation(b)
		}
		go func() {
			o := c.task.run(ctx, c, b)
			w.mu.Lock()
			defer w.mu.Unlock()
			c.outcome, c.done = o, true
		}()
	}
	synctest.Wait()
	return w
}

// engine opens the real engine for a client. It never waits before it repeats a step: who
// comes when is for the scheduler to say.
func (c *client) engine(b bucket.Bucket, alias string) *engine.Engine {
	o := engine.Options{
		Bucket: b, Alias: alias, Now: time.Now,
		Author: func(context.Context) string { return "writer " + strconv.Itoa(c.n) },
		Sleep:  func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Nonce: func() string {
			c.w.mu.Lock()
			defer c.w.mu.Unlock()
			c.nonces++
			return fmt.Sprintf("nonce %d of %d", c.nonces, c.n)
		},
	}
	c.w.s.options(&o)
	return engine.New(o)
}

// option is one way to go on.
type option struct {
	*request
	fate fate
}

func (o option) String() string {
	return fmt.Sprintf("%d: %s %s%s", o.client.n, o.op, o.name, o.fate)
}

// options returns the ways to go on, in an order that only depends on what has happened;
// none: the run is over.
func (w *world) options() []option {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortFunc(w.waiting, func(a, b *request) int {
		return cmp.Or(cmp.Compare(a.client.n, b.client.n), cmp.Compare(a.op, b.op), cmp.Compare(a.name, b.name))
	})
	var out []option
	for _, r := range w.waiting {
		out = append(out, option{r, made})
		if w.lost > 0 && (r.op == "put" || r.op == "delete") {
			out = append(out, option{r, lostBefore}, option{r, lostAfter})
		}
	}
	if w.crashes > 0 {
		for i, r := range w.waiting {
			if i == 0 || w.waiting[i-1].client != r.client {
				out = append(out, option{r, crashed})
			}
		}
	}
	return out
}

// take lets one request have its turn and returns when nothing moves any more.
func (w *world) take(choice int, o option) {
	w.mu.Lock()
	w.waiting = slices.DeleteFunc(w.waiting, func(r *request) bool { return r == o.request })
	w.choices = append(w.choices, choice)
	w.trace = append(w.trace, o.String())
	switch o.fate {
	case lostBefore, lostAfter:
		w.lost--
	case crashed:
		w.crashes--
	}
	w.mu.Unlock()
	if o.fate == crashed {
		w.crash(o.client)
	}
	o.turn <- o.fate
	synctest.Wait()
}

// crash ends a client: whatever it waits for now is not made, nor anything later.
func (w *world) crash(c *client) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.dead = true
	w.waiting = slices.DeleteFunc(w.waiting, func(r *request) bool {
		if r.client == c {
			r.turn <- crashed
		}
		return r.client == c
	})
}

// abandon ends a run half way.
func (w *world) abandon() {
	for _, c := range w.clients {
		w.crash(c)
	}
	synctest.Wait()
}

func (w *world) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !slices.ContainsFunc(w.clients, func(c *client) bool { return !c.done })
}

// state identifies where a run stands: the bucket, and what each client was answered. A
// client does the same after the same answers, in whatever order those of the requests
// came that it had waiting together. Tags are hashes of the bytes here, and nonces are
// counted, so that equal states of different runs look equal.
func (w *world) state() digest {
	h := w.store()
	for _, c := range w.clients {
		h = digestOf(h, c.history, c.dead)
	}
	return digestOf(h, w.lost, w.crashes)
}

// store identifies the state of the bucket.
func (w *world) store() digest {
	var parts []any
	for info := range w.mem.Walk(context.Background(), "") {
		parts = append(parts, info.Name, info.Tag)
	}
	return digestOf(parts...)
}

type digest [2]uint64

func digestOf(parts ...any) digest {
	sum := sha256.Sum256(fmt.Appendf(nil, "%#v", parts))
	return digest{binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])}
}

// add makes a digest of a set: the order of what is added does not matter.
func (d digest) add(o digest) digest { return digest{d[0] + o[0], d[1] + o[1]} }

// waitingBucket is the bucket as one client sees it.
type waitingBucket struct{ c *client }

// through makes a request when its turn has come.
func through[T any](ctx context.Context, c *client, op, name string, do func() (T, error), told func(T) any) (T, error) {
	var none T
	r := &request{client: c, op: op, name: name, turn: make(chan fate, 1)}
	f := crashed
	c.w.mu.Lock()
	if !c.dead {
		c.w.waiting = append(c.w.waiting, r)
		c.w.mu.Unlock()
		select {
		case f = <-r.turn:
		case <-ctx.Done():
			c.w.withdraw(r)
			return none, &bucket.Error{Op: op, Name: name, Err: ctx.Err()}
		}
		c.w.mu.Lock()
	}
	defer c.w.mu.Unlock()
	if f == crashed {
		return none, &bucket.Error{Op: op, Name: name, Err: errCrashed}
	}
	lost := &bucket.Error{Op: op, Name: name, Err: bucket.ErrUnavailable, Reason: "the answer was lost"}
	kind := op + " " + name
	c.nth[kind]++
	if f == lostBefore {
		c.history = c.history.add(digestOf(kind, c.nth[kind], "lost"))
		return none, lost
	}
	answer, err := do()
	if f == lostAfter {
		c.history = c.history.add(digestOf(kind, c.nth[kind], "lost"))
		return none, lost
	}
	if err != nil {
		c.history = c.history.add(digestOf(kind, c.nth[kind], err.Error()))
	} else {
		c.history = c.history.add(digestOf(kind, c.nth[kind], told(answer)))
	}
	return answer, err
}

func (w *world) withdraw(r *request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = slices.DeleteFunc(w.waiting, func(o *request) bool { return o == r })
}

func tagOf(i bucket.Info) any { return i.Tag }

func (b *waitingBucket) Get(ctx context.Context, name string) (bucket.Object, error) {
	return through(ctx, b.c, "get", name, func() (bucket.Object, error) { return b.c.mem.Get(ctx, name) },
		func(o bucket.Object) any { return o.Tag })
}

func (b *waitingBucket) Head(ctx context.Context, name string) (bucket.Info, error) {
	return through(ctx, b.c, "head", name, func() (bucket.Info, error) { return b.c.mem.Head(ctx, name) }, tagOf)
}

func (b *waitingBucket) ReadHeader(ctx context.Context, name string, n int) (bucket.Info, []byte, error) {
	type read struct {
		info   bucket.Info
		header []byte
	}
	r, err := through(ctx, b.c, "head", name, func() (r read, err error) {
		r.info, r.header, err = b.c.mem.ReadHeader(ctx, name, n)
		return r, err
	}, func(r read) any { return r.info.Tag })
	return r.info, r.header, err
}

func (b *waitingBucket) Put(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
	return through(ctx, b.c, "put", name, func() (bucket.Info, error) {
		info, err := b.c.mem.Put(ctx, name, body, o)
		if err == nil {
			b.c.w.committed(b.c, name)
		}
		return info, err
	}, tagOf)
}

func (b *waitingBucket) Delete(ctx context.Context, name string, cond bucket.If) error {
	_, err := through(ctx, b.c, "delete", name, func() (struct{}, error) {
		err := b.c.mem.Delete(ctx, name, cond)
		if err == nil {
			b.c.w.committed(b.c, name)
		}
		return struct{}{}, err
	}, func(struct{}) any { return "deleted" })
	return err
}

func (b *waitingBucket) List(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return b.list(ctx, "list", prefix, b.c.mem.List)
}

func (b *waitingBucket) Walk(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return b.list(ctx, "walk", prefix, b.c.mem.Walk)
}

func (b *waitingBucket) list(ctx context.Context, op, prefix string, list func(context.Context, string) iter.Seq2[bucket.Info, error]) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) {
		infos, err := through(ctx, b.c, op, prefix, func() (infos []bucket.Info, err error) {
			if b.c.listed < 0 {
				b.c.listed = len(b.c.w.log)
			}
			for info, err := range list(ctx, prefix) {
				if err != nil {
					return nil, err
				}
				infos = append(infos, info)
			}
			return infos, nil
		}, func(infos []bucket.Info) any {
			var told []string
			for _, i := range infos {
				told = append(told, i.Name, string(i.Tag))
			}
			return told
		})
		for _, info := range infos {
			if !yield(info, nil) {
				return
			}
		}
		if err != nil {
			yield(bucket.Info{}, err)
		}
	}
}

// schedule prints the choices of a run so that [TestReplay] can repeat it.
func (w *world) schedule() string {
	words := make([]string, len(w.choices))
	for i, c := range w.choices {
		words[i] = strconv.Itoa(c)
	}
	return fmt.Sprintf("COFFER_SCHEDULE=\"%s:%d:%s\" go test -run TestReplay ./store/internal/engine/schedule\n\t%s",
		w.s.name, w.s.lost, strings.Join(words, ","), strings.Join(w.trace, "\n\t"))
}

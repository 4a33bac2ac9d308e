package schedule

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

// found is what an exploration came upon.
type found struct {
	states, ends, runs int
	broken             string // the first run that broke a promise, to be repeated
}

// explore runs all schedules of a scenario, depth first: each run repeats the choices up to
// one that was not tried, and goes on from there until it ends or meets a state that was seen.
// Every state is a crash point: a client that is never given a turn again has crashed. It
// stops at the first broken promise, or after so many states.
func explore(t *testing.T, s scenario, limit int) found {
	e := &exploration{seen: map[digest]bool{}, stores: map[digest]bool{}}
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		for more := true; more && e.broken == "" && len(e.seen) < limit; more = e.next() {
			e.run(t.Context(), s)
		}
	})
	e.states = len(e.seen)
	t.Logf("%s: %d states, %d of the bucket, %d ends, %d runs, %v", s.name, e.states, len(e.stores), e.ends, e.runs, time.Since(began).Round(time.Millisecond))
	return e.found
}

type exploration struct {
	found
	seen, stores map[digest]bool
	path, width  []int // the choices of the last run, and among how many
}

// next moves on to the first choice that was not tried, from the end.
func (e *exploration) next() bool {
	for n := len(e.path) - 1; n >= 0; n-- {
		if e.path[n]+1 < e.width[n] {
			e.path, e.width = append(e.path[:n], e.path[n]+1), e.width[:n+1]
			return true
		}
	}
	return false
}

func (e *exploration) run(ctx context.Context, s scenario) {
	e.runs++
	w := start(ctx, s, membucket.MD5ETags)
	defer w.abandon()
	for depth := 0; ; depth++ {
		if depth >= len(e.path) {
			state := w.state()
			if e.seen[state] {
				return
			}
			e.seen[state] = true
			if e.check(ctx, w) {
				return
			}
		}
		options := w.options()
		if len(options) == 0 {
			return
		}
		if depth == len(e.path) {
			e.path = append(e.path, 0)
		}
		if depth >= len(e.width) {
			e.width = append(e.width, len(options))
		}
		if e.width[depth] != len(options) {
			e.broken = "the run cannot be repeated: " + w.schedule()
			return
		}
		w.take(e.path[depth], options[e.path[depth]])
	}
}

// check looks at a state for the first time, and reports whether it breaks a promise.
func (e *exploration) check(ctx context.Context, w *world) bool {
	if w.s.promise != nil {
		return e.checkPromise(ctx, w)
	}
	broken := w.violations()
	if store := w.store(); !e.stores[store] {
		e.stores[store] = true
		broken = append(broken, w.checkCrash(ctx, w.s.clone(w.mem))...)
	}
	if len(w.options()) == 0 {
		e.ends++
		if !w.over() {
			broken = append(broken, "a client hangs")
		}
		broken = append(broken, w.checkEnd()...)
	}
	if broken = only(broken, w.s.finds); len(broken) > 0 {
		e.broken = strings.Join(broken, "\n") + "\n" + w.schedule()
	}
	return len(broken) > 0
}

// checkPromise is check for a scenario with a promise of its own.
func (e *exploration) checkPromise(ctx context.Context, w *world) bool {
	if len(w.options()) > 0 {
		return false
	}
	e.ends++
	broken := w.s.promise(ctx, w)
	if !w.over() {
		broken = append(broken, "a client hangs")
	}
	if len(broken) > 0 {
		e.broken = strings.Join(broken, "\n") + "\n" + w.schedule()
	}
	return len(broken) > 0
}

// clone copies a bucket whose tags are hashes of its bytes.
func (s *scenario) clone(b *membucket.Bucket) *membucket.Bucket {
	c := s.newMem(membucket.MD5ETags)
	for name, o := range b.Objects() {
		c.Plant(name, o.Body, o.Seal)
	}
	return c
}

const all = math.MaxInt

// long returns how many random schedules COFFER_SCHEDULES asks for. With it, the other tests
// run their long form too, an hour or more on two cores, which make prove does not.
func long(t *testing.T) (schedules int, asked bool) {
	t.Helper()
	text, asked := os.LookupEnv("COFFER_SCHEDULES")
	if !asked {
		return proof.Bounded(1000, 5000), false
	}
	schedules, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return schedules, true
}

// exploreEach explores scenarios beside one another.
func exploreEach(t *testing.T, each []scenario, limit int) {
	for _, s := range each {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if f := explore(t, s, limit); f.broken != "" {
				t.Error(f.broken)
			}
		})
	}
}

// TestAllSchedulesOfTwoClients lets no schedule lose an answer in make test, each one in make
// prove, and each two in the long form.
func TestAllSchedulesOfTwoClients(t *testing.T) {
	each := scenarios()
	_, asked := long(t)
	for i := range each {
		switch {
		case asked:
			each[i].lost *= 2
		case !proof.Whole():
			each[i].lost = 0
		}
	}
	exploreEach(t, each, all)
}

// TestAllSchedulesOfARekey loses an answer where the rekey is alone; two rekeys are cut off
// after a part. In the long form there is no end, and each schedule may lose an answer.
func TestAllSchedulesOfARekey(t *testing.T) {
	each, limit := rekeys(), proof.Bounded(1000, 6000)
	if _, asked := long(t); asked {
		limit = all
	} else {
		for i := range each {
			if len(each[i].tasks) > 1 {
				each[i].lost = 0
			}
		}
	}
	exploreEach(t, each, limit)
}

// TestSchedulesOfThreeClients explores a part of them, and all in the long form.
func TestSchedulesOfThreeClients(t *testing.T) {
	limit := proof.Bounded(400, 1200)
	if _, asked := long(t); asked {
		limit = all
	}
	exploreEach(t, triples(), limit)
}

func TestRandomSchedulesOfThreeClients(t *testing.T) {
	runs, _ := long(t)
	inRandomSchedules(t, runs, randomScenario)
}

// inRandomSchedules plays one schedule of each of so many scenarios.
func inRandomSchedules(t *testing.T, runs int, scenario func(seed uint64) scenario) {
	t.Helper()
	const lanes = 2
	for lane := range lanes {
		t.Run(strconv.Itoa(lane), func(t *testing.T) {
			t.Parallel()
			began, steps := time.Now(), 0
			synctest.Test(t, func(t *testing.T) {
				for n := lane; n < runs; n += lanes {
					w, broken := random(t.Context(), uint64(n), scenario(uint64(n)))
					steps += len(w.choices)
					if len(broken) > 0 {
						t.Fatalf("%s\n%s", strings.Join(broken, "\n"), w.schedule())
					}
				}
			})
			t.Logf("%d runs, %d requests, %v", runs/lanes, steps, time.Since(began).Round(time.Millisecond))
		})
	}
}

// random plays one schedule. Lost answers and crashes are rarer than turns.
func random(ctx context.Context, seed uint64, s scenario) (*world, []string) {
	r := rand.New(rand.NewPCG(seed, 1))
	return play(ctx, s, func(options []option) int {
		turns := 0
		for _, o := range options {
			if o.fate == made {
				turns++
			}
		}
		for {
			n := r.IntN(len(options))
			if options[n].fate == made || r.IntN(4*turns) == 0 {
				return n
			}
		}
	})
}

// play runs one schedule to its end and returns the promises that it broke.
func play(ctx context.Context, s scenario, choose func([]option) int) (*world, []string) {
	w := start(ctx, s, membucket.MD5ETags)
	defer w.abandon()
	for {
		broken := w.violations()
		options := w.options()
		if len(options) == 0 {
			if !w.over() {
				broken = append(broken, "a client hangs")
			}
			broken = append(broken, w.checkEnd()...)
			broken = append(broken, w.checkCrash(ctx, w.s.clone(w.mem))...)
		}
		if len(options) == 0 || len(broken) > 0 {
			return w, broken
		}
		n := choose(options)
		if n >= len(options) {
			return w, []string{fmt.Sprintf("there are %d options at step %d", len(options), len(w.choices))}
		}
		w.take(n, options[n])
	}
}

// TestReplay repeats the run that COFFER_SCHEDULE describes, as a failed test prints it:
// the name of a scenario, how many answers may be lost, and choices, with colons between.
// Where the choices end, the first option is taken.
func TestReplay(t *testing.T) {
	recorded := os.Getenv("COFFER_SCHEDULE")
	if recorded == "" {
		t.Skip("COFFER_SCHEDULE names no run to repeat")
	}
	parts := strings.Split(recorded, ":")
	if len(parts) != 3 {
		t.Fatalf("COFFER_SCHEDULE=%q", recorded)
	}
	s, err := named(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	if s.lost, err = strconv.Atoi(parts[1]); err != nil {
		t.Fatal(err)
	}
	words := strings.FieldsFunc(parts[2], func(r rune) bool { return r == ',' })
	synctest.Test(t, func(t *testing.T) {
		w, broken := play(t.Context(), s, func([]option) int {
			if len(words) == 0 {
				return 0
			}
			n, err := strconv.Atoi(words[0])
			if err != nil {
				t.Fatal(err)
			}
			words = slices.Delete(words, 0, 1)
			return n
		})
		t.Log(w.schedule())
		for _, c := range w.clients {
			t.Logf("client %d, %s %s: %v", c.n, c.task.op, c.task.key, c.outcome.err)
		}
		if len(broken) > 0 {
			t.Error(strings.Join(broken, "\n"))
		}
	})
}

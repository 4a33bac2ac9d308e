package schedule

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// fleet is some writers at work on one bucket.
type fleet struct {
	mem     *membucket.Bucket
	puts    atomic.Int64
	behind  atomic.Bool // a write could not put the index
	mu      sync.Mutex
	written map[string]map[int]string // key -> acknowledged version -> value
	took    []time.Duration           // by each write
	elapsed time.Duration             // by all
}

// writeAll lets writers write each their values, one after the other.
func writeAll(t *testing.T, writers, each int, loss float64, key func(writer int) string) *fleet {
	t.Helper()
	f := &fleet{mem: membucket.New(membucket.Options{}), written: map[string]map[int]string{}}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var group sync.WaitGroup
		for i := range writers {
			group.Go(func() {
				e := engine.New(engine.Options{
					Bucket: far(f.mem, uint64(i), loss, &f.puts), Alias: aliasA, Now: time.Now,
					Author: func(context.Context) string { return strconv.Itoa(i) },
				})
				for n := range each {
					f.write(t, e, key(i), fmt.Sprintf("value %d of %d", n, i))
				}
			})
		}
		group.Wait()
		f.elapsed = time.Since(began)
		if f.behind.Load() { // the next writer repairs it
			repair(t, f.mem)
		}
	})
	return f
}

// repair writes another secret, and no answer is lost.
func repair(t *testing.T, mem *membucket.Bucket) {
	t.Helper()
	e := engine.New(engine.Options{Bucket: mem.Client(), Alias: aliasA, Now: time.Now, Author: func(context.Context) string { return "repairs" }})
	if _, err := e.Write(t.Context(), store.ID{Service: service, Key: "another"}, store.NewValue("value"), store.WriteOptions{}); err != nil {
		t.Error(err)
	}
}

func (f *fleet) write(t *testing.T, e *engine.Engine, key, value string) {
	began := time.Now()
	result, err := e.Write(t.Context(), store.ID{Service: service, Key: key}, store.NewValue(value), store.WriteOptions{})
	if errors.Is(err, store.ErrIndexBehind) && result.Err == nil { // stored, and the answers to several puts of the index were lost
		f.behind.Store(true)
	} else if err != nil {
		t.Errorf("write of %s: %v", key, err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.took = append(f.took, time.Since(began))
	if f.written[key] == nil {
		f.written[key] = map[int]string{}
	}
	if _, twice := f.written[key][result.Meta.Version]; twice {
		t.Errorf("version %d of %s was acknowledged twice", result.Meta.Version, key)
	}
	f.written[key][result.Meta.Version] = value
}

// check looks for every acknowledged write in the bucket and compares the index.
func (f *fleet) check(t *testing.T, name string) {
	t.Helper()
	for key, versions := range f.written {
		s := secrets(f.mem)[key]
		newest, _ := s.newest()
		if newest != len(versions) {
			t.Errorf("%s: newest version of %s is %d after %d writes", name, key, newest, len(versions))
		}
		for n, value := range versions {
			if n >= newest-100 && s.versions[n] != value {
				t.Errorf("%s: version %d of %s is lost", name, n, key)
			}
			if _, kept := s.versions[n]; kept && n < newest-100 {
				t.Errorf("%s: version %d of %s is kept beside %d", name, n, key, newest)
			}
		}
	}
	for _, wrong := range inexact(f.mem, aliasA) {
		t.Errorf("%s: %s", name, wrong)
	}
	slices.Sort(f.took)
	n := len(f.took)
	if n == 0 {
		t.Fatalf("%s: nothing was written", name)
	}
	rate := float64(n) / f.elapsed.Seconds()
	if rate < 10 { // 12 at least in practice; only the back-off is random
		t.Errorf("%s: %.1f writes/s, want 10", name, rate)
	}
	t.Logf("%s: %d writes in %v of virtual time: %.1f writes/s, p50 %v, p99 %v, %.1f puts a write", name, n, f.elapsed.Round(time.Millisecond),
		rate, f.took[n/2].Round(time.Millisecond), f.took[n*99/100].Round(time.Millisecond), float64(f.puts.Load())/float64(n))
}

func TestManyWritersLoseNothing(t *testing.T) {
	own := func(i int) string { return "key" + strconv.Itoa(i) }
	one := func(int) string { return "key" }
	for name, test := range map[string]struct {
		writers, each int
		loss          float64
		key           func(int) string
	}{
		"32 writers, own key each":                   {32, 20, 0, own},
		"32 writers, one key":                        {32, 10, 0, one},
		"64 writers, own key each, 20% answers lost": {64, 10, 0.2, own},
		"16 writers, one key, 20% answers lost":      {16, 5, 0.2, one},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			writeAll(t, test.writers, test.each, test.loss, test.key).check(t, name)
		})
	}
}

// register is a secret as porcupine follows it. Version 0 with a value is one that exists
// under a number nobody has told.
type register struct {
	version int
	value   string
}

func (r register) exists() bool { return r.value != "" }

type call struct {
	op, key, value string
	ifVersion      int // -1: no condition
}

type answer struct {
	unknown  bool // it may have happened, or may yet happen
	refused  bool // nothing happened, and nothing is told
	conflict bool // the version was another: this one
	version  int
	value    string
}

// sequential says what one secret does when its operations come one after the other.
var sequential = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, o := range history {
			key := o.Input.(call).key
			byKey[key] = append(byKey[key], o)
		}
		var out [][]porcupine.Operation
		for _, operations := range byKey {
			out = append(out, operations)
		}
		return out
	},
	Init: func() any { return register{} },
	Step: func(state, input, output any) (bool, any) {
		return step(state.(register), input.(call), output.(answer))
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

func step(r register, c call, a answer) (bool, any) {
	known := r.version > 0 || !r.exists()
	holds := c.ifVersion < 0 || !known || c.ifVersion == r.version
	switch {
	case a.refused:
		return true, r
	case a.conflict:
		return !known || a.version == r.version, r
	case a.unknown && c.op == "delete":
		return true, register{}
	case a.unknown && !holds:
		return true, r
	case a.unknown:
		return true, register{0, c.value}
	case c.op == "write":
		follows := !r.exists() || !known || a.version > r.version
		return holds && follows, register{a.version, c.value}
	case c.op == "delete" && a.version == 0: // it was not there
		return !r.exists(), r
	case c.op == "delete":
		return true, register{}
	default:
		same := a.value == r.value && (!known || a.version == r.version)
		return same, register{a.version, a.value}
	}
}

// TestCheckerSeesWhatIsWrong is a test of the test: histories that no order explains.
func TestCheckerSeesWhatIsWrong(t *testing.T) {
	put := func(value string, version int) porcupine.Operation {
		return porcupine.Operation{Input: call{op: "write", key: "k", value: value, ifVersion: -1}, Output: answer{version: version}}
	}
	get := func(value string, version int) porcupine.Operation {
		return porcupine.Operation{Input: call{op: "read", key: "k"}, Output: answer{version: version, value: value}}
	}
	conditional := put("c", 2)
	conditional.Input = call{op: "write", key: "k", value: "c", ifVersion: 5}
	remove := porcupine.Operation{Input: call{op: "delete", key: "k"}, Output: answer{version: 1}}
	for name, test := range map[string]struct {
		history []porcupine.Operation
		right   bool
	}{
		"a right one":                {[]porcupine.Operation{put("a", 1), get("a", 1), put("b", 2), get("b", 2), remove, get("", 0)}, true},
		"a stale read":               {[]porcupine.Operation{put("a", 1), put("b", 2), get("a", 1)}, false},
		"a lost write":               {[]porcupine.Operation{put("a", 1), get("", 0)}, false},
		"one version twice":          {[]porcupine.Operation{put("a", 1), put("b", 1)}, false},
		"a deleted value comes back": {[]porcupine.Operation{put("a", 1), remove, get("a", 1)}, false},
		"a condition that was false": {[]porcupine.Operation{put("a", 1), conditional}, false},
	} {
		for i := range test.history {
			test.history[i].Call, test.history[i].Return = int64(2*i), int64(2*i+1)
		}
		if porcupine.CheckOperations(sequential, test.history) != test.right {
			t.Errorf("%s: explained: %v", name, !test.right)
		}
	}
}

// history records operations. Its clock counts calls and returns, so that it orders them as
// they were, also when no virtual time passes between them.
type history struct {
	clock      atomic.Int64
	mu         sync.Mutex
	operations []porcupine.Operation
}

func (h *history) add(client int, c call, began int64, a answer) {
	o := porcupine.Operation{ClientId: client, Input: c, Call: began, Output: a, Return: h.clock.Add(1)}
	if a.unknown {
		o.Return = math.MaxInt64
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, o)
}

// TestMixedLoadIsLinearizable checks, for each key, that some order explains everything that
// was reported: every operation takes effect at one instant between its call and its return.
func TestMixedLoadIsLinearizable(t *testing.T) {
	const clients, each, keys = 16, 40, 4
	for seed, loss := range []float64{0, 0.05, 0.1, 0.2} {
		t.Run(fmt.Sprintf("%.0f%% lost", loss*100), func(t *testing.T) {
			t.Parallel()
			h := &history{}
			mem := membucket.New(membucket.Options{})
			var puts atomic.Int64
			synctest.Test(t, func(t *testing.T) {
				var group sync.WaitGroup
				var behind atomic.Bool
				for i := range clients {
					b := far(mem, uint64(100*seed+i), loss, &puts)
					w := &worker{h: h, n: i, b: b, rand: rand.New(rand.NewPCG(uint64(seed), uint64(i))), e: engine.New(engine.Options{
						Bucket: b, Alias: aliasA, Now: time.Now, Author: func(context.Context) string { return strconv.Itoa(i) },
					})}
					group.Go(func() {
						for range each {
							w.act(t, keys)
						}
						if w.behind {
							behind.Store(true)
						}
					})
				}
				group.Wait()
				if behind.Load() {
					repair(t, mem)
				}
			})
			switch result := porcupine.CheckOperationsTimeout(sequential, h.operations, time.Minute); result {
			case porcupine.Ok:
			default:
				t.Errorf("%d operations: %v", len(h.operations), result)
			}
			unknown := 0
			for _, o := range h.operations {
				if o.Output.(answer).unknown {
					unknown++
				}
			}
			for _, wrong := range inexact(mem, aliasA) {
				t.Error(wrong)
			}
			t.Logf("%d operations, %d of unknown outcome, %d puts", len(h.operations), unknown, puts.Load())
		})
	}
}

package schedule

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine/inspect"
)

const (
	service = "api"
	aliasA  = "alias/a"
	aliasB  = "alias/b"
)

// scenario is a few clients with one task each, on a service that holds what seeds says.
type scenario struct {
	name     string
	tasks    []task
	lost     int // answers that a schedule may lose
	crashes  int // clients that a schedule may kill
	mutation func(bucket.Bucket) bucket.Bucket
	mutant   string               // the tasks that the mutation is for; "" all
	finds    string               // what the mutation breaks; "" anything
	end      func(w *world) error // what must hold when all have ended, beside the promises
	seeds    map[string]string    // keys and their aliases; nil: k1 and k2 under A
	putBack  string               // the key of a secret that was written twice and put back to its first version
	behind   string               // the key of a secret whose second writer died before the index
	sealed   bool                 // objects are sealed before they are stored
	page     int                  // names in one page of a listing, each a request; 0: a listing is one request

	// of a scenario of keysOfTeams: its objects are sealed, so that it has promises of its own in place of all others
	before  func(ctx context.Context, b *membucket.Bucket)
	promise func(ctx context.Context, w *world) []string // when no client goes on

	truth map[string]*secret // filled by seeded
}

// task is what one client does: "write", "writes" (one after the other), "delete", "renew" (deleted,
// and made anew), "load",
// "rekey" of all secrets to its alias, "rewrite" of those of its alias, "mend", or "chamber", a
// write as chamber makes it. Without is an alias whose key it may not use.
type task struct {
	op, alias, key, value, without string
	do                             func(ctx context.Context, c *client, b *waitingBucket) error // in place of an op
}

func write(key, value string) task { return task{op: "write", alias: aliasA, key: key, value: value} }

func writeB(key, value string) task { return task{op: "write", alias: aliasB, key: key, value: value} }

func writesB(key, value string) task {
	return task{op: "writes", alias: aliasB, key: key, value: value}
}

func renew(key, value string) task { return task{op: "renew", alias: aliasA, key: key, value: value} }
func remove(key string) task       { return task{op: "delete", alias: aliasA, key: key} }
func load() task                   { return task{op: "load", alias: aliasA} }
func rekey() task                  { return task{op: "rekey", alias: aliasB} }
func rewrite() task                { return task{op: "rewrite", alias: aliasA} }
func chamberWrites(key, value string) task {
	return task{op: "chamber", alias: aliasA, key: key, value: value}
}

func (t task) but(without string) task {
	t.without = without
	return t
}

func (t task) run(ctx context.Context, c *client, b bucket.Bucket) (o outcome) {
	if t.do != nil {
		o.err = t.do(ctx, c, b.(*waitingBucket))
		return o
	}
	e := c.engine(b, t.alias)
	id := store.ID{Service: service, Key: t.key}
	switch t.op {
	case "renew":
		if _, o.err = e.Delete(ctx, service, t.key); o.err == nil || errors.Is(o.err, store.ErrNotFound) {
			o.version, o.err = written(e.Write(ctx, id, store.NewValue(t.value), store.WriteOptions{}))
		}
	case "write":
		o.version, o.err = written(e.Write(ctx, id, store.NewValue(t.value), store.WriteOptions{}))
	case "writes":
		for _, value := range []string{t.value, t.value + " again"} {
			if _, o.err = e.Write(ctx, id, store.NewValue(value), store.WriteOptions{}); o.err != nil {
				break
			}
		}
	case "delete":
		_, o.err = e.Delete(ctx, service, t.key)
	case "load":
		o.contents, o.err = e.Load(ctx, service)
	case "rekey", "rewrite":
		_, o.err = e.Rekey(ctx, service, admin.RekeyOptions{Rewrite: t.op == "rewrite"})
	case "mend":
		_, o.err = inspect.New(e).Repair(ctx, service)
	case "chamber":
		o.err = chamber(ctx, b, t)
	}
	return o
}

func written(r store.Result, err error) (version int, failed error) { return r.Meta.Version, err }

// seeded returns a bucket in which the scenario begins.
func (s *scenario) seeded(ctx context.Context, etags membucket.ETags) *membucket.Bucket {
	b := s.newMem(etags)
	if s.promise != nil {
		s.before(ctx, b)
		return b
	}
	if s.seeds == nil {
		s.seeds = map[string]string{"k1": aliasA, "k2": aliasA}
	}
	for _, key := range slices.Sorted(maps.Keys(s.seeds)) {
		id := store.ID{Service: service, Key: key}
		if _, err := s.plainEngine(b.Client(), s.seeds[key]).Write(ctx, id, store.NewValue("first"), store.WriteOptions{}); err != nil {
			panic(err)
		}
	}
	if s.putBack != "" {
		name := service + "/" + s.putBack + ".json"
		old := b.Objects()[name]
		id := store.ID{Service: service, Key: s.putBack}
		if _, err := s.plainEngine(b.Client(), s.seeds[s.putBack]).Write(ctx, id, store.NewValue("second"), store.WriteOptions{}); err != nil {
			panic(err)
		}
		b.Plant(name, old.Body, old.Seal)
	}
	if s.behind != "" {
		name := service + "/" + index.FileName(s.seeds[s.behind])
		old := b.Objects()[name]
		id := store.ID{Service: service, Key: s.behind}
		if _, err := s.plainEngine(b.Client(), s.seeds[s.behind]).Write(ctx, id, store.NewValue("second"), store.WriteOptions{}); err != nil {
			panic(err)
		}
		b.Plant(name, old.Body, old.Seal)
	}
	s.truth = secrets(b)
	return b
}

func (s *scenario) chamber() bool { return s.has("chamber") }

func (s *scenario) has(op string) bool {
	return slices.ContainsFunc(s.tasks, func(t task) bool { return t.op == op })
}

// keys returns the keys that the scenario is about.
func (s *scenario) keys() []string {
	keys := map[string]bool{}
	for key := range s.seeds {
		keys[key] = true
	}
	for _, t := range s.tasks {
		if t.key != "" {
			keys[t.key] = true
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// scenarios are those of section 12 of the protocol, for two clients; all their schedules
// are explored. In each, one answer may be lost.
func scenarios() []scenario {
	return []scenario{
		{name: "write and write of one key", tasks: []task{write("k1", "v1"), write("k1", "v2")}, lost: 1, end: allSucceed},
		{name: "write and write of two keys", tasks: []task{write("k1", "v1"), write("k2", "u1")}, lost: 1, end: allSucceed},
		{name: "create and create of one key", tasks: []task{write("k3", "x1"), write("k3", "x2")}, lost: 1, end: allSucceed},
		{name: "create under A and create under B", tasks: []task{write("k3", "x1"), writeB("k3", "x2")}, lost: 1, end: oneCreates},
		{name: "write and create", tasks: []task{write("k1", "v1"), write("k3", "x1")}, lost: 1, end: allSucceed},
		{name: "write and delete of one key", tasks: []task{write("k1", "v1"), remove("k1")}, lost: 1},
		{name: "write and delete of two keys", tasks: []task{write("k2", "u1"), remove("k1")}, lost: 1, end: allSucceed},
		{name: "create and delete of one key", tasks: []task{write("k3", "x1"), remove("k3")}, lost: 1},
		{name: "delete and delete of one key", tasks: []task{remove("k1"), remove("k1")}, lost: 1},
		{name: "delete and delete of two keys", tasks: []task{remove("k1"), remove("k2")}, lost: 1, end: allSucceed},
		{name: "load and write", tasks: []task{load(), write("k1", "v1")}, lost: 1, end: allSucceed},
		{name: "load and create", tasks: []task{load(), write("k3", "x1")}, lost: 1, end: allSucceed},
		{name: "load and delete", tasks: []task{load(), remove("k1")}, lost: 1, end: allSucceed},
		{name: "write and chamber's write of one key", tasks: []task{write("k1", "v1"), chamberWrites("k1", "c1")}},
		{name: "write and chamber's write of two keys", tasks: []task{write("k1", "v1"), chamberWrites("k2", "c1")}},
		{name: "delete and chamber's write of two keys", tasks: []task{remove("k1"), chamberWrites("k2", "c1")}},
		{name: "two writes under B and chamber's write under A", tasks: []task{writesB("k3", "x1"), chamberWrites("k3", "c1")}},
		{name: "first writes of two keys", tasks: []task{write("k1", "x1"), write("k2", "y1")}, seeds: map[string]string{}, lost: 1},
		{name: "first writes of one key", tasks: []task{write("k1", "x1"), write("k1", "x2")}, seeds: map[string]string{}, lost: 1},
		{name: "first writes under two aliases", tasks: []task{write("k1", "x1"), writeB("k1", "x2")}, seeds: map[string]string{}, lost: 1, end: oneCreates},
		{name: "first write and delete", tasks: []task{write("k1", "x1"), remove("k1")}, seeds: map[string]string{}, lost: 1, crashes: 1},
		{name: "first write and chamber's write of one key", tasks: []task{write("k1", "x1"), chamberWrites("k1", "c1")}, seeds: map[string]string{}},
		{name: "first write and chamber's write of two keys", tasks: []task{write("k1", "x1"), chamberWrites("k2", "c1")}, seeds: map[string]string{}},
		{name: "load and first write", tasks: []task{load(), write("k1", "x1")}, seeds: map[string]string{}, lost: 1, end: allSucceed},
		{name: "load and chamber's write", tasks: []task{load(), chamberWrites("k1", "c1")}},
	}
}

// triples are scenarios of three clients, of which random schedules are run.
func triples() []scenario {
	return []scenario{
		{name: "create, delete, write of another key", tasks: []task{write("k3", "x1"), remove("k3"), write("k1", "v1")}},
		{name: "three writes of one key", tasks: []task{write("k1", "v1"), write("k1", "v2"), write("k1", "v3")}},
		{name: "two writes and a delete", tasks: []task{write("k1", "v1"), write("k2", "u1"), remove("k1")}},
		{name: "write, delete, create of one key", tasks: []task{write("k1", "v1"), remove("k1"), write("k1", "v2")}},
		{name: "two aliases and a delete", tasks: []task{write("k3", "x1"), writeB("k3", "x2"), remove("k3")}},
		{name: "load, create, delete", tasks: []task{load(), write("k3", "x1"), remove("k1")}},
		{name: "load, delete, write of one key", tasks: []task{load(), remove("k1"), write("k1", "v1")}},
		{name: "load, two writers of one key", tasks: []task{load(), write("k1", "v1"), write("k1", "v2")}},
		{name: "load, write, chamber's write", tasks: []task{load(), write("k2", "u1"), chamberWrites("k1", "c1")}},
		{name: "rekey, two writes of one key", tasks: []task{rekey(), write("k1", "v1"), write("k1", "v2")}},
		{name: "rekey, write, delete of one key", tasks: []task{rekey(), write("k1", "v1"), remove("k1")}},
		{name: "rekey, rekey, write", tasks: []task{rekey(), rekey(), write("k1", "v1")}},
		{name: "rekey, create, load without A", tasks: []task{rekey(), write("k3", "x1"), load().but(aliasA)}},
		{name: "rekey, write, load without B", tasks: []task{rekey(), write("k1", "v1"), load().but(aliasB)}},
		{name: "rekey, delete, create of one key", tasks: []task{rekey(), remove("k1"), write("k1", "v1")}},
	}
}

// randomScenario is the n-th of an endless list: two answers may be lost, and a client may crash.
func randomScenario(n uint64) scenario {
	r := rand.New(rand.NewPCG(n, 0))
	all := triples()
	s := all[r.IntN(len(all))]
	if r.IntN(2) == 0 {
		s.tasks = nil
		for i := range 3 {
			key := "k" + strconv.Itoa(1+r.IntN(3))
			value := "value " + strconv.Itoa(i)
			all := []task{write(key, value), write(key, value), writeB("k3", value), remove(key), load(), rekey(), chamberWrites(key, value)}
			s.tasks = append(s.tasks, all[r.IntN(len(all))])
		}
	}
	s.name = "random/" + strconv.FormatUint(n, 10)
	s.lost, s.crashes = r.IntN(3), r.IntN(2)
	return s
}

// named finds a scenario that a failed run has named.
func named(name string) (scenario, error) {
	if n, ok := strings.CutPrefix(name, "random/"); ok {
		seed, err := strconv.ParseUint(n, 10, 64)
		return randomScenario(seed), err
	}
	if n, ok := strings.CutPrefix(name, "pages/"); ok {
		seed, err := strconv.ParseUint(n, 10, 64)
		return pagedScenario(seed), err
	}
	if n, ok := strings.CutPrefix(name, "sealed/"); ok {
		seed, err := strconv.ParseUint(n, 10, 64)
		return sealedScenario(seed), err
	}
	for _, s := range slices.Concat(scenarios(), rekeys(), mends(), numbers(), triples(), mutants(), sealedMutants(), keysOfTeams(), paged()) {
		if s.name == name {
			return s, nil
		}
	}
	return scenario{}, fmt.Errorf("no scenario %q", name)
}

func allSucceed(w *world) error {
	for _, c := range w.clients {
		if c.outcome.err != nil {
			return fmt.Errorf("client %d failed: %w", c.n, c.outcome.err)
		}
	}
	return nil
}

// oneCreates wants one of two creators under two aliases to win, and the other refused.
func oneCreates(w *world) error {
	first, second := w.clients[0].outcome.err, w.clients[1].outcome.err
	var refused *store.AliasError
	if (first == nil) == (second == nil) || !errors.As(errors.Join(first, second), &refused) {
		return fmt.Errorf("I5: creators under two aliases: %v and %v", first, second)
	}
	return nil
}

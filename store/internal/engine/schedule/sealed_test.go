package schedule

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/sealed"
	"github.com/coffer-secrets/coffer/store/internal/engine"
	"github.com/coffer-secrets/coffer/store/internal/seal"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
)

// over is the bucket of a client of a scenario, who may not use the key of the alias denied.
func (s *scenario) over(b sealed.Storage, denied string) bucket.Bucket {
	if !s.sealed {
		return b
	}
	return sealed.New(b, teamseal.New(aliasKeys{denied}, ""))
}

// options are those of an engine over such a bucket, as the backends set them.
func (s *scenario) options(o *engine.Options) {
	if !s.sealed {
		return
	}
	o.KeyID = func(_ context.Context, alias string) string { return keysOfAliases[alias].ID }
	o.Vouch = func(object string, s bucket.Seal) error {
		if s.Method != teamseal.Method {
			return &store.SealError{Object: object, Method: s.Method, Want: teamseal.Method}
		}
		return nil
	}
}

var keysOfAliases = map[string]teamseal.Key{aliasA: teamseal.NewKey(aliasA), aliasB: teamseal.NewKey(aliasB)}

// aliasKeys are the keys of one who has all but that of one alias.
type aliasKeys struct{ denied string }

func (k aliasKeys) Current(_ context.Context, alias string) (teamseal.Key, error) {
	key, ok := keysOfAliases[alias]
	if !ok || alias == k.denied {
		return teamseal.Key{}, seal.Fault{Err: bucket.ErrDenied, Reason: "no key of " + alias}
	}
	return key, nil
}

func (k aliasKeys) Find(ctx context.Context, alias, _ string) (teamseal.Key, error) {
	return k.Current(ctx, alias)
}

func (aliasKeys) Prefetch(context.Context, string) {}

// newMem is the bucket of a scenario. What gets sealed objects says nothing of how it encrypts.
func (s *scenario) newMem(etags membucket.ETags) *membucket.Bucket {
	return membucket.New(membucket.Options{ETags: etags, NoSeal: s.sealed})
}

// knownObjects are opened once: a run looks at each of them at each step.
var knownObjects struct {
	sync.Mutex
	opened map[string]bucket.Object
}

// opened returns an object as it was before it was sealed. One that wasn't is returned as it is.
func opened(o bucket.Object) bucket.Object {
	if !strings.HasPrefix(string(o.Body), "age-encryption.org/") {
		return o
	}
	knownObjects.Lock()
	defer knownObjects.Unlock()
	state := o.Name + string(o.Body)
	known, ok := knownObjects.opened[state]
	if !ok {
		var err error
		if known.Body, known.Seal, err = teamseal.New(aliasKeys{}, "").Open(context.Background(), o.Name, o.Body); err != nil {
			panic(err)
		}
		if len(knownObjects.opened) > 5000 || knownObjects.opened == nil {
			knownObjects.opened = map[string]bucket.Object{}
		}
		knownObjects.opened[state] = known
	}
	o.Body, o.Seal = known.Body, known.Seal
	return o
}

// isOf reports whether a key is that of an alias.
func isOf(keyID, alias string) bool {
	return keyID == membucket.KeyID(alias) || keyID == keysOfAliases[alias].ID
}

// sealedScenario is the n-th of an endless list: any scenario, but for those of chamber, which reads no sealed
// objects, and those of the keys themselves (keysOfTeams). Each sealing is another, so no two runs meet in a state,
// and what all schedules are for secrets in clear are random ones here.
func sealedScenario(n uint64) scenario {
	r := rand.New(rand.NewPCG(n, 3))
	every := slices.Concat(scenarios(), rekeys(), mends(), numbers(), triples())
	every = slices.DeleteFunc(every, func(s scenario) bool { return s.chamber() })
	s := every[r.IntN(len(every))]
	if s.end == nil {
		s.lost = max(s.lost, r.IntN(3))
	}
	s.name, s.sealed, s.crashes = "sealed/"+strconv.FormatUint(n, 10), true, r.IntN(2)
	return s
}

// TestRandomSchedulesOfSealedSecrets holds the promises of all scenarios where objects are encrypted before they are
// stored: another tag for each sealing, a key that is asked for at each object, and readers without a key.
func TestRandomSchedulesOfSealedSecrets(t *testing.T) {
	runs, asked := long(t)
	if !asked {
		runs = proof.Bounded(600, 5000)
	}
	inRandomSchedules(t, runs, sealedScenario)
}

// sealedMutants are ways to seal that look right and are not.
func sealedMutants() []scenario {
	two := []task{write("k1", "v1"), write("k1", "v2")}
	return []scenario{
		{name: "a name is opened once", tasks: two, sealed: true, mutation: openedOnce, finds: "I1: client"},
		{name: "a put seals for what stands there", tasks: two, sealed: true, mutation: resealed, finds: "I1: client"},
	}
}

func TestRandomSchedulesFindMutationsOfSealing(t *testing.T) {
	const most = 200
	for _, s := range sealedMutants() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				right := s
				right.mutation = nil
				for n := range uint64(most) {
					if w, broken := random(t.Context(), n, right); len(broken) > 0 {
						t.Fatalf("without the mutation: %s\n%s", strings.Join(broken, "\n"), w.schedule())
					}
					if _, broken := random(t.Context(), n, s); len(only(broken, s.finds)) > 0 {
						t.Logf("found after %d schedules: %s", n+1, strings.Join(broken, "\n"))
						return
					}
				}
				t.Errorf("%d schedules, and nothing was found", most)
			})
		})
	}
}

// openedOnce returns what an object contained when it was first opened, with the tag that it has now.
func openedOnce(b bucket.Bucket) bucket.Bucket {
	var mu sync.Mutex
	first := map[string][]byte{}
	return &changed{Bucket: b, get: func(ctx context.Context, name string) (bucket.Object, error) {
		o, err := b.Get(ctx, name)
		mu.Lock()
		defer mu.Unlock()
		if body, ok := first[name]; ok && err == nil {
			o.Body = body
		} else if err == nil {
			first[name] = o.Body
		}
		return o, err
	}}
}

// resealed looks at the tag when it puts: the condition is then that of the put, and no longer that of what was read.
func resealed(b bucket.Bucket) bucket.Bucket {
	return &changed{Bucket: b, put: func(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
		if now, err := b.Head(ctx, name); err == nil {
			o.If = bucket.IfMatch(now.Tag)
		}
		return b.Put(ctx, name, body, o)
	}}
}

package ssm

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/store"
)

// A session that ends in the midst of a batch is one failure, and what is left is not asked for.
func TestASessionThatEndsStopsABatch(t *testing.T) {
	moto, team := mototest.Start(t), service(t)
	const all, before = 40, 5
	values := map[string]store.Value{}
	var keys []string
	for i := range all {
		key := fmt.Sprintf("k%02d", i)
		keys, values[key] = append(keys, key), store.NewValue("value")
	}
	for _, batch := range []struct {
		operation string
		before    int32 // requests that are answered; then the session has ended
		left      int
		run       func(*Store) ([]store.Result, error)
	}{
		{"PutParameter", before, all - before, func(s *Store) ([]store.Result, error) {
			return s.WriteAll(t.Context(), team, values, store.WriteOptions{})
		}},
		{"DeleteParameters", 1, all - 10, func(s *Store) ([]store.Result, error) { return s.Delete(t.Context(), team, keys...) }},
	} {
		t.Run(batch.operation, func(t *testing.T) {
			if _, err := open(t, moto).WriteAll(t.Context(), team, map[string]store.Value{"other": store.NewValue("v")}, store.WriteOptions{}); err != nil {
				t.Fatal(err)
			}
			var asked atomic.Int32
			url := proxy(t, func(operation string, body []byte, forward func([]byte) (int, []byte)) (int, []byte) {
				if operation == batch.operation && asked.Add(1) > batch.before {
					return 400, refusal("ExpiredTokenException", "The security token included in the request is expired")
				}
				return forward(body)
			})
			results, err := batch.run(openOnce(t, url))
			var stopped *store.StoppedError
			if !errors.As(err, &stopped) || !errors.Is(err, store.ErrCredentials) || stopped.Left != batch.left || stopped.Of != all {
				t.Fatalf("error %v, want %d of %d left", err, batch.left, all)
			}
			left := slices.DeleteFunc(slices.Clone(results), func(r store.Result) bool { return r.Outcome != store.Left })
			if len(left) != batch.left || left[0].Err != err {
				t.Errorf("%d results are left", len(left))
			}
			if n := asked.Load(); n > batch.before+requests {
				t.Errorf("%d requests: it went on", n)
			}
			if _, err := open(t, moto).WriteAll(t.Context(), team, values, store.WriteOptions{}); err != nil { // for the next
				t.Fatal(err)
			}
		})
	}
}

package teamkeys_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

// TestOpeningIsConstantInRequests: however many objects, one request for each alias.
func TestOpeningIsConstantInRequests(t *testing.T) {
	ann := newPerson(t, "ann")
	b, _ := created(t, ann)
	if _, _, err := ann.keys(b).Create(t.Context(), "alias/ops", []teamkeys.Member{ann.member()}); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	writes := teamseal.New(ann.keys(b), alias)
	for i := range 200 {
		name := fmt.Sprintf("api/k%d.json", i)
		file, _, err := writes.Seal(t.Context(), []string{alias, "alias/ops"}[i%2], name, []byte("value"))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = file
	}
	counted := buckettest.NewFaulty(b.Client(), nil)
	s := teamseal.New(ann.keys(counted), alias)
	for range 2 {
		var group sync.WaitGroup
		for name, file := range files {
			group.Go(func() {
				s.Prepare(t.Context(), name)
				if _, _, err := s.Open(t.Context(), name, file); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
	wantCalls(t, counted, "get __keys/alias/app.age", "get __keys/alias/ops.age")
}

// wantCalls compares the requests, in any order.
func wantCalls(t *testing.T, f *buckettest.Faulty, want ...string) {
	t.Helper()
	got := map[string]int{}
	for _, c := range f.Calls() {
		got[c.Op+" "+c.Name]++
	}
	for _, w := range want {
		got[w]--
	}
	for call, n := range got {
		if n != 0 {
			t.Errorf("%d requests more than expected: %s", n, call)
		}
	}
}

// TestWhatCannotBeOpenedIsConstantInRequestsToo: neither a denial nor wrong key ids cost one each.
func TestWhatCannotBeOpenedIsConstantInRequestsToo(t *testing.T) {
	ann, eve := newPerson(t, "ann"), newPerson(t, "eve")
	b, team := created(t, ann)
	for what, test := range map[string]struct {
		p        *person
		sentinel error
		most     int
	}{
		"a stranger": {eve, bucket.ErrDenied, 1},
		"a member":   {ann, bucket.ErrTorn, 5},
	} {
		counted := buckettest.NewFaulty(b.Client(), nil)
		k := test.p.keys(counted)
		for range 100 {
			if _, err := k.Find(t.Context(), alias, teamseal.NewKey(alias).ID); !errors.Is(err, test.sentinel) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if n := len(counted.Calls()); n > test.most {
			t.Errorf("%s: %d requests", what, n)
		}
		if test.p == ann {
			if _, err := k.Find(t.Context(), alias, team.Keys[0].ID); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := ann.keys(b).Find(t.Context(), "../x", team.Keys[0].ID); !errors.Is(err, bucket.ErrTorn) {
		t.Errorf("an alias that can't be: %v", err)
	}
	if _, err := ann.keys(b).Current(t.Context(), "alias/a//b"); !errors.Is(err, bucket.ErrRefused) {
		t.Errorf("an alias that can't be: %v", err)
	}
}

// TestAKeyThatCameMeanwhileIsFound: a command has read the keys, and somebody revokes.
func TestAKeyThatCameMeanwhileIsFound(t *testing.T) {
	ann, bob := newPerson(t, "ann"), newPerson(t, "bob")
	b, team := created(t, ann)
	granted(t, b, ann, bob)
	k := ann.keys(b)
	if _, err := k.Find(t.Context(), alias, team.Keys[0].ID); err != nil {
		t.Fatal(err)
	}
	other := newPerson(t, "ann again")
	other.identity = ann.identity
	next, _, err := other.keys(b).Next(t.Context(), alias, "bob")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			if key, err := k.Find(t.Context(), alias, next.Keys[0].ID); err != nil || key.ID != next.Keys[0].ID {
				t.Errorf("%v, %v", key, err)
			}
		})
	}
	group.Wait()
}

// slowBucket answers after a second, or when the context of the request ends.
type slowBucket struct{ bucket.Bucket }

func (b slowBucket) Get(ctx context.Context, name string) (bucket.Object, error) {
	select {
	case <-time.After(time.Second):
		return b.Bucket.Get(ctx, name)
	case <-ctx.Done():
		return bucket.Object{}, &bucket.Error{Op: "get", Name: name, Err: ctx.Err()}
	}
}

func TestOneWhoLeavesDoesNotFailTheOthers(t *testing.T) {
	ann := newPerson(t, "ann")
	b, team := created(t, ann)
	synctest.Test(t, func(t *testing.T) {
		counted := buckettest.NewFaulty(slowBucket{b}, nil)
		k := ann.keys(counted)
		leaves, leave := context.WithCancel(t.Context())
		errs := make(chan error, 2)
		go func() { _, err := k.Current(leaves, alias); errs <- err }()
		synctest.Wait()
		go func() {
			key, err := k.Current(t.Context(), alias)
			if err == nil && key.ID != team.Keys[0].ID {
				err = errors.New("another key")
			}
			errs <- err
		}()
		synctest.Wait()
		leave()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("who leaves: %v", err)
		}
		if err := <-errs; err != nil {
			t.Errorf("who stays: %v", err)
		}
		wantCalls(t, counted, "get "+object)
	})
}

// TestARequestEndsWhenAllHaveLeft, and the next caller begins another.
func TestARequestEndsWhenAllHaveLeft(t *testing.T) {
	ann := newPerson(t, "ann")
	b, _ := created(t, ann)
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		k := ann.keys(slowBucket{b})
		leaves, leave := context.WithCancel(t.Context())
		k.Prefetch(leaves, alias)
		synctest.Wait()
		leave()
		synctest.Wait()
		if time.Since(began) != 0 {
			t.Error("it took time")
		}
		if _, err := k.Current(t.Context(), alias); err != nil || time.Since(began) != time.Second {
			t.Errorf("the next: %v after %v", err, time.Since(began))
		}
	})
}

// TestAFailureIsNotRemembered, unlike a denial: the storage may answer the next request.
func TestAFailureIsNotRemembered(t *testing.T) {
	ann := newPerson(t, "ann")
	b, _ := created(t, ann)
	k := ann.keys(buckettest.NewFaulty(b, buckettest.Nth(1, buckettest.Fault{Err: bucket.ErrUnavailable})))
	if _, err := k.Current(t.Context(), alias); !errors.Is(err, bucket.ErrUnavailable) {
		t.Errorf("first: %v", err)
	}
	if _, err := k.Current(t.Context(), alias); err != nil {
		t.Errorf("then: %v", err)
	}
}

// TestALongCommandNoticesAGrantAndANewKey: what was read is read again after a minute.
func TestALongCommandNoticesAGrantAndANewKey(t *testing.T) {
	ann, bob, cat := newPerson(t, "ann"), newPerson(t, "bob"), newPerson(t, "cat")
	b, team := created(t, ann)
	granted(t, b, ann, cat)
	now := time.Now()
	k := teamkeys.New(with(bob.options(b), func(o *teamkeys.Options) { o.Now = func() time.Time { return now } }))
	_, err := k.Current(t.Context(), alias)
	wantFault(t, err, bucket.ErrDenied, store.CodeNotMember)
	granted(t, b, ann, bob)
	_, err = k.Find(t.Context(), alias, team.Keys[0].ID)
	wantFault(t, err, bucket.ErrDenied, store.CodeNotMember)
	now = now.Add(time.Minute)
	if _, err := k.Find(t.Context(), alias, team.Keys[0].ID); err != nil {
		t.Error(err)
	}
	next, _, err := ann.keys(b).Next(t.Context(), alias, "cat")
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if key, err := k.Current(t.Context(), alias); err != nil || key.ID != next.Keys[0].ID {
		t.Errorf("%v, %v", key, err)
	}
}

// TestTheIdentitiesAreNotAskedForBeforeThereIsSomethingToOpen, which may need a passphrase.
func TestTheIdentitiesAreNotAskedForBeforeThereIsSomethingToOpen(t *testing.T) {
	ann := newPerson(t, "ann")
	asked := 0
	b, _ := created(t, ann)
	for _, storage := range []bucket.Bucket{membucket.New(membucket.Options{}), b} {
		k := teamkeys.New(with(ann.options(storage), func(o *teamkeys.Options) {
			o.State = &state{}
			o.Identities = func() ([]age.Identity, error) {
				asked++
				return []age.Identity{ann.identity}, nil
			}
		}))
		_, _ = k.ID(t.Context(), alias)
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

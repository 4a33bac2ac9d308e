package teamseal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/sealed"
	"github.com/coffer-secrets/coffer/store/internal/seal"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

const (
	app    = "alias/app"
	ops    = "alias/ops"
	name   = "api/db_url.json"
	canary = "canary-6e1f0a52"
)

// member returns the keys of a new person, who creates those that are missing.
func member(t testing.TB, b bucket.Bucket) *teamkeys.Keys {
	t.Helper()
	return teamkeys.New(person(t, b))
}

func person(t testing.TB, b bucket.Bucket) teamkeys.Options {
	t.Helper()
	i, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return teamkeys.Options{
		Bucket:     b,
		Identities: func() ([]age.Identity, error) { return []age.Identity{i}, nil },
		Self: func(context.Context) ([]teamkeys.Member, error) {
			return []teamkeys.Member{{Name: "ann", Recipient: i.Recipient().String()}}, nil
		},
		TrustOnFirstUse: true,
	}
}

// sealer returns a member's sealer and the storage that has the keys.
func sealer(t testing.TB) (*teamseal.Sealer, *membucket.Bucket) {
	t.Helper()
	b := membucket.New(membucket.Options{})
	return teamseal.New(member(t, b), app), b
}

func mustSeal(t testing.TB, s *teamseal.Sealer, alias, name, body string) []byte {
	t.Helper()
	out, _, err := s.Seal(t.Context(), alias, name, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestConformance(t *testing.T) {
	b := membucket.New(membucket.Options{Method: "AES256", Versioned: true})
	open := func(*testing.T) bucket.Bucket { return sealed.New(b, teamseal.New(member(t, b), app)) }
	one := open(t) // the keys are this member's
	caps := buckettest.Capabilities{Method: teamseal.Method, Aliases: []string{app, ops}}
	buckettest.Run(t, func(*testing.T) bucket.Bucket { return one }, caps)
	buckettest.RunVersions(t, func(*testing.T) bucket.Bucket { return one }, caps)
}

func TestAnObjectOpensUnderItsNameAlone(t *testing.T) {
	s, _ := sealer(t)
	for what, test := range map[string]struct{ from, to string }{
		"another name":         {"api/db_url.json", "api/db_uri.json"},
		"another service":      {"api/db_url.json", "worker/db_url.json"},
		"an index elsewhere":   {"api/__kms_alias_app__latest.json", "worker/__kms_alias_app__latest.json"},
		"an index as a secret": {"api/__kms_alias_app__latest.json", "api/db_url.json"},
		"a longer name":        {"api/db_url.json", "api/db_url.json.json"},
	} {
		file := mustSeal(t, s, app, test.from, canary)
		body, _, err := s.Open(t.Context(), test.to, file)
		var fault seal.Fault
		if body != nil || !errors.As(err, &fault) || fault.Err != bucket.ErrTorn || fault.Code != store.CodeCopied || fault.Reason != "it is a copy of "+strconv.Quote(test.from) {
			t.Errorf("%s: %q, %v", what, body, err)
		}
		if body, got, err := s.Open(t.Context(), test.from, file); err != nil || string(body) != canary || got.Method != teamseal.Method {
			t.Errorf("under its own name: %q, %+v, %v", body, got, err)
		}
	}
}

func TestAnObjectOpensInAnotherBucket(t *testing.T) {
	b, replica := membucket.New(membucket.Options{}), membucket.New(membucket.Options{})
	o := person(t, b)
	file := mustSeal(t, teamseal.New(teamkeys.New(o), app), app, name, canary)
	for name, object := range b.Objects() {
		replica.Plant(name, object.Body, bucket.Seal{})
	}
	o.Bucket = replica
	body, _, err := teamseal.New(teamkeys.New(o), app).Open(t.Context(), name, file)
	if err != nil || string(body) != canary {
		t.Errorf("%q, %v", body, err)
	}
}

// A member of two teams may not be told by one of them what is under the other's key.
func TestAnIndexIsSealedUnderTheAliasThatItIsNamedAfter(t *testing.T) {
	s, _ := sealer(t)
	const index = "api/__kms_alias_app__latest.json"
	file := mustSeal(t, s, ops, index, canary)
	if body, _, err := s.Open(t.Context(), index, file); !errors.Is(err, bucket.ErrTorn) {
		t.Errorf("%q, %v", body, err)
	}
}

func TestAFlippedBitAnywhereIsRefused(t *testing.T) {
	s, _ := sealer(t)
	file := mustSeal(t, s, app, name, canary)
	for i := range file {
		for bit := range 8 {
			changed := bytes.Clone(file)
			changed[i] ^= 1 << bit
			body, got, err := s.Open(t.Context(), name, changed)
			if err == nil || body != nil || got != (bucket.Seal{}) {
				t.Fatalf("byte %d, bit %d: %q", i, bit, body)
			}
			if !errors.Is(err, bucket.ErrTorn) && !errors.Is(err, bucket.ErrDenied) {
				t.Errorf("byte %d, bit %d: %v", i, bit, err)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error has the value: %v", err)
			}
		}
	}
}

func TestATruncatedOrLongerFileIsRefused(t *testing.T) {
	s, _ := sealer(t)
	for _, size := range []int{0, 40, 64 << 10, 64<<10 + 1, 200 << 10} {
		file := mustSeal(t, s, app, name, strings.Repeat("x", size))
		step := 1 + len(file)/2000
		for n := 0; n < len(file); n += step {
			if _, _, err := s.Open(t.Context(), name, file[:n]); !errors.Is(err, bucket.ErrTorn) {
				t.Fatalf("%d of %d bytes: %v", n, len(file), err)
			}
		}
		for _, n := range []int{len(file) - 1, len(file) - 16, len(file) - 17, len(file) - 64<<10 - 16} {
			if n < 0 {
				continue
			}
			if _, _, err := s.Open(t.Context(), name, file[:n]); !errors.Is(err, bucket.ErrTorn) {
				t.Errorf("%d of %d bytes: %v", n, len(file), err)
			}
		}
		for _, more := range []string{"x", strings.Repeat("\x00", 16), string(file)} {
			if _, _, err := s.Open(t.Context(), name, append(bytes.Clone(file), more...)); !errors.Is(err, bucket.ErrTorn) {
				t.Errorf("%d bytes more: %v", len(more), err)
			}
		}
	}
}

// fixedKeys has keys that a test makes, and counts how often they are asked for.
type fixedKeys struct {
	current teamseal.Key
	mu      sync.Mutex
	asked   []string
}

func (k *fixedKeys) Current(context.Context, string) (teamseal.Key, error) { return k.current, nil }

func (k *fixedKeys) Find(_ context.Context, alias, id string) (teamseal.Key, error) {
	k.note("find " + alias)
	if alias != k.current.Alias || id != k.current.ID {
		return teamseal.Key{}, seal.Fault{Err: bucket.ErrTorn, Reason: "unknown"}
	}
	return k.current, nil
}

func (k *fixedKeys) Prefetch(_ context.Context, alias string) { k.note("prefetch " + alias) }

func (k *fixedKeys) note(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, what)
}

func TestAKeyThatClaimsTheIDOfAnotherSealsNothingThatOpens(t *testing.T) {
	honest := &fixedKeys{current: teamseal.NewKey(app)}
	forged := &fixedKeys{current: teamseal.NewKey(app)}
	forged.current.ID = honest.current.ID
	file := mustSeal(t, teamseal.New(forged, app), app, name, canary)
	if body, _, err := teamseal.New(honest, app).Open(t.Context(), name, file); !errors.Is(err, bucket.ErrTorn) {
		t.Errorf("%q, %v", body, err)
	}
}

func TestTheKeysOfTwoAliasesHaveDifferentIDs(t *testing.T) {
	a, b := teamseal.NewKey(app), teamseal.NewKey(app)
	if a.Secret == b.Secret || a.ID == b.ID {
		t.Error("two keys are equal")
	}
	if teamseal.KeyID(ops, a.Secret) == a.ID {
		t.Error("one secret has the same id under two aliases")
	}
	if len(a.ID) != 32 || teamseal.KeyID(app, a.Secret) != a.ID {
		t.Errorf("id %q", a.ID)
	}
	for _, text := range []string{fmt.Sprint(a), fmt.Sprintf("%+v", a), fmt.Sprintf("%#v", a), fmt.Sprintf("%#v", &a), fmt.Sprintf("%x", a), fmt.Sprintf("%d", a)} {
		if strings.Contains(text, fmt.Sprintf("%x", a.Secret[:4])) || strings.Contains(text, fmt.Sprint(a.Secret[0], a.Secret[1])) || strings.Contains(text, fmt.Sprint(a.Secret[0])+" ") {
			t.Errorf("a key prints as %s", text)
		}
	}
}

func TestWhatIsNotSealedForATeamIsRefusedWithoutARequest(t *testing.T) {
	keys := &fixedKeys{current: teamseal.NewKey(app)}
	s := teamseal.New(keys, app)
	i, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var other bytes.Buffer
	w, err := age.Encrypt(&other, i.Recipient())
	if err == nil {
		_, err = w.Write([]byte(canary))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	for what, file := range map[string][]byte{
		"nothing": nil, "a secret in clear": []byte(`{"service":"api","value":"` + canary + `"}`), "for a person": other.Bytes(),
		"an intro alone": []byte("age-encryption.org/v1\n"), "an identity": []byte("AGE-SECRET-KEY-1QQQ"),
	} {
		body, _, err := s.Open(t.Context(), name, file)
		var other *store.SealError // of another kind of store
		if body != nil || !errors.Is(err, bucket.ErrTorn) && !errors.As(err, &other) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %q, %v", what, body, err)
		}
	}
	if len(keys.asked) > 0 {
		t.Errorf("asked for %q", keys.asked)
	}
}

func TestSealRefusesWhatItCouldNotOpen(t *testing.T) {
	s := teamseal.New(&fixedKeys{current: teamseal.NewKey(app)}, app)
	for _, test := range [][2]string{{"", name}, {app, ""}} {
		if out, _, err := s.Seal(t.Context(), test[0], test[1], []byte(canary)); out != nil || !errors.Is(err, bucket.ErrRefused) {
			t.Errorf("alias %q, name %q: %v", test[0], test[1], err)
		}
	}
}

func TestSealsDifferEachTime(t *testing.T) {
	s, _ := sealer(t)
	a, b := mustSeal(t, s, app, name, canary), mustSeal(t, s, app, name, canary)
	if bytes.Equal(a, b) || bytes.Contains(a, []byte(canary)) {
		t.Error("a value shows in what is sealed, or one sealing is like another")
	}
}

// Any name is bound, also one that no backend would use.
func TestHostileNames(t *testing.T) {
	s, _ := sealer(t)
	for _, name := range []string{"a b/c\n->d", "\x00", "\xff\xfe", strings.Repeat("a/", 512), "%2F", "ä/ö", "-> x", "---"} {
		file := mustSeal(t, s, app, name, canary)
		if body, _, err := s.Open(t.Context(), name, file); err != nil || string(body) != canary {
			t.Errorf("%q: %q, %v", name, body, err)
		}
		if _, _, err := s.Open(t.Context(), name+"x", file); !errors.Is(err, bucket.ErrTorn) {
			t.Errorf("%q: %v", name, err)
		}
		if got := s.Inspect(file[:min(len(file), seal.HeaderSize)]); len(got.KeyID) != 32 {
			t.Errorf("%q: the key is %q", name, got.KeyID)
		}
	}
}

func TestPrepareAsksForTheKeyThatTheNameTells(t *testing.T) {
	for _, test := range []struct{ alias, name, want string }{
		{app, "api/db_url.json", "prefetch alias/app"},
		{app, "api/__kms_alias_app__latest.json", "prefetch alias/app"},
		{app, "api/__kms_alias_ops__latest.json", "prefetch alias/ops"},
		{"alias/team/app", "api/__kms_alias_team_app__latest.json", "prefetch alias/team/app"},
		{app, "api/__kms_alias_team_app__latest.json", "prefetch alias/team_app"},
		{"", "api/__kms_alias_ops__latest.json", "prefetch alias/ops"},
		{"", "api/db_url.json", ""},
		{app, "api/__kms__latest.json", ""},
		{app, "api/__kms_alias_\n__latest.json", ""},
	} {
		keys := &fixedKeys{}
		teamseal.New(keys, test.alias).Prepare(t.Context(), test.name)
		if got := strings.Join(keys.asked, "; "); got != test.want {
			t.Errorf("%q: %q, want %q", test.name, got, test.want)
		}
	}
}

// slowStorage answers each GET after a second.
type slowStorage struct{ *membucket.Bucket }

func (b slowStorage) Get(ctx context.Context, name string) (bucket.Object, error) {
	if err := pace.Sleep(ctx, time.Second); err != nil {
		return bucket.Object{}, err
	}
	return b.Bucket.Get(ctx, name)
}

// TestAKeyIsFetchedBesideItsObject, so that it costs no round trip.
func TestAKeyIsFetchedBesideItsObject(t *testing.T) {
	b := membucket.New(membucket.Options{})
	o := person(t, b)
	for name, alias := range map[string]string{name: app, "api/__kms_alias_app__latest.json": app, "api/__kms_alias_ops__latest.json": ops} {
		put := sealed.New(b, teamseal.New(teamkeys.New(o), app))
		if _, err := put.Put(t.Context(), name, []byte(canary), bucket.PutOptions{KeyAlias: alias}); err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			storage := slowStorage{b}
			o := o
			o.Bucket = storage
			began := time.Now()
			got, err := sealed.New(storage, teamseal.New(teamkeys.New(o), app)).Get(t.Context(), name)
			if took := time.Since(began); err != nil || string(got.Body) != canary || took != time.Second {
				t.Errorf("%s: %v, after %v", name, err, took)
			}
		})
	}
}

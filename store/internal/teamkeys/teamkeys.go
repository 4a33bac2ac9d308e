// Package teamkeys keeps the keys of teams in a bucket: for each key alias one random key, sealed to
// the age recipients of its members. It is a key service without a server.
//
// The keys of an alias are in one object, the key object, "__keys/alias/app.age": an ordinary age file
// to all members, whose content [document] describes. It has the current key, under which new objects
// are sealed, and all earlier ones. A grant replaces this one object, however many secrets there are.
//
// Whoever can write the bucket could put a key object of their own there, with a key of their own,
// sealed to everybody's public recipients. So a client believes a key object only if it knows one of
// the keys in it by its id, from a pin or from its state. No one else than a member, present or
// former, can make such an object.
package teamkeys

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
)

// Options configure [Keys]. Bucket and Identities are required.
type Options struct {
	Bucket bucket.Bucket // the storage itself, not one that seals
	Name   string        // of the bucket, for errors

	// Identities returns the caller's age identities in the order in which they are tried. It is called
	// when there is something to open, and may ask for a passphrase. Errors are of package store.
	Identities func() ([]age.Identity, error)

	// Recipient parses the text of a recipient. If it is nil, [ParseRecipient] does.
	Recipient func(text string) (Recipient, error)

	// Self returns the first members of a new alias: the caller. The first write under an alias then
	// creates its key. If Self is nil, only [Keys.Create] does.
	Self func(ctx context.Context) ([]Member, error)

	// Pins has the key id that is trusted, by alias. The alias must have that key, as its
	// current or an earlier one.
	Pins map[string]string

	// State remembers the newest key of each alias that was seen. If it is nil, as in CI, an
	// alias needs a pin or TrustOnFirstUse.
	State State

	// TrustOnFirstUse accepts the key of an alias that has no pin and that the State doesn't know. With a
	// State that is the default for the first use of a bucket that has no pin: it remembers the keys from
	// then on. An alias that turns up later could be one that somebody has made up.
	TrustOnFirstUse bool

	// By returns who makes a change, for its record. If it is nil, nobody is recorded.
	By func(ctx context.Context) string

	// Notice is called with what a user should know, as a whole sentence. It may be nil.
	Notice func(text string)

	// KeyNotice is called with which key was believed on first use, or is new. It is a matter of trust, so it is to be
	// shown where nothing else is. nil: Notice.
	KeyNotice func(text string)

	Now   func() time.Time                                 // nil: time.Now
	Sleep func(ctx context.Context, d time.Duration) error // nil: a timer
}

// State remembers which key of an alias was seen last. Several clients may use it at once.
type State interface {
	// Recall returns what is remembered; the zero Seen if nothing is.
	Recall(alias string) (Seen, error)

	// Knows reports whether the bucket is known: its first use is over.
	Knows() (bool, error)

	// Expect remembers that the caller is about to make a key, and Expects reports whether it did. So a
	// creation that was cut off is the caller's own all the same.
	Expect(alias, id string) error
	Expects(alias, id string) (bool, error)

	// Remember replaces what Recall returned. If something else is remembered by now, the one with the
	// higher number stays.
	Remember(alias string, was, is Seen) error
}

// Seen is a key that was current when it was seen. Of two keys of an alias, the newer has the higher
// number.
type Seen struct {
	ID      string
	Number  int
	Earlier []string // the ids of the keys before it, the newest first: the last maxEarlier
}

// is reports whether s is the current key of a key object.
func (s Seen) is(r *ring) bool { return s.ID == r.current().ID && s.Number == r.doc.Number }

// Keys has the keys of all aliases, as far as the caller is a member. It reads each key object once,
// for all that use it at the same time, and again after a minute.
type Keys struct {
	Options

	mu          sync.Mutex
	slots       map[string]*slot
	before      map[string]Seen // what the state had when the key of an alias was first read
	knowsBucket func() (bool, error)
	flights     map[flightKey]*flight
}

var _ teamseal.Keys = (*Keys)(nil)

// slot is what is known of an alias.
type slot struct {
	ring *ring // nil after an error
	err  error // a final one: see isFinal
	read time.Time

	again int       // how often it was read again because of an unknown key id
	since time.Time // the beginning of the minute in which that was
}

const (
	maxAge   = time.Minute // how long what was read is used for new objects, and an error is repeated
	maxAgain = 4           // how often the keys of an alias are read again within a minute
)

// New returns the keys in a bucket. It makes no request.
func New(o Options) *Keys {
	if o.Recipient == nil {
		o.Recipient = ParseRecipient
	}
	if o.By == nil {
		o.By = func(context.Context) string { return "" }
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	if o.KeyNotice == nil {
		o.KeyNotice = o.Notice
	}
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the default of a library; the command line hands its own in
	}
	if o.Sleep == nil {
		o.Sleep = pace.Sleep
	}
	k := &Keys{Options: o, slots: map[string]*slot{}, before: map[string]Seen{}, flights: map[flightKey]*flight{}}
	k.knowsBucket = sync.OnceValues(func() (bool, error) { // as it was before the first key was read
		if len(k.Pins) > 0 {
			return true, nil
		}
		return k.State.Knows()
	})
	return k
}

const suffix = ".age"

// ObjectName returns the name of the key object of an alias.
func ObjectName(alias string) string { return admin.KeyObject(alias) }

// Aliases returns the aliases that have a key object, sorted.
func (k *Keys) Aliases(ctx context.Context) ([]string, error) {
	aliases, _, err := k.list(ctx)
	return aliases, err
}

// Strange returns the names of the objects beside the key objects that are none, sorted.
func (k *Keys) Strange(ctx context.Context) ([]string, error) {
	_, names, err := k.list(ctx)
	return names, err
}

func (k *Keys) list(ctx context.Context) (aliases, strange []string, err error) {
	for info, err := range k.Bucket.Walk(ctx, admin.KeysPrefix) {
		if err != nil {
			return nil, nil, err
		}
		alias, ok := strings.CutSuffix(strings.TrimPrefix(info.Name, admin.KeysPrefix), suffix)
		if ok && isAlias(alias) {
			aliases = append(aliases, alias)
		} else {
			strange = append(strange, info.Name)
		}
	}
	slices.Sort(aliases)
	slices.Sort(strange)
	return aliases, strange, nil
}

// isAlias reports whether a text, which may come from anywhere, is an alias as [store.NormalizeAlias]
// returns it.
func isAlias(alias string) bool {
	normal, err := store.NormalizeAlias(alias)
	return err == nil && normal == alias && strings.HasPrefix(alias, "alias/") && path.Clean(alias) == alias
}

// Current implements [teamseal.Keys]. If the alias has never had a key, it creates one: see
// [Options.Self].
func (k *Keys) Current(ctx context.Context, alias string) (teamseal.Key, error) {
	if !isAlias(alias) {
		return teamseal.Key{}, seal.Fault{Err: bucket.ErrRefused, Reason: fmt.Sprintf("%q can't be the alias of a team's key: use alias/NAME", alias)}
	}
	r, err := k.known(ctx, alias, k.fresh)
	if isAbsent(err) && k.Self != nil {
		r, err = k.fly(ctx, flightKey{alias, "create"}, func(ctx context.Context) (*ring, error) {
			members, err := k.Self(ctx)
			if err != nil {
				return nil, err
			}
			return k.create(ctx, alias, members)
		})
	}
	if err != nil {
		return teamseal.Key{}, err
	}
	return r.key(r.doc.Keys[0].ID), nil
}

// Find implements [teamseal.Keys]. If the alias has no such key, it reads the key object again: its
// key may just have been replaced.
func (k *Keys) Find(ctx context.Context, alias, id string) (teamseal.Key, error) {
	r, err := k.known(ctx, alias, k.willDo)
	for err == nil && !r.has(id) {
		var more bool
		if r, more, err = k.again(ctx, alias, id); err == nil && !more {
			return teamseal.Key{}, seal.Fault{Err: bucket.ErrTorn, Code: store.CodeUnknownTeamKey, Reason: "it is encrypted under the key " + id + ", which " + alias + " has never had"}
		}
	}
	if err != nil {
		return teamseal.Key{}, err
	}
	return r.key(id), nil
}

// again returns the keys of an alias that lacked a key. More is false if they were read again often
// enough: objects with wrong ids, however many, must not make as many requests.
func (k *Keys) again(ctx context.Context, alias, id string) (r *ring, more bool, err error) {
	k.mu.Lock()
	s, key := k.slots[alias], flightKey{alias, "read"}
	if s != nil && s.ring != nil && s.ring.has(id) {
		defer k.mu.Unlock()
		return s.ring, true, nil
	}
	if s != nil && k.flights[key] == nil {
		if k.Now().Sub(s.since) >= maxAge {
			s.since, s.again = k.Now(), 0
		}
		if s.again++; s.again > maxAgain {
			defer k.mu.Unlock()
			return s.ring, false, s.err
		}
	}
	wait := k.board(ctx, key, k.reader(alias))
	k.mu.Unlock()
	r, err = wait()
	return r, true, err
}

// Prefetch implements [teamseal.Keys]. What it has begun ends with the context unless somebody waits
// for it.
func (k *Keys) Prefetch(ctx context.Context, alias string) {
	if _, done := k.begin(ctx, alias, k.willDo); done != nil {
		go func() { _, _ = done() }()
	}
}

// ID returns the id of the key of an alias under which new objects are sealed. It creates none.
func (k *Keys) ID(ctx context.Context, alias string) (string, error) {
	r, err := k.known(ctx, alias, k.fresh)
	if err != nil {
		return "", err
	}
	return r.doc.Keys[0].ID, nil
}

// willDo reports whether what was read will do to open an object: keys don't get lost, and an error
// is not believed forever.
func (k *Keys) willDo(s *slot) bool { return s.ring != nil || k.fresh(s) }

// fresh reports whether what was read will do for new objects.
func (k *Keys) fresh(s *slot) bool { return k.Now().Sub(s.read) < maxAge }

// known returns the keys of an alias: those that were read if they will do, else as they are now.
func (k *Keys) known(ctx context.Context, alias string, willDo func(*slot) bool) (*ring, error) {
	s, done := k.begin(ctx, alias, willDo)
	if done != nil {
		return done()
	}
	return s.ring, s.err
}

// begin returns what was read if it will do, or begins to read and returns a function that waits.
func (k *Keys) begin(ctx context.Context, alias string, willDo func(*slot) bool) (slot, func() (*ring, error)) {
	if !isAlias(alias) {
		return slot{err: seal.Fault{Err: bucket.ErrTorn, Reason: "it names an alias that can't exist"}}, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.slots[alias]; s != nil && willDo(s) {
		return *s, nil
	}
	return slot{}, k.board(ctx, flightKey{alias, "read"}, k.reader(alias))
}

// reader returns a function that reads the key object of an alias, and keeps what it has read.
func (k *Keys) reader(alias string) func(context.Context) (*ring, error) {
	return func(ctx context.Context) (*ring, error) {
		r, err := k.read(ctx, alias)
		if err == nil || isFinal(err) {
			k.keep(alias, r, err)
		}
		return r, err
	}
}

// keep stores what was read.
func (k *Keys) keep(alias string, r *ring, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.slots[alias]
	if s == nil {
		s = &slot{}
		k.slots[alias] = s
	}
	s.ring, s.err, s.read = r, err, k.Now()
}

// isFinal reports whether another attempt would fail too, so that an error is the answer for all
// objects of an alias.
func isFinal(err error) bool {
	return errors.Is(err, bucket.ErrDenied) || errors.Is(err, bucket.ErrTorn) || errors.Is(err, bucket.ErrKey) ||
		errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrConfiguration)
}

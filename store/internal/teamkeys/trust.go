package teamkeys

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// believe returns an error unless there is a reason to trust the keys that were opened. It remembers
// the newest one.
func (k *Keys) believe(alias string, r *ring) error {
	pin := k.Pins[alias]
	seen, err := k.recall(alias)
	if err != nil {
		return err
	}
	r.pin, r.before = pin, k.firstSeen(alias, seen)
	doubt := &store.KeyTrustError{Alias: alias, Object: ObjectName(alias), KeyID: r.current().ID}
	switch {
	case pin != "" && !r.has(pin):
		doubt.Want, doubt.Pinned = pin, true
		return doubt
	case seen.ID != "" && !r.has(seen.ID):
		// A low number proves nothing: whoever made the object has chosen it.
		doubt.Want, doubt.Older = seen.ID, slices.Contains(seen.Earlier, r.current().ID)
		return doubt
	case pin == "" && seen.ID == "" && !k.TrustOnFirstUse:
		switch first, err := k.isFirstUse(alias, r); {
		case err != nil:
			return err
		case !first:
			doubt.New = k.State != nil
			return doubt
		}
	}
	if k.State != nil && !seen.is(r) {
		if err := k.State.Remember(alias, seen, r.seen()); err != nil {
			if pin == "" && seen.ID == "" && !k.TrustOnFirstUse {
				return fmt.Errorf("the first key of %s, %s, can't be remembered: %w", alias, r.current().ID, err)
			}
			k.Notice(fmt.Sprintf("the key of %s can't be remembered: %v", alias, err))
		}
	}
	k.tell(alias, pin, seen, r)
	return nil
}

// isFirstUse reports whether a key that nothing is known of may be believed: on the first use of the bucket, or if
// the caller was about to make one of the keys.
func (k *Keys) isFirstUse(alias string, r *ring) (bool, error) {
	if k.State == nil {
		return false, nil
	}
	if known, err := k.knowsBucket(); !known || err != nil {
		return !known, err
	}
	for _, key := range r.doc.Keys {
		if mine, err := k.State.Expects(alias, key.ID); mine || err != nil {
			return mine, err
		}
	}
	return false, nil
}

// tell gives notice of what a person may want to compare.
func (k *Keys) tell(alias, pin string, seen Seen, r *ring) {
	now := r.current()
	by := ""
	if now.By != "" {
		by = fmt.Sprintf(", made by %q", now.By)
	}
	switch {
	case pin == "" && seen.ID == "":
		k.KeyNotice(fmt.Sprintf("the key of %s is trusted on first use: %s%s. Compare the id with what another member has: coffer keys members %s", alias, now.ID, by, alias))
	case seen.ID != "" && seen.ID != now.ID:
		k.KeyNotice(fmt.Sprintf("%s has a new key: %s%s", alias, now.ID, by))
	case pin != "" && seen.ID == "" && pin != now.ID:
		k.KeyNotice(fmt.Sprintf("%s has a new key: %s%s. Pinned is an earlier one, which former members know: change key_ids", alias, now.ID, by))
	}
}

// firstSeen returns what the state had of an alias before these keys were used: seen, if it is read for the first time.
func (k *Keys) firstSeen(alias string, seen Seen) Seen {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.before[alias]; !ok {
		k.before[alias] = seen
	}
	return k.before[alias]
}

// recall returns what the state remembers of an alias.
func (k *Keys) recall(alias string) (Seen, error) {
	if k.State == nil {
		return Seen{}, nil
	}
	return k.State.Recall(alias)
}

// Trust accepts the keys of an alias as they are now if one of them has the id, whatever the state
// remembers. Where another key is pinned, or there is no state, it can't.
func (k *Keys) Trust(ctx context.Context, alias, id string) (Team, error) {
	if err := checkAlias(alias); err != nil {
		return Team{}, err
	}
	r, err := k.open(ctx, alias)
	if err != nil {
		return Team{}, err
	}
	id = strings.ToLower(id) // as some programs show it
	pin := k.Pins[alias]
	doubt := &store.KeyTrustError{Alias: alias, Object: ObjectName(alias), KeyID: r.current().ID}
	switch {
	case pin != "" && !r.has(pin):
		doubt.Want, doubt.Pinned = pin, true
		return Team{}, doubt
	case !r.has(id):
		return Team{}, fmt.Errorf("%w: %s has the key %s, not %s", store.ErrConflict, ObjectName(alias), r.current().ID, id)
	case k.State == nil:
		return Team{}, doubt
	}
	seen, err := k.recall(alias)
	if err != nil {
		return Team{}, err
	}
	if !seen.is(r) {
		if err := k.State.Remember(alias, seen, r.seen()); err != nil {
			return Team{}, fmt.Errorf("the key of %s can't be remembered: %w", alias, err)
		}
	}
	k.keep(alias, r, nil)
	return r.team(), nil
}

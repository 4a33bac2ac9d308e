package teamkeys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
)

// The limits are those of the engine: see docs/design/protocol.md.
const (
	retryTime     = 60 * time.Second
	maxUnclear    = 10 // attempts of a change whose outcome stays unclear
	shortestPause = 10 * time.Millisecond
	longestPause  = 160 * time.Millisecond
)

// change replaces the key object of an alias by what edit makes of it, if it is still what edit was
// given. Edit is called again after a conflict, and after an answer that was lost: it must notice its
// own change. It returns nil if there is nothing to change.
func (k *Keys) change(ctx context.Context, alias string, edit func(*ring) (*document, error)) (*ring, error) {
	began, unclear := k.Now(), 0
	for n := 0; ; n++ {
		before, err := k.read(ctx, alias)
		if err != nil {
			return nil, err
		}
		doc, err := edit(before)
		if err != nil {
			return nil, err
		}
		if doc == nil {
			k.keep(alias, before, nil)
			return before, nil
		}
		after, err := k.put(ctx, *doc, bucket.IfMatch(before.tag))
		if err == nil {
			return after, nil
		}
		if !canRepeat(err) {
			return nil, err
		}
		if isUnclear(err) {
			unclear++
		}
		if unclear >= maxUnclear || k.Now().Sub(began) > retryTime {
			return nil, err
		}
		if err := k.Sleep(ctx, pace.Backoff(n, shortestPause, longestPause)); err != nil {
			return nil, err
		}
	}
}

// canRepeat reports whether a put may succeed when the object was read again.
func canRepeat(err error) bool {
	return errors.Is(err, bucket.ErrChanged) || errors.Is(err, bucket.ErrBusy) || errors.Is(err, bucket.ErrNotFound) || isUnclear(err)
}

// isUnclear reports whether the object may have been put.
func isUnclear(err error) bool {
	return errors.Is(err, bucket.ErrUnavailable) || errors.Is(err, bucket.ErrTorn)
}

// put stores a document, and remembers its key.
func (k *Keys) put(ctx context.Context, doc document, cond bucket.If) (*ring, error) {
	sealed, err := k.seal(doc)
	if err != nil {
		return nil, err
	}
	r, err := newRing(doc.Alias, doc)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrInvalid, err)
	}
	info, err := k.Bucket.Put(ctx, ObjectName(doc.Alias), sealed, bucket.PutOptions{If: cond})
	if err != nil {
		return nil, err
	}
	r.tag, r.mine = info.Tag, true
	seen, err := k.recall(doc.Alias)
	if err == nil && k.State != nil && !seen.is(r) {
		err = k.State.Remember(doc.Alias, seen, r.seen())
	}
	if err != nil {
		k.Notice(fmt.Sprintf("the key of %s can't be remembered: %v", doc.Alias, err))
	}
	k.keep(doc.Alias, r, nil)
	return r, nil
}

// create makes the first key of an alias. If another client has just done so, it returns theirs.
func (k *Keys) create(ctx context.Context, alias string, members []Member) (*ring, error) {
	doc, err := k.first(ctx, alias, members)
	if isLost(err) { // or another client has just made key and index
		if there, failed := k.read(ctx, alias); failed == nil {
			k.keep(alias, there, nil)
			return there, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if k.State != nil {
		if err := k.State.Expect(alias, doc.Keys[0].ID); err != nil {
			k.Notice(fmt.Sprintf("the key of %s can't be remembered: %v", alias, err))
		}
	}
	for n := 0; ; n++ {
		r, err := k.put(ctx, doc, bucket.IfAbsent())
		if err == nil {
			k.Notice(fmt.Sprintf("created the key of %s: %s", alias, r.current().ID))
			return r, nil
		}
		if !canRepeat(err) {
			return nil, err
		}
		there, failed := k.read(ctx, alias)
		if failed == nil {
			there.mine = there.has(doc.Keys[0].ID)
			k.keep(alias, there, nil)
		}
		if !isAbsent(failed) {
			return there, failed
		}
		if n+1 >= maxUnclear {
			return nil, err
		}
		if err := k.Sleep(ctx, pace.Backoff(n, shortestPause, longestPause)); err != nil {
			return nil, err
		}
	}
}

// first returns the first document of an alias, if it may have one.
func (k *Keys) first(ctx context.Context, alias string, members []Member) (document, error) {
	if k.State == nil && !k.TrustOnFirstUse {
		return document{}, &store.KeyTrustError{Alias: alias, Object: ObjectName(alias)}
	}
	if len(members) == 0 {
		return document{}, fmt.Errorf("%w: %s needs a member", store.ErrInvalid, alias)
	}
	if err := k.checkFirst(ctx, alias); err != nil {
		return document{}, err
	}
	now, by := k.Now(), k.By(ctx)
	doc := document{Format: format, Alias: alias}
	for _, m := range members {
		r, err := k.Recipient(m.Recipient)
		if err == nil {
			err = CheckName(m.Name)
		}
		if err == nil {
			err = clash(doc, m.Name, r.String())
		}
		if err != nil {
			return document{}, err
		}
		doc.Members = append(doc.Members, documentUser{Name: m.Name, Recipient: r.String(), Since: strictjson.FormatTime(now), By: by})
	}
	doc.put(teamseal.NewKey(alias), now, by)
	return doc, k.checkOpens(doc)
}

// checkOpens refuses a first key that its maker couldn't open.
func (k *Keys) checkOpens(doc document) error {
	sealed, err := k.seal(doc)
	if err != nil {
		return err
	}
	identities, err := k.Identities()
	if err != nil {
		return err
	}
	if _, err = unseal(doc.Alias, sealed, identities); errors.Is(err, bucket.ErrDenied) {
		return seal.Fault{Err: bucket.ErrRefused, Reason: "none of the first members of " + doc.Alias + " is you: no age identity of yours would open its key"}
	}
	return err
}

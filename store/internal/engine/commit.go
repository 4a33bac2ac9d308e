package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// commit writes one secret: W1 to W3.
func (w *writing) commit(ctx context.Context, c *change) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	o, info, err := w.base(ctx, c)
	if err != nil {
		return err
	}
	v := w.e.newVersion(c.value, w.now, w.author())
	deadline := w.e.Now().Add(waiting.Limit(ctx, retryTime))
	unclearPuts := 0
	for n := 0; ; n++ {
		if done, err := w.check(ctx, c, o, info); done || err != nil {
			if done && len(w.o.Tags) > 0 {
				err = w.retag(ctx, c.key, info)
			}
			return err
		}
		next, number, err := w.next(o, c.key, info.Tag, v)
		if err != nil {
			return err
		}
		tags, err := w.tags(ctx, c.key, info)
		if err != nil {
			return err
		}
		put, failed := w.put(ctx, next, info.Tag, bucket.PutOptions{KeyAlias: w.e.Alias, Tags: tags})
		if failed == nil {
			if err := w.checkPut(ctx, next, put, o); err != nil {
				return err
			}
			w.committed(c, next, number, put.Tag, o)
			return nil
		}
		// The put failed, or its response was lost. Read the object again to find out (W3).
		base := o
		if o, info, err = w.afterwards(ctx, n, c.key, failed); err != nil {
			return err
		}
		if made, err := w.wasMade(ctx, c, o, info, base, v); made || err != nil {
			return err
		}
		if errors.Is(failed, bucket.ErrUnsupported) {
			return failed
		}
		if o.Absent() && !base.Absent() {
			return fmt.Errorf("%w, %w: it was deleted during the write", store.ErrConflict, store.ErrUnknown)
		}
		if unclear(failed) {
			unclearPuts++
		}
		if unclearPuts == maxUnclear || w.e.Now().After(deadline) {
			return failed
		}
	}
}

// afterwards reads an object again after its put failed for the n-th time, if the put may be
// repeated or may have been made. Its error is the error of the write.
func (w *writing) afterwards(ctx context.Context, n int, key string, failed error) (*Document, bucket.Info, error) {
	if ended(ctx, failed) || errors.Is(failed, bucket.ErrVoid) {
		return nil, bucket.Info{}, w.unknown(failed)
	}
	if !retryable(failed) && !errors.Is(failed, bucket.ErrUnsupported) { // an unexpected answer may be reported as unsupported
		return nil, bucket.Info{}, failed
	}
	if err := w.e.pause(ctx, n); err != nil {
		return nil, bucket.Info{}, w.unknown(failed)
	}
	o, info, err := w.e.ReadDocument(ctx, w.v.Service, key)
	switch {
	case err == nil:
		return o, info, nil
	case errors.Is(err, bucket.ErrDenied) && !unclear(failed), errors.Is(err, store.ErrCorrupt):
		return nil, bucket.Info{}, err // it is another client's object
	}
	return nil, bucket.Info{}, w.unknown(failed)
}

// retryable reports whether to read the object again after a failed change: another client was
// faster, or it is unknown whether the change was made.
func retryable(err error) bool {
	return errors.Is(err, bucket.ErrChanged) || errors.Is(err, bucket.ErrNotFound) ||
		errors.Is(err, bucket.ErrBusy) || unclear(err)
}

// unclear reports whether a change may have been made although it failed.
func unclear(err error) bool {
	return errors.Is(err, bucket.ErrUnavailable) || errors.Is(err, bucket.ErrTorn)
}

// ended reports whether a request failed because its context ended.
func ended(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, ctx.Err())
}

// unknown returns the error of a change whose outcome is unknown. It makes sure that the index is
// updated.
func (w *writing) unknown(err error) error {
	w.setBehind()
	return fmt.Errorf("%w: it may or may not have been stored: %w", store.ErrUnknown, StorageError(err))
}

// check compares a change with the stored secret. If done is true, nothing needs to be written.
func (w *writing) check(ctx context.Context, c *change, o *Document, info bucket.Info) (done bool, err error) {
	have := 0
	if !o.Absent() {
		have = o.Newest()
	}
	if want := w.o.IfVersion; want != nil && *want != have {
		return false, &store.VersionError{Have: have, Want: *want}
	}
	if have == 0 {
		return false, nil
	}
	if err := w.guard(ctx, o, info); err != nil { // W2
		return false, err
	}
	if !w.o.SkipUnchanged || o.Versions[have].Value != c.value || w.adopts(ctx, o, info) {
		return false, nil
	}
	if w.e.checkRollback(w.v.Service, c.key, have, w.v.Readable()) != nil {
		return false, nil // an older state was put back: the write confirms its value as a new version
	}
	c.meta, c.outcome = o.Meta(have, w.e.Alias), store.Unchanged
	if !vouches(w.own, c.key, info.Tag) {
		w.setBehind()
	}
	return true, nil
}

func (w *writing) setBehind() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.behind = true
}

// next returns the object to put and the number of its new version. Version numbers are never
// reused: the number is above all that any index knows, of a deleted secret or of an
// object that was put back to an older state.
func (w *writing) next(o *Document, key string, tag bucket.Tag, v Version) (*Document, int, error) {
	last := o.highest()
	if o.Absent() || !vouches(w.own, key, tag) {
		if err := w.others(); err != nil {
			return nil, 0, err
		}
	}
	for _, s := range w.v.Readable() {
		if o.Absent() {
			last = max(last, s.Index.Highest(key))
		} else {
			last = max(last, s.Index.Known(key))
		}
	}
	if last == math.MaxInt {
		return nil, 0, &store.CorruptError{Object: ObjectName(w.v.Service, key), Offset: -1, Reason: "there are no version numbers left"}
	}
	number := last + 1
	if o == nil {
		o = &Document{service: w.v.Service, key: key}
	}
	next := o.add(number, v)
	w.e.prepare(next)
	return next, number, nil
}

// put stores an object on the condition that it still has the tag that was read. An empty tag
// means that there must be no object.
func (w *writing) put(ctx context.Context, o *Document, tag bucket.Tag, options bucket.PutOptions) (bucket.Info, error) {
	body, err := o.encode()
	if err != nil {
		return bucket.Info{}, err
	}
	options.If = bucket.IfAbsent()
	if tag != "" {
		options.If = bucket.IfMatch(tag)
	}
	// An interrupt does not cancel the put at once. The outcome of a canceled put is unknown, and
	// the index could not be updated with it.
	ctx, cancel := outlive(ctx, putGrace)
	defer cancel()
	return w.e.Bucket.Put(ctx, ObjectName(o.service, o.key), body, options)
}

// checkPut checks the seal in the storage's answer to a put (W3). If it is wrong, it returns an
// error, and deletes the object at once if it is new. An object that existed before is not
// deleted, because it has older versions.
func (w *writing) checkPut(ctx context.Context, o *Document, put bucket.Info, base *Document) error {
	name := ObjectName(o.service, o.key)
	err := w.checkSeal(ctx, name, put.Seal)
	if err == nil {
		return nil
	}
	if !base.Absent() {
		return fmt.Errorf("%w; the new version is stored", err)
	}
	ctx = waiting.Beyond(ctx)
	left := w.e.Bucket.Delete(ctx, name, bucket.IfMatch(put.Tag))
	if errors.Is(left, bucket.ErrUnsupported) {
		left = w.e.Bucket.Delete(ctx, name, bucket.If{})
	}
	if left != nil && !errors.Is(left, bucket.ErrNotFound) { // "not found" may answer a repeated request whose first attempt succeeded
		return fmt.Errorf("%w; it could not be undone: %w", err, StorageError(left))
	}
	return err
}

func (w *writing) checkSeal(ctx context.Context, name string, s bucket.Seal) error {
	if err := w.e.Vouch(name, s); err != nil {
		return err
	}
	return w.checkKey(ctx, name, s)
}

// checkKey returns a [*store.SealError] if the key that the storage used is not the one to which our
// alias points, nor the one that another command has given it since it was asked.
func (w *writing) checkKey(ctx context.Context, name string, s bucket.Seal) error {
	alias := w.e.Alias
	w.mu.Lock()
	w.putKey = s.KeyID
	changed := w.changedKey
	w.mu.Unlock()
	switch {
	case s.KeyID == "" || alias == "" || s.KeyID == w.own.Seal.KeyID || s.KeyID == changed:
		return nil
	case s.KeyID == alias || strings.HasSuffix(s.KeyID, ":"+alias):
		return nil // some servers name keys by their aliases
	}
	if want := w.keyID(); want != "" && want != s.KeyID {
		if !w.e.HasKey(waiting.Beyond(ctx), alias, s.KeyID) {
			return &store.SealError{Object: name, Method: s.Method, KeyID: s.KeyID, Want: alias + ", which is " + want}
		}
		w.mu.Lock()
		w.changedKey = s.KeyID
		w.mu.Unlock()
	}
	return nil
}

// wasMade reports whether a put over base whose answer was lost was made: whether o, the object as
// it is now, has its version.
func (w *writing) wasMade(ctx context.Context, c *change, o *Document, info bucket.Info, base *Document, v Version) (bool, error) {
	if number, ok := o.has(v, base.Newest()); ok {
		if o.Newest() == number && o.Alias == w.e.Alias { // no other write on top: the object is as the put stored it
			if err := w.checkPut(ctx, o, info, base); err != nil {
				return false, err
			}
		}
		w.committed(c, o, number, info.Tag, base)
		return true, nil
	}
	return false, nil
}

// committed records the result of a change that is stored.
func (w *writing) committed(c *change, o *Document, number int, tag bucket.Tag, base *Document) {
	c.meta, c.outcome = o.Meta(number, w.e.Alias), store.Updated
	if base.Absent() && number == o.Newest() && len(o.Versions) == 1 {
		c.outcome = store.Created
	}
	w.notifyRollback(base, c.key, fmt.Sprintf("; this is version %d", number))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known[c.key] = known{tag: tag, object: o, version: number, created: base.Absent()}
}

package s3bucket

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"path"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// findings are what a probe has found out.
type findings struct {
	Endpoint string    `json:"endpoint"`
	Bucket   string    `json:"bucket"`
	Checked  time.Time `json:"checked"`

	Conditions        bool `json:"conditions"`         // of puts are kept
	ConditionalDelete bool `json:"conditional_delete"` // the condition of a delete is kept

	unknown bool // nothing was found out: not to be remembered
}

// trial is one probe: an object of its own that it puts, replaces and removes.
type trial struct {
	b    *Bucket
	name string
	key  string // alias
}

// probe makes the requests of protocol.md, section 14, beside the object that is to be
// changed: whoever may write that may write here. A caller or key that is refused learns
// nothing, and what is to be changed will be refused in the same way: then the conditions
// count as kept.
func (p *probed) probe(ctx context.Context, beside string) (f *findings, err error) {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	t := &trial{b: p.Bucket, name: path.Dir(beside) + "/__probe/" + hex.EncodeToString(random[:]), key: p.o.KeyAlias}
	f = &findings{Endpoint: p.o.Endpoint, Bucket: p.Bucket.o.Bucket}
	if p.o.Now != nil {
		f.Checked = p.o.Now().UTC()
	}

	first, err := t.put(ctx, "1", bucket.IfAbsent())
	switch {
	case errors.Is(err, bucket.ErrUnsupported):
		return f, nil // it knows of conditions, and refuses them
	case isAny(err, bucket.ErrDenied, bucket.ErrKey, bucket.ErrCredentials, bucket.ErrNoBucket, bucket.ErrRefused, bucket.ErrBusy):
		return &findings{Conditions: true, unknown: true}, nil
	case err != nil:
		return nil, err
	}
	defer func() { _ = t.clean(context.WithoutCancel(ctx)) }() // the object stays where nobody may delete
	if err := p.o.Vouch(t.name, first.Seal); err != nil {
		return nil, err
	}
	if f.Conditions, err = t.keepsPutConditions(ctx); err != nil || !f.Conditions {
		return f, err
	}
	now, err := t.tellsStates(ctx, first)
	if err != nil {
		return nil, err
	}
	if f.ConditionalDelete, err = t.keepsDeleteConditions(ctx, now); err != nil {
		return nil, err
	}
	return f, nil
}

func (t *trial) put(ctx context.Context, body string, cond bucket.If) (bucket.Info, error) {
	return t.b.Put(ctx, t.name, []byte("coffer asks whether this server keeps conditions "+body), bucket.PutOptions{If: cond, KeyAlias: t.key})
}

// keepsPutConditions tells whether puts whose conditions do not hold are refused.
func (t *trial) keepsPutConditions(ctx context.Context) (bool, error) {
	for _, cond := range []bucket.If{bucket.IfAbsent(), bucket.IfMatch("0")} {
		switch _, err := t.put(ctx, "2", cond); {
		case err == nil, errors.Is(err, bucket.ErrUnsupported):
			return false, nil
		case !isAny(err, bucket.ErrChanged, bucket.ErrNotFound, bucket.ErrBusy):
			return false, err
		}
	}
	return true, nil
}

// tellsStates replaces the object. Its ETag must be another one, and the same in the answers
// to a put, a get and a listing: the protocol rests on that.
func (t *trial) tellsStates(ctx context.Context, before bucket.Info) (after bucket.Info, err error) {
	after, err = t.put(ctx, "3", bucket.IfMatch(before.Tag))
	if err != nil {
		return after, err
	}
	var got, listed bucket.Info
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		o, err := t.b.Get(gctx, t.name)
		got = o.Info
		return err
	})
	g.Go(func() error {
		for info, err := range t.b.List(gctx, t.name) {
			if isAny(err, bucket.ErrDenied) {
				listed = after // who may not list changes nothing either
				return nil
			}
			if err != nil {
				return err
			}
			listed = info
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return after, err
	}
	reason := ""
	switch {
	case after.Tag == before.Tag:
		reason = "the server gives two states of an object the same ETag"
	case got.Tag != after.Tag:
		reason = "the server answers a put and a get with different ETags"
	case listed.Tag == "":
		reason = "the server does not list what was just stored"
	case listed.Tag != after.Tag:
		reason = "the server lists other ETags than it answers with"
	default:
		return after, nil
	}
	return after, &bucket.Error{Op: "put", Name: t.name, Reason: reason, Err: bucket.ErrUnsupported}
}

// keepsDeleteConditions tells whether deletes whose conditions do not hold are refused: of
// another state, and of an object that is gone. versitygw makes the second one, and lets a
// delete that races with a put take the new state away (facts.md, section 9).
func (t *trial) keepsDeleteConditions(ctx context.Context, now bucket.Info) (bool, error) {
	err := t.b.remove(ctx, t.name, bucket.IfMatch("0"))
	if !isAny(err, bucket.ErrChanged, bucket.ErrNotFound) {
		return false, unclear(err)
	}
	if err := t.b.remove(ctx, t.name, bucket.IfMatch(now.Tag)); err != nil {
		return false, unclear(err)
	}
	err = t.b.remove(ctx, t.name, bucket.IfMatch(now.Tag))
	return isAny(err, bucket.ErrChanged, bucket.ErrNotFound), unclear(err)
}

// unclear is an error after which nothing is known; any other is an answer.
func unclear(err error) error {
	if isAny(err, bucket.ErrUnavailable, bucket.ErrTorn, context.Canceled, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// clean removes the object, under a condition where that is all that a policy allows.
func (t *trial) clean(ctx context.Context) error {
	info, err := t.b.Head(ctx, t.name)
	if err != nil {
		return err // gone, as a rule
	}
	if err = t.b.remove(ctx, t.name, bucket.IfMatch(info.Tag)); err != nil {
		err = t.b.remove(ctx, t.name, bucket.If{})
	}
	return err
}

func isAny(err error, sentinels ...error) bool {
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return true
		}
	}
	return false
}

package s3bucket

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// findings are what a probe has found out: the verdict on a server and one bucket of it, as
// the bucket was then.
type findings struct {
	Endpoint string     `json:"endpoint"`
	Bucket   string     `json:"bucket"`
	Checked  time.Time  `json:"checked"`
	Versions versioning `json:"versions"` // what the answers to the probe's puts showed

	Conditions        bool `json:"conditions"`         // of puts are kept
	ConditionalDelete bool `json:"conditional_delete"` // the condition of a delete is kept

	// Parts are the sub-resources that were tried, and whether each is kept.
	Parts map[part]verdict `json:"parts,omitempty"`

	unknown bool   // nothing was found out: not to be remembered
	refusal string // with which the first put under a condition was refused as not supported
}

// versioning is what the answer to a put or delete shows of the bucket by its version id.
type versioning string

const (
	unversioned versioning = "" // no id
	suspended   versioning = "suspended"
	enabled     versioning = "enabled"
)

func versioningOf(id *string) versioning {
	switch {
	case id == nil || *id == "":
		return unversioned
	case *id == bucket.NullVersion:
		return suspended
	}
	return enabled
}

// fits reports whether the answer to a change is one of the bucket that f was found on.
func (f *findings) fits(v versioning) bool { return f.unknown || f.Versions == v }

// probeTries is how often a probe is made that another one must repeat.
const probeTries = 3

// errAgain is of a probe that shows nothing: the bucket's versioning changed under it, or the
// client repeated a request whose answer was lost, and met its own change.
var errAgain = errors.New("the server's answers are not of one state of the bucket")

// trial is one probe, and the objects that it puts, replaces and removes:
//
//	a   is put and replaced: what stands in the answers to put, get and list?
//	b   stands still: is what its state forbids refused?
//	c   never exists, but where a and b are refused
//
// Its requests are made in four round trips.
type trial struct {
	b             *Bucket
	name          string // of the objects, without the letter
	key           string // alias
	first, second placed
	pending       []string // objects that may be there
}

// placed is an object of the trial as the answer to its put described it.
type placed struct {
	bucket.Info
	versions versioning
}

// probe makes the requests of protocol.md, section 14, beside the object that is to be
// changed: whoever may write that may write here. A caller or key that is refused learns
// nothing, and what is to be changed will be refused in the same way: then the conditions
// count as kept.
func (p *probed) probe(ctx context.Context, beside string) (*findings, error) {
	for n := 1; ; n++ {
		f, err := p.probeOnce(ctx, beside)
		if !errors.Is(err, errAgain) {
			return f, err
		}
		if n == probeTries {
			return nil, &bucket.Error{Op: "put", Name: beside, Reason: err.Error(), Err: bucket.ErrUnavailable}
		}
	}
}

func (p *probed) probeOnce(ctx context.Context, beside string) (f *findings, err error) {
	t := p.newTrial(beside)
	f = &findings{Endpoint: p.o.Endpoint, Bucket: p.Bucket.o.Bucket}
	if p.o.Now != nil {
		f.Checked = p.o.Now().UTC()
	}
	defer func() { t.clean(waiting.Beyond(ctx)) }()
	err = t.place(ctx) // 1
	switch {
	case errors.Is(err, bucket.ErrUnsupported):
		if refusal := t.refusesWithout(ctx); refusal != nil {
			return nil, refusal
		}
		f.refusal = wordOf(err) // it knows of conditions, and refuses them
		return f, nil
	case errors.Is(err, bucket.ErrChanged): // nobody else knows the name
		return nil, errAgain
	case isAny(err, bucket.ErrDenied, bucket.ErrKey, bucket.ErrCredentials, bucket.ErrNoBucket, bucket.ErrRefused, bucket.ErrBusy):
		return &findings{Conditions: true, unknown: true}, nil
	case err != nil:
		return nil, err
	}
	if err := p.o.Vouch(t.name+"a", t.first.Seal); err != nil {
		return nil, err
	}
	f.Versions = t.first.versions
	if f.Conditions, err = t.keepsPutConditions(ctx); err != nil || !f.Conditions { // 2
		return f, err
	}
	if t.first.versions != f.Versions || t.second.versions != f.Versions {
		return nil, errAgain
	}
	deletes, err := t.tellsStates(ctx) // 3
	if err == nil && deletes {
		deletes, err = t.keepsDeleteConditions(ctx) // 4
	}
	f.ConditionalDelete = deletes
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (p *probed) newTrial(beside string) *trial {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	return &trial{b: p.Bucket, name: path.Dir(beside) + admin.ProbeDir + hex.EncodeToString(random[:]), key: p.o.KeyAlias}
}

func (t *trial) put(ctx context.Context, letter, body string, cond bucket.If) (placed, error) {
	info, id, err := t.b.put(ctx, t.name+letter, []byte("coffer asks whether this server keeps conditions "+letter+body),
		bucket.PutOptions{If: cond, KeyAlias: t.key})
	return placed{info, versioningOf(id)}, err
}

// place puts both objects. Both of its requests are refused for the same reasons.
func (t *trial) place(ctx context.Context) error {
	t.pending = []string{"a", "b"}
	errs := together(ctx,
		func() (err error) { t.first, err = t.put(ctx, "a", "1", bucket.IfAbsent()); return err },
		func() (err error) { t.second, err = t.put(ctx, "b", "1", bucket.IfAbsent()); return err },
	)
	if refused(errs[0]) && refused(errs[1]) {
		t.pending = nil
	}
	for _, err := range errs {
		if unclear(err) != nil {
			return err
		}
	}
	if (errs[0] == nil) != (errs[1] == nil) {
		return errAgain
	}
	return errs[0]
}

// refusesWithout returns the refusal of a put that has no condition: then it is not conditions
// that the server refuses, but the encryption that is asked for.
func (t *trial) refusesWithout(ctx context.Context) error {
	t.pending = append(t.pending, "c")
	if _, err := t.put(ctx, "c", "1", bucket.If{}); errors.Is(err, bucket.ErrUnsupported) {
		return err
	}
	return nil
}

// refused reports an answer after which nothing is stored.
func refused(err error) bool { return err != nil && unclear(err) == nil }

// keepsPutConditions tells whether puts whose conditions do not hold are refused, and one whose
// condition holds is made. Its ETag must be another one: the protocol rests on that.
func (t *trial) keepsPutConditions(ctx context.Context) (bool, error) {
	before, after := t.first.Tag, placed{}
	errs := together(ctx,
		func() error { _, err := t.put(ctx, "b", "2", bucket.IfAbsent()); return err },
		func() error { _, err := t.put(ctx, "b", "3", bucket.IfMatch("0")); return err },
		func() (err error) { after, err = t.put(ctx, "a", "2", bucket.IfMatch(before)); return err },
	)
	for _, err := range errs[:2] {
		if err == nil || errors.Is(err, bucket.ErrUnsupported) {
			return false, nil
		}
	}
	for _, err := range errs[:2] {
		if !isAny(err, bucket.ErrChanged, bucket.ErrNotFound, bucket.ErrBusy) {
			return false, err
		}
	}
	switch err := errs[2]; {
	case isAny(err, bucket.ErrChanged, bucket.ErrNotFound):
		return false, t.refusedMatch(ctx)
	case err != nil:
		return false, err
	}
	t.first = after
	if after.Tag == before {
		return false, t.fault("the server gives two states of an object the same ETag")
	}
	return true, nil
}

// refusedMatch tells a server that refuses the ETag that an object has from a put that was
// made, and refused when the client repeated it.
func (t *trial) refusedMatch(ctx context.Context) error {
	switch now, err := t.b.Head(ctx, t.name+"a"); {
	case err != nil:
		return err
	case now.Tag == t.first.Tag:
		return t.fault("the server refuses If-Match with the ETag that the object has")
	}
	return errAgain
}

func (t *trial) fault(reason string) error {
	return &bucket.Error{Op: "put", Name: t.name + "a", Reason: reason, Err: bucket.ErrUnsupported}
}

// tellsStates looks for the ETag that the put was answered with in the answers to a get and a
// listing. Meanwhile it deletes another state of the other object: is that refused?
func (t *trial) tellsStates(ctx context.Context) (deletes bool, err error) {
	var got, listed bucket.Info
	errs := together(ctx,
		func() error {
			o, err := t.b.Get(ctx, t.name+"a")
			got = o.Info
			return err
		},
		func() (err error) { listed, err = t.list(ctx); return err },
		func() error { return t.b.remove(ctx, t.name+"b", bucket.IfMatch("0")) },
	)
	deletes = isAny(errs[2], bucket.ErrChanged, bucket.ErrNotFound)
	for _, err := range []error{errs[0], errs[1], unclear(errs[2])} {
		if err != nil {
			return false, err
		}
	}
	switch {
	case got.Tag != t.first.Tag:
		return false, t.fault("the server answers a put and a get with different ETags")
	case listed.Tag == "":
		return false, t.fault("the server does not list what was just stored")
	case listed.Tag != t.first.Tag:
		return false, t.fault("the server lists other ETags than it answers with")
	}
	return deletes, nil
}

func (t *trial) list(ctx context.Context) (listed bucket.Info, err error) {
	for info, err := range t.b.List(ctx, t.name+"a") {
		if isAny(err, bucket.ErrDenied) {
			return t.first.Info, nil // who may not list changes nothing either
		}
		if err != nil {
			return listed, err
		}
		listed = info
	}
	return listed, nil
}

// keepsDeleteConditions tells whether deletes whose conditions hold are made, and one of an
// object that is not there is refused. versitygw makes that one, and lets a delete that races
// with a put take the new state away (facts.md, section 9).
func (t *trial) keepsDeleteConditions(ctx context.Context) (bool, error) {
	errs := together(ctx,
		func() error { return t.removeRight(ctx, "a", t.first.Tag) },
		func() error { return t.removeRight(ctx, "b", t.second.Tag) },
		func() error { return t.b.remove(ctx, t.name+"c", bucket.IfMatch(t.second.Tag)) },
	)
	for _, err := range errs {
		if err := unclear(err); err != nil {
			return false, err
		}
	}
	if errs[0] == nil && errs[1] == nil {
		t.pending = nil
	}
	return errs[0] == nil && errs[1] == nil && isAny(errs[2], bucket.ErrChanged, bucket.ErrNotFound), nil
}

// removeRight deletes an object in the state that it is in. That it is gone when the client
// repeats the request is no refusal.
func (t *trial) removeRight(ctx context.Context, letter string, tag bucket.Tag) error {
	err := t.b.remove(ctx, t.name+letter, bucket.IfMatch(tag))
	if isAny(err, bucket.ErrChanged) {
		if _, headErr := t.b.Head(ctx, t.name+letter); headErr != nil {
			err = headErr
		}
	}
	if errors.Is(err, bucket.ErrNotFound) {
		return nil
	}
	return err
}

// together makes requests at the same time and returns the error of each.
func together(ctx context.Context, requests ...func() error) []error {
	errs := make([]error, len(requests))
	_ = pace.Each(ctx, len(requests), len(requests), func(_ context.Context, i int) error {
		errs[i] = requests[i]()
		return nil
	})
	return errs
}

// unclear is an error after which nothing is known; any other is an answer.
func unclear(err error) error {
	if isAny(err, bucket.ErrUnavailable, bucket.ErrTorn, context.Canceled, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// clean removes what is left, under a condition where that is all that a policy allows. An
// object stays where nobody may delete.
func (t *trial) clean(ctx context.Context) {
	var requests []func() error
	for _, letter := range t.pending {
		requests = append(requests, func() error { return t.b.discard(ctx, t.name+letter) })
	}
	together(ctx, requests...)
}

// discard deletes an object that nobody else knows of.
func (b *Bucket) discard(ctx context.Context, name string) error {
	err := b.remove(ctx, name, bucket.If{})
	if !isAny(err, bucket.ErrDenied) {
		return err
	}
	info, headErr := b.Head(ctx, name)
	if headErr != nil {
		return fmt.Errorf("%w (%w)", err, headErr)
	}
	return b.remove(ctx, name, bucket.IfMatch(info.Tag))
}

func isAny(err error, sentinels ...error) bool {
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return true
		}
	}
	return false
}

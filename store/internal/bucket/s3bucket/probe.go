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

// findings are the results of a probe of a server and one of its buckets, in the bucket's state at
// that time.
type findings struct {
	Endpoint string     `json:"endpoint"`
	Bucket   string     `json:"bucket"`
	Checked  time.Time  `json:"checked"`
	Versions versioning `json:"versions"` // the state of versioning, as the answers to the probe's puts showed it

	Conditions        bool `json:"conditions"`         // the server respects the conditions of puts
	ConditionalDelete bool `json:"conditional_delete"` // the server respects the condition of a delete

	// Parts are the parts that were tested, with the results.
	Parts map[part]verdict `json:"parts,omitempty"`

	unknown bool   // the probe had no result; not stored
	refusal string // the reason why the first conditional put was refused as not supported
}

// versioning is the state of the bucket's versioning, as the version id in the answer to a put or
// delete shows it.
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

// fits reports whether the answer to a change shows the state of versioning that f was found with.
func (f *findings) fits(v versioning) bool { return f.unknown || f.Versions == v }

// probeTries is how often an inconclusive probe is made.
const probeTries = 3

// errAgain is the error of an inconclusive probe: the bucket's versioning changed during it, or the
// client repeated a request whose answer was lost, and the repetition conflicted with the first
// one.
var errAgain = errors.New("the server's responses show different states of the bucket")

// trial is one probe with its objects:
//
//	a   is put and replaced: do the answers to put, get and list have the same ETag?
//	b   is not changed: are requests refused whose conditions its state doesn't meet?
//	c   never exists, unless a and b are refused
//
// Its requests are made in four round trips.
type trial struct {
	b             *Bucket
	name          string // of the objects, without the final letter
	key           string // the key alias
	first, second placed
	pending       []string // the letters of objects that may exist
}

// placed is an object of the trial as the answer to its put described it.
type placed struct {
	bucket.Info
	versions versioning
}

// probe makes the requests of protocol.md, section 14, next to the object that is to be changed: a
// caller with permission to write that object can write there. If the caller or the key is refused,
// the probe has no result. The change itself will be refused in the same way, so the conditions
// then count as respected.
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
	err = t.place(ctx) // round trip 1
	switch {
	case errors.Is(err, bucket.ErrUnsupported):
		if refusal := t.refusesWithout(ctx); refusal != nil {
			return nil, refusal
		}
		f.refusal = wordOf(err) // the server recognizes conditions, and refuses them
		return f, nil
	case errors.Is(err, bucket.ErrChanged): // no other client uses this name
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
	if f.Conditions, err = t.keepsPutConditions(ctx); err != nil || !f.Conditions { // round trip 2
		return f, err
	}
	if t.first.versions != f.Versions || t.second.versions != f.Versions {
		return nil, errAgain
	}
	deletes, err := t.tellsStates(ctx) // round trip 3
	if err == nil && deletes {
		deletes, err = t.keepsDeleteConditions(ctx) // round trip 4
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
	info, id, err := t.b.put(ctx, t.name+letter, []byte("coffer tests whether this server respects conditions "+letter+body),
		bucket.PutOptions{If: cond, KeyAlias: t.key})
	return placed{info, versioningOf(id)}, err
}

// place puts objects a and b. If one put is refused, the other is refused for the same reason.
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

// refusesWithout returns the error of a put without a condition, if it is refused as not supported.
// Then the server refuses the requested encryption, not conditions.
func (t *trial) refusesWithout(ctx context.Context) error {
	t.pending = append(t.pending, "c")
	if _, err := t.put(ctx, "c", "1", bucket.If{}); errors.Is(err, bucket.ErrUnsupported) {
		return err
	}
	return nil
}

// refused reports whether the error means that nothing is stored.
func refused(err error) bool { return err != nil && unclear(err) == nil }

// keepsPutConditions reports whether puts with conditions that fail are refused, and a put with a
// condition that is true is made. That put must change the ETag: the protocol depends on it.
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
		return false, t.fault("the server returns the same ETag for two states of an object")
	}
	return true, nil
}

// refusedMatch distinguishes a server that refuses the current ETag of an object from a put that
// was made, and refused when the client repeated it.
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

// tellsStates compares the ETag in the answer to the put with those of a get and a listing. At the
// same time it sends a delete of the other object with a wrong ETag, and reports whether that is
// refused.
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
		return false, t.fault("the server returns different ETags for a put and a get")
	case listed.Tag == "":
		return false, t.fault("the server does not list what was just stored")
	case listed.Tag != t.first.Tag:
		return false, t.fault("the server lists different ETags than it returns for objects")
	}
	return deletes, nil
}

func (t *trial) list(ctx context.Context) (listed bucket.Info, err error) {
	for info, err := range t.b.List(ctx, t.name+"a") {
		if isAny(err, bucket.ErrDenied) {
			return t.first.Info, nil // a caller without permission to list changes nothing either
		}
		if err != nil {
			return listed, err
		}
		listed = info
	}
	return listed, nil
}

// keepsDeleteConditions reports whether deletes with conditions that are true are made, and one of
// an object that doesn't exist is refused. versitygw makes that one, and its conditional delete can
// remove the new state of an object that is put at the same time (facts.md, section 9).
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

// removeRight deletes an object with its current ETag. If the object is gone when the client
// repeats the request, that is not a refusal.
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

// together makes requests concurrently and returns the error of each.
func together(ctx context.Context, requests ...func() error) []error {
	errs := make([]error, len(requests))
	_ = pace.Each(ctx, len(requests), len(requests), func(_ context.Context, i int) error {
		errs[i] = requests[i]()
		return nil
	})
	return errs
}

// unclear returns the error if it leaves the outcome open, and nil if it is an answer.
func unclear(err error) error {
	if isAny(err, bucket.ErrUnavailable, bucket.ErrTorn, context.Canceled, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// clean removes the remaining objects, with a condition if the policy requires one. If the caller
// has no permission to delete, they stay.
func (t *trial) clean(ctx context.Context) {
	var requests []func() error
	for _, letter := range t.pending {
		requests = append(requests, func() error { return t.b.discard(ctx, t.name+letter) })
	}
	together(ctx, requests...)
}

// discard deletes an object that no other client uses.
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

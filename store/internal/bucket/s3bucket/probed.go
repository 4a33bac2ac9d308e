package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/sharing"
)

// ProbeOptions say how to handle a server that may ignore conditions.
type ProbeOptions struct {
	// KeyAlias is the key alias of the objects that the probe puts.
	KeyAlias string

	// Vouch returns an error if a seal is not acceptable, so that no value is sent to a server that
	// would not encrypt it. Nil accepts every seal.
	Vouch func(object string, s bucket.Seal) error

	// SingleWriter allows changes on a server that ignores conditions. Each put is then made
	// without one and checked again half a second to two seconds later: of concurrent writers, the
	// last one wins. Notice reports that once.
	SingleWriter bool
	Notice       func(text string)

	// Endpoint identifies the server in the cache.
	Endpoint string
	// CacheDir stores the result of the probe for seven days. If it is "" or cannot be written,
	// PrivateDir is used instead. It is created, and used only if no other user can access it. If
	// that fails too, Notice reports it.
	CacheDir, PrivateDir string

	Now   func() time.Time                                 // required if there is a directory
	Sleep func(ctx context.Context, d time.Duration) error // nil: a timer
}

// probed is a Bucket that checks the server's behaviour before it depends on it: before the first
// change, which conditions of changes the server respects, and before a request that a query
// parameter defines, whether the server implements that.
type probed struct {
	*Bucket
	o ProbeOptions

	once   singleflight.Group
	warned sync.Once
	unkept sync.Once

	mu          sync.Mutex
	found       *findings
	recheck     bool // the result of an earlier run is outdated
	hasVersions bool // a read object had a version id
	parts       map[part]verdict

	lost     map[string][]byte // the bodies of puts whose answers were lost, by object
	refused  map[string]refusal
	refusals int
}

// CodeNoConditions is the Code of the [bucket.ErrUnsupported] of a change on a server that ignores
// conditions. SingleWriter allows such changes.
const CodeNoConditions = "NoConditionalWrites"

// Whole has all operations of an S3 bucket.
type Whole interface {
	bucket.Bucket
	bucket.Tagger
	bucket.Versioned
	bucket.HeaderReader
	sharing.Bucket
	Try(ctx context.Context, service, index, alias string, wanted []string) (Trials, error)
	Inquire(ctx context.Context, beside, alias string) ([]admin.Inquiry, error)
}

// Probed returns b for a server that is not AWS (protocol.md, section 14). It probes the server
// before the first change, unless that was done in the last seven days. If the server ignores the
// conditions of puts, or its ETags don't distinguish the states of an object, changes are
// [bucket.ErrUnsupported]. Reads are the same as those of b.
func Probed(b *Bucket, o ProbeOptions) Whole {
	if o.Vouch == nil {
		o.Vouch = func(string, bucket.Seal) error { return nil }
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	if o.Sleep == nil {
		o.Sleep = pace.Sleep
	}
	return &probed{
		Bucket: b, o: o,
		parts: map[part]verdict{}, lost: map[string][]byte{}, refused: map[string]refusal{},
	}
}

// Get implements [bucket.Bucket].
func (p *probed) Get(ctx context.Context, name string) (bucket.Object, error) {
	p.mu.Lock()
	began := p.refusals
	p.mu.Unlock()
	o, id, err := p.get(ctx, name)
	if err == nil || errors.Is(err, bucket.ErrNotFound) {
		if doubt := p.saw(ctx, name, o.Tag, versioningOf(id), began); doubt != nil {
			return bucket.Object{}, doubt
		}
	}
	return o, err
}

// Put implements [bucket.Bucket].
func (p *probed) Put(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
	f, err := p.ask(ctx, "put", name)
	if err == nil && len(o.Tags) > 0 {
		err = p.keeps(ctx, "put", name, partTags)
	}
	switch {
	case err != nil:
		return bucket.Info{}, err
	case !f.Conditions && p.o.SingleWriter:
		return p.putAlone(ctx, name, body, o)
	case !f.Conditions:
		return bucket.Info{}, noConditions("put", name, "the server ignores conditional puts, so concurrent writers would overwrite one another")
	}
	put, id, err := p.put(ctx, name, body, o)
	switch {
	case err == nil:
		return put, p.acknowledge(ctx, f, name, body, id, o.If)
	case isAny(err, bucket.ErrUnavailable, bucket.ErrTorn):
		p.lose(name, body)
	case errors.Is(err, bucket.ErrChanged):
		if err := p.refuse(name, o.If); err != nil {
			return put, err
		}
	}
	return put, err
}

func noConditions(op, name, reason string) error {
	return &bucket.Error{Op: op, Name: name, Code: CodeNoConditions, Reason: reason, Err: bucket.ErrUnsupported}
}

// Delete implements [bucket.Bucket].
func (p *probed) Delete(ctx context.Context, name string, cond bucket.If) error {
	tag, match := cond.Match()
	if !match {
		return p.Bucket.Delete(ctx, name, cond)
	}
	f, err := p.ask(ctx, "delete", name)
	if err != nil {
		return err
	}
	if !f.ConditionalDelete {
		return p.Bucket.Delete(ctx, name, cond)
	}
	id, err := p.removed(ctx, name, cond)
	switch {
	case err == nil:
		return p.acknowledgeDelete(ctx, f, name, tag, id)
	case isAny(err, bucket.ErrUnavailable, bucket.ErrTorn):
		p.lose(name, nil)
	}
	return err
}

// putAlone is a put on a server without conditions. It checks the condition before the put, and
// checks after a pause that no other writer has replaced the object.
func (p *probed) putAlone(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
	p.warned.Do(func() {
		p.o.Notice("the server ignores conditions: if someone else writes at the same time, the last writer wins")
	})
	if err := p.holds(ctx, name, o.If); err != nil {
		return bucket.Info{}, err
	}
	o.If = bucket.If{}
	put, err := p.Bucket.Put(ctx, name, body, o)
	if err != nil {
		return put, err
	}
	wait := 500*time.Millisecond + pace.Jitter(1500*time.Millisecond)
	if err := p.o.Sleep(ctx, wait); err != nil {
		return bucket.Info{}, &bucket.Error{Op: "put", Name: name, Err: err}
	}
	now, err := p.Head(ctx, name)
	switch {
	case errors.Is(err, bucket.ErrNotFound), err == nil && now.Tag != put.Tag:
		return bucket.Info{}, &bucket.Error{Op: "put", Name: name, Err: bucket.ErrChanged}
	case err != nil && !errors.Is(err, bucket.ErrDenied):
		return bucket.Info{}, &bucket.Error{Op: "put", Name: name, Reason: err.Error(), Err: bucket.ErrUnavailable}
	}
	return put, nil
}

// holds checks the condition of a put, as far as that is possible without the server's help.
func (p *probed) holds(ctx context.Context, name string, cond bucket.If) error {
	now, err := p.Head(ctx, name)
	tag, match := cond.Match()
	switch {
	case errors.Is(err, bucket.ErrNotFound) && match:
		return &bucket.Error{Op: "put", Name: name, Err: bucket.ErrNotFound}
	case errors.Is(err, bucket.ErrNotFound):
		return nil
	case err != nil:
		return err
	case cond.Absent() || match && now.Tag != tag:
		return &bucket.Error{Op: "put", Name: name, Err: bucket.ErrChanged}
	}
	return nil
}

// ask returns the findings about the server. Concurrent changes probe it once.
func (p *probed) ask(ctx context.Context, op, name string) (*findings, error) {
	p.mu.Lock()
	f := p.found
	p.mu.Unlock()
	if f != nil {
		return f, nil
	}
	answer, err, _ := p.once.Do("", func() (any, error) {
		f := p.cached()
		if f == nil {
			var err error
			if f, err = p.probe(ctx, name); err != nil {
				return nil, err
			}
			p.keep(f)
		}
		p.adopt(f)
		return f, nil
	})
	var refused *bucket.Error
	if errors.As(err, &refused) {
		again := *refused // concurrent changes share the probe, but each gets its own error
		again.Op, again.Name = op, name
		again.Reason = fmt.Sprintf("testing whether the server respects conditions (%s): %s", strings.TrimSpace(refused.Op+" "+refused.Name), refused.Reason)
		return nil, &again
	}
	if err != nil {
		return nil, err
	}
	return answer.(*findings), nil
}

// adopt makes f the current findings.
func (p *probed) adopt(f *findings) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found, p.recheck = f, false
	p.parts = map[part]verdict{}
	for name, v := range f.Parts {
		p.parts[name] = v
	}
}

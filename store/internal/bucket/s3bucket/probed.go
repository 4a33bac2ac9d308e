package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/sharing"
)

// ProbeOptions say what to do with a server that may not keep conditions.
type ProbeOptions struct {
	// KeyAlias is the key of the objects that the probe puts.
	KeyAlias string

	// Vouch reports why a seal is not acceptable, so that no value is sent to a server that
	// would keep it open. Nil accepts every seal.
	Vouch func(object string, s bucket.Seal) error

	// SingleWriter allows changes on a server that ignores conditions. Each put is then made
	// without one and looked at again half a second to two seconds later: of writers who
	// meet, the last wins. Notice is told so, once.
	SingleWriter bool
	Notice       func(text string)

	// Endpoint names the server in the cache.
	Endpoint string
	// CacheDir keeps what was found out for seven days. Where it is "" or cannot be written,
	// PrivateDir does, which is made, and used only when it is the user's alone. Where that
	// fails too, Notice is told.
	CacheDir, PrivateDir string

	Now   func() time.Time                                 // required with a directory
	Sleep func(ctx context.Context, d time.Duration) error // nil: a timer
}

// probed is a Bucket that knows, before the first change, what its server keeps of the
// conditions of changes, and before a request whose meaning is in a query parameter whether
// the server knows that.
type probed struct {
	*Bucket
	o ProbeOptions

	once   singleflight.Group
	warned sync.Once
	unkept sync.Once

	mu          sync.Mutex
	found       *findings
	recheck     bool // what is remembered of an earlier run is not true any more
	hasVersions bool // an object was read that has a version id
	parts       map[part]verdict

	lost     map[string][]byte // what puts have sent whose answers were lost, by object
	refused  map[string]refusal
	refusals int
}

// CodeNoConditions is the Code of the [bucket.ErrUnsupported] of a change on a server that
// ignores conditions. There SingleWriter helps.
const CodeNoConditions = "NoConditionalWrites"

// Whole is all that a bucket of S3 can do.
type Whole interface {
	bucket.Bucket
	bucket.Tagger
	bucket.Versioned
	sharing.Bucket
	Try(ctx context.Context, service, index, alias string, wanted []string) (Trials, error)
	Inquire(ctx context.Context, beside, alias string) ([]admin.Inquiry, error)
}

// Probed returns b for a server that is not AWS (protocol.md, section 14). The first change
// is preceded by the probe, unless it was made in the last seven days; a server that ignores
// the conditions of puts, or whose ETags do not tell one state of an object from another, is
// [bucket.ErrUnsupported]. Reading is as with b.
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
		return bucket.Info{}, noConditions("put", name, "the server ignores the conditions of puts, so that writers who meet would overwrite one another")
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

// putAlone is a put on a server without conditions: they are checked before, and whether the
// object is still ours after a while.
func (p *probed) putAlone(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
	p.warned.Do(func() {
		p.o.Notice("the server ignores conditions: if anybody else writes at the same time, the last writer wins")
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

// holds is the condition of a put, as far as it can be told without the server's help.
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

// ask returns what is known of the server. Changes that begin together ask once.
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
		again := *refused // of changes that asked together, each has its own error
		again.Op, again.Name = op, name
		again.Reason = fmt.Sprintf("asking the server what it keeps of conditions (%s %s): %s", refused.Op, refused.Name, refused.Reason)
		return nil, &again
	}
	if err != nil {
		return nil, err
	}
	return answer.(*findings), nil
}

// adopt makes f the verdict in force.
func (p *probed) adopt(f *findings) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found, p.recheck = f, false
	p.parts = map[part]verdict{}
	for name, v := range f.Parts {
		p.parts[name] = v
	}
}

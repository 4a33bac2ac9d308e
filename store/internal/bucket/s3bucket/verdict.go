package s3bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// A verdict is valid for one state of the bucket: without versions, with them, or with versioning
// suspended. Ceph 16.2.15 respects conditions until versioning is turned on, and then ignores
// If-None-Match and refuses every If-Match. So each answer is compared with the verdict
// (protocol.md, section 14). If they contradict, the server is probed again. A change that was made
// is then acknowledged if the new verdict says that conditions are respected, and undone if not.

const (
	takeBackTime = 30 * time.Second // time limit for undoing a change, even if the caller's context has ended
	takeBackMost = 200              // versions of the object that are checked
	refusedMost  = 3                // how often If-Match with the current ETag of an object is refused before that is an error
)

// refusal counts how often If-Match was refused with the object's current tag.
type refusal struct {
	tag  bucket.Tag
	at   int  // the number of the last one among all refusals
	seen bool // a read that began afterwards still found this tag
	n    int
}

var _ bucket.Rechecker = (*probed)(nil)

// Recheck implements [bucket.Rechecker].
func (p *probed) Recheck() {
	p.mu.Lock()
	p.found, p.recheck = nil, true
	p.mu.Unlock()
	p.forget()
}

// drop discards a verdict if it is still the current one.
func (p *probed) drop(f *findings) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == f {
		p.found, p.recheck = nil, true
	}
}

// renewed returns a new verdict for the state of versioning that an answer has shown, after the old
// one contradicted that answer.
func (p *probed) renewed(ctx context.Context, op, name string, old *findings, as versioning) (*findings, error) {
	for range probeTries {
		p.drop(old)
		f, err := p.ask(ctx, op, name)
		switch {
		case err != nil:
			return nil, err
		case f.unknown:
			return nil, &bucket.Error{Op: op, Name: name, Reason: "the server can't be tested again", Err: bucket.ErrVoid}
		case f.Versions == as:
			return f, nil
		}
		old = f
	}
	return nil, &bucket.Error{Op: op, Name: name, Reason: errAgain.Error(), Err: bucket.ErrUnavailable}
}

// acknowledge compares the answer to a successful put with the verdict. Nil means that the server
// respected the condition of the put.
func (p *probed) acknowledge(ctx context.Context, f *findings, name string, body []byte, id *string, cond bucket.If) error {
	p.mu.Lock()
	delete(p.lost, name)
	delete(p.refused, name)
	p.mu.Unlock()
	state := versioningOf(id)
	switch {
	case f.fits(state):
		return nil
	case cond == bucket.If{}:
		p.drop(f)
		return nil
	}
	return p.checkAgain(ctx, f, "put", name, state, func(ctx context.Context) error { return p.takeBack(ctx, name, body, id) })
}

// acknowledgeDelete does the same for a delete. If the server ignored its condition, it removes the
// delete marker.
func (p *probed) acknowledgeDelete(ctx context.Context, f *findings, name string, tag bucket.Tag, mark *string) error {
	p.mu.Lock()
	delete(p.lost, name)
	p.mu.Unlock()
	state := versioningOf(mark)
	if f.fits(state) {
		return nil
	}
	return p.checkAgain(ctx, f, "delete", name, state, func(ctx context.Context) error {
		if err := p.keeps(ctx, "delete", name, partVersions); err != nil || state != enabled {
			return fmt.Errorf("the delete marker of %s remains: %w", tag, err)
		}
		return p.Bucket.DeleteVersion(ctx, name, *mark)
	})
}

// checkAgain probes the bucket again after a change that was made with an outdated verdict. undo
// undoes the change.
func (p *probed) checkAgain(ctx context.Context, old *findings, op, name string, state versioning, undo func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBackTime)
	defer cancel()
	f, err := p.renewed(ctx, op, name, old, state)
	kept := err == nil && f.Conditions
	if op == "delete" {
		kept = kept && f.ConditionalDelete
	}
	if kept {
		return nil
	}
	const why = "the bucket's versioning was changed, and since then the server ignores conditions"
	if undone := undo(ctx); undone != nil {
		if err != nil {
			undone = err
		}
		return &bucket.Error{
			Op: op, Name: name, Code: CodeNoConditions, Err: bucket.ErrVoid,
			Reason: fmt.Sprintf("%s; the change was made, and may have replaced another writer's (%v)", why, undone),
		}
	}
	return noConditions(op, name, why+"; the change was undone")
}

// takeBack removes what a put stored: the version with that id, and versions with the same bytes,
// which repetitions by the client made. It leaves all other versions, so the replaced one becomes
// the latest again.
func (p *probed) takeBack(ctx context.Context, name string, body []byte, id *string) error {
	if versioningOf(id) != enabled {
		return errors.New("the bucket doesn't keep replaced objects")
	}
	if err := p.keeps(ctx, "put", name, partVersions); err != nil {
		return err
	}
	if err := p.Bucket.DeleteVersion(ctx, name, *id); err != nil {
		return err
	}
	return p.removeCopies(ctx, name, body)
}

// removeCopies removes the versions of an object that have these bytes. No two puts of the engine
// have the same bytes.
func (p *probed) removeCopies(ctx context.Context, name string, body []byte) error {
	looked := 0
	for v, err := range p.Bucket.Versions(ctx, name) {
		if err != nil {
			return err
		}
		if v.Name != name || v.Mark || v.ID == "" || v.ID == bucket.NullVersion {
			continue
		}
		if looked++; looked > takeBackMost {
			break
		}
		o, err := p.Bucket.GetVersion(ctx, name, v.ID)
		switch {
		case isAny(err, bucket.ErrNotFound), err == nil && !bytes.Equal(o.Body, body):
			continue
		case err == nil:
			err = p.Bucket.DeleteVersion(ctx, name, v.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lose records a change whose answer was lost. When the object is read again, the state of
// versioning then shows whether the server respected its condition. body is nil for a delete.
func (p *probed) lose(name string, body []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost[name] = body
}

// saw compares the answer to a read of an object with the verdict. It returns an error if an
// earlier change of the object, whose answer was lost, must not be taken for made.
func (p *probed) saw(ctx context.Context, name string, tag bucket.Tag, state versioning, began int) error {
	p.mu.Lock()
	f := p.found
	body, wasLost := p.lost[name]
	delete(p.lost, name)
	if r, ok := p.refused[name]; ok && r.tag == tag && r.at <= began {
		r.seen = true
		p.refused[name] = r
		p.found, p.recheck = nil, true
	}
	// The version id shows the state of the bucket when the object was put. So "null" or no id
	// proves little about the state now.
	contradicts := state == enabled && f != nil && !f.fits(state)
	if contradicts {
		p.found, p.recheck = nil, true
	}
	p.hasVersions = p.hasVersions || state == enabled
	p.mu.Unlock()
	if !contradicts || !wasLost {
		return nil
	}
	op := "put"
	if body == nil {
		op = "delete"
	}
	return p.checkAgain(ctx, f, op, name, state, func(ctx context.Context) error {
		if body == nil {
			return errors.New("its response was lost")
		}
		if err := p.keeps(ctx, "put", name, partVersions); err != nil {
			return err
		}
		return p.removeCopies(ctx, name, body)
	})
}

// refuse records that the server refused If-Match. If the object still has the tag (which
// [probed.saw] detects), the first refusals contradict the verdict. After refusedMost of them the
// server is at fault, and refuse returns an error.
func (p *probed) refuse(name string, cond bucket.If) error {
	tag, match := cond.Match()
	if !match {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.refused[name]
	if r.tag != tag || !r.seen {
		r = refusal{tag: tag}
	}
	p.refusals++
	r.n++
	r.at = p.refusals
	p.refused[name] = r
	if r.n < refusedMost {
		return nil
	}
	return &bucket.Error{Op: "put", Name: name, Reason: "the server refuses If-Match with the ETag that the object has", Err: bucket.ErrUnsupported}
}

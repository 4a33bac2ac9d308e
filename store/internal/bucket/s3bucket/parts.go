package s3bucket

import (
	"context"
	"iter"
	"maps"
	"time"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/sharing"
)

var (
	_ bucket.Tagger    = (*probed)(nil)
	_ bucket.Versioned = (*probed)(nil)
	_ sharing.Bucket   = (*probed)(nil)
)

// part is a part of S3 whose requests differ from those for the object itself only by a query
// parameter or a header. A server that does not implement the part treats such a request as one for
// the object: gofakes3 1.2.0 replaces the secret by the XML of PUT ?tagging. So each part is tested
// with a temporary object before it is used on a secret.
type part string

const (
	partTags     part = "tags"     // ?tagging, x-amz-tagging
	partVersions part = "versions" // ?versionId of GET and DELETE
	partLinks    part = "links"    // X-Amz-Signature, X-Amz-Expires
	partRanges   part = "ranges"   // start-after
)

// verdict is the result of testing a part.
type verdict struct {
	Kept bool   `json:"kept"`
	Seen string `json:"seen,omitempty"` // what the server did, as a clause

	untold  bool // it could not be tested, usually for lack of a permission
	refused bool // the server answered that it does not implement it
}

// CodeNotKept is the Code of the [bucket.ErrUnsupported] of a request that the server would treat
// as another one.
const CodeNotKept = "NotKept"

// why returns the reason to refuse a request that needs the part.
func (p part) why(seen string) string {
	return "the server ignores " + map[part]string{
		partTags: "object tags", partVersions: "version ids", partLinks: "the signature or the expiry of links",
		partRanges: "where a listing is to begin",
	}[p] + ": " + seen
}

// keeps returns nil if the server implements a part, and [bucket.ErrUnsupported] if it doesn't. It
// also returns nil if the caller has no permission to test it: then the request itself will be
// refused.
func (p *probed) keeps(ctx context.Context, op, name string, wanted part) error {
	f, err := p.ask(ctx, op, name)
	if err != nil {
		return err
	}
	v, err := p.part(ctx, f, name, wanted)
	switch {
	case err != nil:
		return err
	case v.Kept || v.untold:
		return nil
	}
	refusal := &bucket.Error{Op: op, Name: name, Code: CodeNotKept, Reason: wanted.why(v.Seen), Err: bucket.ErrUnsupported}
	if v.refused {
		refusal.Code = ""
	}
	return refusal
}

// part returns the result for a part, and tests it if there is none yet. Only positive results are
// stored for other runs, and that ranges are not kept: nothing is refused because of that.
func (p *probed) part(ctx context.Context, f *findings, beside string, wanted part) (verdict, error) {
	p.mu.Lock()
	v, known := p.parts[wanted]
	p.mu.Unlock()
	if known {
		return v, nil
	}
	answer, err, _ := p.once.Do(string(wanted), func() (any, error) {
		v, err := p.newTrial(beside).try(ctx, wanted)
		if err != nil || v.untold {
			return v, err
		}
		p.mu.Lock()
		p.parts[wanted] = v
		next := *f
		next.Parts = map[part]verdict{}
		maps.Copy(next.Parts, p.parts)
		maps.DeleteFunc(next.Parts, func(name part, v verdict) bool { return !v.Kept && name != partRanges })
		p.mu.Unlock()
		if v.Kept || wanted == partRanges {
			p.keep(&next)
		}
		return v, nil
	})
	if err != nil {
		return verdict{}, err
	}
	return answer.(verdict), nil
}

// SetTags implements [bucket.Tagger].
func (p *probed) SetTags(ctx context.Context, name string, tags map[string]string) error {
	if err := p.keeps(ctx, opSetTags, name, partTags); err != nil {
		return err
	}
	return p.Bucket.SetTags(ctx, name, tags)
}

// Versions implements [bucket.Versioned]. Every operation on versions calls it first, so a server
// that misinterprets version ids is detected before anything is changed.
func (p *probed) Versions(ctx context.Context, prefix string) iter.Seq2[bucket.Version, error] {
	return func(yield func(bucket.Version, error) bool) {
		if err := p.keeps(ctx, opVersions, prefix+"versions", partVersions); err != nil {
			yield(bucket.Version{}, err)
			return
		}
		p.Bucket.Versions(ctx, prefix)(yield)
	}
}

// GetVersion implements [bucket.Versioned].
func (p *probed) GetVersion(ctx context.Context, name, id string) (bucket.Object, error) {
	if err := p.keeps(ctx, opGetVersion, name, partVersions); err != nil {
		return bucket.Object{}, err
	}
	return p.Bucket.GetVersion(ctx, name, id)
}

// DeleteVersion implements [bucket.Versioned].
func (p *probed) DeleteVersion(ctx context.Context, name, id string) error {
	if err := p.keeps(ctx, opDeleteVersion, name, partVersions); err != nil {
		return err
	}
	return p.Bucket.DeleteVersion(ctx, name, id)
}

// ListRanges implements [bucket.Ranger], if the server is known to keep ranges. Otherwise pages follow one another.
func (p *probed) ListRanges(ctx context.Context, prefix string, c bucket.Cuts) iter.Seq2[bucket.Info, error] {
	l := p.lister(prefix, "/")
	l.Kept = func(ranges int) bool { return p.keepsRanges(ctx, prefix+"ranges", ranges) }
	return l.List(ctx, c)
}

// worthATrial is the number of ranges from which on a trial of them pays: it takes some forty requests, once for a
// server, and saves a round trip for each range but the first.
const worthATrial = 3

// keepsRanges reports whether the server keeps ranges. It tests that only in a run that has changed something, as a
// reader may have no permission to, and for enough ranges.
func (p *probed) keepsRanges(ctx context.Context, beside string, ranges int) bool {
	p.mu.Lock()
	f := p.found
	_, tested := p.parts[partRanges]
	p.mu.Unlock()
	if f == nil || !tested && ranges < worthATrial {
		old := p.remembered()
		return old != nil && old.Parts[partRanges].Kept
	}
	v, err := p.part(ctx, f, beside, partRanges)
	return err == nil && v.Kept
}

// PutText implements [sharing.Bucket]. It never sends the value to a server that would not encrypt
// it.
func (p *probed) PutText(ctx context.Context, name, text, key string) (bucket.Info, error) {
	if _, err := p.ask(ctx, "put", name); err != nil {
		return bucket.Info{}, err
	}
	return p.Bucket.PutText(ctx, name, text, key)
}

// Link implements [sharing.Bucket].
func (p *probed) Link(ctx context.Context, name string, lasts time.Duration) (sharing.Link, error) {
	if err := p.keeps(ctx, opLink, name, partLinks); err != nil {
		return sharing.Link{}, err
	}
	return p.Bucket.Link(ctx, name, lasts)
}

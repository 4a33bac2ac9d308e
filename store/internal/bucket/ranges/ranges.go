// Package ranges lists objects whose storage answers in pages: one page after the other or, where names are
// known, cut into ranges that are requested concurrently.
//
// Each range ends with the name after which the next one begins, so that each name belongs to exactly one of
// them, whether or not there is an object of that name. Names that are wrong cost requests, and nothing else.
package ranges

import (
	"context"
	"iter"
	"slices"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// atOnce is how many ranges are requested concurrently.
const atOnce = 16

// Page is one answer of a listing.
type Page struct {
	Infos []bucket.Info
	Next  string // the token of the next page; "" if this is the last one
}

// Lister lists the objects of one prefix.
type Lister struct {
	// Page returns the page that a token begins or, without a token, the first page of the names after a name.
	Page func(ctx context.Context, after, token string) (Page, error)
	Size int // of a page, at most

	// Kept reports whether the storage is known to list in the order of names and to begin after any name. It
	// is called only if there is something to cut, with the number of ranges; 0 if that isn't known yet.
	Kept func(ranges int) bool
}

// List yields the objects, sorted by name. With enough names it requests all ranges at once, and otherwise
// it requests the first page, and asks.
func (l Lister) List(ctx context.Context, c bucket.Cuts) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) {
		if spans := l.cut(c.Names, span{}); len(spans) > 1 && l.Kept(len(spans)) {
			if l.together(ctx, spans, yield) {
				return
			}
			c.Ask = nil // the server doesn't keep ranges
		}
		page, err := l.Page(ctx, "", "")
		if !yieldAll(page.Infos, err, yield) || page.Next == "" {
			return
		}
		rest := span{token: page.Next}
		if n := len(page.Infos); n > 0 {
			rest.after = page.Infos[n-1].Name
		}
		if c.Ask != nil && l.Kept(0) {
			names, enough := c.Ask(ctx)
			if enough {
				return
			}
			if spans := l.cut(names, rest); len(spans) > 1 && l.together(ctx, spans, yield) {
				return
			}
		}
		l.inOrder(ctx, rest.token, yield)
	}
}

// span is a range of names: those after one name, up to and including another one; "" means that there is no
// such limit. If it begins where a page ended, it has that page's token.
type span struct{ after, until, token string }

// cut divides a range at the given names into ranges of a little less than a page, which leaves room for
// objects that the names lack.
func (l Lister) cut(names []string, whole span) []span {
	most := max(1, l.Size*19/20)
	if len(names) <= most {
		return nil
	}
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name <= whole.after })
	slices.Sort(names)
	names = slices.Compact(names)
	n := (len(names) + most - 1) / most
	if n < 2 {
		return nil
	}
	spans := make([]span, n)
	spans[0] = whole
	for i := 1; i < n; i++ {
		seam := names[len(names)*i/n-1]
		spans[i-1].until, spans[i].after = seam, seam
	}
	return spans
}

// together requests ranges concurrently and yields their objects in order. It returns false, and has yielded
// nothing, if the names come in another order, so that ranges can't be trusted.
func (l Lister) together(ctx context.Context, spans []span, yield func(bucket.Info, error) bool) bool {
	found, disorder := make([][]bucket.Info, len(spans)), make([]bool, len(spans))
	err := pace.Each(ctx, atOnce, len(spans), func(ctx context.Context, i int) (err error) {
		found[i], disorder[i], err = l.one(ctx, spans[i])
		return err
	})
	if err == nil && slices.Contains(disorder, true) {
		return false
	}
	if err != nil {
		yield(bucket.Info{}, err)
		return true
	}
	for _, infos := range found {
		if !yieldAll(infos, nil, yield) {
			break
		}
	}
	return true
}

// one lists one range, with as many pages as it has.
func (l Lister) one(ctx context.Context, s span) (found []bucket.Info, disorder bool, err error) {
	last, token := s.after, s.token
	for {
		page, err := l.Page(ctx, s.after, token)
		if err != nil {
			return nil, false, err
		}
		for _, info := range page.Infos {
			if info.Name <= last {
				return nil, true, nil
			}
			if last = info.Name; s.until != "" && last > s.until {
				return found, false, nil
			}
			found = append(found, info)
		}
		if token = page.Next; token == "" || s.until != "" && last == s.until {
			return found, false, nil
		}
	}
}

// inOrder lists what a token begins, each page after the caller has taken the page before.
func (l Lister) inOrder(ctx context.Context, token string, yield func(bucket.Info, error) bool) {
	for token != "" {
		page, err := l.Page(ctx, "", token)
		if !yieldAll(page.Infos, err, yield) {
			return
		}
		token = page.Next
	}
}

// yieldAll reports whether the caller wants more.
func yieldAll(infos []bucket.Info, err error, yield func(bucket.Info, error) bool) bool {
	for _, info := range infos {
		if !yield(info, nil) {
			return false
		}
	}
	if err != nil {
		yield(bucket.Info{}, err)
	}
	return err == nil
}

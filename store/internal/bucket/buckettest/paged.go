package buckettest

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/ranges"
)

// Paged is a bucket that lists in pages, and in ranges.
type Paged struct {
	bucket.Bucket
	Size int // of a page

	mu    sync.Mutex
	pages []string
}

var _ bucket.Ranger = (*Paged)(nil)

// Pages returns what the pages since the last call began after: "" for the first page of a listing, and otherwise the
// end of an object's name.
func (p *Paged) Pages() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	pages := p.pages
	p.pages = nil
	return pages
}

// List implements [bucket.Bucket].
func (p *Paged) List(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return p.ListRanges(ctx, prefix, bucket.Cuts{})
}

// ListRanges implements [bucket.Ranger].
func (p *Paged) ListRanges(ctx context.Context, prefix string, c bucket.Cuts) iter.Seq2[bucket.Info, error] {
	return ranges.Lister{
		Page: func(ctx context.Context, after, token string) (ranges.Page, error) {
			return p.page(ctx, prefix, max(after, token))
		},
		Size: p.Size,
		Kept: func(int) bool { return true },
	}.List(ctx, c)
}

func (p *Paged) page(ctx context.Context, prefix, after string) (ranges.Page, error) {
	p.mu.Lock()
	p.pages = append(p.pages, strings.TrimPrefix(after, prefix))
	slices.Sort(p.pages)
	p.mu.Unlock()
	return PageOf(p.Bucket.List(ctx, prefix), after, p.Size)
}

// PageOf returns the page of a listing that begins after a name. A token is the last name of the page before.
func PageOf(listed iter.Seq2[bucket.Info, error], after string, size int) (page ranges.Page, err error) {
	for info, err := range listed {
		switch {
		case err != nil:
			return page, err
		case info.Name <= after:
		case len(page.Infos) == size:
			page.Next = page.Infos[size-1].Name
			return page, nil
		default:
			page.Infos = append(page.Infos, info)
		}
	}
	return page, nil
}

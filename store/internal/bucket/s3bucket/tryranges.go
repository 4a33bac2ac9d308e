package s3bucket

import (
	"context"
	"fmt"
	"path"
	"slices"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// rangeNames are the names of the objects of a trial, in order. Servers on file systems have other orders: of
// folders, or of letters regardless of case. One name has a folder, which a listing leaves out.
var rangeNames = []string{"B.json", "_.json", "a-b.json", "a.json", "a/x.json", "a0.json", "b.json"}

// tryRanges lists objects in pages of two: all of them, and those after each name, which may exist or not.
func (t *trial) tryRanges(ctx context.Context) (verdict, error) {
	prefix := t.name + "r/"
	var puts []func() error
	for _, name := range rangeNames {
		letter := "r/" + name
		t.pending = append(t.pending, letter)
		puts = append(puts, func() error {
			_, _, _, err := t.stored(ctx, letter, "1", "", nil)
			return err
		})
	}
	for _, err := range together(ctx, puts...) {
		if err != nil {
			return refuses("a put", err)
		}
	}
	var lists []func() error
	afters := append([]string{"", "A.json", "a", "a.jsoo", "a/", "a1", "c.json"}, rangeNames...)
	found := make([][]string, len(afters))
	for i, after := range afters {
		lists = append(lists, func() (err error) {
			found[i], err = t.namesAfter(ctx, prefix, after)
			return err
		})
	}
	for i, err := range together(ctx, lists...) {
		if err != nil {
			return refuses("a listing after a name", err)
		}
		if want := namesAfter(afters[i]); !slices.Equal(found[i], want) {
			return verdict{Seen: fmt.Sprintf("of %d names after %q, a listing returns %d, or in another order", len(want), afters[i], len(found[i]))}, nil
		}
	}
	return verdict{Kept: true, Seen: "listings begin after any name, and are in the order of names"}, nil
}

// namesAfter returns what a listing after a name has to return.
func namesAfter(after string) []string {
	return slices.DeleteFunc(slices.Clone(rangeNames), func(name string) bool { return name <= after || path.Dir(name) != "." })
}

func (t *trial) namesAfter(ctx context.Context, prefix, after string) (names []string, err error) {
	small := *t.b
	small.o.PageSize = 2
	from, token := "", ""
	if after != "" {
		from = prefix + after
	}
	for range len(rangeNames) + 1 { // a server may return tokens without end
		page, err := small.page(ctx, prefix, "/", from, token)
		if err != nil {
			return nil, err
		}
		for _, info := range page.Infos {
			names = append(names, info.Name[min(len(prefix), len(info.Name)):])
		}
		if token = page.Next; token == "" {
			return names, nil
		}
	}
	return nil, &bucket.Error{Op: "list", Name: prefix, Err: bucket.ErrTorn}
}

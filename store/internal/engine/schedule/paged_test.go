package schedule

import (
	"context"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/ranges"
	"github.com/coffer-secrets/coffer/store/internal/bucket/sealed"
)

// pagedBucket lists in pages and in ranges: each page is a request with a turn of its own.
type pagedBucket struct {
	*waitingBucket
	size int
}

var _ bucket.Ranger = (*pagedBucket)(nil)

func (s *scenario) paging(b *waitingBucket) sealed.Storage {
	if s.page == 0 {
		return b
	}
	return &pagedBucket{b, s.page}
}

func (b *pagedBucket) List(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return b.ListRanges(ctx, prefix, bucket.Cuts{})
}

func (b *pagedBucket) ListRanges(ctx context.Context, prefix string, c bucket.Cuts) iter.Seq2[bucket.Info, error] {
	return ranges.Lister{
		Page: func(ctx context.Context, after, token string) (ranges.Page, error) {
			return b.page(ctx, prefix, max(after, token))
		},
		Size: b.size,
		Kept: func(int) bool { return true },
	}.List(ctx, c)
}

// page is one request: the names after a name, as they are at its turn. A token is the last name of a page.
func (b *pagedBucket) page(ctx context.Context, prefix, after string) (ranges.Page, error) {
	return through(ctx, b.c, "list", prefix+" after "+strings.TrimPrefix(after, prefix), func() (ranges.Page, error) {
		if b.c.listed < 0 {
			b.c.listed = len(b.c.w.log)
		}
		return buckettest.PageOf(b.c.mem.List(ctx, prefix), after, b.size)
	}, func(p ranges.Page) any {
		told := []string{p.Next}
		for _, i := range p.Infos {
			told = append(told, i.Name, string(i.Tag))
		}
		return told
	})
}

// paged are scenarios in which each name of a listing is a page, and ranges are cut at the names of the index. The
// keys are before and after the index in the order of names.
func paged() []scenario {
	seeds := map[string]string{"1a": aliasA, "1b": aliasA, "k1": aliasA}
	all := []scenario{
		{name: "load and create", tasks: []task{load(), write("1c", "x1")}, end: allSucceed},
		{name: "load and write", tasks: []task{load(), write("1b", "v1")}, end: allSucceed},
		{name: "load and delete", tasks: []task{load(), remove("1b")}, end: allSucceed},
		{name: "load and renew", tasks: []task{load(), renew("1a", "v1")}, end: allSucceed},
		{name: "write and write of two keys", tasks: []task{write("1b", "v1"), write("k1", "u1")}, end: allSucceed},
		{name: "write and create", tasks: []task{write("k1", "v1"), write("1c", "x1")}, end: allSucceed},
		{name: "write and delete of one key", tasks: []task{write("1b", "v1"), remove("1b")}},
		{name: "write and delete of two keys", tasks: []task{write("k1", "v1"), remove("1b")}, end: allSucceed},
		{name: "create and delete of one key", tasks: []task{write("1c", "x1"), remove("1c")}},
		{name: "create under A and create under B", tasks: []task{write("1c", "x1"), writeB("1c", "x2")}, end: oneCreates},
		{name: "delete and delete of two keys", tasks: []task{remove("1a"), remove("k1")}, end: allSucceed},
		{name: "mend and create", tasks: []task{mend(), write("1c", "x1")}},
		{name: "rekey and write", tasks: []task{rekey(), write("1b", "v1")}},
		{name: "write, delete, create", tasks: []task{write("k1", "v1"), remove("1b"), write("1c", "x1")}},
		{name: "load, delete, create", tasks: []task{load(), remove("1a"), write("1c", "x1")}},
		{name: "mend, delete, create", tasks: []task{mend(), remove("1b"), write("1c", "x1")}},
	}
	for i := range all {
		all[i].name, all[i].seeds, all[i].page = "in pages: "+all[i].name, seeds, 1
	}
	return all
}

// TestSchedulesOfPages explores a part of each, and in the long form all of it.
func TestSchedulesOfPages(t *testing.T) {
	limit := proof.Bounded(200, 4000)
	if _, asked := long(t); asked {
		limit = all
	}
	exploreEach(t, paged(), limit)
}

// pagedScenario is the n-th of an endless list, in which answers are lost and clients die.
func pagedScenario(n uint64) scenario {
	r := rand.New(rand.NewPCG(n, 2))
	all := paged()
	s := all[r.IntN(len(all))]
	s.name = "pages/" + strconv.FormatUint(n, 10)
	s.lost, s.crashes, s.page = r.IntN(2), r.IntN(2), 1+r.IntN(3)
	return s
}

func TestRandomSchedulesOfPages(t *testing.T) {
	runs, _ := long(t)
	inRandomSchedules(t, runs/2, pagedScenario)
}

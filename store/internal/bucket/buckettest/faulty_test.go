package buckettest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

func TestFaultyWithoutFaultsConforms(t *testing.T) {
	buckettest.Run(t, func(*testing.T) bucket.Bucket {
		return buckettest.NewFaulty(membucket.New(membucket.Options{}), nil)
	}, buckettest.Capabilities{Method: "aws:kms", Aliases: []string{"alias/app", "alias/ops"}})
}

func TestFaultFallsBeforeOrAfterTheRequest(t *testing.T) {
	for _, after := range []bool{false, true} {
		under := membucket.New(membucket.Options{})
		b := buckettest.NewFaulty(under, buckettest.Nth(2, buckettest.Fault{Err: bucket.ErrUnavailable, After: after}))
		ctx := t.Context()
		if _, err := b.Put(ctx, "s/a.json", []byte("one"), bucket.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		_, err := b.Put(ctx, "s/a.json", []byte("two"), bucket.PutOptions{})
		var e *bucket.Error
		if !errors.Is(err, bucket.ErrUnavailable) || !errors.As(err, &e) || e.Op != "put" || e.Name != "s/a.json" {
			t.Errorf("after=%v: error %v", after, err)
		}
		want := "one"
		if after {
			want = "two"
		}
		if got := string(under.Objects()["s/a.json"].Body); got != want {
			t.Errorf("after=%v: the object holds %q, want %q", after, got, want)
		}
		if err := b.Delete(ctx, "s/a.json", bucket.If{}); err != nil {
			t.Errorf("after=%v: the request behind the fault: %v", after, err)
		}
	}
}

func TestFaultyListingEndsWithTheError(t *testing.T) {
	under := membucket.New(membucket.Options{})
	under.Plant("s/a.json", nil, bucket.Seal{})
	denied := &bucket.Error{Op: "list", Code: "Mine", Err: bucket.ErrDenied}
	for _, after := range []bool{false, true} {
		b := buckettest.NewFaulty(under, func(c buckettest.Call) buckettest.Fault {
			return buckettest.Fault{Err: denied, After: after && c.Op == "walk"}
		})
		var got []string
		var last error
		for info, err := range b.Walk(t.Context(), "s/") {
			if last = err; err == nil {
				got = append(got, info.Name)
			}
		}
		if !errors.Is(last, error(denied)) || len(got) != map[bool]int{true: 1}[after] {
			t.Errorf("after=%v: %q, then %v", after, got, last)
		}
	}
}

func TestFaultyRecordsRequests(t *testing.T) {
	b := buckettest.NewFaulty(membucket.New(membucket.Options{}), nil)
	use := func(ctx context.Context) {
		_, _ = b.Get(ctx, "g")
		_, _ = b.Head(ctx, "h")
		_, _ = b.Put(ctx, "p", nil, bucket.PutOptions{})
		_ = b.Delete(ctx, "d", bucket.If{})
		for range b.List(ctx, "l") {
			t.Error("the listing is not empty")
		}
		for range b.Walk(ctx, "w") {
			t.Error("the walk is not empty")
		}
	}
	use(t.Context())
	want := []buckettest.Call{{"get", "g", 1}, {"head", "h", 2}, {"put", "p", 3}, {"delete", "d", 4}, {"list", "l", 5}, {"walk", "w", 6}}
	if diff := cmp.Diff(want, b.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	b.Reset(nil)
	if got := b.Calls(); len(got) != 0 {
		t.Errorf("after Reset: %v", got)
	}
}

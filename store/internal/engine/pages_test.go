package engine_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/storetest"
)

// TestStoreInPages: the whole suite, with listings that are cut wherever that is possible.
func TestStoreInPages(t *testing.T) {
	for _, size := range []int{1, 2, 3} {
		for _, alias := range []string{"alias/app", ""} {
			t.Run(fmt.Sprint(size, alias), func(t *testing.T) {
				storetest.Run(t, func(*testing.T) store.Store {
					return open(&buckettest.Paged{Bucket: membucket.New(membucket.Options{}), Size: size}, alias)
				}, storetest.Capabilities{})
			})
		}
	}
}

// inPages is a service of nine secrets in pages of two: 1a is before the index in the order of names, the others are
// after it.
func inPages(t *testing.T, alias string) *buckettest.Paged {
	t.Helper()
	b := &buckettest.Paged{Bucket: membucket.New(membucket.Options{}), Size: 2}
	values := map[string]store.Value{"1a": store.NewValue("first")}
	for i := range 8 {
		values[fmt.Sprintf("k%d", i)] = store.NewValue("first")
	}
	if _, err := open(b, alias).WriteAll(t.Context(), service, values, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	b.Pages()
	return b
}

func wantPages(t *testing.T, what string, b *buckettest.Paged, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := b.Pages(); !slices.Equal(got, want) {
		t.Errorf("%s: pages after %q, want %q", what, got, want)
	}
}

// rangesOf are those of a listing of which all names are known before.
var rangesOf = []string{"", "1a.json", "k0.json", "k1.json", "k2.json", "k3.json", "k4.json", "k5.json", "k6.json"}

// TestALoadIsCutAtTheNamesOfTheIndex: after the first page, all ranges are requested at once.
func TestALoadIsCutAtTheNamesOfTheIndex(t *testing.T) {
	b := inPages(t, app)
	c, err := open(b, app).Load(t.Context(), service)
	if err != nil || len(c.Secrets) != 9 {
		t.Fatalf("%d secrets, %v", len(c.Secrets), err)
	}
	wantPages(t, "load", b, append([]string{"", "__kms_alias_app__latest.json"}, rangesOf[2:]...)...)
}

// TestALoadUnderAnotherAliasIsCut: our index has none of the secrets, and the one on the first page has all.
func TestALoadUnderAnotherAliasIsCut(t *testing.T) {
	b := inPages(t, app)
	c, err := open(b, ops).Load(t.Context(), service)
	if err != nil || len(c.Secrets) != 9 {
		t.Fatalf("%d secrets, %v", len(c.Secrets), err)
	}
	wantPages(t, "load", b, append([]string{"", "__kms_alias_app__latest.json"}, rangesOf[2:]...)...)
}

// TestAWriteListsTheServiceOnce: what exists needs no more than the first page and the indexes before it is changed.
func TestAWriteListsTheServiceOnce(t *testing.T) {
	for _, key := range []string{"1a", "k5"} {
		b := inPages(t, app)
		e := open(b, app)
		if _, err := e.Write(t.Context(), store.ID{Service: service, Key: key}, store.NewValue("second"), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		wantPages(t, "write "+key, b, append([]string{"", ""}, rangesOf...)...) // "": the first page, and that of the indexes
		if _, err := e.Delete(t.Context(), service, key); err != nil {
			t.Fatal(err)
		}
		wantPages(t, "delete "+key, b, append([]string{"", ""}, rangesOf...)...)
	}
}

// TestANewSecretInPagesMeetsItsTwin: a name that differs from an existing one only in case is found on any page.
func TestANewSecretInPagesMeetsItsTwin(t *testing.T) {
	b := inPages(t, app)
	e := open(b, app)
	if _, err := e.Write(t.Context(), store.ID{Service: service, Key: "zZ"}, store.NewValue("first"), store.WriteOptions{PreserveCase: true}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"zz", "ZZ"} {
		r, err := e.Write(t.Context(), store.ID{Service: service, Key: name}, store.NewValue("by "+name), store.WriteOptions{})
		if err != nil || r.Meta.ID.Key != "zZ" {
			t.Errorf("%s: %v, %v", name, r.Meta.ID, err)
		}
	}
	// With both, each name means itself.
	if _, err := b.Put(t.Context(), service+"/zz.json", []byte(`{"service":"`+service+`","key":"/`+service+`/zz","values":{"1":{"version":1,"value":"twin"}},"kms_alias":"`+app+`"}`),
		bucket.PutOptions{KeyAlias: app}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"zz", "zZ"} {
		r, err := e.Write(t.Context(), store.ID{Service: service, Key: name}, store.NewValue("own "+name), store.WriteOptions{})
		if err != nil || r.Meta.ID.Key != name {
			t.Errorf("%s: %v, %v", name, r.Meta.ID, err)
		}
	}
	if _, err := e.Write(t.Context(), store.ID{Service: service, Key: "ZZ"}, store.NewValue("whose"), store.WriteOptions{}); err == nil {
		t.Error("ZZ means two secrets, and was written")
	}
}

// TestADeleteInPagesReadsEveryIndex: that of another alias is found wherever its name is, as it may have the value.
func TestADeleteInPagesReadsEveryIndex(t *testing.T) {
	b := inPages(t, app)
	for _, key := range []string{"0a", "0b", "0c"} { // the first page has no index now
		if _, err := open(b, app).Write(t.Context(), store.ID{Service: service, Key: key}, store.NewValue("first"), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := open(b, ops).Write(t.Context(), store.ID{Service: service, Key: "other"}, store.NewValue("first"), store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	calls := buckettest.NewFaulty(b.Bucket, nil)
	b.Bucket = calls
	if _, err := open(b, app).Delete(t.Context(), service, "k3"); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(calls.Calls(), func(c buckettest.Call) bool {
		return c.Op == "get" && c.Name == service+"/__kms_alias_ops__latest.json"
	}) {
		t.Error("the index of the other alias was not read")
	}
}

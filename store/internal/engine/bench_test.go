package engine_test

import (
	"fmt"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

// BenchmarkLoad is what a reader does besides waiting for the storage: the newest values of
// a service of n secrets from its listing and one index.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{50, 1_000, 10_000} {
		b.Run(fmt.Sprintf("secrets=%d", n), func(b *testing.B) {
			e := open(membucket.New(membucket.Options{}), "alias/app")
			values := make(map[string]store.Value, n)
			for i := range n {
				values[fmt.Sprintf("key%05d", i)] = store.NewValue("value of an ordinary length, such as a URL with a password")
			}
			if _, err := e.WriteAll(b.Context(), "api", values, store.WriteOptions{}); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if c, err := e.Load(b.Context(), "api"); err != nil || len(c.Secrets) != n {
					b.Fatal(len(c.Secrets), err)
				}
			}
		})
	}
}

// BenchmarkWrite is what a writer does besides waiting: a new version of one secret of a
// service of n.
func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{50, 1_000} {
		b.Run(fmt.Sprintf("secrets=%d", n), func(b *testing.B) {
			e := open(membucket.New(membucket.Options{}), "alias/app")
			values := make(map[string]store.Value, n)
			for i := range n {
				values[fmt.Sprintf("key%05d", i)] = store.NewValue("value")
			}
			if _, err := e.WriteAll(b.Context(), "api", values, store.WriteOptions{}); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Write(b.Context(), store.ID{Service: "api", Key: "key00007"}, store.NewValue("next"), store.WriteOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

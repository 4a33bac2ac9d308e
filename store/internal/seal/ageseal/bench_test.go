package ageseal_test

import (
	"fmt"
	"testing"
)

func BenchmarkList(b *testing.B) {
	h := newHome(b)
	h.fill(b, 10_000)
	store := h.open()
	for b.Loop() {
		if n := len(names(b, store, "api/")); n != 10_000 {
			b.Fatalf("%d objects", n)
		}
	}
}

// BenchmarkGetInANewProcess reads the identity and opens an object, as each read of one secret does.
func BenchmarkGetInANewProcess(b *testing.B) {
	for name, identity := range map[string]fmt.Stringer{"X25519": classic(b), "hybrid": hybrid(b)} {
		b.Run(name, func(b *testing.B) {
			h := newHome(b)
			h.keep(b, "alias_app.age", identity.String())
			h.put(b, "api/a.json", canary, app)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.open().Get(b.Context(), "api/a.json"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

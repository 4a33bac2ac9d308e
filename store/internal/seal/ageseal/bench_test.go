package ageseal_test

import "testing"

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

func BenchmarkGetInANewProcess(b *testing.B) {
	h := newHome(b)
	h.put(b, "api/a.json", canary, app)
	for b.Loop() {
		if _, err := h.open().Get(b.Context(), "api/a.json"); err != nil {
			b.Fatal(err)
		}
	}
}

package ageseal_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

func TestSameBytesSealedAgainHaveAnotherTag(t *testing.T) {
	h := newHome(t)
	if one, two := h.put(t, "api/a.json", "a", app), h.put(t, "api/a.json", "a", app); one.Tag == two.Tag {
		t.Errorf("two puts have the tag %q", one.Tag)
	}
}

func TestDamagedFileIsTornAndCanBeReplaced(t *testing.T) {
	damage := map[string]func([]byte) []byte{
		"empty":          func([]byte) []byte { return nil },
		"plaintext":      func([]byte) []byte { return []byte(canary + "\n" + canary) },
		"header cut":     func(b []byte) []byte { return b[:100] },
		"header flipped": func(b []byte) []byte { b[60] ^= 1; return b },
		"payload cut":    func(b []byte) []byte { return b[:len(b)-1] },
		"payload flip":   func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"chunk lost":     func(b []byte) []byte { return b[:len(b)-70_000] },
		"lengthened":     func(b []byte) []byte { return append(b, 0) },
	}
	for name, spoil := range damage {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			h.put(t, "api/a.json", strings.Repeat(canary, 10_000), app)
			sealed, err := os.ReadFile(h.file("api/a.json"))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(h.file("api/a.json"), spoil(sealed), 0o600); err != nil {
				t.Fatal(err)
			}
			b := h.open()
			o, err := b.Get(t.Context(), "api/a.json")
			if name == "header flipped" && errors.Is(err, bucket.ErrDenied) {
				err = bucket.ErrTorn // a recipient that is not ours cannot be told from a damaged one
			}
			wantError(t, err, bucket.ErrTorn)
			if o.Body != nil {
				t.Errorf("%d bytes came with the error", len(o.Body))
			}
			head, err := b.Head(t.Context(), "api/a.json")
			if err != nil {
				t.Fatal(err)
			}
			for info, err := range b.List(t.Context(), "api/") {
				if err != nil || info.Tag != head.Tag {
					t.Errorf("listed with tag %q (%v), want %q as Head has it", info.Tag, err, head.Tag)
				}
			}
			if _, err := b.Put(t.Context(), "api/a.json", []byte("mended"), bucket.PutOptions{If: bucket.IfMatch(head.Tag), KeyAlias: app}); err != nil {
				t.Fatal(err)
			}
			h.wantBody(t, "api/a.json", "mended")
		})
	}
}

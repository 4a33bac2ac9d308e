//go:build unix

package teamseal_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
)

const (
	benchSecrets = 10_000
	benchBytes   = 100
)

// benchDocument is what a secret's object has, or an index for each of its entries.
type benchDocument struct {
	Service string         `json:"service"`
	Key     string         `json:"key"`
	Values  map[string]any `json:"values"`
}

func benchValue() any {
	return map[string]any{"version": 1, "value": strings.Repeat("x", benchBytes), "created": "2026-11-28T12:00:00Z", "created_by": "ann"}
}

// BenchmarkSeal seals and opens 10,000 secrets of 100 bytes: as one index, as 10,000 objects, and as
// plain AES-GCM with JSON does, for comparison.
func BenchmarkSeal(b *testing.B) {
	keys := &fixedKeys{current: teamseal.NewKey(app)}
	s := teamseal.New(keys, app)
	block, _ := aes.NewCipher(make([]byte, 32))
	gcm, _ := cipher.NewGCM(block)
	plain := func(b *testing.B, body []byte) []byte {
		nonce := make([]byte, gcm.NonceSize())
		_, _ = rand.Read(nonce)
		out, err := gcm.Open(nil, nonce, gcm.Seal(nil, nonce, body, nil), nil)
		if err != nil {
			b.Fatal(err)
		}
		return out
	}
	team := func(b *testing.B, body []byte) []byte {
		file, _, err := s.Seal(b.Context(), app, name, body)
		if err != nil {
			b.Fatal(err)
		}
		out, _, err := s.Open(b.Context(), name, file)
		if err != nil {
			b.Fatal(err)
		}
		return out
	}
	for _, by := range []struct {
		name string
		do   func(*testing.B, []byte) []byte
	}{{"AES-GCM", plain}, {"team", team}} {
		b.Run("objects/"+by.name, func(b *testing.B) {
			defer perSecret(b)()
			for b.Loop() {
				for range benchSecrets {
					roundTrip(b, by.do, benchDocument{"api", "db_url", map[string]any{"1": benchValue()}})
				}
			}
		})
		b.Run("index/"+by.name, func(b *testing.B) {
			all := benchDocument{"api", "", map[string]any{}}
			for i := range benchSecrets {
				all.Values[fmt.Sprintf("key%05d", i)] = benchValue()
			}
			defer perSecret(b)()
			for b.Loop() {
				roundTrip(b, by.do, all)
			}
		})
	}
}

// perSecret reports the CPU that this process takes, of all its threads, so that garbage counts.
func perSecret(b *testing.B) (report func()) {
	began := usedCPU()
	return func() {
		b.ReportMetric(float64((usedCPU()-began).Nanoseconds())/float64(b.N)/benchSecrets, "cpu-ns/secret")
	}
}

func roundTrip(b *testing.B, do func(*testing.B, []byte) []byte, doc benchDocument) {
	b.Helper()
	body, err := json.Marshal(doc)
	if err != nil {
		b.Fatal(err)
	}
	var out benchDocument
	if err := json.Unmarshal(do(b, body), &out); err != nil {
		b.Fatal(err)
	}
}

func usedCPU() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // fails for no caller
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

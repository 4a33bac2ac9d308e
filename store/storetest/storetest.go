// Package storetest is the conformance suite for every [store.Store]. A backend's test calls [Run].
// Each sentence of the interface's documentation is a subtest. What a backend can't do is printed
// as a skip with its reason.
package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
)

// Capabilities describe what a backend can't do. The zero value means that it can do everything.
type Capabilities struct {
	// MaxValue is the largest value that the backend stores, in bytes. 0 means [store.MaxValue].
	// Larger values must be refused with [store.ErrInvalid].
	MaxValue int

	// Skips maps the name of a subtest, as passed to t.Run ("a race of updates has one winner for
	// each version", "values/empty"), to the reason why the backend can't pass it. A name that
	// isn't a subtest fails the suite.
	Skips map[string]string

	// Plant, if set, stores a secret as another program might have: with exactly this key, in any
	// spelling. If it is nil the suite uses [store.WriteOptions.PreserveCase].
	Plant func(t *testing.T, s store.Store, id store.ID, value string)
}

// Tombstones returns the Skips of a store on a storage without conditional deletes: a deleted secret leaves a
// tombstone.
func Tombstones() map[string]string {
	return map[string]string{
		"services have a prefix":           "a deleted secret leaves a tombstone, which a listing cannot tell from a secret",
		"a deleted secret has no revision": "a deleted secret leaves a tombstone, which has another revision",
	}
}

// Run tests a store against its interface. Each subtest calls open and uses its own services, whose
// names begin with "st-", so open may return the same storage each time.
func Run(t *testing.T, open func(t *testing.T) store.Store, caps Capabilities) {
	t.Helper()
	if caps.MaxValue == 0 {
		caps.MaxValue = store.MaxValue
	}
	run := strings.ToLower(rand.Text()[:10])
	sentences := sentences(caps)
	for i, s := range sentences {
		t.Run(s.name, func(t *testing.T) {
			if reason, ok := caps.Skips[s.name]; ok {
				t.Skip(reason)
			}
			s.check(&session{
				T: t, ctx: t.Context(), store: open(t), caps: caps,
				service: fmt.Sprintf("st-%s-%02d", run, i),
			})
		})
	}
	refuseUnknownSkips(t, sentences, caps.Skips)
}

func refuseUnknownSkips(t *testing.T, all []sentence, skips map[string]string) {
	t.Helper()
	known := map[string]bool{}
	for _, s := range all {
		known[s.name] = true
	}
	for name := range skips {
		if !known[name] {
			t.Errorf("Capabilities.Skips names %q, which is no subtest", name)
		}
	}
}

// sentence is one guarantee of the interface.
type sentence struct {
	name  string
	check func(*session)
}

// session is the state of one subtest.
type session struct {
	*testing.T
	ctx     context.Context
	store   store.Store
	caps    Capabilities
	service string // used only by this subtest
}

func sentences(caps Capabilities) []sentence {
	all := []sentence{
		{"a new secret has version 1", newSecret},
		{"versions count up", versionsCountUp},
		{"an older version can be read", readOlder},
		{"a missing secret is not found, with the nearest name", missingSecret},
		{"a missing version is not found", missingVersion},
		{"a missing service is not found", missingService},
		{"invalid names are refused", invalidNames},

		{"a key that differs only in case answers", caseAnswers},
		{"the exact key comes before one that differs in case", exactFirst},
		{"two keys that differ only in case are ambiguous", ambiguous},
		{"a new key is stored in lower case", lowerCase},
		{"PreserveCase stores a new key as it is written", preserveCase},
		{"a write updates the key that differs only in case", writeOtherCase},

		{"load is sorted and complete", load},
		{"an empty service loads as nothing", loadEmpty},
		{"nested services do not mix", nested},
		{"history is oldest first", history},
		{"services have a prefix", services},

		{"IfVersion 0 creates only", ifVersionZero},
		{"IfVersion writes over that version only", ifVersion},
		{"SkipUnchanged leaves an equal value alone", skipUnchanged},

		{"delete removes every version", deleteAll},
		{"delete of a missing key finishes the others", deleteMissing},
		{"a deleted secret can be created again", recreate},
		{"numbers go on after a delete", goesOn},

		{"WriteAll reports the outcome of each", writeAll},
		{"WriteAll skips unchanged values", writeAllUnchanged},
		{"WriteAll with one bad value writes nothing", writeAllInvalid},
		{"WriteAll fails for the keys whose condition fails", writeAllIfVersion},
		{"WriteAll reports progress", writeAllProgress},
		{"WriteAll of nothing does nothing", writeAllNothing},

		{"a value with a NUL is refused", refusedValue("nul " + canary + "\x00")},
		{"a value that is not UTF-8 is refused", refusedValue(canary + "\xff\xfe")},
		{"a value with half a surrogate is refused", refusedValue(canary + "\xed\xa0\x80")},
		{"a value that is too large is refused", refusedValue(canary + strings.Repeat("x", caps.MaxValue+1-len(canary)))},

		{"a race of creates has one winner", raceCreate},
		{"a race of updates has one winner for each version", raceUpdate},
		{"writers of one key all succeed, each with its own version", raceOneKey},
		{"writers of different keys lose none", raceManyKeys},
		{"readers never see half a write", raceReaders},

		{"a cancelled context ends every method", cancelled},
	}
	all = append(all, slices.Concat(revising(), choosing())...)
	for _, v := range trickyValues(caps.MaxValue) {
		all = append(all, sentence{"values/" + v.name, roundTrip(v.text)})
	}
	return all
}

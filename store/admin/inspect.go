package admin

import (
	"context"

	"github.com/coffer-secrets/coffer/store"
)

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	Serious Severity = "error"   // a reader is stopped, misled or too trusting, or something can be lost
	Warning Severity = "warning" // right as it stands, but dearer or weaker than it should be
	Remark  Severity = "note"    // to be known; nothing is wrong
)

// Rank is 0 for the worst severity, and higher for those that are less bad.
func (s Severity) Rank() int {
	switch s {
	case Serious:
		return 0
	case Warning:
		return 1
	}
	return 2
}

// Finding is one thing that an inspection found.
type Finding struct {
	Check      string // what was looked for, in a word for programs: "drift", "ghost", "other-key"
	Severity   Severity
	ID         store.ID // the secret; the Key is empty where it is about an object or the whole service
	Object     string   // the object that it is about; "" where there are several, or none
	KeyAlias   string   // the key alias that it is about; "" where it is about none
	Text       string   // what it is and what follows, as a sentence without its subject. Partly the storage's words: to be escaped
	Repairable bool     // [Inspector.Repair] can repair it
}

// Inspection is what a service really looks like.
type Inspection struct {
	Service  string
	Secrets  []Inspected // every secret object, also tombstones and those that are hidden; sorted by key
	Indexes  []InspectedIndex
	Foreign  []string  // the names of objects that are neither secret nor index
	Findings []Finding // the worst first, then by object
}

// Inspected is a secret as the storage tells it. KeyAlias is the alias that it is recorded
// under, "" where that cannot be told.
type Inspected struct {
	store.Meta        // Version is 0 where the secret could not be read
	Sealed     string // how the storage sealed it, in its own word: "aws:kms"
	KeyID      string // the key that it is really under, in the storage's words
	Hidden     bool   // the caller may not read it
	Deleted    bool   // a tombstone
}

// InspectedIndex is an index as the storage tells it.
type InspectedIndex struct {
	Object   string
	KeyAlias string // the alias, as far as it can be told
	Sealed   string
	KeyID    string
	Entries  int
	Err      error // why it could not be read; nil when it was
}

// Inspector is a [store.Store] that can say what is wrong with a service, and repair what needs no
// decision of its owner.
type Inspector interface {
	// Occupied returns the services that begin with prefix and hold a secret or an index, sorted:
	// also those of which only an index is left.
	Occupied(ctx context.Context, prefix string) ([]string, error)

	// Inspect looks at every object and index of a service, and changes nothing. What the caller
	// may not see is a finding, not an error. [store.ErrDenied] where the service may not be listed.
	Inspect(ctx context.Context, service string) (Inspection, error)

	// Repair repairs the findings that are repairable and still true, and returns those that it repaired.
	// It can be interrupted anywhere and run again.
	Repair(ctx context.Context, service string) ([]Finding, error)
}

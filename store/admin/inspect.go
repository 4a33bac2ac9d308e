package admin

import (
	"context"

	"github.com/coffer-secrets/coffer/store"
)

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	Serious Severity = "error"   // a reader fails, gets wrong data or trusts too much, or data can be lost
	Warning Severity = "warning" // correct, but more expensive or less secure than it should be
	Remark  Severity = "note"    // for information; nothing is wrong
)

// Rank returns 0 for the worst severity, and higher numbers for less severe ones.
func (s Severity) Rank() int {
	switch s {
	case Serious:
		return 0
	case Warning:
		return 1
	}
	return 2
}

// Finding is one result of an inspection.
type Finding struct {
	Check      string // the check, as a word for programs: "drift", "ghost", "other-key"
	Severity   Severity
	ID         store.ID // the secret; Key is empty if it is about an object or the whole service
	Object     string   // the object; "" if there are several, or none
	KeyAlias   string   // the key alias; "" if there is none
	Text       string   // the problem and its consequence, as a sentence without its subject. Contains text of the storage: escape it before printing
	Repairable bool     // [Inspector.Repair] can repair it

	// OfKey states that what the finding is about is as good as before once the key object of KeyAlias is
	// put back or trusted: see [Teams].
	OfKey bool
	// Format and Method are those of the [store.SealError], if it is one that gives a Format.
	Format, Method string
	// Older is the id of an older version of Object that opens, if the newest one doesn't and the bucket keeps what
	// is deleted. Useless states that Object is an index, and has nothing that its secrets don't have. Unless one of them is set,
	// nobody should be told to delete Object.
	Older   string
	Useless bool
}

// Inspection is the actual state of a service in the storage.
type Inspection struct {
	Service  string
	Secrets  []Inspected // every secret object, also tombstones and secrets that cannot be read; sorted by key
	Indexes  []InspectedIndex
	Foreign  []string  // the names of objects that are neither secrets nor indexes
	Findings []Finding // sorted by severity, the worst first, then by object
}

// Inspected is a secret as the storage reports it. KeyAlias is the alias that it records, "" if
// that is unknown.
type Inspected struct {
	store.Meta        // Version is 0 if the secret could not be read
	Sealed     string // the encryption method, as the storage names it: "aws:kms"
	KeyID      string // the key that actually encrypts it, as the storage names it
	Hidden     bool   // the caller has no permission to read it
	Deleted    bool   // it is a tombstone
}

// InspectedIndex is an index as the storage reports it.
type InspectedIndex struct {
	Object   string
	KeyAlias string // the alias, as far as it is known
	Sealed   string
	KeyID    string
	Entries  int
	NoCache  bool  // its owner forbids readers to cache its values
	Err      error // why it could not be read; nil if it was
}

// Inspector is a [store.Store] that can find problems of a service, and repair those that need no
// decision of its owner.
type Inspector interface {
	// Occupied returns the services that begin with prefix and have a secret or an index, sorted.
	// It includes services that have only an index.
	Occupied(ctx context.Context, prefix string) ([]string, error)

	// Inspect reads every object and index of a service, and changes nothing. What the caller has
	// no permission to read is a finding, not an error. [store.ErrDenied] if the caller has no
	// permission to list the service.
	Inspect(ctx context.Context, service string) (Inspection, error)

	// Repair repairs the findings that are repairable and still true, and returns those that it
	// repaired. It can be interrupted anywhere and run again.
	Repair(ctx context.Context, service string) ([]Finding, error)
}

package admin

import (
	"context"
	"time"

	"github.com/coffer-secrets/coffer/store"
)

// ProbeDir is the folder, within a service, of the objects that probes and trials make and delete again.
const ProbeDir = "/" + store.ReservedPrefix + "probe/"

// Conditions is what a server keeps of the conditions of changes (protocol.md, section 14).
type Conditions struct {
	Known   bool // false: it was not asked lately, or did not let itself be asked
	Puts    bool // without it writers who meet overwrite one another
	Deletes bool // without it what is deleted leaves a tombstone

	Asked time.Time // zero for a server that need not be asked
}

// ConditionProber is a [store.Store] on a server that may not keep conditions.
type ConditionProber interface {
	// Conditions tells what is known of the server. With ask it is asked anew, with an object
	// beside those of a service, which is deleted again. [store.ErrUnsupported] for a server whose
	// ETags do not tell one state of an object from another.
	Conditions(ctx context.Context, service string, ask bool) (Conditions, error)
}

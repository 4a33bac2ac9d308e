package admin

import (
	"context"
	"time"

	"github.com/coffer-secrets/coffer/store"
)

// ProbeDir is the folder, within a service, of the temporary objects of probes and trials.
const ProbeDir = "/" + store.ReservedPrefix + "probe/"

// Conditions says which conditions of changes a server respects (protocol.md, section 14).
type Conditions struct {
	Known   bool // false: the server was not tested lately, or the test failed
	Puts    bool // without it, concurrent writers overwrite one another
	Deletes bool // without it, a delete leaves a tombstone

	Asked time.Time // when the server was tested; zero for a server that needs no test
}

// ConditionProber is a [store.Store] on a server that may ignore conditions.
type ConditionProber interface {
	// Conditions returns what is known of the server. If ask is true, it tests the server again
	// with a temporary object in the service. The error is [store.ErrUnsupported] for a server
	// whose ETags don't distinguish the states of an object.
	Conditions(ctx context.Context, service string, ask bool) (Conditions, error)
}

package admin

import "context"

// Verdict is the result of a test of a permission.
type Verdict string

// The verdicts.
const (
	Allowed Verdict = "yes"
	Refused Verdict = "no"
	Unknown Verdict = "unknown" // it could not be tested, or failed for another reason
)

// Trial is the result for one permission of the caller.
type Trial struct {
	Action  string // as IAM names it: "s3:GetObject"
	Verdict Verdict
	Reason  string // contains the storage's own words: escape it before printing
}

// Prober is a [store.Store] that can test its caller's permissions by using them.
type Prober interface {
	// Try tests actions on a service, under the key alias of the store. It returns one result for
	// each, in the order given. It deletes what it stores for the tests. It returns an error if
	// nothing could be tested: [store.ErrConfiguration], [store.ErrUnavailable].
	Try(ctx context.Context, service string, actions []string) ([]Trial, error)
}

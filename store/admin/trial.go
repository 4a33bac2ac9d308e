package admin

import "context"

// Verdict is what came of trying a permission.
type Verdict string

// The verdicts.
const (
	Allowed Verdict = "yes"
	Refused Verdict = "no"
	Untold  Verdict = "not told" // it could not be tried, or failed for another reason
)

// Trial is one permission, tried as the caller.
type Trial struct {
	Action  string // as IAM names it: "s3:GetObject"
	Verdict Verdict
	Reason  string // partly the storage's own words: to be escaped before it is printed
}

// Prober is a [store.Store] that can tell what its caller may do, by doing it.
type Prober interface {
	// Try tries actions on a service, and under the key alias of the store; one result for
	// each, in the order given. What it has to store for that, it deletes. The error is one
	// that left nothing to try: [store.ErrConfiguration], [store.ErrUnavailable].
	Try(ctx context.Context, service string, actions []string) ([]Trial, error)
}

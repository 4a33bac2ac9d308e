package admin

import "context"

// Key describes a key.
type Key struct {
	ID    string // as in [Inspected]: a key ARN, or a recipient; "" if there is no such key
	State string // to display: "enabled", "disabled", "pending deletion", ..., "no such key"
}

// KeyDescriber is a [store.Store] that can describe keys.
type KeyDescriber interface {
	// DescribeKey describes the key that an alias points to now, or the key with an ID. Errors:
	// [store.ErrDenied], [store.ErrUnavailable] and [store.ErrUnsupported].
	DescribeKey(ctx context.Context, name string) (Key, error)
}

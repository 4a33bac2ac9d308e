package admin

import "context"

// Key is what is told about a key.
type Key struct {
	ID    string // as [Inspected] has it: a key ARN, or a recipient; "" where there is no such key
	State string // for a person: "enabled", "disabled", "pending deletion", ..., "no such key"
}

// KeyDescriber is a [store.Store] that can tell about keys.
type KeyDescriber interface {
	// DescribeKey tells about the key that an alias stands for now, or about one by its ID.
	// [store.ErrDenied], [store.ErrUnavailable] and [store.ErrUnsupported] where that is not told.
	DescribeKey(ctx context.Context, name string) (Key, error)
}

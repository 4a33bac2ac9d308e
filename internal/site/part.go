package site

import (
	"context"
	"errors"
	"fmt"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
)

// Part is something that a store needs: the key, the bucket, or a setting of the bucket.
type Part struct {
	Name    string `json:"name"`
	State   string `json:"state"`              // as it is or, if it doesn't exist, as it will be
	Done    bool   `json:"done"`               // it exists
	LeftOut string `json:"left_out,omitempty"` // why it is not made

	Make    func(context.Context) error `json:"-"` // creates it; nil for a setting
	Setting *BucketSetting              `json:"-"` // nil for the key and the bucket
}

// Open reports whether a part must be made.
func (p *Part) Open() bool { return !p.Done && p.LeftOut == "" }

// FindKey returns the part for the key. A missing key can be created only if it is configured by an
// alias, as KMS chooses the IDs of keys. Then no keys may be pinned, as the new one would not be.
func FindKey(ctx context.Context, s *Site) (Part, error) {
	alias := s.Scope.Keys[0].Alias
	info, found, err := s.key(ctx)
	switch {
	case err != nil:
		return Part{}, err
	case !found && (s.keyName != alias || store.IsKeyName(alias)):
		return Part{}, fmt.Errorf("%w: the key %s doesn't exist", store.ErrConfiguration, s.keyName)
	case found && !info.Enabled:
		return Part{}, app.WithHint(fmt.Errorf("%w: the key of %s is %s", store.ErrConfiguration, alias, info.State),
			"its owner must enable it; or use another alias")
	case found:
		return Part{Name: "key " + alias, State: info.ARN, Done: true}, s.checkPin()
	case len(s.pinned) > 0:
		return Part{}, app.WithHint(fmt.Errorf("%w: the key %s doesn't exist, and a new one would not be pinned", store.ErrConfiguration, alias),
			"create the key and its alias, add its ARN to key_arns, and run init again")
	}
	return Part{Name: "key " + alias, State: "a new key with this alias", Make: func(ctx context.Context) error {
		made, err := s.keys.Create(ctx, alias)
		s.keyARN = made.ARN
		if errors.Is(err, store.ErrUnknown) {
			err = app.WithHint(err, "find it with aws kms list-keys and describe-key; aws kms create-alias --alias-name "+alias+" --target-key-id ID gives it the alias; coffer init would create another key")
		}
		return err
	}}, nil
}

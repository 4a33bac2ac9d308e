// Package local keeps secrets in a directory, sealed with age to an identity for each key
// alias. It needs no server and no account. Who lacks the identity of an alias is denied
// its secrets, as by a KMS key, so that what a team does with aliases in AWS can be tried at a desk.
package local

import (
	"context"
	"fmt"
	"time"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket/dirbucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
	"github.com/coffer-secrets/coffer/store/internal/engine/inspect"
)

// DefaultAlias is the alias of who names none.
const DefaultAlias = "alias/default"

// Options say where the secrets and the identities are. Dir and KeyDir are required.
type Options struct {
	Dir      string // the objects; made at the first write
	KeyDir   string // the identities: <alias, "/" as "_">.age; made at the first write under the alias
	KeyAlias string // "" means [DefaultAlias]

	AllowRollback bool              // see [engine.Options]
	Notice        func(text string) // a sentence for a person; nil: silent

	Author string           // who writes
	Now    func() time.Time // nil: the system's clock
}

// New returns the store. It touches nothing.
func New(o Options) (store.Store, error) {
	if o.Dir == "" || o.KeyDir == "" {
		return nil, fmt.Errorf("%w: no directory", store.ErrConfiguration)
	}
	if o.KeyAlias == "" {
		o.KeyAlias = DefaultAlias
	}
	alias, err := store.NormalizeAlias(o.KeyAlias)
	if err != nil {
		return nil, err
	}
	if store.IsKeyName(alias) {
		return nil, fmt.Errorf("%w: the local backend has no KMS to resolve %s; name an alias", store.ErrConfiguration, o.KeyAlias)
	}
	files := dirbucket.New(dirbucket.Options{Dir: o.Dir, KeyDir: o.KeyDir})
	e := engine.New(engine.Options{
		Bucket: files,
		Alias:  alias,
		KeyID: func(_ context.Context, alias string) string {
			recipient, _ := files.Recipient(alias) // what cannot be told is not known
			return recipient
		},
		Author: func(context.Context) string { return o.Author },
		Now:    o.Now,

		AllowRollback: o.AllowRollback, Notice: o.Notice,
	})
	return &secrets{e, inspect.New(e), files}, nil
}

// secrets is the engine's store with what is known of its identities.
type secrets struct {
	*engine.Engine
	*inspect.Inspector
	files *dirbucket.Bucket
}

// DescribeKey implements [admin.KeyDescriber].
func (s *secrets) DescribeKey(_ context.Context, name string) (admin.Key, error) {
	recipient, err := s.files.Recipient(name)
	if err != nil {
		return admin.Key{}, engine.Fail("describe key", store.ID{}, err)
	}
	if recipient == "" {
		return admin.Key{State: "no identity"}, nil
	}
	return admin.Key{ID: recipient, State: "enabled"}, nil
}

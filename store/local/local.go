// Package local keeps secrets in a directory, encrypted with age to one identity for each key
// alias. It needs no server and no account. A user without the identity of an alias cannot read its
// secrets, as with a KMS key. So a team can try key aliases without AWS.
package local

import (
	"context"
	"fmt"
	"time"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket/dirbucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/sealed"
	"github.com/coffer-secrets/coffer/store/internal/engine"
	"github.com/coffer-secrets/coffer/store/internal/engine/inspect"
	"github.com/coffer-secrets/coffer/store/internal/seal/ageseal"
)

// DefaultAlias is used when no alias is configured.
const DefaultAlias = "alias/default"

// Options configure the store. Dir and KeyDir are required.
type Options struct {
	Dir      string // the objects; created at the first write
	KeyDir   string // the identities: <alias, "/" as "_">.age; created at the first write under the alias
	KeyAlias string // "" means [DefaultAlias]

	// AllowRollback accepts a secret with a lower version than its index has seen, as after a backup
	// was restored. Otherwise it is a [store.RollbackError].
	AllowRollback bool
	Notice        func(text string) // receives a sentence for the user; nil: none

	Author string           // recorded as the writer
	Now    func() time.Time // nil: the system's clock
}

// New returns the store. It reads and writes no files.
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
		return nil, fmt.Errorf("%w: the local backend has no KMS to resolve %s; use an alias", store.ErrConfiguration, o.KeyAlias)
	}
	keys := ageseal.New(ageseal.Options{Dir: o.KeyDir, Created: o.createdKey})
	files := dirbucket.New(dirbucket.Options{Dir: o.Dir, StateSize: ageseal.HeaderSize, Created: o.createdDir})
	e := engine.New(engine.Options{
		Bucket: sealed.New(files, keys),
		Alias:  alias,
		KeyID: func(_ context.Context, alias string) string {
			id, _ := keys.KeyID(alias) // an error means that the key is not known
			return id
		},
		Author: func(context.Context) string { return o.Author },
		Now:    o.Now,

		AllowRollback: o.AllowRollback, Notice: o.Notice,
	})
	return &secrets{e, inspect.New(e), keys}, nil
}

// createdKey and createdDir print what a write has created: its name may be a typing error.
func (o Options) createdKey(alias, path string) {
	if o.Notice != nil {
		o.Notice(fmt.Sprintf("created the key %s in %s. Keep a copy: without it nobody can decrypt the secrets", alias, path))
	}
}

func (o Options) createdDir() {
	if o.Notice != nil {
		o.Notice(fmt.Sprintf("created the directory %s for the secrets", o.Dir))
	}
}

// secrets is the engine's store with the descriptions of its identities.
type secrets struct {
	*engine.Engine
	*inspect.Inspector
	keys *ageseal.Sealer
}

// DescribeKey implements [admin.KeyDescriber].
func (s *secrets) DescribeKey(_ context.Context, name string) (admin.Key, error) {
	id, err := s.keys.KeyID(name)
	if err != nil {
		return admin.Key{}, engine.Fail("describe key", store.ID{}, err)
	}
	if id == "" {
		return admin.Key{State: "no identity"}, nil
	}
	return admin.Key{ID: id, State: "enabled"}, nil
}

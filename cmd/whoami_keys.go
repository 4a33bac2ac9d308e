package cmd

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
)

// keyJSON is an alias and what KMS says about its key.
type keyJSON struct {
	Alias string `json:"alias"`
	Key   string `json:"key,omitempty"` // its ARN
	State string `json:"state"`         // as KMS calls it, such as "Enabled"; "unknown" if KMS doesn't tell
}

// askKMS describes the keys of the configured alias and of those that the configuration file names. KMS
// may refuse that, or not be there, and the caller may use a key all the same: then a note says it. The
// error is the context's.
func (w *whoamiJSON) askKMS(ctx context.Context, s *app.Settings, cfg awsconf.Config) (notes []string, err error) {
	aliases := slices.Compact(slices.Sorted(maps.Keys(s.File.Keys)))
	if !slices.Contains(aliases, w.KMSKeyAlias) {
		aliases = append([]string{w.KMSKeyAlias}, aliases...)
	}
	limited, cancel := context.WithTimeout(ctx, app.KeyTimeout)
	defer cancel()
	kms, failures := awsconf.NewKeys(cfg), make([]string, len(aliases))
	w.Keys = make([]keyJSON, len(aliases))
	_ = pace.Each(limited, len(aliases), len(aliases), func(ctx context.Context, i int) error {
		w.Keys[i], failures[i] = describeAlias(ctx, kms, s, aliases[i])
		return nil
	})
	return slices.DeleteFunc(failures, func(text string) bool { return text == "" }), ctx.Err()
}

// describeAlias asks KMS for the key of an alias. The note says why KMS didn't describe it; "" if it did.
func describeAlias(ctx context.Context, kms *awsconf.Keys, s *app.Settings, alias string) (row keyJSON, note string) {
	name, err := store.NormalizeAlias(alias)
	key := name
	if other, ok := s.File.Keys[name]; ok {
		key = other
	}
	var info awsconf.KeyInfo
	found := false
	if err == nil {
		info, found, err = kms.Find(ctx, key)
	}
	row = keyJSON{Alias: alias, State: "unknown"}
	switch {
	case err != nil:
		why := cmp.Or(awsconf.NotReached("KMS", err), app.Sentence(err))
		return row, fmt.Sprintf("can't check with KMS whether the key of %s works: %s; coffer policy check tries it", alias, why)
	case found:
		return keyJSON{alias, info.ARN, info.State}, ""
	case key != name:
		return row, fmt.Sprintf("the key of %s in the configuration file doesn't exist: %s", alias, key)
	case !s.Kind().Bucket || store.IsKeyName(name):
		return row, alias + " doesn't exist in this account and region"
	case alias != s.KMSKeyAlias.Value || s.KMSKeyAlias.From == "--kms-key-alias":
		return row, fmt.Sprintf("%s doesn't exist; coffer init --kms-key-alias %s creates it", alias, name)
	}
	return row, alias + " doesn't exist; coffer init creates it"
}

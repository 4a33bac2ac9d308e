package cmd

import (
	"context"
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
// may refuse that, or not be there, and the caller may use a key all the same: then it is said.
func (w *whoamiJSON) askKMS(ctx context.Context, a *app.App, s *app.Settings, cfg awsconf.Config) {
	aliases := slices.Compact(slices.Sorted(maps.Keys(s.File.Keys)))
	if !slices.Contains(aliases, w.KMSKeyAlias) {
		aliases = append([]string{w.KMSKeyAlias}, aliases...)
	}
	ctx, cancel := context.WithTimeout(ctx, app.KeyTimeout)
	defer cancel()
	kms, failures := awsconf.NewKeys(cfg), make([]error, len(aliases))
	w.Keys = make([]keyJSON, len(aliases))
	_ = pace.Each(ctx, len(aliases), len(aliases), func(ctx context.Context, i int) error {
		w.Keys[i] = keyJSON{Alias: aliases[i], State: "unknown"}
		name, err := store.NormalizeAlias(aliases[i])
		if other, ok := s.File.Keys[name]; ok {
			name = other
		}
		var info awsconf.KeyInfo
		if err == nil {
			info, err = kms.Describe(ctx, name)
		}
		if failures[i] = err; err == nil {
			w.Keys[i] = keyJSON{aliases[i], info.ARN, info.State}
		}
		return nil
	})
	for i, err := range failures {
		if err != nil {
			a.Note("can't check with KMS whether the key of %s works: %s; coffer policy check tries it", aliases[i], app.Sentence(err))
		}
	}
}

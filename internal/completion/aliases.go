package completion

import (
	"context"
	"maps"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// completeAliases returns the key aliases that are known without a request: the configured one,
// those of the configuration file, and those with an identity of the local backend.
func completeAliases(a *app.App) []string {
	var names []string
	add := func(s app.FileSettings) {
		names = slices.AppendSeq(append(names, s.KMSKeyAlias), maps.Keys(s.Keys))
		names = slices.AppendSeq(names, maps.Keys(s.KeyIDs))
	}
	if file, _ := a.ConfigFile(); file != nil {
		add(file.FileSettings)
		for _, c := range file.Contexts {
			add(c)
		}
	}
	if s, err := a.Settings(); err == nil {
		names = append(names, s.AliasOfWrites())
		names = append(names, s.LocalAliases()...)
	}
	aliases := map[string]bool{}
	for _, name := range names {
		if alias, err := store.NormalizeAlias(name); err == nil && !store.IsKeyName(name) {
			aliases[alias] = true
		}
	}
	return slices.Sorted(maps.Keys(aliases))
}

// completeMembers returns the members of an alias.
func completeMembers(ctx context.Context, a *app.App, alias string) []string {
	s, err := a.Open(ctx)
	if err != nil {
		return nil
	}
	teams, ok := s.(admin.Teams)
	if alias, err = store.NormalizeAlias(alias); err != nil || !ok {
		return nil
	}
	t, _ := teams.Team(ctx, alias)
	var names []string
	for _, m := range t.Members {
		names = append(names, m.Name)
	}
	return names
}

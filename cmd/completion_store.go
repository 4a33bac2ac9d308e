package cmd

import (
	"context"
	"maps"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/local"
)

// source returns an App for the store that the command on a line reads from.
func source(a *app.App, line typed) *app.App {
	if name := line.flags["from-context"]; name != "" {
		a = a.InContext(name)
	}
	return a.OnBackend(line.flags["from-backend"], line.flags["from-bucket"])
}

// destination returns an App for the store of the second service on a line.
func destination(a *app.App, line typed) *app.App {
	if name := line.flags["to-context"]; name != "" {
		return a.InContext(name)
	}
	return a
}

// completeAliases are the key aliases that can be told without a request: the one in force,
// those of the configuration file, and those that the local backend has an identity of.
func completeAliases(a *app.App) []string {
	var names []string
	add := func(s app.FileSettings) {
		names = slices.AppendSeq(append(names, s.KMSKeyAlias), maps.Keys(s.Keys))
	}
	if file, _ := a.ConfigFile(); file != nil {
		add(file.FileSettings)
		for _, c := range file.Contexts {
			add(c)
		}
	}
	if s, err := a.Settings(); err == nil {
		names = append(names, s.AliasOfWrites())
		if s.Backend.Value == "local" {
			names = append(names, local.Aliases(s.KeyDir.Value)...)
		}
	}
	aliases := map[string]bool{}
	for _, name := range names {
		if alias, err := store.NormalizeAlias(name); err == nil && !store.IsKeyName(name) {
			aliases[alias] = true
		}
	}
	return slices.Sorted(maps.Keys(aliases))
}

func completeServices(ctx context.Context, a *app.App) []string {
	s, err := a.Open(ctx)
	if err != nil {
		return nil
	}
	services, _ := s.Services(ctx, "")
	return services
}

func completeKeys(ctx context.Context, a *app.App, service string) []string {
	s, err := a.Open(ctx)
	if err != nil {
		return nil
	}
	if lister, ok := s.(store.Lister); ok {
		ids, _ := lister.IDs(ctx, service)
		var keys []string
		for _, id := range ids {
			if id.Service == service {
				keys = append(keys, id.Key)
			}
		}
		return keys
	}
	contents, _ := s.Load(ctx, service)
	return contents.Keys()
}

package cmd

import (
	"context"
	"maps"
	"slices"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/local"
)

// source returns an App for the store that the command on a line reads from.
func (a *App) source(line typed) *App {
	if name := line.flags["from-context"]; name != "" {
		a = a.inContext(name)
	}
	return a.onBackend(line.flags["from-backend"], line.flags["from-bucket"])
}

// destination returns an App for the store of the second service on a line.
func (a *App) destination(line typed) *App {
	if name := line.flags["to-context"]; name != "" {
		return a.inContext(name)
	}
	return a
}

// completeAliases are the key aliases that can be told without a request: the one in force,
// those of the configuration file, and those that the local backend has an identity of.
func (a *App) completeAliases() []string {
	var names []string
	add := func(s fileSettings) {
		names = slices.AppendSeq(append(names, s.KMSKeyAlias), maps.Keys(s.Keys))
	}
	if file, _ := a.configFile(); file != nil {
		add(file.fileSettings)
		for _, c := range file.Contexts {
			add(c)
		}
	}
	if s, err := a.settings(); err == nil {
		names = append(names, s.aliasOfWrites())
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

func (a *App) completeServices(ctx context.Context) []string {
	s, err := a.Open(ctx)
	if err != nil {
		return nil
	}
	services, _ := s.Services(ctx, "")
	return services
}

func (a *App) completeKeys(ctx context.Context, service string) []string {
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

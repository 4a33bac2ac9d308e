package completion

import (
	"context"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
)

// flagKeys returns the keys that a flag may name: those of the services of the line.
func flagKeys(ctx context.Context, a *app.App, node *kong.Node, line typed) []string {
	services := line.args
	if len(node.Positional) > 0 && !node.Positional[0].IsCumulative() {
		services = services[:min(1, len(services))] // the other arguments are not services
	}
	if len(services) == 0 && node.Name == "exec" {
		services = projectServices(a, line)
	}
	if node.Name == "scan" { // its arguments are files
		if services = []string{line.flags["service"]}; services[0] == "" {
			services = completeServices(ctx, a)
		}
	}
	var keys []string
	for _, service := range services {
		keys = append(keys, completeKeys(ctx, source(a, line), service)...)
	}
	return keys
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
	if service, _ = app.StoredName(ctx, s, service); service == "" {
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

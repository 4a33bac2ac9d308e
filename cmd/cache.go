package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/offline"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// CacheCmd shows and deletes what exec --cache keeps.
type CacheCmd struct {
	List  CacheListCmd  `cmd:"" reads:"" help:"List the services that exec --cache has stored, without values."`
	Clear CacheClearCmd `cmd:"" reads:"" help:"Delete the secrets that exec --cache has stored."`
}

// CacheListCmd lists the cache.
type CacheListCmd struct{}

// cacheJSON is a service in the cache as --json prints it.
type cacheJSON struct {
	Service  string    `json:"service"`
	Store    string    `json:"store"`
	Aliases  []string  `json:"aliases"`
	Keys     []string  `json:"keys"`
	ReadAt   time.Time `json:"read_at"`
	Expires  time.Time `json:"expires"`
	Expired  bool      `json:"expired"`
	SealedBy string    `json:"sealed_by"` // where the key of the file is
}

// Run prints a row for each service, store and reader.
func (c *CacheListCmd) Run(_ context.Context, a *app.App) error {
	_, entries, err := openCache(a)
	if err != nil {
		return err
	}
	rows, closed := []cacheJSON{}, 0
	for _, e := range entries {
		if e.Err != nil {
			closed++
			continue
		}
		row := cacheJSON{
			Service: e.Service, Store: e.Place, Aliases: []string{}, Keys: []string{},
			ReadAt: e.ReadAt, Expires: e.Expires(), Expired: a.Now().After(e.Expires()), SealedBy: e.Sealed,
		}
		for _, s := range e.Contents.Secrets {
			row.Keys = append(row.Keys, s.ID.Key)
			if s.KeyAlias != "" && !slices.Contains(row.Aliases, s.KeyAlias) {
				row.Aliases = append(row.Aliases, s.KeyAlias)
			}
		}
		slices.Sort(row.Aliases)
		rows = append(rows, row)
	}
	if err := printCache(a, rows); err != nil {
		return err
	}
	if closed > 0 {
		file, why := "file", "it is damaged, or its key is gone; coffer cache clear deletes it"
		if len(rows) > 0 {
			file = "other file"
		}
		if closed > 1 {
			why = "they are damaged, or their keys are gone; coffer cache clear deletes them"
		}
		a.Note("can't open %s: %s", app.Count(closed, file), why)
	}
	return nil
}

func printCache(a *app.App, rows []cacheJSON) error {
	if a.Globals.JSON {
		return render.JSON(a.Stdout, rows)
	}
	t := a.Table("Service", "Store", "Alias", "Secrets", "Read", "Expires", "Key in").Drops("Key in", "Store", "Alias", "Secrets")
	for _, r := range rows {
		t.Row(r.Service, r.Store, strings.Join(r.Aliases, ", "), len(r.Keys), r.ReadAt, r.Expires, r.SealedBy)
	}
	return t.Print()
}

// openCache returns the cache and what is in it, by service and store.
func openCache(a *app.App) (*offline.Cache, []offline.Entry, error) {
	cache, err := a.OpenCache()
	if err != nil {
		return nil, nil, err
	}
	entries, err := cache.All()
	slices.SortStableFunc(entries, func(x, y offline.Entry) int {
		return strings.Compare(x.Service+"\x00"+x.Place, y.Service+"\x00"+y.Place)
	})
	return cache, entries, err
}

// CacheClearCmd deletes the cache.
type CacheClearCmd struct {
	Services []string `arg:"" optional:"" name:"service" help:"The services. Without any: everything, and the key of the cache."`
}

// Run deletes the copies of services, of every store and reader.
func (c *CacheClearCmd) Run(_ context.Context, a *app.App) error {
	cache, entries, err := openCache(a)
	if err != nil {
		return err
	}
	deleted := map[string]int{}
	var failed []error
	for _, e := range entries {
		// What can't be opened may be of any service, and is of no use.
		if len(c.Services) == 0 || e.Err != nil || slices.Contains(c.Services, e.Service) {
			failed = append(failed, cache.Remove(e))
			deleted[e.Service]++
		}
	}
	if len(c.Services) == 0 {
		failed = append(failed, cache.Clear())
	}
	for _, service := range c.Services {
		if deleted[service]+deleted[""] == 0 { // "": of a file that could not be opened
			failed = append(failed, fmt.Errorf("%w: the cache has no service %q", store.ErrNotFound, service))
		}
	}
	total := 0
	for _, n := range deleted {
		total += n
	}
	if a.Globals.JSON {
		if err := render.JSON(a.Stdout, map[string]int{"deleted": total}); err != nil {
			return err
		}
	} else {
		a.NoteDone("deleted from the cache: %s", app.Count(total, "file"))
	}
	return a.Report(failed...)
}

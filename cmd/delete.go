package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/term"
	"github.com/coffer-secrets/coffer/store"
)

// DeleteCmd deletes secrets.
type DeleteCmd struct {
	Service string   `arg:"" help:"The service."`
	Keys    []string `arg:"" optional:"" name:"key" help:"The keys."`

	Whole    bool `name:"service" help:"Delete all secrets of the service. Asks first."`
	Purge    bool `help:"Also remove the old versions that a bucket with versioning keeps: those of the deleted secrets and of the service's indexes. Asks first."`
	Yes      bool `short:"y" help:"Don't ask."`
	ExactKey bool `help:"Delete only the key in exactly this case."`
}

// Run deletes the keys, or the whole service, and prints what it deleted.
func (c *DeleteCmd) Run(ctx context.Context, a *app.App) error {
	if c.Whole == (len(c.Keys) > 0) {
		return twoWords(app.Usage("name the keys to delete, or give --service to delete them all"), "delete", c.Service, "")
	}
	if err := refuseDuplicates(c.Keys); err != nil {
		return err
	}
	if err := store.CheckService(c.Service); err != nil {
		return err
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	if c.Purge {
		_, err := app.InService(ctx, s, c.Service, func(service string) (none struct{}, err error) {
			if err := c.refuseSameSecret(ctx, s, service); err != nil {
				return none, err
			}
			return none, c.purge(ctx, a, s, service)
		})
		return err
	}
	deleted, err := app.InService(ctx, s, c.Service, func(service string) ([]store.Result, error) { return c.delete(ctx, a, s, service) })
	return printDeleted(a, deleted, err)
}

// delete deletes the keys, or all keys, of exactly this service.
func (c *DeleteCmd) delete(ctx context.Context, a *app.App, s store.Store, service string) ([]store.Result, error) {
	err := c.refuseSameSecret(ctx, s, service)
	keys := c.Keys
	if err == nil && c.Whole {
		keys, err = c.confirmAll(ctx, a, s, service)
	}
	if err == nil && c.ExactKey {
		err = c.refuseOtherCase(ctx, s, service)
	}
	if err != nil {
		return nil, err
	}
	return s.Delete(ctx, service, keys...)
}

// refuseDuplicates returns an error if a key is given twice, as one of them is probably a mistake.
func refuseDuplicates(keys []string) error {
	for i, key := range keys {
		if slices.Contains(keys[:i], key) {
			return app.Usage("key %q appears twice", key)
		}
	}
	return nil
}

// refuseSameSecret returns an error if two keys that differ only in case name one secret. It reads
// the service only if there are such keys.
func (c *DeleteCmd) refuseSameSecret(ctx context.Context, s store.Store, service string) error {
	lower := map[string]bool{}
	for _, key := range c.Keys {
		lower[strings.ToLower(key)] = true
	}
	if len(lower) == len(c.Keys) {
		return nil
	}
	contents, err := app.LoadExactly(ctx, s, service)
	if err != nil {
		return err
	}
	named := map[string]string{} // stored key -> the key as given
	for _, key := range c.Keys {
		found, err := store.Lookup(key, contents.Keys())
		if err != nil {
			continue // Delete reports it
		}
		if other, ok := named[found]; ok {
			return app.Usage("keys %q and %q name the same secret, %q", other, key, found)
		}
		named[found] = key
	}
	return nil
}

// printDeleted prints what was deleted, and each failure but err, which the caller reports.
func printDeleted(a *app.App, results []store.Result, err error) error {
	done := results[:0:0]
	for _, r := range results {
		if r.Err == nil {
			done = append(done, r)
		}
	}
	if printErr := a.PrintResults(done); printErr != nil {
		return errors.Join(err, printErr)
	}
	a.ReportFailures(results, err)
	return err
}

// refuseOtherCase returns an error if a key matches a stored key only without regard to case.
func (c *DeleteCmd) refuseOtherCase(ctx context.Context, s store.Store, service string) error {
	contents, err := app.LoadExactly(ctx, s, service)
	if err != nil {
		return err
	}
	for _, key := range c.Keys {
		if found, err := store.Lookup(key, contents.Keys()); err == nil && found != key {
			missing := &store.NotFoundError{What: "secret", Nearest: found}
			return &store.Error{Op: "delete", ID: store.ID{Service: service, Key: key}, Err: missing}
		}
	}
	return nil
}

// confirmAll prints every key of a service, asks, and returns them.
func (c *DeleteCmd) confirmAll(ctx context.Context, a *app.App, s store.Store, service string) ([]string, error) {
	contents, err := app.LoadExactly(ctx, s, service)
	if err != nil {
		return nil, err
	}
	keys := contents.Keys()
	if c.Yes {
		return keys, nil
	}
	for _, key := range keys {
		a.Say("will delete %s/%s", service, key)
	}
	ok, err := a.Confirm(fmt.Sprintf("Delete these %d secrets with all their versions?", len(keys)))
	if errors.Is(err, term.ErrNoTerminal) {
		return nil, app.NoTerminal("--yes deletes without asking")
	}
	if err == nil && !ok {
		err = errDeclined
	}
	return keys, err
}

var errDeclined = errors.New("nothing was deleted")

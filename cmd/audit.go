package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// AuditCmd tells who wrote the secrets of a service, or who read them.
type AuditCmd struct {
	Service string `arg:"" help:"Service."`
	Key     string `arg:"" optional:"" help:"Key; without it, every secret."`

	Trail bool   `name:"cloudtrail" help:"Tell who read instead, as far as CloudTrail knows (s3-kms, ssm)."`
	Since string `placeholder:"TIME" help:"From then on: a span back from now such as 24h or 7d, or a date (with --cloudtrail: 24h)."`
	Until string `placeholder:"TIME" help:"Up to then."`

	from, to time.Time // of the flags; zero: no bound
}

// Run prints a row for each version that was written, or for each time that something was
// opened, the newest last.
func (c *AuditCmd) Run(ctx context.Context, a *app.App) error {
	if err := c.span(a.Now()); err != nil {
		return err
	}
	service := app.ServiceName(c.Service)
	if err := store.CheckService(service); err != nil {
		return err
	}
	if c.Key != "" {
		if _, err := app.NewID(service, c.Key); err != nil {
			return err
		}
	}
	if c.Trail {
		return c.reads(ctx, a, service)
	}
	return c.writes(ctx, a, service)
}

// span reads the flags that bound the time.
func (c *AuditCmd) span(now time.Time) (err error) {
	if c.from, err = moment("--since", c.Since, now); err != nil {
		return err
	}
	if c.to, err = moment("--until", c.Until, now); err != nil {
		return err
	}
	if !c.from.IsZero() && !c.to.IsZero() && c.to.Before(c.from) {
		return app.Usage("--until is before --since")
	}
	return nil
}

// moment reads a span back from now, or a date with or without a time, in UTC unless it says so.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	back, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		back = time.Duration(min(n, 100_000)) * 24 * time.Hour
	}
	if err != nil || back < 0 {
		return time.Time{}, app.Usage("%s: %q is neither a span such as 90m, 24h or 7d, nor a date such as 2026-11-22 or 2026-11-22T10:00:00Z", flag, text)
	}
	return now.Add(-back).UTC(), nil
}

// within reports whether something without a date, or with one in the span, is to be told.
func (c *AuditCmd) within(at time.Time) bool {
	return at.IsZero() || (c.from.IsZero() || !at.Before(c.from)) && (c.to.IsZero() || !at.After(c.to))
}

// writes tells who wrote each version that the store still has.
func (c *AuditCmd) writes(ctx context.Context, a *app.App, service string) error {
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	ids := []store.ID{{Service: service, Key: c.Key}}
	if c.Key == "" {
		if ids, err = secretIDs(ctx, a, s, service); err != nil {
			return err
		}
		if len(ids) == 0 {
			return app.NoSecrets("audit", service)
		}
	}
	versions, hidden, err := histories(ctx, s, ids, c.Key != "")
	if err != nil {
		return err
	}
	versions = slices.DeleteFunc(versions, func(m store.Meta) bool { return !c.within(m.Created) })
	sort.SliceStable(versions, func(i, j int) bool {
		a, b := versions[i], versions[j]
		return a.Created.Before(b.Created) || a.Created.Equal(b.Created) && a.ID.Key < b.ID.Key
	})
	if err := printWrites(a, versions); err != nil || hidden == 0 {
		return err
	}
	return fmt.Errorf("%w: of %s of service %q hidden from you it cannot be told who wrote them", store.ErrDenied, app.Count(hidden, "secret"), service)
}

// secretIDs names the secrets of a service, hidden ones too.
func secretIDs(ctx context.Context, a *app.App, s store.Store, service string) ([]store.ID, error) {
	var found []store.ID
	if lister, ok := s.(store.Lister); ok {
		all, err := lister.IDs(ctx, service)
		for _, id := range all {
			if id.Service == service {
				found = append(found, id)
			}
		}
		return found, err
	}
	contents, err := s.Load(ctx, service)
	for _, notice := range contents.Notices {
		a.Note("%s", notice)
	}
	for _, key := range contents.Keys() {
		found = append(found, store.ID{Service: service, Key: key})
	}
	return found, err
}

// histories reads the histories of secrets, eight at once, and counts those that the caller may
// not read. named says that one was asked for, which must be there and be readable.
func histories(ctx context.Context, s store.Store, ids []store.ID, named bool) (all []store.Meta, hidden int, err error) {
	each, denied := make([][]store.Meta, len(ids)), make([]bool, len(ids))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, id := range ids {
		g.Go(func() (err error) {
			each[i], err = s.History(gctx, id)
			switch {
			case named:
			case errors.Is(err, store.ErrDenied):
				denied[i], err = true, nil
			case errors.Is(err, store.ErrNotFound): // deleted meanwhile
				err = nil
			}
			return err
		})
	}
	err = g.Wait()
	for i := range ids {
		all = append(all, each[i]...)
		if denied[i] {
			hidden++
		}
	}
	return all, hidden, err
}

func printWrites(a *app.App, versions []store.Meta) error {
	if a.Globals.JSON {
		out := make([]app.SecretJSON, len(versions))
		for i, m := range versions {
			out[i] = app.Described(m)
		}
		return render.JSON(a.Stdout, out)
	}
	t := a.Table("Date", "Key", "Version", "User", "Key alias")
	for _, m := range versions {
		t.Row(m.Created, m.ID.Key, m.Version, m.CreatedBy, m.KeyAlias)
	}
	return t.Print()
}

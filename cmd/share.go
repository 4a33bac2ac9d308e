package cmd

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// ShareCmd creates a link to one value.
type ShareCmd struct {
	Service string `arg:"" optional:"" help:"The service."`
	Key     string `arg:"" optional:"" help:"The key."`

	Expires string `default:"10m" placeholder:"TIME" help:"How long the link works: 90s, 10m, 12h, up to 7d (default ${default})."`
	Revoke  string `placeholder:"LINK" help:"Revoke a link: give the link or its id."`
	List    bool   `help:"List the links, of one service or of all."`
}

// Run prints the link to standard output, and who can use it and for how long to standard error.
func (c *ShareCmd) Run(ctx context.Context, a *app.App) error {
	named := c.Service != "" && c.Key != ""
	if c.Revoke != "" && (c.Service != "" || c.List) || c.List && c.Key != "" || c.Revoke == "" && !c.List && !named {
		return app.Usage("name a service and a key, or give --revoke LINK, or --list")
	}
	lifetime, err := parseLifetime(c.Expires)
	if err != nil {
		return err
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	sharer, ok := s.(admin.Sharer)
	if !ok {
		return c.noLinks(a.InForce.Kind())
	}
	switch {
	case c.Revoke != "":
		return revoke(ctx, a, sharer, c.Revoke)
	case c.List:
		return printShares(ctx, a, s, sharer, c.Service)
	}
	if _, err := app.NewID(c.Service, c.Key); err != nil {
		return err
	}
	var id store.ID
	share, err := app.InService(ctx, s, c.Service, func(service string) (admin.Share, error) {
		id = store.ID{Service: service, Key: c.Key}
		return sharer.Share(ctx, id, lifetime)
	})
	if err != nil {
		return err
	}
	return printShare(a, id, share)
}

// noLinks returns the error for a backend without links. Whoever has age can receive one value all the same.
func (c *ShareCmd) noLinks(b app.Backend) error {
	why := ""
	if b.Sealed {
		why = ", because its bucket has only encrypted values"
	}
	err := app.Usage("the %s backend can't create links%s; only %s can", b, why,
		app.JoinNames(app.BackendsThat(func(b app.Backend) bool { return b.Links })))
	if c.Key == "" {
		return err
	}
	return app.WithHint(err, fmt.Sprintf("to give the value to one person: coffer read -n %s %s | age -a -r RECIPIENT", formats.ShellQuote(c.Service), formats.ShellQuote(c.Key)))
}

// parseLifetime parses --expires.
func parseLifetime(text string) (time.Duration, error) {
	lifetime, err := app.ParseDuration(text)
	switch {
	case err != nil:
		return 0, app.Usage("--expires: %q is not a time such as 90s, 10m, 12h or 7d", text)
	case lifetime < time.Second || lifetime > admin.MaxShare:
		return 0, app.Usage("--expires %s: a link is valid for one second up to seven days", text)
	}
	return lifetime, nil
}

// shareJSON is a share as --json prints it.
type shareJSON struct {
	Link        string     `json:"link,omitempty"`
	ID          string     `json:"id"`
	Ends        time.Time  `json:"ends"`
	SessionEnds *time.Time `json:"session_ends,omitempty"`
}

func printShare(a *app.App, id store.ID, s admin.Share) error {
	ends := s.Ends
	sooner := !s.SessionEnds.IsZero() && s.SessionEnds.Before(ends)
	if sooner {
		ends = s.SessionEnds
	}
	a.Note("anyone with this link can read %s with your permissions, under your name, until %s", id, ends.UTC().Format(time.RFC3339))
	switch {
	case sooner:
		a.Note("that is sooner than you asked for: the link expires with the session that signed it")
	case s.Session && s.SessionEnds.IsZero():
		a.Note("it may expire sooner, with the session that signed it: these credentials don't say when they expire")
	}
	a.Note("to revoke it: coffer share --revoke %s", shareID(s))
	if a.Globals.JSON {
		out := shareJSON{Link: s.Link.Reveal(), ID: shareID(s), Ends: ends}
		if !s.SessionEnds.IsZero() {
			out.SessionEnds = &s.SessionEnds
		}
		return render.JSON(a.Stdout, out)
	}
	return a.Print(s.Link.Reveal() + "\n")
}

// shareID returns the ID of a share: the name of its object without the common prefix.
func shareID(s admin.Share) string { return strings.TrimPrefix(s.Object, admin.SharePrefix) }

func printShares(ctx context.Context, a *app.App, s store.Store, sharer admin.Sharer, service string) error {
	list := func(service string) ([]admin.Share, error) {
		shares, err := sharer.Shares(ctx, service)
		if err == nil && len(shares) == 0 && service != "" {
			err = app.MustExist(ctx, s, "share", service)
		}
		return shares, err
	}
	shares, err := app.InService(ctx, s, service, list)
	if err != nil {
		return err
	}
	if a.Globals.JSON {
		out := make([]shareJSON, len(shares))
		for i, s := range shares {
			out[i] = shareJSON{ID: shareID(s), Ends: s.Ends}
		}
		return render.JSON(a.Stdout, out)
	}
	t := a.Table("ID", "Ends")
	for _, s := range shares {
		t.Row(shareID(s), s.Ends)
	}
	return t.Print()
}

// revoke deletes a share, by its ID or its link.
func revoke(ctx context.Context, a *app.App, sharer admin.Sharer, link string) error {
	id := link
	if u, err := url.Parse(link); err == nil {
		id = u.Path // without the query, which is the signature
	}
	if _, after, found := strings.Cut(id, admin.SharePrefix); found {
		id = after
	}
	if err := sharer.Revoke(ctx, admin.SharePrefix+id); err != nil {
		return err
	}
	a.Note("%s: revoked", id)
	return nil
}

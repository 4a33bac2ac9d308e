package cmd

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
)

// DiffCmd compares the newest values of two services, or two versions of a secret.
type DiffCmd struct {
	Left  string `arg:"" name:"service" help:"The service."`
	Right string `arg:"" optional:"" name:"other" help:"The other service; with --versions, a key of the first service. To compare two contexts, give the same service twice."`

	app.Contexts
	app.KeyFlags
	Versions []int `placeholder:"N,M" help:"Compare two versions of one secret."`
	All      bool  `help:"Show the keys that are the same, too."`
	Reveal   bool  `help:"Show the values too."`

	AllowEmpty bool `help:"Accept a service without secrets."`
}

// The states of a key in a comparison.
const (
	same         = "same"
	differs      = "differs"
	missingLeft  = "only right"
	missingRight = "only left"
	hiddenKey    = "hidden"
)

// difference is one key of a comparison, with the secret of each side. A side without it is nil.
type difference struct {
	key, state  string
	left, right *store.Secret
}

// Run prints a row for each key that differs, or with --all for each key. The exit code is 1 if any key differs, or is hidden and so can't
// be compared.
func (c *DiffCmd) Run(ctx context.Context, a *app.App) error {
	from, to, err := c.Open(ctx, a)
	if err != nil {
		return err
	}
	compare := c.services
	if len(c.Versions) > 0 {
		compare = c.versions
	}
	found, err := compare(ctx, a, from, to)
	if err != nil {
		return err
	}
	if err := c.print(a, found); err != nil {
		return err
	}
	if slices.ContainsFunc(found, func(d difference) bool { return d.state != same }) {
		return &app.ExitError{Code: app.ExitOther}
	}
	return nil
}

func (c *DiffCmd) services(ctx context.Context, a *app.App, from, to app.Place) ([]difference, error) {
	l, r, err := c.load(ctx, a, from, to)
	if err != nil {
		return nil, err
	}
	if err := app.RefuseUnlisted(l, r); err != nil {
		return nil, err
	}
	if err := a.RefuseUnreadable([]store.Contents{l, r}); err != nil {
		return nil, err
	}
	return c.compare(a, l, r)
}

// load reads both services. A missing one is an error, unless --allow-empty allows one of them.
func (c *DiffCmd) load(ctx context.Context, a *app.App, from, to app.Place) (left, right store.Contents, err error) {
	other := cmp.Or(c.Right, c.Left)
	l, r, err := app.LoadBoth(ctx, from, c.Left, to, other)
	switch {
	case err != nil:
		return left, right, err
	case l.Service == r.Service && from.Same(to):
		err = app.WithHint(app.Usage("%s can't be compared with itself", l.Service), "name another service, or --from-context and --to-context")
	case l.Missing != nil && (r.Missing != nil || !c.AllowEmpty):
		err = from.NearestTo(ctx, l.Missing)
	case r.Missing != nil && !c.AllowEmpty:
		err = to.NearestTo(ctx, r.Missing)
	}
	for _, side := range []app.Side{l, r} {
		if side.Missing != nil && err == nil {
			a.Note("%s", app.Sentence(side.Missing))
		}
	}
	if err != nil && (l.Missing != nil) != (r.Missing != nil) {
		err = app.WithHint(err, "--allow-empty compares it all the same")
	}
	return l.Contents, r.Contents, err
}

// compare pairs the secrets of two services by key. Keys that differ only in case make a pair, as
// copy would write one over the other.
func (c *DiffCmd) compare(a *app.App, l, r store.Contents) ([]difference, error) {
	byKey := map[string]*difference{}
	at := func(key string) *difference {
		if byKey[key] == nil {
			byKey[key] = &difference{key: key}
		}
		return byKey[key]
	}
	chosen, err := c.Choose(l)
	if err != nil {
		return nil, err
	}
	others, err := c.Choose(r)
	if err != nil {
		return nil, err
	}
	if err := a.RefuseMissed(chosen.Both(others), l.Service+" and "+r.Service); err != nil {
		return nil, err
	}
	left, right := app.ChosenOf(l, chosen), app.ChosenOf(r, others)
	for i, s := range left {
		at(s.ID.Key).left = &left[i]
	}
	for i, s := range right {
		key, err := store.Lookup(s.ID.Key, l.Keys())
		if err != nil || at(key).right != nil {
			key = s.ID.Key
		}
		at(key).right = &right[i]
	}
	for _, key := range slices.Concat(l.Hidden, r.Hidden) {
		if chosen.Keys[key] || others.Keys[key] {
			at(key).state = hiddenKey
		}
	}
	if len(byKey) == 0 {
		return nil, app.NoKey(l.Service+" and "+r.Service, c.Keys, c.Except)
	}
	var found []difference
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		found = append(found, byKey[key].withState())
	}
	return found, nil
}

// withState returns the difference with its state set. The state hidden stays.
func (d difference) withState() difference {
	switch {
	case d.state == hiddenKey:
	case d.left == nil:
		d.state = missingLeft
	case d.right == nil:
		d.state = missingRight
	case d.left.Value == d.right.Value:
		d.state = same
	default:
		d.state = differs
	}
	return d
}

// versions compares two versions of one secret.
func (c *DiffCmd) versions(ctx context.Context, _ *app.App, from, to app.Place) ([]difference, error) {
	if len(c.Versions) != 2 || c.Versions[0] < 1 || c.Versions[1] < 1 || c.Right == "" {
		return nil, app.Usage("--versions N,M compares two versions of a secret: diff SERVICE KEY --versions 3,7")
	}
	if _, err := app.NewID(c.Left, c.Right); err != nil {
		return nil, err
	}
	secrets := make([]store.Secret, 2)
	places := []app.Place{from, to}
	err := pace.Each(ctx, len(places), len(places), func(ctx context.Context, i int) (err error) {
		secrets[i], err = app.InService(ctx, places[i].Store, c.Left, func(service string) (store.Secret, error) {
			return places[i].Read(ctx, store.ID{Service: service, Key: c.Right}, c.Versions[i])
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return []difference{difference{key: secrets[0].ID.Key, left: &secrets[0], right: &secrets[1]}.withState()}, nil
}

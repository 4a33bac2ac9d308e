package cmd

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/asof"
	"github.com/coffer-secrets/coffer/store"
)

// DiffCmd compares the newest values of two services, or two versions of a secret.
type DiffCmd struct {
	Left  string `arg:"" name:"service" help:"The service."`
	Right string `arg:"" optional:"" name:"other" help:"The other service; with --versions, a key of the first service. To compare two contexts, give the same service twice."`

	FromContext string `placeholder:"NAME" help:"The context of the first service."`
	ToContext   string `placeholder:"NAME" help:"The context of the second service."`
	app.KeyFlags
	At       string `filled:"" placeholder:"TIME" help:"Compare the service at this time (see read --at) with its secrets of today. With two services: both at this time. With TIME..TIME: one service at two times."`
	Versions []int  `placeholder:"N,M" help:"Compare two versions of one secret."`
	All      bool   `help:"Show the keys that are the same, too."`
	Reveal   bool   `help:"Show the values too."`

	AllowEmpty bool `help:"Accept a service without secrets."`
}

// The states of a key in a comparison.
const (
	same         = "same"
	differs      = "differs"
	missingLeft  = "only right"
	missingRight = "only left"
	hiddenKey    = "hidden"
	damagedKey   = "damaged"
)

// difference is one key of a comparison, with the secret of each side. A side without it is nil.
type difference struct {
	key, state  string
	left, right *store.Secret
}

// Run prints a row for each key that differs, or with --all for each key. The exit code is 1 if any key differs, or is hidden and so can't
// be compared; 8 if one is damaged.
func (c *DiffCmd) Run(ctx context.Context, a *app.App) error {
	from, to, err := app.Contexts{FromContext: c.FromContext, ToContext: c.ToContext}.Open(ctx, a)
	if err != nil {
		return err
	}
	if from, to, err = c.at(a, from, to); err != nil {
		return err
	}
	compare := c.services
	if len(c.Versions) > 0 {
		compare = c.versions
	}
	found, damaged, err := compare(ctx, a, from, to)
	if err != nil {
		return err
	}
	if err := c.print(a, found); err != nil {
		return err
	}
	if len(damaged) > 0 {
		return a.Report(damaged...)
	}
	if slices.ContainsFunc(found, func(d difference) bool { return d.state != same }) {
		return &app.ExitError{Code: app.ExitOther}
	}
	return nil
}

// at returns the sides as they were at --at.
func (c *DiffCmd) at(a *app.App, from, to app.Place) (left, right app.Place, err error) {
	if c.At == "" {
		return from, to, nil
	}
	alone := (c.Right == "" || c.Right == c.Left) && from.Same(to)
	first, second, ranged := strings.Cut(c.At, "..")
	switch {
	case len(c.Versions) > 0:
		return from, to, app.Usage("--at and --versions can't be used together")
	case ranged && !alone:
		return from, to, app.Usage("--at TIME..TIME is for one service, at two times")
	case ranged && (first == "" || second == ""):
		return from, to, app.Usage("--at TIME..TIME needs both times")
	case !ranged && !alone:
		second = first
	}
	if from.Store, err = c.past(a, from.Store, first); err == nil && second != "" {
		to.Store, err = c.past(a, to.Store, second)
	}
	return from, to, err
}

func (c *DiffCmd) past(a *app.App, s store.Store, text string) (store.Store, error) {
	at, err := pastTime("--at", text, a.Now())
	if err != nil {
		return nil, err
	}
	return asOf(s, at, asof.Options{AllowEmpty: c.AllowEmpty, Brief: true})
}

func (c *DiffCmd) services(ctx context.Context, a *app.App, from, to app.Place) ([]difference, []error, error) {
	l, r, err := c.load(ctx, a, from, to)
	if err != nil {
		return nil, nil, err
	}
	return c.compare(a, l, r)
}

// load reads both services. A missing one is an error, unless --allow-empty allows one of them. The error is
// the worst of what is wrong with either; load prints the rest.
func (c *DiffCmd) load(ctx context.Context, a *app.App, from, to app.Place) (l, r app.Contents, err error) {
	l, r, failed, err := app.LoadBoth(ctx, from, c.Left, to, cmp.Or(c.Right, c.Left))
	if err != nil {
		return l, r, a.Report(append(failed, err)...)
	}
	if len(failed) == 0 && l.Service == r.Service && from.Same(to) && c.At == "" {
		return l, r, app.WithHint(app.Usage("%s can't be compared with itself", l.Service), "name another service, or --from-context and --to-context")
	}
	failed = append(failed, a.Unreadable(true, l, r)...)
	one := len(failed) == 0 && (l.Missing == nil || r.Missing == nil)
	for i, side := range []app.Contents{l, r} {
		switch missing := []app.Place{from, to}[i].NearestTo(ctx, side.Missing); {
		case missing == nil:
		case one && c.AllowEmpty:
			a.Note("%s", app.Sentence(missing))
		case one:
			failed = append(failed, app.WithHint(missing, "use --allow-empty to compare it anyway"))
		default:
			failed = append(failed, missing)
		}
	}
	return l, r, a.Report(failed...)
}

// compare pairs the secrets of two services by key. Keys that differ only in case make a pair, as
// copy would write one over the other. The errors of damaged secrets are returned too.
func (c *DiffCmd) compare(a *app.App, l, r app.Contents) (found []difference, damaged []error, err error) {
	byKey := map[string]*difference{}
	at := func(key string) *difference {
		if byKey[key] == nil {
			byKey[key] = &difference{key: key}
		}
		return byKey[key]
	}
	chosen, err := c.Choose(l)
	if err != nil {
		return nil, nil, err
	}
	others, err := c.Choose(r)
	if err != nil {
		return nil, nil, err
	}
	if err := a.RefuseMissed(chosen.Both(others), l.Service+" and "+r.Service); err != nil {
		return nil, nil, err
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
	for _, err := range slices.Concat(l.DamageOf(chosen.Keys), r.DamageOf(others.Keys)) {
		if damaged = append(damaged, err); app.KeyOf(err) != "" {
			at(app.KeyOf(err)).state = damagedKey
		}
	}
	if len(byKey) == 0 {
		return nil, nil, app.NoKey(l.Service+" and "+r.Service, c.Keys, c.Except)
	}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		found = append(found, byKey[key].withState())
	}
	return found, damaged, nil
}

// withState returns the difference with its state set. The states hidden and damaged stay.
func (d difference) withState() difference {
	switch {
	case d.state != "":
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
func (c *DiffCmd) versions(ctx context.Context, a *app.App, from, to app.Place) ([]difference, []error, error) {
	if len(c.Versions) != 2 || c.Versions[0] < 1 || c.Versions[1] < 1 || c.Right == "" {
		return nil, nil, app.Usage("--versions N,M compares two versions of a secret: diff SERVICE KEY --versions 3,7")
	}
	if _, err := app.NewID(c.Left, c.Right); err != nil {
		return nil, nil, err
	}
	secrets := make([]store.Secret, 2)
	places := []app.Place{from, to}
	failed, err := app.Each(ctx, len(places), len(places), func(ctx context.Context, i int) (err error) {
		secrets[i], err = app.InService(ctx, places[i].Store, c.Left, func(service string) (store.Secret, error) {
			return places[i].Read(ctx, store.ID{Service: service, Key: c.Right}, c.Versions[i])
		})
		return err
	})
	if err := a.Report(append(failed, err)...); err != nil {
		return nil, nil, err
	}
	return []difference{difference{key: secrets[0].ID.Key, left: &secrets[0], right: &secrets[1]}.withState()}, nil, nil
}

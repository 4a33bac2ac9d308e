package cmd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// TagCmd reads and writes the tags of a secret.
type TagCmd struct {
	Read   TagReadCmd   `cmd:"" help:"Print the tags of a secret."`
	Write  TagWriteCmd  `cmd:"" help:"Set tags of a secret."`
	Delete TagDeleteCmd `cmd:"" help:"Delete tags of a secret."`
}

// tagger opens a store that keeps tags.
func (a *App) tagger(ctx context.Context, service, key string) (store.Tagger, store.ID, error) {
	id, err := newID(service, key)
	if err != nil {
		return nil, id, err
	}
	s, err := a.Open(ctx)
	if err != nil {
		return nil, id, err
	}
	tagger, ok := s.(store.Tagger)
	if !ok {
		return nil, id, fmt.Errorf("%w: the %s backend keeps no tags", store.ErrUnsupported, a.inForce.Backend.Value)
	}
	return tagger, id, nil
}

// TagReadCmd prints tags.
type TagReadCmd struct {
	Service string `arg:"" help:"Service."`
	Key     string `arg:"" help:"Key."`
}

// Run prints a row for each tag.
func (c *TagReadCmd) Run(ctx context.Context, app *App) error {
	tagger, id, err := app.tagger(ctx, c.Service, c.Key)
	if err != nil {
		return err
	}
	tags, err := tagger.ReadTags(ctx, id)
	if err != nil {
		return err
	}
	return app.printTags(tags)
}

func (a *App) printTags(tags map[string]string) error {
	if a.globals.JSON {
		return render.JSON(a.Stdout, tags)
	}
	t := a.table("Key", "Value")
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		t.row(key, tags[key])
	}
	return t.print()
}

// TagWriteCmd sets tags.
type TagWriteCmd struct {
	Service string   `arg:"" help:"Service."`
	Key     string   `arg:"" help:"Key."`
	Tags    []string `arg:"" name:"tag" help:"NAME=VALUE."`

	DeleteOtherTags bool `help:"Delete the tags that are not named."`
}

// Run sets the tags, and prints them.
func (c *TagWriteCmd) Run(ctx context.Context, app *App) error {
	tags := map[string]string{}
	for _, tag := range c.Tags {
		name, value, ok := strings.Cut(tag, "=")
		if !ok || name == "" {
			return usage("tag %q is not NAME=VALUE", tag)
		}
		if _, twice := tags[name]; twice {
			return usage("tag %q is named twice", name)
		}
		tags[name] = value
	}
	tagger, id, err := app.tagger(ctx, c.Service, c.Key)
	if err != nil {
		return err
	}
	set := tagger.WriteTags
	if c.DeleteOtherTags {
		set = tagger.SetTags
	}
	if err := set(ctx, id, tags); err != nil {
		return err
	}
	return app.printTags(tags)
}

// TagDeleteCmd deletes tags.
type TagDeleteCmd struct {
	Service string   `arg:"" help:"Service."`
	Key     string   `arg:"" help:"Key."`
	Names   []string `arg:"" name:"tag" help:"Names of tags."`
}

// Run deletes the tags; one that is not there is no error.
func (c *TagDeleteCmd) Run(ctx context.Context, app *App) error {
	tagger, id, err := app.tagger(ctx, c.Service, c.Key)
	if err != nil {
		return err
	}
	return tagger.DeleteTags(ctx, id, c.Names...)
}

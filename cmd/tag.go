package cmd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// TagCmd reads and writes the tags of a secret.
type TagCmd struct {
	Read   TagReadCmd   `cmd:"" reads:"" help:"Show the tags of a secret."`
	Write  TagWriteCmd  `cmd:"" help:"Set tags of a secret."`
	Delete TagDeleteCmd `cmd:"" help:"Delete tags of a secret."`
}

// tagger opens the store, which must support tags.
func tagger(ctx context.Context, a *app.App, service, key string) (store.Store, store.Tagger, store.ID, error) {
	id, err := app.NewID(service, key)
	if err != nil {
		return nil, nil, id, err
	}
	s, err := a.Open(ctx)
	if err != nil {
		return nil, nil, id, err
	}
	tagger, ok := s.(store.Tagger)
	if !ok {
		return nil, nil, id, fmt.Errorf("%w: the %s backend has no tags", store.ErrUnsupported, a.InForce.Kind())
	}
	return s, tagger, id, nil
}

// TagReadCmd prints tags.
type TagReadCmd struct {
	Service string `arg:"" help:"The service."`
	Key     string `arg:"" help:"The key."`
}

// Run prints a row for each tag.
func (c *TagReadCmd) Run(ctx context.Context, a *app.App) error {
	s, tagger, id, err := tagger(ctx, a, c.Service, c.Key)
	if err != nil {
		return err
	}
	tags, err := app.InService(ctx, s, id.Service, func(service string) (map[string]string, error) {
		return tagger.ReadTags(ctx, store.ID{Service: service, Key: id.Key})
	})
	if err != nil {
		return err
	}
	return printTags(a, tags)
}

func printTags(a *app.App, tags map[string]string) error {
	if a.Globals.JSON {
		return render.JSON(a.Stdout, tags)
	}
	t := a.Table("Key", "Value").Cuts("Value")
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		t.Row(key, render.Text(tags[key]))
	}
	return t.Print()
}

// TagWriteCmd sets tags.
type TagWriteCmd struct {
	Service string   `arg:"" help:"The service."`
	Key     string   `arg:"" help:"The key."`
	Tags    []string `arg:"" name:"tag" help:"Tags, each as NAME=VALUE."`

	DeleteOtherTags bool `help:"Delete all other tags."`
}

// Run sets the tags and prints those that were given.
func (c *TagWriteCmd) Run(ctx context.Context, a *app.App) error {
	tags := map[string]string{}
	for _, tag := range c.Tags {
		name, value, ok := strings.Cut(tag, "=")
		if !ok || name == "" {
			return app.Usage("tag %q is not NAME=VALUE", tag)
		}
		if _, twice := tags[name]; twice {
			return app.Usage("tag %q appears twice", name)
		}
		tags[name] = value
	}
	s, tagger, id, err := tagger(ctx, a, c.Service, c.Key)
	if err != nil {
		return err
	}
	set := tagger.WriteTags
	if c.DeleteOtherTags {
		set = tagger.SetTags
	}
	if _, err := app.InService(ctx, s, id.Service, func(service string) (none struct{}, err error) {
		return none, set(ctx, store.ID{Service: service, Key: id.Key}, tags)
	}); err != nil {
		return err
	}
	return printTags(a, tags)
}

// TagDeleteCmd deletes tags.
type TagDeleteCmd struct {
	Service string   `arg:"" help:"The service."`
	Key     string   `arg:"" help:"The key."`
	Names   []string `arg:"" name:"tag" help:"The names of the tags."`
}

// Run deletes the tags. A tag that doesn't exist is no error.
func (c *TagDeleteCmd) Run(ctx context.Context, a *app.App) error {
	s, tagger, id, err := tagger(ctx, a, c.Service, c.Key)
	if err != nil {
		return err
	}
	_, err = app.InService(ctx, s, id.Service, func(service string) (none struct{}, err error) {
		return none, tagger.DeleteTags(ctx, store.ID{Service: service, Key: id.Key}, c.Names...)
	})
	return err
}

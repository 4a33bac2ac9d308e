package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/coffer-secrets/coffer/internal/ageplugin"
	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store/s3envelope"
)

// fileKeys is how the plugin of age decrypts the files of a backend.
type fileKeys struct {
	stanza string // the type of the stanza in the header of each file
	unwrap func(ctx context.Context, a *App, s *Settings, args []string, body []byte) (fileKey []byte, about string, err error)
}

// PluginKeys returns the keys with which the plugin of age decrypts files: those of the settings.
func (a *App) PluginKeys(ctx context.Context) ageplugin.Keys { return &pluginKeys{a, ctx} }

type pluginKeys struct {
	app *App
	ctx context.Context //nolint:containedctx // of the process: age's interface passes none
}

// sealing returns the rows of the backends whose files the plugin decrypts.
func sealing() []Backend {
	return slices.DeleteFunc(backends(), func(b Backend) bool { return b.files.unwrap == nil })
}

// Types implements [ageplugin.Keys].
func (k *pluginKeys) Types() []string {
	var types []string
	for _, b := range sealing() {
		types = append(types, b.files.stanza)
	}
	return types
}

// Unwrap implements [ageplugin.Keys]. The stanza says of which backend a file is, whatever the settings
// say. What a command would print or ask at the terminal goes through age.
func (k *pluginKeys) Unwrap(ui ageplugin.UI, s ageplugin.Stanza) ([]byte, string, error) {
	table := sealing()
	of := table[slices.IndexFunc(table, func(b Backend) bool { return b.files.stanza == s.Type })]
	a := *k.app
	a.Globals, a.InForce, a.DefaultTimeout = &Globals{Backend: of.name}, nil, ReadTimeout
	a.noticed = ui.Message
	a.Watch = waiting.New(k.ctx, func(r waiting.Report) { ui.Message(fmt.Sprintf("waiting for %s", r)) })
	defer a.Watch.Close()
	settings, err := a.Settings()
	var fileKey []byte
	var about string
	if err == nil {
		fileKey, about, err = of.files.unwrap(a.Watch.Context(), &a, settings, s.Args, s.Body)
	}
	if err != nil {
		return nil, "", errors.New(a.Explain(err))
	}
	return fileKey, about, nil
}

// unwrapS3Envelope decrypts the key of a file with KMS.
func unwrapS3Envelope(ctx context.Context, a *App, s *Settings, args []string, body []byte) ([]byte, string, error) {
	cfg, err := a.AWS(ctx, s)
	if err != nil {
		return nil, "", err
	}
	return s3envelope.FileKey(ctx, cfg, s3envelope.Options{KeyARNs: s.PinnedARNs(), KeyNames: s.File.Keys}, args, body)
}

package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/coffer-secrets/coffer/internal/ageplugin"
	"github.com/coffer-secrets/coffer/internal/plainfile"
	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3age"
	"github.com/coffer-secrets/coffer/store/s3envelope"
)

// keyObjectVariable names a copy of a key object, or of a whole bucket, so that the plugin of age needs no
// server.
const keyObjectVariable = "COFFER_KEY_OBJECT"

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
	a.asker, a.noticed = ui, ui.Message
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

// unwrapS3Age decrypts the key of a file with the key of its alias: that of the bucket, or of a copy.
func unwrapS3Age(ctx context.Context, a *App, s *Settings, args []string, body []byte) ([]byte, string, error) {
	o, err := a.teamOptions(s)
	if err != nil {
		return nil, "", err
	}
	if path := a.Getenv(keyObjectVariable); path != "" {
		return s3age.CopiedFileKey(ctx, keyObjects(path), o, args, body)
	}
	if s.Bucket.Value == "" {
		return nil, "", WithHint(fmt.Errorf("%w: no bucket is configured, and the key of the file is in one", store.ErrConfiguration),
			"set COFFER_S3_BUCKET; or "+keyObjectVariable+" to the absolute path of a copy of the key object, __keys/ALIAS.age, or of the whole bucket")
	}
	if err := s.Check(); err != nil {
		return nil, "", err
	}
	cfg, err := a.AWS(ctx, s)
	if err != nil {
		return nil, "", err
	}
	return s3age.FileKey(ctx, cfg, o, args, body)
}

// unwrapS3Envelope decrypts the key of a file with KMS.
func unwrapS3Envelope(ctx context.Context, a *App, s *Settings, args []string, body []byte) ([]byte, string, error) {
	cfg, err := a.AWS(ctx, s)
	if err != nil {
		return nil, "", err
	}
	return s3envelope.FileKey(ctx, cfg, s3envelope.Options{KeyARNs: s.PinnedARNs(), KeyNames: s.File.Keys}, args, body)
}

// askBy lets the prompts ask through the asker. The clock of the command stands still meanwhile.
func (a *App) askBy(p *s3age.Prompts) {
	pause := func() (resume func()) { return waiting.Pause(a.Watch.Context()) }
	p.Secret = func(prompt string) (string, error) {
		defer pause()()
		return a.asker.Secret(prompt)
	}
	p.Line = func(prompt string) (string, error) {
		defer pause()()
		return a.asker.Line(prompt)
	}
	p.Confirm = func(prompt, yes, no string) (bool, error) {
		defer pause()()
		return a.asker.Confirm(prompt, yes, no)
	}
}

// keyObjects returns a function that reads key objects from a copy of one, or of their bucket.
func keyObjects(path string) func(name string) ([]byte, error) {
	const limit = 16 << 20 // more than any has
	return func(name string) ([]byte, error) {
		if !filepath.IsAbs(path) {
			return nil, WithHint(fmt.Errorf("%w: $%s is not an absolute path: %q", store.ErrConfiguration, keyObjectVariable, path),
				"age runs its plugins in another directory: write \"$PWD/...\"")
		}
		file := path
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			file = filepath.Join(path, filepath.FromSlash(name))
		}
		body, err := plainfile.Read(file, limit)
		if err != nil {
			return nil, WithHint(fmt.Errorf("%w: $%s: %w", store.ErrConfiguration, keyObjectVariable, err),
				keyObjectVariable+" is the path of the key object, "+name+", or of a copy of the bucket, which has that file")
		}
		return body, nil
	}
}

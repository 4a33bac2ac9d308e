package help

import (
	"io"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
)

// Topic is a page of help that belongs to no command.
type Topic struct{ Name, About string }

// Topics returns all topics.
func Topics() []Topic {
	return []Topic{
		{"flags", "The flags that every command has"},
		{"exit-codes", "What the exit codes mean"},
		{"backends", "Where secrets can be kept, and what each backend supports"},
		{"configuration", "All settings, and the configuration file"},
		{"environment", "The environment variables that coffer reads"},
	}
}

// PrintTopic prints a topic and reports whether there is one of that name.
func PrintTopic(out io.Writer, model *kong.Application, name string) (bool, error) {
	p := &page{width: Width(out)}
	switch name {
	case "flags":
		p.paragraph("", "Every command has these flags. They can be given before or after the command.")
		p.heading("Global flags")
		p.columns(GlobalFlags(model), 0)
	case "exit-codes":
		p.exitCodes()
	case "backends":
		p.backends()
	case "configuration":
		p.configuration()
	case "environment":
		p.environment()
	default:
		return false, nil
	}
	_, err := io.WriteString(out, p.text.String())
	return true, err
}

func (p *page) exitCodes() {
	p.paragraph("", "Scripts can tell failures apart by the exit code. coffer exec ends with the exit code of its command.")
	p.heading("Exit codes")
	var rows [][2]string
	for _, code := range app.ExitCodes() {
		rows = append(rows, [2]string{strconv.Itoa(code.Code), code.Meaning})
	}
	p.columns(rows, 3)
	p.line("")
	p.paragraph("", "128+N from coffer exec: signal N ended the command, as a shell reports it.")
}

func (p *page) backends() {
	p.paragraph("", "A backend keeps the secrets. Choose one with --backend, COFFER_BACKEND or backend in the configuration file. "+
		"Without a choice it is s3-kms if a bucket is set, ssm if a CHAMBER_ variable is set, and local otherwise.")
	p.heading("Backends")
	var rows [][2]string
	for _, b := range app.BackendRows() {
		text := b.About + "."
		if has := b.Features(); len(has) > 0 {
			text += " Supports " + app.JoinNames(has) + "."
		}
		rows = append(rows, [2]string{b.String(), text})
	}
	p.columns(rows, 0)
}

func (p *page) configuration() {
	p.paragraph("", "A flag takes precedence over the environment, then the configuration file, then the default. "+
		"coffer config shows the settings in force, and where each comes from.")
	p.heading("Configuration file")
	p.paragraph("  ", "coffer/config.yaml in $XDG_CONFIG_HOME or ~/.config, or the file that --config or $COFFER_CONFIG names. For example:")
	p.line("")
	for _, line := range []string{
		"context: dev", "contexts:", "  dev: {backend: local}", "  prod: {bucket: acme-secrets, kms_key_alias: alias/app, region: eu-west-1}",
	} {
		p.line("    " + line)
	}
	p.heading("Settings")
	var rows [][2]string
	for _, s := range Settings() {
		sources := s.Variables
		if s.Flag != "" {
			sources = append([]string{s.Flag}, sources...)
		}
		text := s.About
		if len(sources) > 0 {
			text += " (" + strings.Join(sources, ", ") + ")"
		}
		rows = append(rows, [2]string{s.Name, text})
	}
	p.columns(rows, 0)
}

func (p *page) environment() {
	p.paragraph("", "An empty variable counts as unset. A flag takes precedence over its variable. Chamber's variables work too.")
	settings, chamber, others := Variables()
	left := leftWidth(settings)
	p.heading("Settings")
	p.columns(settings, left)
	p.heading("For chamber")
	p.columns(chamber, left)
	p.heading("Other variables")
	p.columns(others, left)
	p.line("")
	p.paragraph("", "No variable that begins with COFFER_ reaches the program that coffer exec runs.")
}

// Variables returns the rows of the variables that the program reads: those of settings, chamber's, and others.
func Variables() (settings, chamber, others [][2]string) {
	for _, s := range Settings() {
		for i, name := range s.Variables {
			if i > 0 {
				chamber = append(chamber, [2]string{name, "like " + s.Variables[0]})
				continue
			}
			settings = append(settings, [2]string{name, s.About})
		}
	}
	settings = append(settings, [2]string{"COFFER_CONFIG", "the configuration file"}, [2]string{"COFFER_AGE_IDENTITY", "your age identity itself, for s3-age in CI"})
	chamber = append(chamber, [2]string{"CHAMBER_AWS_SSM_ENDPOINT", "like COFFER_ENDPOINT_URL, for the backend ssm"})
	return settings, chamber, [][2]string{
		{"AWS_*", "credentials, profile, region and endpoints, as every AWS SDK reads them"},
		{"XDG_CONFIG_HOME", "where coffer/config.yaml and the keys of the local backend are (~/.config)"},
		{"XDG_DATA_HOME", "where the local backend keeps secrets (~/.local/share)"},
		{"XDG_CACHE_HOME", "where exec --cache keeps secrets, encrypted, and hashes of what was verified (~/.cache)"},
		{"XDG_STATE_HOME", "where the key of these hashes is, and that of exec --cache if it can't use the keyring (~/.local/state)"},
		{"XDG_RUNTIME_DIR", "where exec --file puts its files, if it is in memory"},
		{"TMPDIR", "where exec --file puts its files if no directory in memory can be used (/tmp)"},
		{"VISUAL, EDITOR", "the editor of coffer edit"},
		{"COFFER_KEY_OBJECT", "for age -d -j coffer: a copy of a key object, or of a bucket (docs/recovery.md)"},
		{"NO_COLOR", "no colors"},
	}
}

// NearestTopic returns the topic that is most similar to a word; "" if none is.
func NearestTopic(word string) string {
	var names []string
	for _, t := range Topics() {
		names = append(names, t.Name)
	}
	switch word {
	case "config-file", "settings":
		return "configuration"
	case "exit-code", "exit", "codes", "errors":
		return "exit-codes"
	case "variables", "env-vars", "environment-variables":
		return "environment"
	case "global-flags", "options", "flag":
		return "flags"
	}
	return store.Nearest(word, names)
}

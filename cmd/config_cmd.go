package cmd

import (
	"context"

	"github.com/coffer-secrets/coffer/internal/render"
)

// ConfigCmd prints the settings in force.
type ConfigCmd struct{}

// Run prints a row for each setting with where it came from. Those of which most stores have
// none come last, where they are set.
func (*ConfigCmd) Run(ctx context.Context, app *App) error {
	s, err := app.settings()
	if err != nil {
		return err
	}
	rows := []configRow{
		{"backend", s.Backend.Value, s.Backend.From},
		{"bucket", s.Bucket.Value, s.Bucket.From},
		{"kms_key_alias", s.KMSKeyAlias.Value, s.KMSKeyAlias.From},
		{"region", s.Region.Value, s.Region.From},
		{"profile", s.Profile.Value, s.Profile.From},
		{"endpoint_url", s.EndpointURL.Value, s.EndpointURL.From},
		{"retries", s.Retries.Value, s.Retries.From},
		{"retry_mode", s.RetryMode.Value, s.RetryMode.From},
		{"timeout", s.Timeout.Value, s.Timeout.From},
		{"dir", s.Dir.Value, s.Dir.From},
		{"key_dir", s.KeyDir.Value, s.KeyDir.From},
	}
	rows = append(rows, s.more(app.globals)...)
	if s.service() != "" {
		rows = append(rows, app.stsRow(ctx, s))
	}
	if c := s.file.chosen; c.Value != "" {
		rows = append([]configRow{{"context", c.Value, c.From}}, rows...)
	}
	if app.globals.JSON {
		return render.JSON(app.Stdout, rows)
	}
	t := app.table("Setting", "Value", "From")
	for _, r := range rows {
		t.row(r.Name, r.Value, r.From)
	}
	return t.print()
}

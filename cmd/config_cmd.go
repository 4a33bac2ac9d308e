package cmd

import (
	"cmp"
	"context"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
)

// ConfigCmd prints the settings in force.
type ConfigCmd struct{}

// Run prints a row for each setting and where it comes from. Settings that most stores don't have
// come last, and only when they are set. Values that can't be used are reported at the end.
func (*ConfigCmd) Run(ctx context.Context, a *app.App) error {
	s, wrong, err := a.AllSettings()
	if err != nil {
		return err
	}
	if s.Kind().String() == "" {
		wrong = append(wrong, s.Check())
	}
	s, ofSDK := a.AWSRows(ctx, s)
	rows := []app.ConfigRow{
		app.Row("backend", s.Backend), //nolint:forbidigo // the name is only printed
		app.Row("bucket", s.Bucket),
		app.Row("kms_key_alias", s.KMSKeyAlias),
		app.Row("region", s.Region),
		app.Row("profile", s.Profile),
		app.Row("endpoint_url", s.EndpointURL),
		app.Row("retries", s.Retries),
		app.Row("retry_mode", s.RetryMode),
		app.Row("timeout", s.Timeout),
		app.Row("dir", s.Dir),
		app.Row("key_dir", s.KeyDir),
	}
	rows = append(rows, s.OptionalRows(a.Globals)...)
	rows = append(rows, ofSDK...)
	rows = append(rows, a.ProjectRow()...)
	if c := s.File.Chosen; c.Value != "" {
		rows = append([]app.ConfigRow{app.Row("context", c)}, rows...)
	}
	rows = a.WithoutCredentials(rows)
	if a.Globals.JSON {
		return cmp.Or(render.JSON(a.Stdout, rows), a.Report(wrong...))
	}
	t := a.Table("Setting", "Value", "From").Cuts("From").Drops("From")
	for _, r := range rows {
		t.Row(r.Name, r.Value, r.From)
	}
	return cmp.Or(t.Print(), a.Report(wrong...))
}

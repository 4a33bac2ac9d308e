package cmd

import (
	"context"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/render"
)

// WhoamiCmd prints who the caller is, and where the store is.
type WhoamiCmd struct {
	Recipient bool `help:"Print only your recipient, your public key, which a member needs to grant you a key (s3-age)."`
}

type whoamiJSON struct {
	Identity    string         `json:"identity"`
	Account     string         `json:"account,omitempty"`
	Credentials string         `json:"credentials,omitempty"` // the provider of the SDK's chain that found them
	Expires     *time.Time     `json:"expires,omitempty"`     // the end of the session
	Backend     string         `json:"backend"`
	Bucket      string         `json:"bucket,omitempty"`
	KMSKeyAlias string         `json:"kms_key_alias,omitempty"`
	Dir         string         `json:"dir,omitempty"`
	Region      string         `json:"region,omitempty"`
	Keys        []keyJSON      `json:"keys,omitempty"`
	AgeIdentity string         `json:"age_identity,omitempty"` // its file, or the variable that has it
	PublicKey   string         `json:"public_key,omitempty"`   // the file that has the first of Recipients
	Recipients  []string       `json:"recipients,omitempty"`
	Endpoints   []endpointJSON `json:"endpoints,omitempty"`
}

type endpointJSON struct {
	Service string `json:"service"`
	URL     string `json:"url"` // "" if it isn't known
	From    string `json:"from"`
}

// Run asks STS, and KMS for the state of the keys. It needs no permission: KMS may refuse to tell.
func (c *WhoamiCmd) Run(ctx context.Context, a *app.App) error {
	s, err := a.Settings()
	if err != nil {
		return err
	}
	if err := s.Check(); err != nil {
		return err
	}
	if c.Recipient {
		return printRecipient(ctx, a, s)
	}
	out := whoamiJSON{Identity: a.UserName(), Backend: s.Kind().String()}
	switch {
	case s.Kind().Service != "":
		if err := out.askSTS(ctx, a, s); err != nil {
			return err
		}
	case s.Kind().Directory:
		out.Dir, out.KMSKeyAlias = s.Dir.Value, s.AliasOfWrites()
	}
	if s.Kind().Teams {
		if err := out.askTeams(ctx, a, s); err != nil {
			return err
		}
	}
	if a.Globals.JSON {
		return render.JSON(a.Stdout, out)
	}
	return out.print(a)
}

// askSTS fills in the caller's identity, and where the services of AWS or of another server are.
func (w *whoamiJSON) askSTS(ctx context.Context, a *app.App, s *app.Settings) error {
	cfg, err := a.AWS(ctx, s)
	if err != nil {
		return err
	}
	// The credentials come first: for a role with MFA a person is asked, who may take their time.
	if _, err := awsconf.Credentials(ctx, cfg); err != nil {
		return err
	}
	b := s.Kind()
	if b.KMS {
		w.KMSKeyAlias = s.KMSKeyAlias.Value
	}
	var caller awsconf.Caller
	var notes []string
	err = pace.All(ctx, func(ctx context.Context) (err error) {
		caller, err = awsconf.Identity(ctx, cfg)
		return err
	}, func(ctx context.Context) (err error) {
		if b.KMS {
			notes, err = w.askKMS(ctx, s, cfg)
		}
		return err
	})
	if err != nil {
		return err
	}
	if caller.Note != "" {
		a.Note("%s; showing the access key id instead", caller.Note)
	}
	w.Identity, w.Credentials, w.Region = caller.Name, caller.Source, cfg.Region
	if parts := strings.SplitN(caller.Name, ":", 6); len(parts) == 6 && parts[0] == "arn" {
		w.Account = parts[4]
	}
	if !caller.Expires.IsZero() {
		at := caller.Expires.UTC().Truncate(time.Second)
		w.Expires = &at
	}
	for _, text := range notes {
		a.Note("%s", text)
	}
	services := []string{b.Service}
	if b.Bucket {
		w.Bucket = s.Bucket.Value
	}
	if b.Bucket && b.KMS { // Parameter Store calls KMS itself
		services = append(services, "KMS")
	}
	for _, service := range append(services, "STS") {
		row := s.EndpointOf(ctx, cfg, service)
		w.Endpoints = append(w.Endpoints, endpointJSON{service, row.Value, row.From})
	}
	return nil
}

func (w *whoamiJSON) print(a *app.App) error {
	t := a.Table("Name", "Value", "From").Cuts("From").Drops("From")
	for _, r := range [][2]string{
		{"identity", w.Identity},
		{"account", w.Account},
		{"region", w.Region},
		{"backend", w.Backend},
		{"bucket", w.Bucket},
		{"kms_key_alias", w.KMSKeyAlias},
		{"dir", w.Dir},
	} {
		if r[1] != "" {
			from := ""
			if r[0] == "identity" {
				from = w.Credentials
				if w.Expires != nil {
					from += ", until " + w.Expires.Format(time.RFC3339)
				}
			}
			t.Row(r[0], render.Text(r[1]), from)
		}
	}
	if w.AgeIdentity != "" {
		t.Row("age_identity", w.AgeIdentity, "")
	}
	if w.PublicKey != "" {
		t.Row("public_key", w.PublicKey, "")
	}
	for _, r := range w.Recipients {
		t.Row("recipient", app.ShortRecipient(r), "")
	}
	for _, k := range w.Keys {
		t.Row("key of "+k.Alias, k.State, k.Key)
	}
	for _, e := range w.Endpoints {
		t.Row(e.Service+" endpoint", e.URL, e.From)
	}
	return t.Print()
}

package app

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/term"
)

// isDefault reports whether nobody has set a setting.
func (s Setting) isDefault() bool { return strings.HasPrefix(s.From, fromDefault) }

// WithSDKSettings returns the settings with what the AWS SDK reads itself in the place of defaults, and
// a row for each other setting that the SDK has read, or that has a default of ours.
func (a *App) WithSDKSettings(s *Settings, cfg awsconf.Config) (*Settings, []ConfigRow) {
	out := *s
	ours := map[string]*Setting{
		awsconf.SettingRegion: &out.Region, awsconf.SettingProfile: &out.Profile,
		awsconf.SettingMaxAttempts: &out.Retries, awsconf.SettingRetryMode: &out.RetryMode,
	}
	var rows []ConfigRow
	for _, set := range awsconf.SDKSettings(cfg) {
		v := Setting{set.Value, set.From}
		for _, name := range set.Variables {
			if a.Getenv(name) != "" {
				v.From = "$" + name
				break
			}
		}
		switch to, ok := ours[set.Name]; {
		case !ok:
			rows = append(rows, Row(set.Name, v))
		case to.isDefault():
			*to = v
		}
	}
	return &out, rows
}

// EndpointOf returns the URL of a service of AWS, without a password, and where that setting comes from.
func (s *Settings) EndpointOf(ctx context.Context, cfg awsconf.Config, service string) Setting {
	at := awsconf.PlaceOf(ctx, cfg, service)
	if u, err := url.Parse(at.URL); err == nil {
		at.URL = u.Redacted()
	}
	switch at.From {
	case awsconf.FromOption:
		return Setting{at.URL, s.EndpointURL.From}
	case awsconf.FromAWS:
		return Setting{cmp.Or(at.URL, "AWS's"), fromDefault}
	case "":
		return Setting{From: "not configured: set AWS_ENDPOINT_URL_STS"}
	}
	return Setting{at.URL, at.From}
}

// AWSRows returns the settings as [App.WithSDKSettings] does, with the endpoint of the backend's service
// if the SDK has one, and rows for the SDK's other settings and endpoints. It makes no request. If the AWS configuration
// can't be loaded, the row of the STS endpoint says why not, as the other settings are in force all the same.
func (a *App) AWSRows(ctx context.Context, s *Settings) (*Settings, []ConfigRow) {
	b := s.Kind()
	if b.Service == "" {
		return s, nil
	}
	const stsEndpoint = "sts_endpoint"
	o, err := a.AWSOptions(s)
	o.Offline = true
	var cfg awsconf.Config
	if err == nil {
		cfg, err = awsconf.Load(ctx, o)
	}
	if err != nil {
		return s, []ConfigRow{{Name: stsEndpoint, From: "unknown: " + Sentence(err)}}
	}
	out, rows := a.WithSDKSettings(s, cfg)
	if at := s.EndpointOf(ctx, cfg, b.Service); out.EndpointURL.isDefault() && !at.isDefault() {
		out.EndpointURL = at
	}
	if at := s.EndpointOf(ctx, cfg, "KMS"); b.Bucket && b.KMS && !at.isDefault() {
		rows = append(rows, Row("kms_endpoint", at))
	}
	return out, append(rows, Row(stsEndpoint, s.EndpointOf(ctx, cfg, "STS")))
}

// awsDirectory returns a directory of AWS's own programs, below ~/.aws; "" if there is no home
// directory.
func (a *App) awsDirectory(below ...string) string {
	home := a.home()
	if home == "" {
		return ""
	}
	return filepath.Join(append([]string{home, ".aws"}, below...)...)
}

// askAtTerminal asks for a code without echo: on standard input and standard error or, where they are
// redirected, at the terminal of the process. Standard output is never used.
func (a *App) askAtTerminal(prompt string) (string, error) {
	code, err := a.askSecret(prompt)
	switch code = strings.TrimSpace(code); {
	case errors.Is(err, term.ErrNoTerminal):
		return "", awsconf.ErrNoTerminal
	case err == nil && code == "":
		return "", errors.New("no code was entered")
	}
	return code, err
}

// askSecret is [App.askAtTerminal] for a secret of any form. Its error is [term.ErrNoTerminal] if nobody can
// be asked.
func (a *App) askSecret(prompt string) (string, error) {
	in, out := a.Stdin, a.Stderr
	if !a.Interactive() {
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err != nil {
			return "", term.ErrNoTerminal
		}
		defer func() { _ = tty.Close() }()
		in, out = tty, tty
	}
	a.hideProgress()
	return (term.Terminal{In: in, Out: out, Type: a.Getenv("TERM")}).Secret(prompt)
}

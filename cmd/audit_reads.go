package cmd

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// reads tells who had KMS open something of the service. It needs no right to the secrets.
func (c *AuditCmd) reads(ctx context.Context, a *app.App, service string) error {
	s, err := a.Settings()
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		return err
	}
	if s.Backend.Value != "s3-kms" && s.Backend.Value != "ssm" {
		return fmt.Errorf("%w: --cloudtrail goes by what KMS opens, and the %s backend has no KMS key of its own", store.ErrUnsupported, s.Backend.Value)
	}
	cfg, err := a.Aws(ctx, s)
	if err != nil {
		return err
	}
	trail, err := awsconf.NewTrail(ctx, cfg, awsconf.TrailOptions{Now: a.Now, Log: a.Logger()})
	if err != nil {
		return err
	}
	if c.to.IsZero() {
		c.to = a.Now().UTC()
	}
	if c.from.IsZero() {
		c.from = c.to.Add(-trailSpan)
	}
	var o Opened
	o.Senseless, err = trail.Decrypts(ctx, c.from, c.to, func(d awsconf.Decrypt) { o.Take(d, s, service, c.Key) })
	if err == nil || len(o.Openings) > 0 { // what was found before a refusal is worth having
		slices.Reverse(o.Openings)
		if printed := o.print(a, service); printed != nil {
			return printed
		}
	}
	if err != nil {
		return err
	}
	c.tellLimits(a, &o, service, cfg.Region)
	return nil
}

// openingJSON is how an opening is printed with --json.
type openingJSON struct {
	Time      string `json:"time"`
	User      string `json:"user"`
	What      Kind   `json:"what"`
	Service   string `json:"service"`
	Key       string `json:"key,omitempty"`
	Object    string `json:"object"`
	SourceIP  string `json:"source_ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	Error     string `json:"error,omitempty"`
	EventID   string `json:"event_id"`
}

func (o *Opened) print(a *app.App, service string) error {
	if a.Globals.JSON {
		out := make([]openingJSON, len(o.Openings))
		for i, e := range o.Openings {
			out[i] = openingJSON{
				Time: app.Timestamp(e.Time), User: e.Who, What: e.Kind, Service: service, Key: e.key, Object: e.Object,
				SourceIP: e.SourceIP, UserAgent: e.UserAgent, Error: e.Error, EventID: e.ID,
			}
		}
		return render.JSON(a.Stdout, out)
	}
	if len(o.Openings) == 0 {
		return nil
	}
	t := a.Table("Date", "User", "What", "Object", "Source IP", "User agent", "Error")
	for _, e := range o.Openings {
		t.Row(e.Time, e.Who, string(e.Kind), e.Object, e.SourceIP, e.UserAgent, e.Error)
	}
	return t.Print()
}

// tellLimits says what the answer cannot know: an empty one is no proof that nobody read.
func (c *AuditCmd) tellLimits(a *app.App, o *Opened, service, region string) {
	of := service
	if c.Key != "" {
		of += "/" + c.Key
	}
	if len(o.Openings) == 0 {
		a.Note("CloudTrail knows of no read of %s between %s and %s", of, c.from.Format(time.RFC3339), c.to.Format(time.RFC3339))
	}
	if slices.ContainsFunc(o.Openings, func(e Opening) bool { return e.Kind == OfIndex }) {
		a.Note("exec, env, export and list open indexes: who opened one could read every secret of %s under its alias, and may have used only some", service)
	}
	if o.bucket > 0 {
		a.Note("%s name the bucket alone: S3 bucket keys hide which object was opened, how often, and by whom", app.Count(o.bucket, "event"))
	}
	if o.Nameless > 0 {
		a.Note("%s in %s name nothing: they may have been for %s", app.Count(o.Nameless, "refused attempt"), region, of)
	}
	if o.Senseless > 0 {
		a.Note("%s could not be understood", app.Count(o.Senseless, "event"))
	}
	now := a.Now()
	if c.from.Before(now.Add(-trailKept)) {
		a.Note("CloudTrail's event history goes back 90 days, not to %s", c.from.Format(time.DateOnly))
	}
	if c.to.After(now.Add(-trailLag)) {
		a.Note("the last 15 minutes or so are not in CloudTrail yet")
	}
	a.Note("it tells what KMS opened in %s, in this account: not what S3 bucket keys kept from KMS, nor what readers had already; S3 data events, off by default, tell more", region)
}

package cmd

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/trail"
	"github.com/coffer-secrets/coffer/store"
)

// AuditCmd lists who wrote the secrets of a service, or who read them.
type AuditCmd struct {
	Service string `arg:"" help:"The service."`
	Key     string `arg:"" optional:"" help:"The key. Without it: all secrets of the service."`

	Trail bool   `name:"cloudtrail" help:"Show who read the secrets instead, according to CloudTrail (only s3-kms, s3-envelope and ssm)."`
	Since string `placeholder:"TIME" help:"Start at this time: 24h or 7d ago, or a date (default with --cloudtrail: 24h)."`
	Until string `placeholder:"TIME" help:"End at this time."`

	from, to time.Time // --since and --until; the zero time is no limit
}

// Run prints a row for each version that was written or, with --cloudtrail, for each decryption.
// The newest comes last.
func (c *AuditCmd) Run(ctx context.Context, a *app.App) error {
	if err := c.parseTimes(a.Now()); err != nil {
		return err
	}
	service := c.Service
	if err := store.CheckService(service); err != nil {
		return err
	}
	if c.Key != "" {
		if _, err := app.NewID(service, c.Key); err != nil {
			return err
		}
	}
	if c.Trail {
		return c.listReads(ctx, a, service)
	}
	return c.listWrites(ctx, a, service)
}

// parseTimes parses --since and --until.
func (c *AuditCmd) parseTimes(now time.Time) (err error) {
	if c.from, err = parseTime("--since", c.Since, now); err != nil {
		return err
	}
	if c.to, err = parseTime("--until", c.Until, now); err != nil {
		return err
	}
	if !c.from.IsZero() && !c.to.IsZero() && c.to.Before(c.from) {
		return app.Usage("--until is before --since")
	}
	return nil
}

// inRange reports whether a time is between --since and --until. A version without a date always is.
func (c *AuditCmd) inRange(at time.Time) bool {
	return at.IsZero() || (c.from.IsZero() || !at.Before(c.from)) && (c.to.IsZero() || !at.After(c.to))
}

// listWrites prints who wrote each version that the store still has.
func (c *AuditCmd) listWrites(ctx context.Context, a *app.App, service string) error {
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	hidden := 0
	var failed []error
	versions, err := app.InService(ctx, s, service, func(name string) (versions []store.Meta, err error) {
		ids := []store.ID{{Service: name, Key: c.Key}}
		if c.Key == "" {
			ids, err = app.SecretIDs(ctx, a, s, name)
			if err == nil && len(ids) == 0 {
				err = app.NoSecrets("audit", name, "")
			}
		}
		if err == nil {
			service = name
			versions, hidden, failed, err = app.Histories(ctx, s, ids, c.Key != "")
		}
		if err == nil && len(versions) == 0 && len(failed) == 1 {
			return nil, failed[0] // for InService: the service may have a name in another case
		}
		return versions, err
	})
	if err != nil {
		return err
	}
	versions = slices.DeleteFunc(versions, func(m store.Meta) bool { return !c.inRange(m.Created) })
	sort.SliceStable(versions, func(i, j int) bool {
		a, b := versions[i], versions[j]
		return a.Created.Before(b.Created) || a.Created.Equal(b.Created) && a.ID.Key < b.ID.Key
	})
	if err := printWrites(a, versions); err != nil {
		return err
	}
	if hidden > 0 {
		failed = append(failed, fmt.Errorf("%w: the authors of %s of service %q are unknown, because you can't read them",
			store.ErrDenied, app.Count(hidden, "secret"), service))
	}
	return a.Report(failed...)
}

func printWrites(a *app.App, versions []store.Meta) error {
	if a.Globals.JSON {
		out := make([]app.SecretJSON, len(versions))
		for i, m := range versions {
			out[i] = app.NewSecretJSON(m)
		}
		return render.JSON(a.Stdout, out)
	}
	t := a.Table("Date", "Key", "Version", "User", "Key alias").Cuts("User").Drops("Key alias", "Version")
	for _, m := range versions {
		t.Row(m.Created, m.ID.Key, m.Version, m.CreatedBy, m.KeyAlias)
	}
	return t.Print()
}

// listReads prints which objects of the service KMS decrypted, and for whom. It needs no permission
// to read the secrets.
func (c *AuditCmd) listReads(ctx context.Context, a *app.App, service string) error {
	s, err := a.Settings()
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		return err
	}
	if !s.Kind().KMS {
		return fmt.Errorf("%w: --cloudtrail shows what KMS decrypts, but the %s backend has no KMS key", store.ErrUnsupported, s.Kind())
	}
	cfg, err := a.AWS(ctx, s)
	if err != nil {
		return err
	}
	client := awsconf.NewTrail(cfg, 0)
	if c.to.IsZero() {
		c.to = a.Now().UTC()
	}
	if c.from.IsZero() {
		c.from = c.to.Add(-trail.Span)
	}
	var o trail.Log
	o.Unparsed, err = client.Decrypts(ctx, c.from, c.to, func(d awsconf.Decrypt) { o.Add(d, s, service, c.Key) })
	service, ambiguous := o.Select(service)
	if ambiguous != nil {
		return ambiguous
	}
	if err == nil || len(o.Accesses) > 0 { // print what was found before an error, too
		slices.Reverse(o.Accesses)
		if printed := printAccesses(a, &o, service); printed != nil {
			return printed
		}
	}
	if err != nil {
		return err
	}
	c.noteLimits(a, &o, service, cfg.Region)
	return nil
}

// accessJSON is an access as --json prints it.
type accessJSON struct {
	Time      string     `json:"time"`
	User      string     `json:"user"`
	What      trail.Kind `json:"what"`
	Service   string     `json:"service"`
	Key       string     `json:"key,omitempty"`
	Object    string     `json:"object"`
	SourceIP  string     `json:"source_ip,omitempty"`
	UserAgent string     `json:"user_agent,omitempty"`
	Error     string     `json:"error,omitempty"`
	EventID   string     `json:"event_id"`
}

func printAccesses(a *app.App, o *trail.Log, service string) error {
	if a.Globals.JSON {
		out := make([]accessJSON, len(o.Accesses))
		for i, e := range o.Accesses {
			out[i] = accessJSON{
				Time: app.Timestamp(e.Time), User: e.Who, What: e.Kind, Service: service, Key: e.Key, Object: e.Object,
				SourceIP: e.SourceIP, UserAgent: e.UserAgent, Error: e.Error, EventID: e.ID,
			}
		}
		return render.JSON(a.Stdout, out)
	}
	if len(o.Accesses) == 0 {
		return nil
	}
	t := a.Table("Date", "User", "What", "Object", "Source IP", "User agent", "Error").
		Cuts("User", "User agent", "Error").Drops("User agent", "Source IP", "What")
	for _, e := range o.Accesses {
		t.Row(e.Time, e.Who, string(e.Kind), e.Object, e.SourceIP, e.UserAgent, e.Error)
	}
	return t.Print()
}

// noteLimits prints what CloudTrail doesn't record: an empty list is no proof that nobody read.
func (c *AuditCmd) noteLimits(a *app.App, o *trail.Log, service, region string) {
	of := service
	if c.Key != "" {
		of += "/" + c.Key
	}
	if len(o.Accesses) == 0 {
		a.Note("CloudTrail shows no read of %s between %s and %s", of, c.from.Format(time.RFC3339), c.to.Format(time.RFC3339))
	}
	if slices.ContainsFunc(o.Accesses, func(e trail.Access) bool { return e.Kind == trail.OfIndex }) {
		a.Note("exec, env, export and list read indexes: whoever read one could see every secret of %s under its alias, and may have used only some", service)
	}
	if o.BucketOnly > 0 {
		a.Note("%s with only the name of the bucket: S3 bucket keys hide which object was read, how often, and by whom", app.Count(o.BucketOnly, "event"))
	}
	if o.Unnamed > 0 {
		a.Note("%s in %s without the name of an object: they may have been for %s", app.Count(o.Unnamed, "refused attempt"), region, of)
	}
	if o.Unparsed > 0 {
		a.Note("%s could not be parsed", app.Count(o.Unparsed, "event"))
	}
	now := a.Now()
	if c.from.Before(now.Add(-trail.Retention)) {
		a.Note("CloudTrail's event history goes back 90 days, not to %s", c.from.Format(time.DateOnly))
	}
	if c.to.After(now.Add(-trail.Delay)) {
		a.Note("CloudTrail may not show the last 15 minutes yet")
	}
	if a.InForce.Kind().Sealed {
		a.Note("this shows what KMS decrypted in %s, in this account, for any bucket: the events name the service and the secret, not the bucket. It doesn't show values that readers had already", region)
		return
	}
	a.Note("this shows what KMS decrypted in %s, in this account. It doesn't show reads that S3 bucket keys served without KMS, or values that readers had already. S3 data events, which are off by default, show more", region)
}

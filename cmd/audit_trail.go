package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

const (
	trailSpan = 24 * time.Hour // of --cloudtrail without --since
	trailKept = 90 * 24 * time.Hour
	trailLag  = 15 * time.Minute
)

// kind says what was opened.
type kind string

const (
	ofSecret kind = "secret" // the object or parameter of one secret
	ofIndex  kind = "index"  // the newest values of a service under one alias
	ofShare  kind = "share"  // a value, through a link
	ofObject kind = "object" // something else of the service
)

// opening is one time that KMS was asked to open something of a service.
type opening struct {
	awsconf.Decrypt
	kind   kind
	object string
	key    string // of a secret
}

// opened is all that CloudTrail tells of a service.
type opened struct {
	openings []opening // the latest first

	bucket    int // events that name the bucket alone
	nameless  int // refusals that name nothing
	senseless int // what could not be understood
}

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
	var o opened
	o.senseless, err = trail.Decrypts(ctx, c.from, c.to, func(d awsconf.Decrypt) { o.take(d, s, service, c.Key) })
	if err == nil || len(o.openings) > 0 { // what was found before a refusal is worth having
		slices.Reverse(o.openings)
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

// take sorts one event in.
func (o *opened) take(d awsconf.Decrypt, s *app.Settings, service, key string) {
	if d.Context == nil && d.Error != "" {
		o.nameless++
		return
	}
	var found opening
	if s.Backend.Value == "ssm" {
		_, name, _ := strings.Cut(d.Context["PARAMETER_ARN"], ":parameter/")
		found = openedParameter(name, service)
	} else {
		_, name, _ := strings.Cut(d.Context["aws:s3:arn"], ":s3:::")
		if name == s.Bucket.Value {
			o.bucket++
			return
		}
		name, ok := strings.CutPrefix(name, s.Bucket.Value+"/")
		if !ok {
			return
		}
		found = openedObject(name, service)
	}
	if found.kind == "" || key != "" && found.key != "" && !strings.EqualFold(found.key, key) {
		return
	}
	found.Decrypt = d
	o.openings = append(o.openings, found)
}

// openedObject tells what an object is to a service; the zero opening: nothing.
func openedObject(name, service string) opening {
	if strings.HasPrefix(name, shareRoot+service+"/") {
		return opening{kind: ofShare, object: name}
	}
	rest, ok := strings.CutPrefix(name, service+"/")
	if !ok || strings.Contains(rest, "/") { // of a service below it
		return opening{}
	}
	key, isSecret := strings.CutSuffix(rest, ".json")
	switch {
	case index.Is(rest, false):
		return opening{kind: ofIndex, object: name}
	case isSecret && store.CheckKey(key) == nil:
		return opening{kind: ofSecret, object: name, key: key}
	}
	return opening{kind: ofObject, object: name}
}

func openedParameter(name, service string) opening {
	key, ok := strings.CutPrefix(name, service+"/")
	if !ok || store.CheckKey(key) != nil {
		return opening{}
	}
	return opening{kind: ofSecret, object: "/" + name, key: key}
}

// openingJSON is how an opening is printed with --json.
type openingJSON struct {
	Time      string `json:"time"`
	User      string `json:"user"`
	What      kind   `json:"what"`
	Service   string `json:"service"`
	Key       string `json:"key,omitempty"`
	Object    string `json:"object"`
	SourceIP  string `json:"source_ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	Error     string `json:"error,omitempty"`
	EventID   string `json:"event_id"`
}

func (o *opened) print(a *app.App, service string) error {
	if a.Globals.JSON {
		out := make([]openingJSON, len(o.openings))
		for i, e := range o.openings {
			out[i] = openingJSON{
				Time: app.Timestamp(e.Time), User: e.Who, What: e.kind, Service: service, Key: e.key, Object: e.object,
				SourceIP: e.SourceIP, UserAgent: e.UserAgent, Error: e.Error, EventID: e.ID,
			}
		}
		return render.JSON(a.Stdout, out)
	}
	if len(o.openings) == 0 {
		return nil
	}
	t := a.Table("Date", "User", "What", "Object", "Source IP", "User agent", "Error")
	for _, e := range o.openings {
		t.Row(e.Time, e.Who, string(e.kind), e.object, e.SourceIP, e.UserAgent, e.Error)
	}
	return t.Print()
}

// tellLimits says what the answer cannot know: an empty one is no proof that nobody read.
func (c *AuditCmd) tellLimits(a *app.App, o *opened, service, region string) {
	of := service
	if c.Key != "" {
		of += "/" + c.Key
	}
	if len(o.openings) == 0 {
		a.Note("CloudTrail knows of no read of %s between %s and %s", of, c.from.Format(time.RFC3339), c.to.Format(time.RFC3339))
	}
	if slices.ContainsFunc(o.openings, func(e opening) bool { return e.kind == ofIndex }) {
		a.Note("exec, env, export and list open indexes: who opened one could read every secret of %s under its alias, and may have used only some", service)
	}
	if o.bucket > 0 {
		a.Note("%s name the bucket alone: S3 bucket keys hide which object was opened, how often, and by whom", app.Count(o.bucket, "event"))
	}
	if o.nameless > 0 {
		a.Note("%s in %s name nothing: they may have been for %s", app.Count(o.nameless, "refused attempt"), region, of)
	}
	if o.senseless > 0 {
		a.Note("%s could not be understood", app.Count(o.senseless, "event"))
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

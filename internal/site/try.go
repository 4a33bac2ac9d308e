package site

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Setup makes the parts of a site. It tests the bucket after each setting, and undoes a setting that
// breaks it (protocol.md, section 18). On a server other than AWS it tries every setting on a scratch
// bucket first.
type Setup struct {
	app  *app.App
	site *Site

	started bool
	out     map[string]string // settings that were tried -> why they are left out; "" if they are not
	failed  string            // why there could be no trial on a scratch bucket; "" if there was one
	trial   *awsconf.Trial    // of the bucket itself
	last    awsconf.Outcome   // of the latest run of trial
}

// NewSetup returns the setup of a site. [Setup.End] must follow its last part.
func NewSetup(a *app.App, s *Site) *Setup {
	return &Setup{app: a, site: s, out: map[string]string{}}
}

// MakePart makes parts[i], or sets its LeftOut. After an error, no more parts must be made.
func (t *Setup) MakePart(ctx context.Context, parts []Part, i int) (err error) {
	p := &parts[i]
	if p.Setting == nil {
		if err = p.Make(ctx); errors.Is(err, store.ErrUnsupported) {
			p.LeftOut = UnsupportedText(err)
			return nil
		}
		p.Done = err == nil
		return err
	}
	if err := t.start(ctx, parts[i:]); err != nil {
		return err
	}
	if p.LeftOut, err = t.setting(ctx, p.Setting.Name); err != nil {
		return err
	}
	t.out[p.Setting.Name] = p.LeftOut
	p.Done = p.LeftOut == ""
	return nil
}

// setting makes a setting, or returns why it is left out.
func (t *Setup) setting(ctx context.Context, name string) (leftOut string, err error) {
	tried, known := t.out[name]
	switch {
	case known && tried != "":
		return tried, nil
	case known || t.site.Other == "":
	case name == admin.CheckVersions:
		return t.manualVersions(), nil
	case !t.last.Right():
		return "it can't be tried: this server " + t.last.Wrong(), nil
	}
	return t.site.change(ctx, name, t.trial, &t.last)
}

// manualVersions returns why versioning is left out, with the commands to turn it on by hand. It can't
// be undone, so it is not made untried.
func (t *Setup) manualVersions() string {
	s := t.site
	return fmt.Sprintf("versioning can't be turned off again, and it could not be tried on another bucket (%s). To do it yourself: create a bucket, turn versioning on in it, and run "+
		"coffer doctor --probe --bucket NAME; if it finds no problem with conditions, run aws s3api put-bucket-versioning --bucket %s --versioning-configuration Status=Enabled --endpoint-url %s",
		t.failed, s.Scope.Bucket, s.Other)
}

// start tries the settings on a scratch bucket, if this is not AWS, and tests the bucket without them.
// It does so the first time only.
func (t *Setup) start(ctx context.Context, parts []Part) error {
	if t.started {
		return nil
	}
	t.started = true
	var names []string
	for _, p := range parts {
		if p.Setting != nil && p.Open() {
			names = append(names, p.Setting.Name)
		}
	}
	if t.site.Other != "" {
		if t.failed = t.tryOnScratch(ctx, names); t.failed != "" && ctx.Err() == nil {
			t.app.Note("the settings could not be tried on a separate bucket: %s", t.failed)
		}
	}
	t.trial = t.site.trial()
	var err error
	if t.last, err = t.trial.Run(ctx); err != nil {
		return err
	}
	t.checkConditions(t.site, t.last)
	return nil
}

// checkConditions leaves the statement about conditional puts out of the policy if the server ignores
// conditions. It would stop writers with single_writer, and protect nothing.
func (t *Setup) checkConditions(s *Site, o awsconf.Outcome) {
	if s.Other == "" || !o.Right() || o.KeepsConditions() || s.Unconditional {
		return
	}
	s.Unconditional = true
	if s == t.site {
		t.app.Note("left out: the policy that denies writes without conditions: this server ignores conditions")
	}
}

// End removes the objects and buckets of the trials, including those of runs that were killed, and
// saves the results for doctor.
func (t *Setup) End(ctx context.Context, parts []Part) {
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	if t.trial != nil {
		if err := t.trial.Clean(ctx); err != nil {
			t.app.Note("test objects may be left in %s: %s", trialPrefix, app.Sentence(err))
		}
	}
	if t.site.Other != "" {
		_ = t.site.Buckets.Sweep(ctx, t.site.Scope.Bucket, trialPrefix, 10*time.Minute) // on an error, the next init does it
		if exists, err := t.site.Buckets.Exists(ctx, t.site.ScratchName()); err == nil && exists && !t.started {
			t.removeScratch(ctx)
		}
	}
	for _, p := range parts {
		if p.Setting != nil && p.Done {
			t.out[p.Setting.Name] = ""
		}
	}
	saveTrial(t.app, t.site, t.out)
}

// trialPrefix begins the names of all objects of trials.
const trialPrefix = store.Scratch + admin.ProbeDir + "init-"

// trial returns a new trial of the bucket.
func (s *Site) trial() *awsconf.Trial {
	o := awsconf.TrialOptions{Prefix: trialPrefix + strings.ToLower(rand.Text()) + "-", Method: s.sealMethod()}
	if o.Method == methodKMS {
		o.Key = s.keyName
	}
	if s.Other == "" {
		o.Pauses = []time.Duration{time.Second, 4 * time.Second, 10 * time.Second}
	}
	return s.Buckets.NewTrial(s.Scope.Bucket, o)
}

// ScratchName returns the name of the scratch bucket. It is always the same for a bucket, so the next
// run finds what a killed run has left.
func (s *Site) ScratchName() string {
	const suffix = "-coffer-trial"
	return strings.TrimRight(s.Scope.Bucket[:min(len(s.Scope.Bucket), 63-len(suffix))], ".-") + suffix
}

// tryOnScratch creates a bucket, tries the settings on it one after the other, and removes it. It
// returns why that was not possible; "" if it was.
func (t *Setup) tryOnScratch(ctx context.Context, names []string) (reason string) {
	scratch := *t.site
	scratch.Scope.Bucket = t.site.ScratchName()
	b := scratch.Buckets
	exists, err := b.Exists(ctx, scratch.Scope.Bucket)
	if err == nil && exists { // from a run that was killed
		err = b.Remove(ctx, scratch.Scope.Bucket, trialPrefix)
	}
	if err == nil {
		err = b.Create(ctx, scratch.Scope.Bucket)
	}
	if err != nil {
		return app.Sentence(err)
	}
	defer func() {
		ctx, cancel := cleanupContext(ctx)
		defer cancel()
		t.removeScratch(ctx)
	}()
	trial := scratch.trial()
	last, err := trial.Run(ctx)
	switch {
	case err != nil:
		return app.Sentence(err)
	case !last.Right():
		return "in a new bucket this server " + last.Wrong()
	}
	t.checkConditions(&scratch, last)
	for _, name := range names {
		leftOut, err := scratch.change(ctx, name, trial, &last)
		if err != nil {
			if !errors.Is(err, store.ErrDenied) { // the caller may be allowed to on the real bucket
				t.out[name] = "tried on a separate bucket, " + app.Sentence(err)
			}
			return fmt.Sprintf("%s: %s", name, app.Sentence(err))
		}
		t.out[name] = leftOut
	}
	return ""
}

func (t *Setup) removeScratch(ctx context.Context) {
	name := t.site.ScratchName()
	err := t.site.Buckets.Remove(ctx, name, trialPrefix)
	if err != nil && !errors.Is(err, store.ErrConflict) { // ErrConflict: a bucket of that name with other objects
		t.app.Note("the trial bucket %s could not be deleted (the next init deletes it): %s", name, app.Sentence(err))
	}
}

// change makes one setting and tests the bucket. If the server doesn't support the setting, doesn't
// store it, or fails the test with it, change undoes it and returns why it is left out. An error is a
// denial, no answer, or a setting that could not be undone.
func (s *Site) change(ctx context.Context, name string, trial *awsconf.Trial, last *awsconf.Outcome) (leftOut string, err error) {
	setting := s.settingByName(name)
	if setting.Want == "" {
		return "none of its statements applies here", nil
	}
	isSet, err := setting.IsSet(ctx)
	if err == nil && isSet {
		return "", nil
	}
	var undo awsconf.Undo
	if err == nil {
		undo, err = setting.undo(ctx)
	}
	if err == nil {
		err = setting.make(ctx)
	}
	switch {
	case errors.Is(err, store.ErrUnsupported):
		return UnsupportedText(err), nil
	case err != nil && (undo == nil || !errors.Is(err, store.ErrUnavailable)) && ctx.Err() == nil:
		return "", err
	}
	if undo == nil {
		return "", ctx.Err()
	}
	// From here on the setting is made, or may be.
	leftOut, err = s.tryChange(ctx, setting, err, trial, last)
	if leftOut == "" && err == nil {
		return "", nil
	}
	return leftOut, s.revert(ctx, setting, undo, leftOut, err)
}

// tryChange reads a setting back and tests the bucket. makeErr is the error of making it; nil if there
// was none. It returns why the setting must be undone; "" if it can stay.
func (s *Site) tryChange(ctx context.Context, setting BucketSetting, makeErr error, trial *awsconf.Trial, last *awsconf.Outcome) (string, error) {
	isSet, err := setting.IsSet(ctx)
	switch {
	case err == nil && !isSet && makeErr != nil:
		return "", makeErr
	case err == nil && !isSet && s.Other != "": // AWS may show it later
		return "this server accepts it, but doesn't keep it", nil
	case err != nil && errors.Is(makeErr, store.ErrUnavailable):
		return "", makeErr
	}
	now, worse, trialErr := trial.After(ctx, *last, setting.forbids...)
	switch {
	case trialErr != nil:
		return "", trialErr
	case worse != "":
		return "with it this server " + worse, nil
	case err != nil: // the bucket works, but the setting can't be read back
		return "", err
	case setting.Name == admin.CheckVersions && !now.Versions:
		return "this server accepts versioning, but returns no version ids", nil
	}
	*last = now
	return "", nil
}

// revert undoes a setting, because of a reason or an error, and returns that error. It undoes it only
// if it is still set: see [awsconf.Undo].
func (s *Site) revert(ctx context.Context, setting BucketSetting, undo awsconf.Undo, reason string, failed error) error {
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	if isSet, err := setting.IsSet(ctx); err == nil && !isSet {
		return failed
	}
	err := undo(ctx)
	if err == nil {
		var isSet bool
		if isSet, err = setting.IsSet(ctx); err == nil && isSet {
			err = errors.New("it still exists")
		}
	}
	if err == nil {
		return failed
	}
	if failed != nil {
		reason = app.Sentence(failed)
	}
	return app.WithHint(fmt.Errorf("it is set, or may be, and can't be undone (%s): %s: %w", app.Sentence(err), reason, store.ErrUnavailable),
		"the bucket's owner can undo it: aws s3api "+revertCommand[setting.Name]+" --bucket "+s.Scope.Bucket)
}

// revertCommand has the command of aws s3api that undoes a setting.
var revertCommand = map[string]string{
	admin.CheckEncryption: "delete-bucket-encryption", admin.CheckPublicAccess: "delete-public-access-block", admin.CheckPolicy: "delete-bucket-policy",
	admin.CheckLifecycle: "delete-bucket-lifecycle", admin.CheckVersions: "put-bucket-versioning --versioning-configuration Status=Suspended",
}

func (s *Site) settingByName(name string) BucketSetting {
	all := s.Settings()
	return all[slices.IndexFunc(all, func(b BucketSetting) bool { return b.Name == name })]
}

// cleanupContext returns a context for cleanup, which isn't canceled with the command.
func cleanupContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
}

// UnsupportedText says that the server doesn't support something, with its status and code.
func UnsupportedText(err error) string {
	var e *store.StorageError
	if errors.As(err, &e) && e.Status > 0 {
		verb := "support"
		if e.Status == 400 { // MinIO's answer to a policy with unknown conditions
			verb = "accept"
		}
		return strings.TrimSpace(fmt.Sprintf("this server doesn't %s it (%d %s", verb, e.Status, e.Code)) + ")"
	}
	return app.Sentence(err)
}

// BlockHint adds a hint to a denial if the bucket blocks public access, the cause on some servers.
func (s *Site) BlockHint(ctx context.Context, err error) error {
	if s.Other == "" || !errors.Is(err, store.ErrDenied) {
		return err
	}
	blocked, failed := s.Buckets.PublicAccessBlocked(ctx, s.Scope.Bucket)
	if failed != nil || !blocked {
		return err
	}
	return app.WithHint(err, "the bucket has a public access block, with which some servers refuse every write, even the owner's (Ceph 16.2): run aws s3api delete-public-access-block --bucket "+
		s.Scope.Bucket+" --endpoint-url "+s.Other+", then coffer init --without public-access; otherwise you need s3:PutObject, s3:GetObject and s3:DeleteObject")
}

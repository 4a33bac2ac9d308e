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

// Setup makes the settings of a bucket, and takes back what the bucket does not bear (protocol.md,
// section 18). On a server that is not AWS's every setting is tried on a bucket of its own first.
type Setup struct {
	App  *app.App
	Site *Site

	begun bool
	Out   map[string]string // of settings that were tried: why they are left out, or ""
	why   string            // why nothing could be tried on a bucket of its own
	trial *awsconf.Trial    // of the bucket itself
	last  awsconf.Outcome
}

// MakePart makes one part, or says in it why it is left out. The error ends the whole.
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
	if err := t.begin(ctx, parts[i:]); err != nil {
		return err
	}
	if p.LeftOut, err = t.setting(ctx, p.Setting.Name); err != nil {
		return err
	}
	t.Out[p.Setting.Name] = p.LeftOut
	p.Done = p.LeftOut == ""
	return nil
}

// setting makes one, unless it is known that it is better left out.
func (t *Setup) setting(ctx context.Context, name string) (leftOut string, err error) {
	tried, known := t.Out[name]
	switch {
	case known && tried != "":
		return tried, nil
	case known || t.Site.Other == "":
	case name == admin.CheckVersions:
		return t.manualVersions(), nil
	case !t.last.Right():
		return "it could not be tried: this server " + t.last.Wrong(), nil
	}
	return t.Site.change(ctx, name, t.trial, &t.last)
}

// manualVersions is for the one setting that no second thought takes back.
func (t *Setup) manualVersions() string {
	s := t.Site
	return fmt.Sprintf("no server turns it off again, and it could not be tried on another bucket (%s). By hand: make a bucket, turn versioning on in it, and run "+
		"coffer doctor --probe --bucket THAT; if nothing is said of conditions, aws s3api put-bucket-versioning --bucket %s --versioning-configuration Status=Enabled --endpoint-url %s",
		t.why, s.Scope.Bucket, s.Other)
}

// begin tries the settings on a bucket of their own, and the bucket as it is.
func (t *Setup) begin(ctx context.Context, parts []Part) error {
	if t.begun {
		return nil
	}
	t.begun = true
	var names []string
	for _, p := range parts {
		if p.Setting != nil && p.Open() {
			names = append(names, p.Setting.Name)
		}
	}
	if t.Site.Other != "" {
		if t.why = t.tryOnScratch(ctx, names); t.why != "" && ctx.Err() == nil {
			t.App.Note("could not try the settings on a separate bucket: %s", t.why)
		}
	}
	t.trial = t.Site.trial()
	var err error
	if t.last, err = t.trial.Run(ctx); err != nil {
		return err
	}
	t.checkConditions(t.Site, t.last)
	return nil
}

// checkConditions leaves the rule about conditions out where the server ignores them: it would stop
// the writers of single_writer, and protect nothing.
func (t *Setup) checkConditions(s *Site, o awsconf.Outcome) {
	if s.Other == "" || !o.Right() || o.KeepsConditions() || s.Unconditional {
		return
	}
	s.Unconditional = true
	if s == t.Site {
		t.App.Note("left out: the policy that denies puts without a condition: this server ignores conditions")
	}
}

// End removes what the trials have left, those of runs that were killed too, and remembers for doctor
// what this server bears.
func (t *Setup) End(ctx context.Context, parts []Part) {
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	if t.trial != nil {
		if err := t.trial.Clean(ctx); err != nil {
			t.App.Note("something of the trial may be left below %s: %s", trialPrefix, app.Sentence(err))
		}
	}
	if t.Site.Other != "" {
		_ = t.Site.Buckets.Sweep(ctx, t.Site.Scope.Bucket, trialPrefix, 10*time.Minute) // the next init tries it again
		if exists, err := t.Site.Buckets.Exists(ctx, t.Site.ScratchName()); err == nil && exists && !t.begun {
			t.removeScratch(ctx)
		}
	}
	for _, p := range parts {
		if p.Setting != nil && p.Done {
			t.Out[p.Setting.Name] = ""
		}
	}
	saveTrial(t.App, t.Site, t.Out)
}

// trialPrefix begins the names of all objects of trials.
const trialPrefix = store.Scratch + admin.ProbeDir + "init-"

// trial is one of the bucket.
func (s *Site) trial() *awsconf.Trial {
	o := awsconf.TrialOptions{Prefix: trialPrefix + strings.ToLower(rand.Text()) + "-", Method: s.sealMethod(), Key: s.keyName}
	if s.Other == "" {
		o.Pauses = []time.Duration{time.Second, 4 * time.Second, 10 * time.Second}
	}
	return s.Buckets.NewTrial(s.Scope.Bucket, o)
}

// ScratchName is the name of the bucket on which settings are tried: always the same, so that what
// a killed run has left is found by the next.
func (s *Site) ScratchName() string {
	const suffix = "-coffer-trial"
	return strings.TrimRight(s.Scope.Bucket[:min(len(s.Scope.Bucket), 63-len(suffix))], ".-") + suffix
}

// tryOnScratch makes a bucket, tries the settings in it one upon the other, and removes it. The reason is
// why that was not possible.
func (t *Setup) tryOnScratch(ctx context.Context, names []string) (reason string) {
	scratch := *t.Site
	scratch.Scope.Bucket = t.Site.ScratchName()
	b := scratch.Buckets
	exists, err := b.Exists(ctx, scratch.Scope.Bucket)
	if err == nil && exists { // left by a run that was killed
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
			if !errors.Is(err, store.ErrDenied) { // of this bucket alone, as it may be
				t.Out[name] = "tried on a bucket of its own, " + app.Sentence(err)
			}
			return fmt.Sprintf("%s: %s", name, app.Sentence(err))
		}
		t.Out[name] = leftOut
	}
	return ""
}

func (t *Setup) removeScratch(ctx context.Context) {
	name := t.Site.ScratchName()
	err := t.Site.Buckets.Remove(ctx, name, trialPrefix)
	if err != nil && !errors.Is(err, store.ErrConflict) { // somebody's bucket of that name is not of a trial
		t.App.Note("the trial bucket %s could not be deleted (the next init deletes it): %s", name, app.Sentence(err))
	}
}

// change makes one setting, and tries what it could have broken. What the server lacks, does not
// keep, or does not bear is left out for a reason: then the bucket is as it was. An error is a
// denial, no answer, or a bucket that is not as it was.
func (s *Site) change(ctx context.Context, name string, trial *awsconf.Trial, last *awsconf.Outcome) (leftOut string, err error) {
	setting := s.named(name)
	if setting.Want == "" {
		return "no statement of it is of use here", nil
	}
	holds, err := setting.Holds(ctx)
	if err == nil && holds {
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
	// From here on the setting is there, or may be.
	leftOut, err = s.tryChange(ctx, setting, err, trial, last)
	if leftOut == "" && err == nil {
		return "", nil
	}
	return leftOut, s.revert(ctx, setting, undo, leftOut, err)
}

// tryChange reads a setting back and tries the bucket. Sent is the error of the change.
func (s *Site) tryChange(ctx context.Context, setting BucketSetting, sent error, trial *awsconf.Trial, last *awsconf.Outcome) (string, error) {
	holds, err := setting.Holds(ctx)
	switch {
	case err == nil && !holds && sent != nil:
		return "", sent
	case err == nil && !holds && s.Other != "": // AWS may take a while to show it
		return "this server says that it is set, and does not keep it", nil
	case err != nil && errors.Is(sent, store.ErrUnavailable):
		return "", sent
	}
	now, worse, tried := trial.After(ctx, *last, setting.forbids...)
	switch {
	case tried != nil:
		return "", tried
	case worse != "":
		return "with it this server " + worse, nil
	case err != nil: // it bears what it no longer shows
		return "", err
	case setting.Name == admin.CheckVersions && !now.Versions:
		return "this server says that it keeps versions, and names none", nil
	}
	*last = now
	return "", nil
}

// revert undoes a change for a reason, or because of an error, which it returns. That it was
// read back before makes it safe: see [awsconf.Undo].
func (s *Site) revert(ctx context.Context, setting BucketSetting, undo awsconf.Undo, reason string, failed error) error {
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	if holds, err := setting.Holds(ctx); err == nil && !holds {
		return failed
	}
	err := undo(ctx)
	if err == nil {
		var holds bool
		if holds, err = setting.Holds(ctx); err == nil && holds {
			err = errors.New("it is still there")
		}
	}
	if err == nil {
		return failed
	}
	if failed != nil {
		reason = app.Sentence(failed)
	}
	return app.WithHint(fmt.Errorf("it is set, or may be, and could not be taken back (%s): %s: %w", app.Sentence(err), reason, store.ErrUnavailable),
		"the bucket's owner can undo it: aws s3api "+revertCommand[setting.Name]+" --bucket "+s.Scope.Bucket)
}

// revertCommand takes a setting back.
var revertCommand = map[string]string{
	admin.CheckEncryption: "delete-bucket-encryption", admin.CheckPublicAccess: "delete-public-access-block", admin.CheckPolicy: "delete-bucket-policy",
	admin.CheckLifecycle: "delete-bucket-lifecycle", admin.CheckVersions: "put-bucket-versioning --versioning-configuration Status=Suspended",
}

func (s *Site) named(name string) BucketSetting {
	all := s.Settings()
	return all[slices.IndexFunc(all, func(b BucketSetting) bool { return b.Name == name })]
}

// cleanupContext is a context for what must be done after all, also when the command was interrupted.
func cleanupContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
}

// UnsupportedText says that a server does not have something, with its answer.
func UnsupportedText(err error) string {
	var e *store.StorageError
	if errors.As(err, &e) && e.Status > 0 {
		verb := "have"
		if e.Status == 400 { // MinIO, of a policy with conditions that it does not know
			verb = "take"
		}
		return strings.TrimSpace(fmt.Sprintf("this server does not %s it (%d %s", verb, e.Status, e.Code)) + ")"
	}
	return app.Sentence(err)
}

// BlockHint adds to a denial what may be its cause on some servers.
func (s *Site) BlockHint(ctx context.Context, err error) error {
	if s.Other == "" || !errors.Is(err, store.ErrDenied) {
		return err
	}
	blocked, failed := s.Buckets.PublicAccessBlocked(ctx, s.Scope.Bucket)
	if failed != nil || !blocked {
		return err
	}
	return app.WithHint(err, "the bucket has a public access block, under which some servers deny every put, the owner's too (Ceph 16.2): aws s3api delete-public-access-block --bucket "+
		s.Scope.Bucket+" --endpoint-url "+s.Other+", then coffer init --without public-access; else ask for s3:PutObject, s3:GetObject and s3:DeleteObject")
}

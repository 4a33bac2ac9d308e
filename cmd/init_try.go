package cmd

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

// trier makes the settings of a bucket, and takes back what the bucket does not bear (protocol.md,
// section 18). On a server that is not AWS's every setting is tried on a bucket of its own first.
type trier struct {
	app  *app.App
	site *site

	begun bool
	out   map[string]string // of settings that were tried: why they are left out, or ""
	why   string            // why nothing could be tried on a bucket of its own
	trial *awsconf.Trial    // of the bucket itself
	last  awsconf.Outcome
}

// makePart makes one part, or says in it why it is left out. The error ends the whole.
func (t *trier) makePart(ctx context.Context, parts []part, i int) (err error) {
	p := &parts[i]
	if p.setting == nil {
		if err = p.make(ctx); errors.Is(err, store.ErrUnsupported) {
			p.LeftOut = lacks(err)
			return nil
		}
		p.Done = err == nil
		return err
	}
	if err := t.begin(ctx, parts[i:]); err != nil {
		return err
	}
	if p.LeftOut, err = t.setting(ctx, p.setting.name); err != nil {
		return err
	}
	t.out[p.setting.name] = p.LeftOut
	p.Done = p.LeftOut == ""
	return nil
}

// setting makes one, unless it is known that it is better left out.
func (t *trier) setting(ctx context.Context, name string) (leftOut string, err error) {
	tried, known := t.out[name]
	switch {
	case known && tried != "":
		return tried, nil
	case known || t.site.other == "":
	case name == admin.CheckVersions:
		return t.byHand(), nil
	case !t.last.Right():
		return "it could not be tried: this server " + t.last.Wrong(), nil
	}
	return t.site.change(ctx, name, t.trial, &t.last)
}

// byHand is for the one setting that no second thought takes back.
func (t *trier) byHand() string {
	s := t.site
	return fmt.Sprintf("no server turns it off again, and it could not be tried on another bucket (%s). By hand: make a bucket, turn versioning on in it, and run "+
		"coffer doctor --probe --bucket THAT; if nothing is said of conditions, aws s3api put-bucket-versioning --bucket %s --versioning-configuration Status=Enabled --endpoint-url %s",
		t.why, s.scope.Bucket, s.other)
}

// begin tries the settings on a bucket of their own, and the bucket as it is.
func (t *trier) begin(ctx context.Context, parts []part) error {
	if t.begun {
		return nil
	}
	t.begun = true
	var names []string
	for _, p := range parts {
		if p.setting != nil && p.open() {
			names = append(names, p.setting.name)
		}
	}
	if t.site.other != "" {
		if t.why = t.rehearse(ctx, names); t.why != "" && ctx.Err() == nil {
			t.app.Note("could not try the settings on a separate bucket: %s", t.why)
		}
	}
	t.trial = t.site.trial()
	var err error
	if t.last, err = t.trial.Run(ctx); err != nil {
		return err
	}
	t.ignored(t.site, t.last)
	return nil
}

// ignored leaves the rule about conditions out where the server ignores them: it would stop
// the writers of single_writer, and protect nothing.
func (t *trier) ignored(s *site, o awsconf.Outcome) {
	if s.other == "" || !o.Right() || o.KeepsConditions() || s.unconditional {
		return
	}
	s.unconditional = true
	if s == t.site {
		t.app.Note("left out: the policy that denies puts without a condition: this server ignores conditions")
	}
}

// end removes what the trials have left, those of runs that were killed too, and remembers for doctor
// what this server bears.
func (t *trier) end(ctx context.Context, parts []part) {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	if t.trial != nil {
		if err := t.trial.Clean(ctx); err != nil {
			t.app.Note("something of the trial may be left below %s: %s", trialPrefix, app.Sentence(err))
		}
	}
	if t.site.other != "" {
		_ = t.site.buckets.Sweep(ctx, t.site.scope.Bucket, trialPrefix, 10*time.Minute) // the next init tries it again
		if exists, err := t.site.buckets.Exists(ctx, t.site.scratchName()); err == nil && exists && !t.begun {
			t.removeScratch(ctx)
		}
	}
	for _, p := range parts {
		if p.setting != nil && p.Done {
			t.out[p.setting.name] = ""
		}
	}
	rememberTried(t.app, t.site, t.out)
}

// trialPrefix begins the names of all objects of trials.
const trialPrefix = store.Scratch + "/__probe/init-"

// trial is one of the bucket.
func (s *site) trial() *awsconf.Trial {
	o := awsconf.TrialOptions{Prefix: trialPrefix + strings.ToLower(rand.Text()) + "-", Method: s.sealMethod(), Key: s.keyName}
	if s.other == "" {
		o.Pauses = []time.Duration{time.Second, 4 * time.Second, 10 * time.Second}
	}
	return s.buckets.NewTrial(s.scope.Bucket, o)
}

// scratchName is the name of the bucket on which settings are tried: always the same, so that what
// a killed run has left is found by the next.
func (s *site) scratchName() string {
	const suffix = "-coffer-trial"
	return strings.TrimRight(s.scope.Bucket[:min(len(s.scope.Bucket), 63-len(suffix))], ".-") + suffix
}

// rehearse makes a bucket, tries the settings in it one upon the other, and removes it. The reason is
// why that was not possible.
func (t *trier) rehearse(ctx context.Context, names []string) (reason string) {
	scratch := *t.site
	scratch.scope.Bucket = t.site.scratchName()
	b := scratch.buckets
	exists, err := b.Exists(ctx, scratch.scope.Bucket)
	if err == nil && exists { // left by a run that was killed
		err = b.Remove(ctx, scratch.scope.Bucket, trialPrefix)
	}
	if err == nil {
		err = b.Create(ctx, scratch.scope.Bucket)
	}
	if err != nil {
		return app.Sentence(err)
	}
	defer func() {
		ctx, cancel := afterwards(ctx)
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
	t.ignored(&scratch, last)
	for _, name := range names {
		leftOut, err := scratch.change(ctx, name, trial, &last)
		if err != nil {
			if !errors.Is(err, store.ErrDenied) { // of this bucket alone, as it may be
				t.out[name] = "tried on a bucket of its own, " + app.Sentence(err)
			}
			return fmt.Sprintf("%s: %s", name, app.Sentence(err))
		}
		t.out[name] = leftOut
	}
	return ""
}

func (t *trier) removeScratch(ctx context.Context) {
	name := t.site.scratchName()
	err := t.site.buckets.Remove(ctx, name, trialPrefix)
	if err != nil && !errors.Is(err, store.ErrConflict) { // somebody's bucket of that name is not of a trial
		t.app.Note("the trial bucket %s could not be deleted (the next init deletes it): %s", name, app.Sentence(err))
	}
}

// change makes one setting, and tries what it could have broken. What the server lacks, does not
// keep, or does not bear is left out for a reason: then the bucket is as it was. An error is a
// denial, no answer, or a bucket that is not as it was.
func (s *site) change(ctx context.Context, name string, trial *awsconf.Trial, last *awsconf.Outcome) (leftOut string, err error) {
	setting := s.named(name)
	if setting.want == "" {
		return "no statement of it is of use here", nil
	}
	holds, err := setting.holds(ctx)
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
		return lacks(err), nil
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
	return leftOut, s.takeBack(ctx, setting, undo, leftOut, err)
}

// tryChange reads a setting back and tries the bucket. Sent is the error of the change.
func (s *site) tryChange(ctx context.Context, setting bucketSetting, sent error, trial *awsconf.Trial, last *awsconf.Outcome) (string, error) {
	holds, err := setting.holds(ctx)
	switch {
	case err == nil && !holds && sent != nil:
		return "", sent
	case err == nil && !holds && s.other != "": // AWS may take a while to show it
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
	case setting.name == admin.CheckVersions && !now.Versions:
		return "this server says that it keeps versions, and names none", nil
	}
	*last = now
	return "", nil
}

// takeBack undoes a change for a reason, or because of an error, which it returns. That it was
// read back before makes it safe: see [awsconf.Undo].
func (s *site) takeBack(ctx context.Context, setting bucketSetting, undo awsconf.Undo, reason string, failed error) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	if holds, err := setting.holds(ctx); err == nil && !holds {
		return failed
	}
	err := undo(ctx)
	if err == nil {
		var holds bool
		if holds, err = setting.holds(ctx); err == nil && holds {
			err = errors.New("it is still there")
		}
	}
	if err == nil {
		return failed
	}
	if failed != nil {
		reason = app.Sentence(failed)
	}
	return app.Hinted(fmt.Errorf("it is set, or may be, and could not be taken back (%s): %s: %w", app.Sentence(err), reason, store.ErrUnavailable),
		"the bucket's owner can undo it: aws s3api "+byHandCommand[setting.name]+" --bucket "+s.scope.Bucket)
}

// byHandCommand takes a setting back.
var byHandCommand = map[string]string{
	admin.CheckEncryption: "delete-bucket-encryption", admin.CheckPublicAccess: "delete-public-access-block", admin.CheckPolicy: "delete-bucket-policy",
	admin.CheckLifecycle: "delete-bucket-lifecycle", admin.CheckVersions: "put-bucket-versioning --versioning-configuration Status=Suspended",
}

func (s *site) named(name string) bucketSetting {
	all := s.settings()
	return all[slices.IndexFunc(all, func(b bucketSetting) bool { return b.name == name })]
}

// afterwards is a context for what must be done after all, also when the command was interrupted.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
}

// lacks says that a server does not have something, with its answer.
func lacks(err error) string {
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

// blockHint adds to a denial what may be its cause on some servers.
func (s *site) blockHint(ctx context.Context, err error) error {
	if s.other == "" || !errors.Is(err, store.ErrDenied) {
		return err
	}
	blocked, failed := s.buckets.PublicAccessBlocked(ctx, s.scope.Bucket)
	if failed != nil || !blocked {
		return err
	}
	return app.Hinted(err, "the bucket has a public access block, under which some servers deny every put, the owner's too (Ceph 16.2): aws s3api delete-public-access-block --bucket "+
		s.scope.Bucket+" --endpoint-url "+s.other+", then coffer init --without public-access; else ask for s3:PutObject, s3:GetObject and s3:DeleteObject")
}

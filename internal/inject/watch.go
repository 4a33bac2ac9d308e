package inject

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/watch"
	"github.com/coffer-secrets/coffer/store"
)

// Watching is how files are kept current.
type Watching struct {
	Interval time.Duration               // between two checks for changes
	Act      func(context.Context) error // called at the beginning, and after a file was written; may be nil
	Pause    func(context.Context, time.Duration) error
}

// longestYoung is how long the beginning waits for secrets that are being written.
const longestYoung = 15 * watch.Quiet

// Watch writes the files, and again whenever a secret of them changes, until the context ends. Before that the
// errors are those of [Files.Write]. Later a file that can't be written stays as it was: that is said once, and
// tried again.
func (f *Files) Watch(ctx context.Context, w Watching) error {
	if w.Pause == nil {
		w.Pause = pace.Sleep
	}
	services := servicesOf(f.references())
	if len(services) == 0 {
		return app.WithHint(app.Usage("there is nothing to watch: no template has a reference to a newest version"), "leave out --watch")
	}
	f.due = true // an earlier run may have ended between writing a file and what is done about it
	read, err := f.begin(ctx, w, services)
	if err != nil {
		return err
	}
	watcher := &watch.Watcher{
		App: f.app, Services: services, AllowEmpty: true, Interval: w.Interval, Pause: w.Pause, Failed: f.failed,
		Changed: func(now []store.Contents) (func(), error) { return nil, f.update(ctx, w, now) },
	}
	watcher.Run(ctx, read)
	return nil
}

// begin reads the services and writes the files for the first time. While secrets are being written, it waits:
// some of them may belong together.
func (f *Files) begin(ctx context.Context, w Watching, services []string) (read []store.Contents, err error) {
	for waited := time.Duration(0); ; waited += watch.Quiet {
		// What can't be read of them is reported with the place where it is needed.
		if read, _, err = f.app.LoadReadable(ctx, services, true); err != nil {
			return nil, err
		}
		found, err := f.app.ReadReferences(ctx, f.references(), read...)
		if err != nil {
			return nil, err
		}
		texts, failed := f.render(found)
		if len(failed) > 0 {
			return nil, f.app.Report(failed...)
		}
		if waited < longestYoung && f.young(found) {
			if err := w.Pause(ctx, watch.Quiet); err != nil {
				return nil, err
			}
			continue
		}
		f.warnUnlisted(read)
		err = f.finish(ctx, w, texts)
		var act *actError
		if errors.As(err, &act) {
			if ctx.Err() == nil {
				f.failed(err)
			}
			return nil, nil // so that the first listing counts as a change
		}
		return read, err
	}
}

// young reports whether a secret was written a moment ago, by the writer's clock.
func (f *Files) young(found app.References) bool {
	for _, secret := range found.Secrets {
		if age := f.app.Now().Sub(secret.Created); age >= 0 && age < watch.Quiet {
			return true
		}
	}
	return false
}

// warnUnlisted says which changes won't be noticed.
func (f *Files) warnUnlisted(read []store.Contents) {
	for _, ref := range f.references() {
		for _, c := range read {
			if _, err := store.Match("secret", ref.Key, c.Keys()); err != nil && c.Unlisted && strings.EqualFold(c.Service, ref.Service) && ref.Version == store.Latest {
				f.app.NoteWarning("changes of %s aren't noticed, as you may not list the service", ref.ID())
			}
		}
	}
}

// update writes the files with what was read after a change.
func (f *Files) update(ctx context.Context, w Watching, read []store.Contents) error {
	requests, cancel := f.app.Aside(ctx)
	defer cancel()
	found, err := f.app.ReadReferences(requests, f.references(), read...)
	if err != nil {
		return err
	}
	texts, failed := f.render(found)
	if len(failed) > 0 {
		return app.Worst(failed...)
	}
	return f.finish(ctx, w, texts)
}

// finish writes the files, and acts if one has changed or an act is due. One that fails while the context ends
// is due at the next start: nobody else says so.
func (f *Files) finish(ctx context.Context, w Watching, texts []string) error {
	changed, err := f.write(texts)
	f.due = f.due || changed
	if err != nil || !f.due {
		return err
	}
	if w.Act != nil {
		if err := w.Act(ctx); err != nil {
			if ctx.Err() != nil {
				f.app.SayFailed("the files are written, but %s. It is tried again at the next start", app.Sentence(err))
			}
			return &actError{err}
		}
	}
	f.due = false
	return nil
}

// actError is the error of an act after the files were written.
type actError struct{ error }

func (e *actError) Unwrap() error { return e.error }

// failed says that the files can't be kept current, or, without an error, that they are again.
func (f *Files) failed(err error) {
	var act *actError
	switch {
	case err == nil:
		f.app.NoteDone("the files are current again")
	case errors.As(err, &act):
		f.app.SayFailed("the files are written, but %s. It is tried again with each check", app.Sentence(act.error))
	default:
		f.app.SayFailed("the files stay as they are: %s", app.Sentence(err))
	}
}

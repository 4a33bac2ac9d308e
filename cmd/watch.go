package cmd

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/run"
	"github.com/coffer-secrets/coffer/internal/watch"
	"github.com/coffer-secrets/coffer/store"
)

// WatchFlags are the flags of exec that set what happens when secrets change.
type WatchFlags struct {
	Watch    bool   `help:"Restart the command when a secret that it was given changes. Coffer stays running in front of it."`
	Interval string `filled:"" placeholder:"TIME" help:"How often to check for changes, with --watch (default 30s)."`
	OnChange string `filled:"" placeholder:"ACTION" help:"What to do about a change, with --watch: restart, exit, or signal:NAME (default restart)."`
	Grace    string `filled:"" placeholder:"TIME" help:"How long the command may take to end after SIGTERM, with --watch, before it is killed (default 10s)."`
}

// setWatch checks the flags, and sets how p is watched.
func (f WatchFlags) setWatch(a *app.App, p *program) error {
	if !f.Watch {
		for _, given := range []struct{ flag, value string }{{"--interval", f.Interval}, {"--on-change", f.OnChange}, {"--grace", f.Grace}} {
			if given.value != "" {
				return app.WithHint(app.Usage("%s needs --watch", given.flag), "coffer exec --watch "+given.flag+" "+given.value+" SERVICE -- COMMAND")
			}
		}
		return nil
	}
	s, err := a.Settings()
	if err != nil {
		return err
	}
	p.interval, p.grace, err = s.WatchTimes(f.Interval, f.Grace)
	if err != nil {
		return err
	}
	p.onChange, err = run.ParseAction(s.OnChange(f.OnChange))
	return err
}

// watch runs the command as a child, and watches its secrets meanwhile.
func (c *ExecCmd) watch(ctx context.Context, a *app.App, p program, parent *run.Parent, all []store.Contents, env environ.Environment) error {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx)) // a signal is for the command, which may go on
	defer stop()
	changes, stopped := make(chan environ.Environment), make(chan struct{})
	w := &watched{ctx: ctx, exec: c, a: a, p: p, env: env, changes: changes}
	watcher := &watch.Watcher{
		App: a, Services: p.project.Names(c.Services), AllowEmpty: c.AllowEmpty || p.project != nil, Also: c.referenced,
		Interval: p.interval, Changed: w.changed, Failed: w.failed,
	}
	go func() {
		defer close(stopped)
		watcher.Run(ctx, all)
	}()
	parent.Changes = changes
	cleanup := parent.Cleanup
	parent.Cleanup = func() {
		stop()
		<-stopped // it may be writing files
		cleanup()
	}
	return parent.Run(a, p.path, p.argv, env)
}

// watched is a running command whose secrets are watched.
type watched struct {
	ctx     context.Context
	exec    *ExecCmd
	a       *app.App
	p       program
	env     environ.Environment // what the command was given
	changes chan<- environ.Environment
}

// changed returns what gives the command its new environment; nil if that is the same.
func (w *watched) changed(all []store.Contents) (func(), error) {
	silent := *w.a
	silent.Silent, silent.Unattended = true, true // what is hidden or left out was said at the beginning
	if err := silent.RefuseIncompleteProject(w.p.project, all, w.exec.ReadFlags); err != nil {
		return nil, err
	}
	ctx, cancel := w.a.Aside(w.ctx)
	defer cancel()
	env, err := w.exec.environment(ctx, &silent, w.p, all)
	if err != nil {
		return nil, err
	}
	keys := differing(w.env, env)
	if len(keys) == 0 {
		return nil, nil
	}
	return func() { w.pass(env, keys) }, nil
}

// pass gives the command another environment.
func (w *watched) pass(env environ.Environment, keys []string) {
	w.a.Note("%s changed: %s %s", listed(keys), w.p.onChange, w.name())
	select {
	case w.changes <- env:
		w.env = env
	case <-w.ctx.Done():
	}
}

// failed says that secrets can't be read, or, without an error, that they can be again.
func (w *watched) failed(err error) {
	if err == nil {
		w.a.NoteDone("the secrets can be read again")
		return
	}
	w.a.NoteWarning("can't look for changes: %s; %s goes on with the secrets that it has", app.Sentence(err), w.name())
}

func (w *watched) name() string { return filepath.Base(w.p.argv[0]) }

// differing returns the secrets in which two environments differ, sorted.
func differing(a, b environ.Environment) []string {
	values := map[environ.Variable]int{}
	for _, v := range a.Secrets() {
		values[v]++
	}
	for _, v := range b.Secrets() {
		values[v]--
	}
	var keys []string
	for v, n := range values {
		if n != 0 {
			keys = append(keys, v.Service+"/"+v.Key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// listed joins names, the first few of many.
func listed(names []string) string {
	const most = 3
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return app.JoinNames(names)
}

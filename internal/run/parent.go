package run

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/mask"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/term"
)

// Parent runs a command as its child, where plain exec becomes the command: to hide secrets in its
// output, to restart it when they change, or to clean up behind it. The zero Parent only waits.
type Parent struct {
	// Mark is shown instead of a secret. If it is "" nothing is hidden, and the child has the streams of
	// this process. With a Mark, a stream that is a terminal is one for the child, too, and one that
	// isn't, isn't.
	Mark string

	// Changes are new environments of the running command; nil if none comes. What is done about one
	// is OnChange.
	Changes  <-chan environ.Environment
	OnChange Action
	Grace    time.Duration // between the SIGTERM of a restart and a SIGKILL

	// Cleanup, if not nil, is called after the command's end, also if it could not be started. A signal
	// that the command dies of ends this process behind it.
	Cleanup func()
}

// Run runs the command and returns its exit code as an [app.ExitError]; nil for 0. If a signal ended
// the child, it ends this process in the same way. At the end it reports what was hidden.
func (c *Parent) Run(a *app.App, path string, argv []string, env environ.Environment) error {
	status, lost, err := c.run(a, path, argv, env)
	if c.Cleanup != nil {
		c.Cleanup()
	}
	if err != nil {
		return err
	}
	if lost == nil || errors.Is(lost, syscall.EPIPE) { // a reader that has gone wants no more
		return status.end()
	}
	// The child may have ended well before this was known.
	a.SayFailed("output of %s was lost: %v", path, lost)
	if status == 0 {
		return &app.ExitError{Code: app.ExitOther}
	}
	return status.end()
}

func (c *Parent) run(a *app.App, path string, argv []string, env environ.Environment) (_ status, lost, _ error) {
	runtime.SetDefaultGOMAXPROCS() // exec has set one, which would do one output after the other
	runtime.LockOSThread()         // the system kills the child when this thread ends: it mustn't end before the process
	var signals chan os.Signal
	h := hiding{a: a, mark: c.Mark}
	for {
		p := &program{Parent: c, a: a, path: path, argv: argv, env: env.Strings(), hiding: &h}
		h.learn(env)
		if err := p.connect(); err != nil {
			return 0, nil, err
		}
		if signals == nil {
			signals = p.catch()
			defer signal.Stop(signals)
		}
		status, err := p.run(signals)
		for _, r := range p.relays {
			h.hidden.Add(r.filter.Hidden())
			if lost == nil && err == nil {
				lost = r.lost
			}
		}
		if err != nil || !p.restart {
			h.report()
			return status, lost, err
		}
		env = p.next
	}
}

// hiding is what is hidden, over all runs of a command.
type hiding struct {
	a       *app.App
	mark    string
	secrets []mask.Secret // of the environment now
	matcher *mask.Matcher // of these, and of those before
	short   []string      // names of secrets that are too short to be hidden
	hidden  mask.Hidden
}

// learn hides the secrets of an environment, and still those of the one before. It says which ones are
// too short to be hidden.
func (h *hiding) learn(env environ.Environment) {
	if h.mark == "" {
		return
	}
	before, said := h.secrets, len(h.short)
	h.secrets = nil
	for _, v := range env.Secrets() {
		name, value := v.Service+"/"+v.Key, v.Value.Reveal()
		if value != "" && len(value) < mask.Shortest && !slices.Contains(h.short, name) { // a reference may be to it, too
			h.short = append(h.short, name)
		}
		if s := (mask.Secret{Name: name, Value: value}); !slices.Contains(h.secrets, s) {
			h.secrets = append(h.secrets, s)
		}
	}
	if short := h.short[said:]; len(short) > 0 {
		h.a.Note("not hidden, because shorter than %d bytes: %s", mask.Shortest, strings.Join(short, ", "))
	}
	h.matcher = mask.New(slices.Concat(h.secrets, before))
}

// report says what was hidden.
func (h *hiding) report() {
	if h.hidden.Marks == 0 {
		return
	}
	names := slices.Sorted(maps.Keys(h.hidden.Secrets))
	for i, name := range names {
		names[i] = fmt.Sprintf("%s (%d)", name, h.hidden.Secrets[name])
	}
	what := "secrets"
	if h.hidden.Marks == 1 {
		what = "secret"
	}
	h.a.Note("%d %s hidden in the output: %s", h.hidden.Marks, what, strings.Join(names, ", "))
}

// program is one run of a command, and what connects it to this process.
type program struct {
	*Parent
	*hiding
	a         *app.App
	path      string
	argv, env []string
	files     []*os.File // the child's standard streams
	relays    []*relay   // none if nothing is hidden
	terminal  *terminal  // if one of the relays comes from a terminal; else nil

	stopping <-chan time.Time // the end of the grace; nil until the child is to end
	restart  bool             // the command is to run again, with next
	next     environ.Environment
	asked    time.Time           // when this process was asked to end last
	held     environ.Environment // a change that waits, because the child may be about to end
	hold     <-chan time.Time    // the end of that wait; nil if no change waits
}

// connect makes the standard streams of the child.
func (p *program) connect() error {
	p.files = []*os.File{p.a.Stdin, p.a.Stdout, p.a.Stderr}
	if p.mark == "" {
		return nil
	}
	out, err := p.output(p.a.Stdout)
	if err != nil {
		return err
	}
	errs := out
	if !sameFile(p.a.Stdout, p.a.Stderr) {
		if errs, err = p.output(p.a.Stderr); err != nil {
			return err
		}
	}
	p.files[1], p.files[2] = out.child, errs.child
	return nil
}

// output connects one output of the child, and returns the relay that reads it.
func (p *program) output(to *os.File) (*relay, error) {
	r := &relay{quiet: silence, now: p.a.Now, filter: p.matcher.NewFilter(to, p.mark), done: make(chan struct{})}
	p.relays = append(p.relays, r)
	var err error
	if term.IsTerminal(to) {
		r.quiet = typing
		return r, p.openTerminal(r, to)
	}
	if r.from, r.child, err = os.Pipe(); err != nil {
		return nil, fmt.Errorf("create a pipe for the output of %s: %w", p.path, err)
	}
	_ = r.child.Fd() // makes it blocking, as programs expect
	return r, nil
}

func sameFile(a, b *os.File) bool {
	x, errA := a.Stat()
	y, errB := b.Stat()
	return errA == nil && errB == nil && os.SameFile(x, y)
}

// started closes this process's copies of the child's streams, and starts the relays.
func (p *program) started() {
	for _, r := range p.relays {
		_ = r.child.Close()
		go r.run()
	}
}

// ended waits until the relays have written what the child wrote.
func (p *program) ended() {
	for _, r := range p.relays {
		r.end()
	}
}

// changed does what a new environment asks for.
func (p *program) changed(env environ.Environment, kill func(syscall.Signal)) {
	wait := p.Grace - p.a.Now().Sub(p.asked)
	switch {
	case p.stopping != nil:
		p.next = env
	case wait > 0:
		if p.hold == nil {
			p.hold = pace.After(wait)
		}
		p.held = env
	case p.OnChange.signal != 0:
		p.learn(env)
		for _, r := range p.relays {
			r.use(p.matcher)
		}
		kill(p.OnChange.signal)
	default:
		p.restart, p.next = !p.OnChange.exit, env
		p.stopping = pace.After(p.Grace)
		kill(syscall.SIGTERM)
	}
}

// released does what the change that was held asks for.
func (p *program) released(kill func(syscall.Signal)) {
	env := p.held
	p.held, p.hold = nil, nil
	p.changed(env, kill)
}

// signaled is called with each signal for the child. One that asks this process to end cancels a
// restart. A change has to wait then: the child may be ending.
func (p *program) signaled(s os.Signal) {
	switch s {
	case syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT:
		p.asked, p.restart = p.a.Now(), false
	}
}

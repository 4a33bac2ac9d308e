package run

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/mask"
	"github.com/coffer-secrets/coffer/internal/term"
)

// Masked runs commands and hides secrets in their output.
type Masked struct {
	secrets []mask.Secret
	mark    string
}

// NewMasked hides the secrets of an environment, and writes mark in their place. It says which ones
// are too short to be hidden.
func NewMasked(a *app.App, env environ.Environment, mark string) *Masked {
	m := &Masked{mark: mark}
	var short []string
	for _, v := range env.Secrets() {
		name, value := v.Service+"/"+v.Key, v.Value.Reveal()
		if value != "" && len(value) < mask.Shortest {
			short = append(short, name)
		}
		m.secrets = append(m.secrets, mask.Secret{Name: name, Value: value})
	}
	if len(short) > 0 {
		a.Note("not hidden, because shorter than %d bytes: %s", mask.Shortest, strings.Join(short, ", "))
	}
	return m
}

// Run runs the command as a child and returns its exit code as an [app.ExitError]; nil for 0. If a
// signal ended the child, it ends this process in the same way. A stream that is a terminal is one
// for the child, too, and one that isn't, isn't. At the end it reports what was hidden.
func (m *Masked) Run(a *app.App, path string, argv, env []string) error {
	p := &program{a: a, path: path, argv: argv, env: env}
	matcher := mask.New(m.secrets)
	runtime.SetDefaultGOMAXPROCS() // exec has set one, which would do one output after the other
	out, err := p.output(matcher, m.mark, a.Stdout)
	if err != nil {
		return err
	}
	errs := out
	if !sameFile(a.Stdout, a.Stderr) {
		if errs, err = p.output(matcher, m.mark, a.Stderr); err != nil {
			return err
		}
	}
	p.files = []*os.File{a.Stdin, out.child, errs.child}
	status, err := p.run()
	if err != nil {
		return err
	}
	var hidden mask.Hidden
	for _, r := range p.relays {
		hidden.Add(r.filter.Hidden())
	}
	if hidden.Marks > 0 {
		a.Note("%s", report(hidden))
	}
	return status.end()
}

// report says what was hidden.
func report(h mask.Hidden) string {
	names := slices.Sorted(maps.Keys(h.Secrets))
	for i, name := range names {
		names[i] = fmt.Sprintf("%s (%d)", name, h.Secrets[name])
	}
	what := "secrets"
	if h.Marks == 1 {
		what = "secret"
	}
	return fmt.Sprintf("%d %s hidden in the output: %s", h.Marks, what, strings.Join(names, ", "))
}

// program is one command and what connects it to this process.
type program struct {
	a         *app.App
	path      string
	argv, env []string
	files     []*os.File // the child's standard streams
	relays    []*relay
	terminal  *terminal // if one of the relays comes from a terminal; else nil
}

// output connects one output of the child, and returns the relay that reads it.
func (p *program) output(m *mask.Matcher, mark string, to *os.File) (*relay, error) {
	r := &relay{quiet: silence, now: p.a.Now, filter: m.NewFilter(to, mark), done: make(chan struct{})}
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

func sameFile(a, b *os.File) bool {
	x, errA := a.Stat()
	y, errB := b.Stat()
	return errA == nil && errB == nil && os.SameFile(x, y)
}

const (
	// typing and silence are the times without output after which a filter may show the first bytes
	// of what could be a secret: on a terminal a person waits to see what he has typed. In a pipe
	// another program may wait for a message that ends so.
	typing  = 10 * time.Millisecond
	silence = time.Second

	// drain is the time without output after which nothing more of the child is expected, once it
	// has ended. Only if another process has its streams does a relay wait for it.
	drain = 50 * time.Millisecond

	// leftover is how much output a relay reads after the end of the child. Pipes and terminals hold
	// less; more comes from processes that the child has left behind.
	leftover = 1 << 20
)

// relay copies one output of the child through a filter.
type relay struct {
	from, child *os.File // the end that this process reads, and the child's
	filter      *mask.Filter
	quiet       time.Duration // when the output counts as paused
	now         func() time.Time
	done        chan struct{}

	mu     sync.Mutex
	ending bool // the child has ended
}

func (r *relay) run() {
	defer close(r.done)
	defer func() { _ = r.from.Close() }() // a child that goes on writing gets an error, as without this process
	buffer := make([]byte, 64<<10)
	quieted, after := false, 0
	for {
		ending := r.setDeadline(!quieted && r.filter.Keeps())
		n, err := r.from.Read(buffer)
		if n > 0 {
			quieted = false
			if _, err := r.filter.Write(buffer[:n]); err != nil {
				return
			}
		}
		if ending {
			after += n
		}
		switch {
		case err == nil && after <= leftover:
		case errors.Is(err, os.ErrDeadlineExceeded) && !ending:
			quieted = true
			if r.filter.Pause() != nil {
				return
			}
		default: // the end, which a terminal reports as EIO
			_ = r.filter.Close()
			return
		}
	}
}

// setDeadline sets the deadline of the next read, and reports whether the child has ended. A system
// may have no deadlines for pipes: there the relay reads on, up to the end of the last process that
// has the stream, and shows what could be the beginning of a secret only once more output comes.
func (r *relay) setDeadline(keeps bool) (ending bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := time.Time{}
	switch {
	case r.ending:
		at = r.now().Add(drain)
	case keeps:
		at = r.now().Add(r.quiet)
	}
	_ = r.from.SetReadDeadline(at)
	return r.ending
}

// end waits for the rest of the output, once the child has ended.
func (r *relay) end() {
	r.mu.Lock()
	r.ending = true
	_ = r.from.SetReadDeadline(r.now().Add(drain))
	r.mu.Unlock()
	<-r.done
}

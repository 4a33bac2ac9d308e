// Package progress tells a person at a terminal how far long work has come, on one line that
// is written over.
package progress

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/coffer-secrets/coffer/internal/term"
)

// each is the least time between two drawings: more often nobody can read.
const each = 100 * time.Millisecond

// Line is the line. Its methods may be called from several goroutines at once; a nil Line
// draws nothing.
type Line struct {
	out   *os.File
	now   func() time.Time
	what  string
	total int

	mu    sync.Mutex
	done  int
	drawn time.Time
	shown bool
}

// New returns the line "what 0 of total", such as "imported 0 of 100", or nil where out is no
// terminal. Nothing is drawn until the work has taken a while.
func New(out *os.File, now func() time.Time, total int, what string) *Line {
	if !term.IsTerminal(out) {
		return nil
	}
	return &Line{out: out, now: now, what: what, total: total, drawn: now()}
}

// Add counts one thing that is done.
func (l *Line) Add() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done++
	if at := l.now(); at.Sub(l.drawn) >= each {
		l.drawn, l.shown = at, true
		fmt.Fprintf(l.out, "\r%s %d of %d", l.what, l.done, l.total) //nolint:errcheck // a terminal that is gone ends the program otherwise
	}
}

// Done takes the line away, before anything else is written.
func (l *Line) Done() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown {
		fmt.Fprint(l.out, "\r\x1b[K") //nolint:errcheck // as above
	}
	l.shown = false
}

// Package progress tells a person at a terminal how far long work has come: a bar on one line
// that is written over. It is the one importer of the library that draws it.
package progress

import (
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/coffer-secrets/coffer/internal/term"
)

// each is the least time between two drawings: more often nobody can read.
const each = 100 * time.Millisecond

// Line is the line. Its methods may be called from several goroutines at once; a nil Line
// draws nothing.
type Line struct {
	now func() time.Time

	// Not the bar: within reach of an interface it would make the linker keep all of its methods.
	draw  func(more int) error
	clear func() error

	mu      sync.Mutex
	drawn   time.Time
	waiting int // done since then
	over    bool
}

// New returns the line of work with total steps, such as "imported  42% [===>....] (42/100)",
// or nil where out is no terminal. It has no colours, and nothing is drawn until the work has
// taken a while.
func New(out *os.File, now func() time.Time, total int, what string) *Line {
	if !term.IsTerminal(out) {
		return nil
	}
	bar := progressbar.NewOptions(total,
		progressbar.OptionSetWriter(out),
		progressbar.OptionSetDescription(what),
		progressbar.OptionSetTheme(progressbar.ThemeASCII),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionUseANSICodes(true), // to take the line away: without, on Windows, it would stay
	)
	return &Line{now: now, draw: bar.Add, clear: bar.Clear, drawn: now()}
}

// Add counts one thing that is done.
func (l *Line) Add() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting++
	if at := l.now(); !l.over && at.Sub(l.drawn) >= each {
		_ = l.draw(l.waiting) // a terminal that is gone ends the program otherwise
		l.drawn, l.waiting = at, 0
	}
}

// Hide takes the line away, so that something else can be written; the next step draws it again.
func (l *Line) Hide() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		_ = l.clear() // as above
	}
}

// Done takes the line away, before anything else is written. No line comes after it.
func (l *Line) Done() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		_ = l.clear() // as above
	}
	l.over = true
}

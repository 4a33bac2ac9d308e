// Package progress draws a progress bar on a terminal. No other package imports the library that
// draws it.
package progress

import (
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/coffer-secrets/coffer/internal/term"
)

// interval is the least time between two updates of the bar.
const interval = 100 * time.Millisecond

// Line is a progress bar on a line of its own. Its methods are safe for concurrent use. A nil Line
// draws nothing.
type Line struct {
	now func() time.Time

	// Not the bar: within reach of an interface it would make the linker keep all of its methods.
	draw  func(more int) error
	clear func() error

	mu      sync.Mutex
	drawn   time.Time // the last update
	pending int       // steps since then
	closed  bool
}

// New returns a progress bar for total steps, such as "imported  42% [===>....] (42/100)"; nil if out
// isn't a terminal. It has no colors, and draws nothing before the first [interval].
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
		progressbar.OptionUseANSICodes(true), // to clear the line on Windows, too
	)
	return &Line{now: now, draw: bar.Add, clear: bar.Clear, drawn: now()}
}

// Add counts one step.
func (l *Line) Add() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending++
	if at := l.now(); !l.closed && at.Sub(l.drawn) >= interval {
		_ = l.draw(l.pending) // if the terminal is gone, a signal ends the program
		l.drawn, l.pending = at, 0
	}
}

// Hide clears the bar, so that something else can be written. The next update draws it again.
func (l *Line) Hide() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		_ = l.clear() // as above
	}
}

// Done clears the bar for the last time.
func (l *Line) Done() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		_ = l.clear() // as above
	}
	l.closed = true
}

package mask

import (
	"io"
	"slices"
	"strings"
)

// Filter writes a stream to another writer, with a mark in place of each secret. Where secrets
// overlap it writes one mark for all of them.
//
// It keeps back only bytes that may be the beginning of a secret. It is not for several goroutines.
type Filter struct {
	m    *Matcher
	to   io.Writer
	mark string

	state   uint32
	kept    []byte  // input from the first byte that may still become part of a secret
	pending []match // in kept; none is contained in another
	written int     // so many bytes of kept are written or hidden
	covered int     // the end in kept of the last secret that has a mark; may be negative

	out    []byte
	hidden Hidden
}

// match is a form of a value, at start to end of [Filter.kept].
type match struct {
	start, end, value int
}

// NewFilter returns a filter that writes to another writer, one Write for each of its own at most.
func (m *Matcher) NewFilter(to io.Writer, mark string) *Filter {
	return &Filter{m: m, to: to, mark: mark, hidden: Hidden{Secrets: map[string]int{}}}
}

// Write passes on what is no secret. The error is that of the writer.
func (f *Filter) Write(p []byte) (int, error) {
	from := len(f.kept)
	f.kept = append(f.kept, p...)
	f.scan(from)
	for f.state != 0 && f.m.child[f.state] == 0 { // a form that is complete
		f.state = f.m.fail[f.state]
	}
	if err := f.pass(len(f.kept) - int(f.m.depth[f.state])); err != nil {
		return 0, err
	}
	return len(p), nil
}

// scan runs kept[i:] through the automaton.
func (f *Filter) scan(i int) {
	f.state = f.m.run(f.kept, i, f.state, func(form uint32, end int) {
		f.found(match{end - int(f.m.depth[form]), end, int(f.m.forms[form].value)})
	})
}

// found adds a match, which ends later than those before.
func (f *Filter) found(n match) {
	for len(f.pending) > 0 && f.pending[len(f.pending)-1].start >= n.start {
		f.pending = f.pending[:len(f.pending)-1]
	}
	f.pending = append(f.pending, n)
}

// pass writes and drops kept[:safe], and the secrets that begin there.
func (f *Filter) pass(safe int) error {
	n := 0
	for n < len(f.pending) && f.pending[n].start < safe {
		f.hide(f.pending[n])
		n++
	}
	f.show(safe)
	f.pending = slices.Delete(f.pending, 0, n)
	for i := range f.pending {
		f.pending[i].start -= safe
		f.pending[i].end -= safe
	}
	f.kept = f.kept[:copy(f.kept, f.kept[safe:])]
	f.written = max(0, f.written-safe)
	f.covered = max(-1, f.covered-safe)
	return f.flush()
}

// hide writes the mark of a match, unless the one before reaches into it.
func (f *Filter) hide(n match) {
	f.show(n.start)
	touches := n.start < f.covered
	if !touches {
		f.out = append(f.out, f.mark...)
	}
	f.hidden.add(f.m.names[n.value], touches)
	f.written, f.covered = max(f.written, n.end), max(f.covered, n.end)
}

// show writes kept up to a position.
func (f *Filter) show(to int) {
	if to > f.written {
		f.out = append(f.out, f.kept[f.written:to]...)
		f.written = to
	}
}

func (f *Filter) flush() error {
	if len(f.out) == 0 {
		return nil
	}
	_, err := f.to.Write(f.out)
	f.out = f.out[:0]
	return err
}

// Use hides the secrets of another matcher from now on. It reports whether it does: it doesn't while
// bytes are kept back, because the beginning of a secret may be among them.
func (f *Filter) Use(m *Matcher) bool {
	if len(f.kept) > 0 {
		return false
	}
	f.m, f.state = m, 0
	return true
}

// Keeps reports whether bytes are kept back that [Filter.Pause] might write.
func (f *Filter) Keeps() bool { return f.written < len(f.kept) }

// Pause is for when no more output came for a moment. A character that a person types, or the end of
// a message, may happen to be the first of a secret, and has to be seen. If what is kept back is that
// short, at most 3 bytes and a quarter of the secret, Pause writes it. What follows stays hidden if it
// is a secret indeed.
func (f *Filter) Pause() error {
	start := func(state uint32) int { return len(f.kept) - int(f.m.depth[state]) }
	if f.state == 0 || start(f.state) < f.covered { // the last mark stands for its beginning, too
		return nil
	}
	if len(f.pending) > 0 { // complete, but it may be a part of a longer one
		if f.pending[0].start <= f.written {
			f.hide(f.pending[0])
			f.pending = f.pending[1:]
		}
		return f.flush()
	}
	to := len(f.kept)
	for s := f.state; s != 0; s = f.m.fail[s] {
		if f.m.depth[s] > uint32(f.m.show[s]) {
			to = min(to, start(s))
		}
	}
	f.show(to)
	return f.flush()
}

// Close writes what is kept back: the output has ended.
func (f *Filter) Close() error {
	err := f.pass(len(f.kept))
	f.state = 0
	return err
}

// Cut is [Filter.Close] for an output that may have been cut off within a secret. Of such a secret it
// shows no more than [Filter.Pause] would.
func (f *Filter) Cut() error {
	from := len(f.kept)
	for s := f.state; s != 0; s = f.m.fail[s] {
		if f.m.depth[s] > uint32(f.m.show[s]) {
			from = min(from, len(f.kept)-int(f.m.depth[s]))
		}
	}
	for _, n := range f.pending {
		if n.start < from {
			f.hide(n)
		}
	}
	f.show(from)
	if f.written < len(f.kept) {
		if from >= f.covered {
			f.out = append(f.out, f.mark...)
			f.hidden.Marks++
		}
		f.written = len(f.kept)
	}
	f.kept, f.pending, f.state, f.written, f.covered = f.kept[:0], nil, 0, 0, -1
	return f.flush()
}

// Hidden returns what was hidden so far.
func (f *Filter) Hidden() Hidden { return f.hidden }

// Hidden counts what filters have hidden.
type Hidden struct {
	Marks   int            // how often the mark was written
	Secrets map[string]int // how often each secret was hidden, by name
	last    string
}

// add counts one match. A further form of the same secret that overlaps with the last match is the
// same occurrence.
func (h *Hidden) add(names []string, touches bool) {
	if !touches {
		h.Marks++
	} else if h.last == names[0] {
		return
	}
	h.last = names[0]
	h.Secrets[strings.Join(names, " = ")]++
}

// Add adds what another filter has hidden.
func (h *Hidden) Add(other Hidden) {
	if h.Secrets == nil {
		h.Secrets = map[string]int{}
	}
	h.Marks += other.Marks
	for name, n := range other.Secrets {
		h.Secrets[name] += n
	}
}

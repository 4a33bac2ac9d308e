// Package mask hides secrets in the output of a program.
//
// [New] builds one automaton (Aho-Corasick) from all forms of all secrets. A [Filter] runs a stream
// through it. The package works on bytes alone: it knows no terminal and no process.
package mask

import (
	"encoding/binary"
	"strings"
)

// Secret is a value to hide. Name is how [Filter] reports it, such as "api/db_password".
type Secret struct {
	Name, Value string
}

// Shortest is the length in bytes of the shortest value that is hidden. Shorter ones would match
// everywhere.
const Shortest = 4

// mostShown is how many bytes of a form a [Filter] shows at most if the output pauses within it.
const mostShown = 3

// Matcher finds the forms of secrets. It is immutable, so several filters can use it at once.
//
// The automaton is a trie with failure links. A state is the longest suffix of the input so far that
// is the beginning of a form. The arrays have one element for each state; state 0 is the empty one.
type Matcher struct {
	names [][]string // of the secrets that have a value; a match has the index of a value

	root    [256]uint32 // the state after one byte
	second  []uint32    // the state of two bytes, at 256 times the first plus the second
	label   []byte      // the last byte of the state
	child   []uint32    // the first state that is one byte longer; 0 if there is none
	sibling []uint32    // the next state of the same length with the same beginning; 0 if there is none
	fail    []uint32    // the longest suffix that is a state, too
	depth   []uint32    // the length in bytes
	end     []uint32    // the longest suffix, or the state itself, that is a form; 0 if there is none
	show    []uint8     // how many bytes may be shown if the output pauses here
	forms   map[uint32]form

	// A form can begin only where its first 4 bytes have the right hash, and for a form of 8 bytes or
	// more also the first 8. The first table fits into the first cache of a processor.
	four  [1 << (fourBits - 6)]uint64
	eight [1 << (eightBits - 6)]uint64
	short [1 << (fourBits - 6)]uint64 // the first 4 bytes of forms of less than 8
}

// The numbers of bits of the hashes.
const (
	fourBits  = 18
	eightBits = 20
)

// form is a text that stands for a value, or for a part of it.
type form struct {
	value int32 // its index
	lines int32 // line ends in the form
	as    Form
	part  bool
}

// New returns a matcher of all forms of the secrets whose values have at least [Shortest] bytes.
func New(secrets []Secret) *Matcher { return build(secrets, hiding()) }

// build returns a matcher of the forms of the secrets that are long enough.
func build(secrets []Secret, r rules) *Matcher {
	m := &Matcher{forms: map[uint32]form{}, second: make([]uint32, 1<<16)}
	m.state(0, 0)
	at := map[string]int{}
	for _, s := range secrets {
		if len(s.Value) < r.shortest {
			continue
		}
		n, ok := at[s.Value]
		if !ok {
			n = len(m.names)
			at[s.Value] = n
			m.names = append(m.names, nil)
			r.forms(s.Value, func(text string, as Form, part bool) {
				m.add(text, form{int32(n), int32(strings.Count(text, "\n")), as, part}) //nolint:gosec // secrets are fewer and shorter
			})
		}
		m.names[n] = append(m.names[n], s.Name)
	}
	m.link()
	return m
}

// state adds a state and returns it.
func (m *Matcher) state(label byte, depth uint32) uint32 {
	m.label = append(m.label, label)
	m.child = append(m.child, 0)
	m.sibling = append(m.sibling, 0)
	m.fail = append(m.fail, 0)
	m.end = append(m.end, 0)
	m.depth = append(m.depth, depth)
	m.show = append(m.show, mostShown)
	return uint32(len(m.label) - 1) //nolint:gosec // an environment has less than 4 GiB
}

// add adds a text that is a form of a value. A text that two values have is of the first.
func (m *Matcher) add(text string, of form) {
	if len(text) < Shortest {
		return
	}
	h := hashFour(binary.LittleEndian.Uint32([]byte(text[:4])))
	m.four[h>>6] |= 1 << (h & 63)
	if len(text) < 8 {
		m.short[h>>6] |= 1 << (h & 63)
	} else {
		h := hashEight(binary.LittleEndian.Uint64([]byte(text[:8])))
		m.eight[h>>6] |= 1 << (h & 63)
	}
	show := uint8(min(mostShown, len(text)/4))
	s := uint32(0)
	for i := range len(text) {
		next := m.childOf(s, text[i])
		if next == 0 {
			next = m.state(text[i], m.depth[s]+1)
			if s == 0 {
				m.root[text[i]] = next
			} else {
				m.child[s], m.sibling[next] = next, m.child[s]
				if m.depth[s] == 1 {
					m.second[int(m.label[s])<<8|int(text[i])] = next
				}
			}
		}
		s = next
		m.show[s] = min(m.show[s], show)
	}
	if m.end[s] == 0 {
		m.end[s], m.forms[s] = s, of
	}
}

// childOf returns the state that is one byte longer; 0 if there is none.
func (m *Matcher) childOf(s uint32, b byte) uint32 {
	if s == 0 {
		return m.root[b]
	}
	c := m.child[s]
	if m.depth[s] == 1 {
		return m.second[int(m.label[s])<<8|int(b)]
	}
	for c != 0 && m.label[c] != b {
		c = m.sibling[c]
	}
	return c
}

// link sets the failure links, from short states to long ones.
func (m *Matcher) link() {
	queue := make([]uint32, 0, len(m.label))
	for _, s := range m.root {
		if s != 0 {
			queue = append(queue, s)
		}
	}
	for i := 0; i < len(queue); i++ {
		s := queue[i]
		if m.end[s] == 0 {
			m.end[s] = m.end[m.fail[s]]
		}
		for c := m.child[s]; c != 0; c = m.sibling[c] {
			m.fail[c] = m.next(m.fail[s], m.label[c])
			queue = append(queue, c)
		}
	}
}

// next returns the state after one more byte.
func (m *Matcher) next(s uint32, b byte) uint32 {
	for {
		if c := m.childOf(s, b); c != 0 || s == 0 {
			return c
		}
		s = m.fail[s]
	}
}

// run moves from a state through b[i:], and returns the last state. It calls found with the end of each
// form, and the state of the longest form that ends there. Where a state began before b it still does.
func (m *Matcher) run(b []byte, i int, s uint32, found func(form uint32, end int)) uint32 {
	for i < len(b) {
		if s == 0 {
			if i = m.skip(b, i); i == len(b) {
				break
			}
		}
		before := m.depth[s]
		s = m.next(s, b[i])
		i++
		if e := m.end[s]; e != 0 {
			found(e, i)
		}
		// A state of less than 4 bytes that isn't longer than the last one begins later. From
		// there skip is faster.
		if d := m.depth[s]; d < 4 && d <= before && int(d) <= i {
			i, s = i-int(d), 0
		}
	}
	return s
}

func hashFour(w uint32) uint32 { return w * 0x9E3779B1 >> (32 - fourBits) }

func hashEight(w uint64) uint64 { return w * 0x9E3779B97F4A7C15 >> (64 - eightBits) }

// skip returns the first position from i on at which a form may begin. It passes over none of the
// last 7 bytes. Most of the time of a filter is spent here.
func (m *Matcher) skip(b []byte, i int) int {
	for ; i+11 <= len(b); i += 4 {
		w := binary.LittleEndian.Uint64(b[i:])
		h0, h1, h2, h3 := hashFour(uint32(w)), hashFour(uint32(w>>8)), hashFour(uint32(w>>16)), hashFour(uint32(w>>24)) //nolint:gosec // 4 bytes each
		if (m.four[h0>>6]>>(h0&63)|m.four[h1>>6]>>(h1&63)|m.four[h2>>6]>>(h2&63)|m.four[h3>>6]>>(h3&63))&1 == 0 {
			continue
		}
		for j := range 4 {
			if m.begins(b[i+j:]) {
				return i + j
			}
		}
	}
	for i+8 <= len(b) && !m.begins(b[i:]) {
		i++
	}
	return i
}

// begins reports whether a form may begin with the first 8 bytes.
func (m *Matcher) begins(b []byte) bool {
	w := binary.LittleEndian.Uint64(b)
	f, e := hashFour(uint32(w)), hashEight(w) //nolint:gosec // the first 4 bytes
	return m.four[f>>6]>>(f&63)&1 != 0 && (m.short[f>>6]>>(f&63)|m.eight[e>>6]>>(e&63))&1 != 0
}

package mask

import (
	"bytes"
	"strings"
)

// The shortest part of a value that a [Finder] finds, in bytes. Shorter ones are in files that have nothing
// to do with the secret.
const (
	shortestLine  = 16
	shortestPiece = 40 // of an encoded form
)

// NewToFind returns a matcher for a [Finder]. It has the forms of the values with at least so many bytes,
// and fewer parts of them than that of [New]: only what nobody else would have in a file.
func NewToFind(secrets []Secret, shortest int) *Matcher {
	return build(secrets, rules{shortest: max(shortest, Shortest), piece: shortestPiece, texts: ownLines, utf16: true})
}

// ownLines returns a value and its parts.
func ownLines(value string) []text {
	value = strings.TrimSpace(value)
	own, bodies, pem := partsOf(value)
	texts := []text{{value, false, !pem}}
	for _, line := range own {
		if len(line) >= shortestLine && isVaried(line) && line != value {
			texts = append(texts, text{line, true, true})
		}
	}
	for _, body := range bodies {
		texts = append(texts, text{body, true, true})
	}
	return texts
}

// isVaried reports whether a line has more than a few different bytes. A ruler hasn't.
func isVaried(line string) bool {
	const few = 6
	var seen [256]bool
	n := 0
	for i := range len(line) {
		if !seen[line[i]] {
			seen[line[i]] = true
			n++
		}
	}
	return n > few
}

// partsOf returns the lines of a value that nobody else has. Of PEM, these are neither the lines that all keys of
// a kind have, nor public blocks. bodies are the private blocks from their second line on: the first one
// mostly says which kind of key it is.
func partsOf(value string) (own, bodies []string, pem bool) {
	var block []string
	inside, public := false, false
	for _, line := range lines(value) {
		switch {
		case strings.HasPrefix(line, "-----BEGIN "):
			pem, inside, block = true, true, nil
			public = strings.Contains(line, "CERTIFICATE") || strings.Contains(line, "PUBLIC")
		case strings.HasPrefix(line, "-----END ") && inside:
			if len(block) > 1 {
				block = block[1:]
			}
			own, bodies = append(own, block...), append(bodies, strings.Join(block, "\n"))
			inside = false
		case !inside:
			own = append(own, line)
		case !public && !strings.Contains(line, ":"): // headers, such as Proc-Type
			block = append(block, line)
		}
	}
	return own, bodies, pem
}

// Match is an occurrence of a secret in a stream.
type Match struct {
	Names []string // of all secrets that have this value
	Form  Form
	Part  bool // of the value alone

	Start, End int64 // bytes
	Line, Last int   // the first and the last line, from 1
}

// Finder reports the secrets in a stream that is written to it. It keeps none of the stream.
//
// A secret within another one is reported too. So is each form, if a text has several at one place. A form that
// goes on after a line break is found if the line has at least 48 letters of base64 at its end, as programs
// break encoded texts. It is not for several goroutines.
type Finder struct {
	m     *Matcher
	found func(Match)
	state uint32
	read  int64 // bytes so far
	lines int   // line ends so far

	tail   []byte // the letters of base64 that the stream ends in; at most [wrapped]
	open   broken
	buffer [2*wrapped + padding]byte // of open.text
}

// NewFinder returns a finder that calls found with each match, in the order of their ends.
func (m *Matcher) NewFinder(found func(Match)) *Finder { return &Finder{m: m, found: found} }

// Write searches the next piece. It never fails.
func (f *Finder) Write(p []byte) (int, error) {
	joined := f.joins(p)
	counted := 0
	f.state = f.m.run(p, 0, f.state, func(form uint32, end int) {
		f.lines += bytes.Count(p[counted:end], []byte("\n"))
		counted = end
		for len(joined) > 0 && joined[0].End <= f.read+int64(end) {
			f.found(joined[0])
			joined = joined[1:]
		}
		for ; form != 0; form = f.m.end[f.m.fail[form]] {
			f.report(form, f.read+int64(end))
		}
	})
	for _, m := range joined {
		f.found(m)
	}
	f.lines += bytes.Count(p[counted:], []byte("\n"))
	f.read += int64(len(p))
	return len(p), nil
}

// report reports a form that ends at a position.
func (f *Finder) report(state uint32, end int64) {
	of := f.m.forms[state]
	f.found(Match{
		Names: f.m.names[of.value], Form: of.as, Part: of.part,
		Start: end - int64(f.m.depth[state]), End: end,
		Line: f.lines - int(of.lines) + 1, Last: f.lines + 1,
	})
}

package term

import (
	"io"
	"strings"
	"unicode/utf8"
)

// The keys that edit a line.
const (
	ctrlC     = 0x03
	ctrlD     = 0x04
	backspace = 0x08
	ctrlU     = 0x15
	ctrlW     = 0x17
	escape    = 0x1b
	del       = 0x7f
)

// editor reads one line from a terminal in raw mode: the keys that the kernel would have handled,
// and the markers of bracketed paste.
type editor struct {
	in      io.Reader
	echo    io.Writer   // nil: nothing is echoed
	pending func() bool // reports whether more input arrives soon

	line    []byte
	pasting bool
	ended   bool // a line end was read
	several bool // and more behind it
}

// readLine returns the line without its line end. Errors are those of [Terminal.Secret].
func (e *editor) readLine() (string, error) {
	for {
		b, err := e.read()
		if err == nil {
			err = e.key(b)
		}
		if err != nil {
			return "", err
		}
		if !e.ended || e.pasting || e.pending() {
			continue
		}
		if e.several {
			return "", ErrSeveralLines
		}
		return string(e.line), nil
	}
}

// read reads one byte, and no further, so that the next reader gets the rest.
func (e *editor) read() (byte, error) {
	for b := make([]byte, 1); ; {
		switch n, err := e.in.Read(b); {
		case n == 1:
			return b[0], nil
		case err != nil:
			return 0, err
		}
	}
}

// key applies one key. In a paste, all bytes are text but the line ends and the end marker.
func (e *editor) key(b byte) error {
	switch {
	case b == escape:
		return e.sequence()
	case b == '\r' || b == '\n':
		e.ended = true
	case e.pasting || b == '\t' || b >= ' ' && b != del:
		e.add(b)
	case b == ctrlC: // where the terminal sends no signal
		return ErrInterrupted
	case b == ctrlD:
		return io.EOF
	case b == backspace || b == del:
		_, size := utf8.DecodeLastRune(e.line)
		e.erase(size)
	case b == ctrlU:
		e.erase(len(e.line))
	case b == ctrlW:
		kept := strings.TrimRight(string(e.line), " ")
		e.erase(len(e.line) - (strings.LastIndex(kept, " ") + 1))
	}
	return nil
}

// add appends a byte of text. Behind a line end it only notes that there was one.
func (e *editor) add(b byte) {
	if e.ended {
		e.several = true
		return
	}
	e.line = append(e.line, b)
	if e.echo != nil && b >= ' ' && b != del {
		_, _ = e.echo.Write([]byte{b})
	}
}

// erase removes the last bytes of the line.
func (e *editor) erase(size int) {
	if e.ended {
		return
	}
	kept := len(e.line) - size
	if e.echo != nil {
		_, _ = io.WriteString(e.echo, strings.Repeat("\b \b", utf8.RuneCount(e.line[kept:])))
	}
	e.line = e.line[:kept]
}

// sequence reads an escape sequence: a marker of bracketed paste, or a key such as an arrow, which
// does nothing. In a paste, any other sequence is text.
func (e *editor) sequence() error {
	const begin, end = "\x1b[200~", "\x1b[201~"
	seen := []byte{escape}
	for e.pasting || e.pending() { // a lone Escape is a key, too
		b, err := e.read()
		if err != nil {
			return err
		}
		seen = append(seen, b)
		switch text := string(seen); {
		case text == begin && !e.pasting:
			e.pasting = true
			return nil
		case text == end && e.pasting:
			e.pasting = false
			return nil
		case e.pasting && !strings.HasPrefix(end, text):
			return e.text(seen)
		case !e.pasting && complete(seen):
			return nil
		}
	}
	return nil
}

// text adds bytes of a paste that turned out to be no marker.
func (e *editor) text(seen []byte) error {
	e.add(seen[0])
	for _, b := range seen[1:] {
		if err := e.key(b); err != nil {
			return err
		}
	}
	return nil
}

// complete reports whether a sequence is complete: ESC and one byte, or ESC [ or ESC O and all up to
// a letter or "~" (ECMA-48, section 5.4).
func complete(seen []byte) bool {
	if len(seen) == 2 {
		return seen[1] != '[' && seen[1] != 'O'
	}
	last := seen[len(seen)-1]
	return last >= '@' && last <= '~'
}

package mask

import (
	"bytes"
	"slices"
)

// wrapped is how many letters of base64 or hex a line has at least where a program broke an encoded text: 60, 64 or
// 76 are usual. Of a form that is longer, a piece stands on one side of a break; so no more letters are read after one.
const wrapped = 48

// broken is a line break that a form may go on after.
type broken struct {
	text  []byte // what is before it, at most [wrapped] letters, and after it; nil if there is no such break
	done  int    // so much of the text is searched
	end   int64  // of the line, in bytes
	line  int
	start int64 // of what is after it
}

// isLetter reports whether a byte is a letter of base64, standard or URL-safe, which include those of hex. A form
// without padding stands for one with it.
func isLetter(b byte) bool {
	return b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '/' && b <= '9' || b == '+' || b == '-' || b == '_'
}

// joins returns the forms in the next piece of the stream that go on after a line break, in the order of their ends.
func (f *Finder) joins(p []byte) (all []Match) {
	line, counted := f.lines+1, 0
	for i := 0; i < len(p); {
		if f.open.text == nil {
			end := f.lineEnd(p, i)
			if end == len(p) {
				break
			}
			line += bytes.Count(p[counted:end], []byte("\n"))
			counted = end
			f.open = broken{text: append(f.buffer[:0], f.lettersBefore(p, end)...), done: wrapped, end: f.read + int64(end), line: line}
			i = end
		}
		n, complete := f.open.add(p[i:], f.read+int64(i))
		all = append(all, f.joined()...)
		if i += n; complete {
			f.open.text = nil
		}
	}
	f.tail = append(f.tail[:0:0], f.lettersBefore(p, len(p))...)
	return all
}

// lettersBefore returns the letters that the stream has before p[end]; at most [wrapped].
func (f *Finder) lettersBefore(p []byte, end int) []byte {
	n := 0
	for n < wrapped && n < end && isLetter(p[end-1-n]) {
		n++
	}
	if n < end || n == wrapped || len(f.tail) == 0 {
		return p[end-n : end]
	}
	all := slices.Concat(f.tail, p[:end])
	return all[max(0, len(all)-wrapped):]
}

// lineEnd returns the end of the first line, from i on, that a program may have broken; len(p) if there is none. If p
// ends in a carriage return, a line feed may follow.
func (f *Finder) lineEnd(p []byte, i int) int {
	for at := i; at < len(p); at++ {
		n := bytes.IndexByte(p[at:], '\n')
		if n < 0 {
			break
		}
		at += n
		end := at
		if end > i && p[end-1] == '\r' {
			end--
		}
		if len(f.lettersBefore(p, end)) == wrapped {
			return end
		}
	}
	if end := len(p) - 1; end >= i && p[end] == '\r' && len(f.lettersBefore(p, end)) == wrapped {
		return end
	}
	return len(p)
}

// add adds the letters with which the next line begins, without the line break and the spaces that indent it. It
// returns how many bytes it has read, and whether that is all.
func (o *broken) add(p []byte, at int64) (n int, complete bool) {
	for len(o.text) == wrapped && n < len(p) && bytes.IndexByte([]byte("\r\n\t "), p[n]) >= 0 {
		n++
	}
	if len(o.text) == wrapped {
		o.start = at + int64(n)
	}
	from, most := n, n+2*wrapped-len(o.text)
	for n < min(len(p), most) && isLetter(p[n]) {
		n++
	}
	o.text = append(o.text, p[from:n]...)
	return n, n < len(p)
}

// padding are bytes that no form has, so that each position before them can be looked at.
const padding = 7

// joined returns the forms that begin before the line break and end after it, but those that it returned before.
func (f *Finder) joined() (all []Match) {
	o := &f.open
	length := len(o.text)
	text := append(o.text, "\xff\xff\xff\xff\xff\xff\xff"...)
	from := f.m.skip(text[:wrapped+padding], 0)
	if from < wrapped {
		report := func(form uint32, end int) { all = append(all, f.across(form, end)...) }
		first := min(length, wrapped+padding)
		state := f.m.run(text[:first], from, 0, report)
		if int(f.m.depth[state]) > first-wrapped { // most texts end here
			f.m.run(text[:length], first, state, report)
		}
	}
	o.done = length
	return all
}

// across returns the form, and those at its end, that end at text[:end] and go on after the line break.
func (f *Finder) across(form uint32, end int) (all []Match) {
	o := &f.open
	for ; form != 0 && end > o.done; form = f.m.end[f.m.fail[form]] {
		if before := int(f.m.depth[form]) - (end - wrapped); before > 0 { // others are found without this
			of := f.m.forms[form]
			all = append(all, Match{
				Names: f.m.names[of.value], Form: of.as, Part: of.part,
				Start: o.end - int64(before), End: o.start + int64(end-wrapped), Line: o.line, Last: o.line + 1,
			})
		}
	}
	return all
}

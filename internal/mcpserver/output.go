package mcpserver

import (
	"strings"

	"github.com/coffer-secrets/coffer/internal/render"
)

// Of one output of a command the beginning and the end are kept: a failure is explained at the end.
const (
	keptHead = 8 << 10
	keptTail = 24 << 10
)

// output keeps the beginning and the end of what is written to it, [keptHead] and [keptTail] bytes.
type output struct {
	head, tail []byte
	dropped    bool // bytes between them
}

// Write never fails.
func (o *output) Write(p []byte) (int, error) {
	room := min(keptHead-len(o.head), len(p))
	o.head = append(o.head, p[:room]...)
	o.tail = append(o.tail, p[room:]...)
	if more := len(o.tail) - keptTail; more > keptTail { // not at each write
		o.tail = append(o.tail[:0], o.tail[more:]...)
		o.dropped = true
	}
	return len(p), nil
}

// text returns the output as a client may show it: valid UTF-8, without control characters that a
// terminal would obey. Only at the place that it marks anything is taken out, which could make a
// secret of what was none.
func (o *output) text() (text string, cut bool) {
	if text = clean(string(o.head) + string(o.tail)); !o.dropped && len(text) <= keptHead+keptTail {
		return text, false
	}
	head, tail := clean(string(o.head)), clean(string(o.tail))
	head, tail = head[:min(keptHead, len(head))], tail[max(0, len(tail)-keptTail):]
	return strings.ToValidUTF8(head, "") + leftOut + strings.ToValidUTF8(tail, ""), true
}

// leftOut stands where a part of an output is left out.
const leftOut = "\n[... a part of the output is left out here ...]\n"

// clean escapes control characters but line ends and tabs, and what is not UTF-8.
func clean(text string) string {
	var out strings.Builder
	for text != "" {
		end := strings.IndexAny(text, "\r\n\t")
		if end < 0 {
			end = len(text)
		}
		out.WriteString(render.Escape(text[:end]))
		if end < len(text) {
			out.WriteByte(text[end])
			end++
		}
		text = text[end:]
	}
	return out.String()
}

package mcpserver

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestALongOutputKeepsItsBeginningAndItsEnd(t *testing.T) {
	var o output
	for range 100_000 {
		_, _ = o.Write([]byte("a line in the middle\n"))
		if len(o.head)+len(o.tail) > keptHead+2*keptTail {
			t.Fatal("it keeps", len(o.head)+len(o.tail), "bytes")
		}
	}
	_, _ = o.Write([]byte("the end\n"))
	got, cut := o.text()
	if !cut || !strings.HasPrefix(got, "a line") || !strings.HasSuffix(got, "the end\n") || strings.Count(got, leftOut) != 1 || len(got) != keptHead+keptTail+len(leftOut) {
		t.Errorf("%d bytes, cut %v: %.100q ... %.100q", len(got), cut, got, got[len(got)-100:])
	}
}

func TestABinaryOutputIsNoLongerThanAText(t *testing.T) {
	for _, binary := range []string{"\x00\x1b\xff\u202e", "é€", strings.Repeat("x", keptHead-1) + "é"} {
		var o output
		_, _ = o.Write([]byte(strings.Repeat(binary, 20_000)))
		got, cut := o.text()
		if !cut || len(got) > keptHead+keptTail+len(leftOut) || !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\x1b\u202e") {
			t.Errorf("%.20q: %d bytes, cut %v", binary, len(got), cut)
		}
	}
}

func TestAShortOutputIsWhole(t *testing.T) {
	var o output
	_, _ = o.Write([]byte("\x1b[31mred\x1b[0m\tcaf\xc3"))
	_, _ = o.Write([]byte("\xa9 \xff\r\n"))
	if got, cut := o.text(); cut || got != `\x1b[31mred\x1b[0m`+"\tcafé "+`\xff`+"\r\n" {
		t.Errorf("%q, cut %v", got, cut)
	}
}

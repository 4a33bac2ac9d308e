package mask

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/xml"
	"html"
	"strings"
	"testing"
)

// TestTextsOfOtherProgramsAreFound: as Go's own packages and others write them.
func TestTextsOfOtherProgramsAreFound(t *testing.T) {
	value := "canary-5c4n <a & \"b\" 'c'>"
	var table, document bytes.Buffer
	w := csv.NewWriter(&table)
	if err := w.Write([]string{"x", value}); err != nil {
		t.Fatal(err)
	}
	w.Flush()
	if err := xml.EscapeText(&document, []byte(value)); err != nil {
		t.Fatal(err)
	}
	crlf := "canary-5c4n\r\nshort\r\nlines\r\n"
	lf := strings.TrimSpace(strings.ReplaceAll(crlf, "\r\n", "\n"))
	m := NewToFind([]Secret{{Name: "a", Value: value}, {Name: "b", Value: crlf}}, 8)
	for _, c := range []struct {
		text string
		want Form
	}{
		{table.String(), Quoted},
		{html.EscapeString(value), XML},
		{document.String(), XML},
		{`canary-5c4n &lt;a &amp; "b" 'c'&gt;`, XML},
		{`canary-5c4n &lt;a &amp; &quot;b&quot; &#39;c&#39;&gt;`, XML},
		{"x\n" + lf + "\ny", Plain},
		{base64.StdEncoding.EncodeToString([]byte(lf + "\n")), Base64},
		{"x\r\n" + crlf, Plain},
	} {
		if all := foundIn(m, c.text, len(c.text)); len(all) == 0 || all[0].Form != c.want || all[0].Part {
			t.Errorf("%q: %+v, not %s", c.text, all, c.want)
		}
	}
}

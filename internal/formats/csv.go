package formats

import (
	"bytes"
	"encoding/csv"
	"strings"
)

func writeCSV(b *bytes.Buffer, entries []entry, _ Options) error {
	return writeRows(b, entries, ',')
}

func writeTSV(b *bytes.Buffer, entries []entry, _ Options) error {
	return writeRows(b, entries, '\t')
}

// writeRows writes what chamber writes: key and value, no header, quotes only if needed.
func writeRows(b *bytes.Buffer, entries []entry, comma rune) error {
	w := csv.NewWriter(b)
	w.Comma = comma
	for _, e := range entries {
		if err := w.Write([]string{e.key, e.value}); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

func readCSV(body []byte, c *collector) error { return readRows(string(body), c, ',') }
func readTSV(body []byte, c *collector) error { return readRows(string(body), c, '\t') }

// rows reads RFC 4180. It is used instead of encoding/csv, which converts CRLF in values to LF.
type rows struct {
	rest  string
	comma byte
	line  int
}

func readRows(body string, c *collector, comma byte) error {
	r := &rows{rest: body, comma: comma, line: 1}
	for r.rest != "" {
		line := r.line
		fields, reason := r.row()
		switch {
		case reason != "":
			return c.fault(line, nil, reason)
		case len(fields) == 1 && fields[0] == "":
			continue
		case len(fields) != 2:
			return c.fault(line, nil, "a row must have two fields, the key and the value")
		}
		if err := c.pair(fields[:1], line, fields[1]); err != nil {
			return err
		}
	}
	return nil
}

// row reads one row. reason says why it can't be read; "" if it can.
func (r *rows) row() (fields []string, reason string) {
	for {
		field, reason := r.field()
		if reason != "" {
			return nil, reason
		}
		fields = append(fields, field)
		switch {
		case r.rest == "":
			return fields, ""
		case r.rest[0] == r.comma:
			r.rest = r.rest[1:]
		default:
			r.rest = strings.TrimPrefix(strings.TrimPrefix(r.rest, "\r"), "\n")
			r.line++
			return fields, ""
		}
	}
}

// field reads one field, up to a comma, the end of the line or the end of the file.
func (r *rows) field() (value, reason string) {
	if strings.HasPrefix(r.rest, `"`) {
		closed := false
		if value, closed = r.quoted(); !closed {
			return "", "a quote is not closed"
		}
	} else {
		end := strings.IndexAny(r.rest, string(r.comma)+"\r\n")
		if end < 0 {
			end = len(r.rest)
		}
		value, r.rest = r.rest[:end], r.rest[end:]
	}
	switch {
	case r.rest == "", r.rest[0] == r.comma, r.rest[0] == '\n', strings.HasPrefix(r.rest, "\r\n"):
		return value, ""
	case r.rest[0] == '\r':
		return "", "a carriage return is outside quotes"
	}
	return "", "text follows a closing quote"
}

// quoted reads a field in quotes, in which two quotes mean one.
func (r *rows) quoted() (value string, closed bool) {
	var b strings.Builder
	rest := r.rest[1:]
	for {
		part, after, found := strings.Cut(rest, `"`)
		if !found {
			return "", false
		}
		b.WriteString(part)
		if !strings.HasPrefix(after, `"`) {
			r.rest = after
			r.line += strings.Count(b.String(), "\n")
			return b.String(), true
		}
		b.WriteByte('"')
		rest = after[1:]
	}
}

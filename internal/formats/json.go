package formats

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// writeJSON writes the same bytes as chamber export: one object on one line.
func writeJSON(b *bytes.Buffer, entries []entry, _ Options) error {
	all := make(map[string]string, len(entries))
	for _, e := range entries {
		all[e.key] = e.value
	}
	return json.NewEncoder(b).Encode(all)
}

// isJSONObject reports whether a text is one JSON object and nothing else. It allows duplicate names,
// which the reader reports.
func isJSONObject(body []byte) bool {
	value := bytes.TrimSpace(body)
	if len(value) == 0 || value[0] != '{' {
		return false
	}
	return jsontext.Value(value).IsValid(jsontext.AllowDuplicateNames(true))
}

type jsonReader struct {
	*jsontext.Decoder
	c     *collector
	lines *lines
}

func readJSON(body []byte, c *collector) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	// jsontext instead of encoding/json, which replaces an invalid \u escape by U+FFFD.
	d := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true))
	r := jsonReader{d, c, newLines(body)}
	if kind := d.PeekKind(); kind != '{' && kind != 0 {
		return c.fault(1, nil, "the file is not a JSON object")
	}
	if err := r.object(nil); err != nil {
		return err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return c.fault(r.line(), nil, "there is text after the JSON object")
	}
	return nil
}

func (r jsonReader) object(path []string) error {
	if _, err := r.ReadToken(); err != nil {
		return r.syntax(err)
	}
	for r.PeekKind() != '}' {
		name, err := r.ReadToken()
		if err != nil {
			return r.syntax(err)
		}
		if err := r.member(append(slices.Clip(path), name.String())); err != nil {
			return err
		}
	}
	_, err := r.ReadToken()
	return r.syntax(err)
}

func (r jsonReader) member(path []string) error {
	line := r.line()
	switch r.PeekKind() {
	case '{':
		if err := r.c.group(path, line); err != nil {
			return err
		}
		return r.object(path)
	case '[':
		return r.c.fault(line, path, "lists aren't supported")
	case 'n':
		return r.c.fault(line, path, "null isn't supported; leave the key out, or use an empty string")
	case '"':
		text, err := r.ReadToken()
		if err != nil {
			return r.syntax(err)
		}
		return r.c.pair(path, line, text.String())
	}
	raw, err := r.ReadValue() // a number or a boolean, unchanged
	if err != nil {
		return r.syntax(err)
	}
	return r.c.pair(path, line, string(raw))
}

func (r jsonReader) line() int { return r.lines.at(int(r.InputOffset())) }

// syntax returns an error with only the line of the library's error, whose text quotes the file.
func (r jsonReader) syntax(err error) error {
	if err == nil {
		return nil
	}
	line, reason := r.line(), "it is not valid JSON"
	var at *jsontext.SyntacticError
	if errors.As(err, &at) {
		line = r.lines.at(int(at.ByteOffset))
		if strings.Contains(at.Error(), "surrogate pair") {
			reason = `an escape \u is half of a surrogate pair, not a character`
		}
	}
	return r.c.fault(line, nil, reason)
}

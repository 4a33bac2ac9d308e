package formats

import (
	"bytes"
	"errors"
	"slices"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// writeTOML lets the library choose the quotes: single ones unless the value needs an escape.
func writeTOML(b *bytes.Buffer, entries []entry, _ Options) error {
	table := make(map[string]string, len(entries))
	for _, e := range entries {
		table[e.key] = e.value
	}
	return toml.NewEncoder(b).Encode(table)
}

type tomlReader struct {
	*unstable.Parser
	c      *collector
	lines  *lines
	size   int
	tables map[string]int // [header] -> line
}

// readTOML reads the syntax tree, as decoding would change numbers: 1.0 to 1, and 1e3 to 1000.
func readTOML(body []byte, c *collector) error {
	r := tomlReader{new(unstable.Parser), c, newLines(body), len(body), map[string]int{}}
	r.Reset(body)
	var table []string
	for r.NextExpression() {
		n := r.Expression()
		var err error
		switch n.Kind {
		case unstable.KeyValue:
			err = r.keyValue(n, table)
		case unstable.Table:
			table, err = r.header(n)
		default:
			path, line := r.key(n, nil)
			err = c.fault(line, path, "lists aren't supported")
		}
		if err != nil {
			return err
		}
	}
	return r.syntax(r.Error())
}

func (r *tomlReader) header(n *unstable.Node) ([]string, error) {
	path, line := r.key(n, nil)
	if first, ok := r.tables[join(path)]; ok {
		return nil, r.c.duplicate(path, first, line)
	}
	r.tables[join(path)] = line
	return path, r.c.nest(path, line)
}

func (r *tomlReader) keyValue(n *unstable.Node, table []string) error {
	path, line := r.key(n, table)
	v := n.Value()
	switch v.Kind {
	case unstable.InlineTable:
		return r.inline(v, path, line)
	case unstable.Array:
		return r.c.fault(line, path, "lists aren't supported")
	}
	return r.c.pair(path, line, string(v.Data))
}

func (r *tomlReader) inline(v *unstable.Node, path []string, line int) error {
	if err := r.c.group(path, line); err != nil {
		return err
	}
	for it := v.Children(); it.Next(); {
		if err := r.keyValue(it.Node(), path); err != nil {
			return err
		}
	}
	return nil
}

// key returns the path of a node in a table, and its line.
func (r *tomlReader) key(n *unstable.Node, table []string) ([]string, int) {
	path, line := slices.Clip(table), 0
	for it := n.Key(); it.Next(); {
		part := it.Node()
		path = append(path, string(part.Data))
		if line == 0 && part.Raw.Length > 0 {
			line = r.lines.at(int(part.Raw.Offset))
		}
	}
	return path, line
}

// syntax returns an error with only the line of the library's error, whose text quotes the file.
func (r *tomlReader) syntax(err error) error {
	if err == nil {
		return nil
	}
	line := 0
	var at *unstable.ParserError
	if errors.As(err, &at) {
		// The library has no offset in its error, but Highlight is a slice of the file: the difference
		// of the capacities is its offset.
		if offset := cap(r.Data()) - cap(at.Highlight); offset >= 0 && offset <= r.size {
			line = r.lines.at(offset)
		}
	}
	return r.c.fault(line, nil, "it is not valid TOML")
}

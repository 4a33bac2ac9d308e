package formats

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

func writeYAML(b *bytes.Buffer, entries []entry, _ Options) error {
	var m yaml.Node
	m.Kind = yaml.MappingNode
	for _, e := range entries {
		m.Content = append(m.Content, yamlKey(e.key), yamlText(e.value))
	}
	return encodeYAML(b, &m)
}

func encodeYAML(b *bytes.Buffer, n *yaml.Node) error {
	encoder := yaml.NewEncoder(b)
	encoder.SetIndent(2)
	if err := encoder.Encode(n); err != nil {
		return err
	}
	return encoder.Close()
}

func yamlKey(key string) *yaml.Node {
	if plainYAML(key) {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}
	}
	return yamlText(key)
}

// plainYAML reports whether every version of YAML reads a key without quotes as a string.
func plainYAML(key string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	if key == "" || !strings.Contains(letters, key[:1]) || strings.Trim(key, letters+"0123456789_-") != "" {
		return false
	}
	switch strings.ToLower(key) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null": // not strings in YAML 1.1 or 1.2
		return false
	}
	return true
}

// yamlText returns a string in double quotes, the only style in which YAML 1.1 and 1.2 read every
// string the same. Without quotes, "yes", "0123" and "=" are not strings in one of them.
func yamlText(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: value}
}

type yamlReader struct {
	c     *collector
	text  *yamlSource
	nodes int
}

// readYAML reads YAML. It reads a JSON object as JSON: as YAML, strings with U+0085 would have other
// values, and the library refuses surrogate pairs.
func readYAML(body []byte, c *collector) error {
	if isJSONObject(body) {
		return readJSON(body, c)
	}
	if i := bytes.IndexAny(body, "\u0085\u2028\u2029"); i >= 0 {
		char, _ := utf8.DecodeRune(body[i:])
		return c.fault(lineAt(body, i), nil, fmt.Sprintf(`readers differ about U+%04[1]X, which ends a line in YAML 1.1 and not in 1.2: write \u%04[1]x in double quotes`, char))
	}
	if i := loneCR(body); i >= 0 {
		return c.fault(lineAt(body, i), nil, `readers differ about a carriage return that no newline follows: write \r in double quotes`)
	}
	text := newYAMLSource(body)
	document, more, err := text.parse()
	switch {
	case err != nil:
		return c.fault(yamlFaultLine(body), nil, yamlFault(err))
	case more != nil:
		return c.fault(text.line(more), nil, "the file holds a second document")
	}
	if len(document.Content) != 1 {
		return nil
	}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" && root.Value == "" {
		return nil // nothing but comments
	}
	if root.Kind != yaml.MappingNode {
		return c.fault(text.line(root), nil, "the file is not a map")
	}
	r := yamlReader{c: c, text: text}
	return r.mapping(root, nil)
}

func (r *yamlReader) mapping(m *yaml.Node, path []string) error {
	for i := 0; i+1 < len(m.Content); i += 2 {
		key := resolveAlias(m.Content[i])
		line := r.text.line(m.Content[i])
		if key.Kind != yaml.ScalarNode {
			return r.c.fault(line, path, "a key is not plain text")
		}
		if key.Tag == "!!merge" {
			return r.c.fault(line, path, "merge keys (<<) aren't supported; write the keys out")
		}
		if err := r.member(m.Content[i+1], append(slices.Clip(path), key.Value), line); err != nil {
			return err
		}
	}
	return nil
}

func (r *yamlReader) member(n *yaml.Node, path []string, line int) error {
	if r.nodes++; r.nodes > maxEntries {
		return r.c.fault(line, nil, fmt.Sprintf("the file expands to more than %d values", maxEntries))
	}
	n = resolveAlias(n)
	switch {
	case n.Kind == yaml.MappingNode:
		if err := r.c.group(path, line); err != nil {
			return err
		}
		return r.mapping(n, path)
	case n.Kind != yaml.ScalarNode:
		return r.c.fault(line, path, "lists aren't supported")
	case n.Tag == "!!null":
		return r.c.fault(line, path, "null isn't supported; leave the key out, or use an empty string")
	case n.Style&yaml.TaggedStyle != 0 && n.Tag != "!!str":
		return r.c.fault(line, path, "tags aren't supported; write the text itself")
	}
	return r.c.pair(path, line, r.text.value(n)) // the text of the file, not what YAML converts it to
}

// resolveAlias returns the node that an alias is for; any other node unchanged.
func resolveAlias(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

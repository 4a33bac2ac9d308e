package formats

import (
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// Limits for one file. Aliases in YAML can make a small file expand to a large one.
const (
	maxDepth   = 64
	maxEntries = 20_000
)

// collector collects the pairs of a reader, and checks the rules that all readers share: valid keys,
// no duplicates, and nested maps only with [Options].Flatten.
type collector struct {
	format  string
	flatten string
	pairs   []Pair
	keys    map[string]int // joined key -> line; two paths can have the same key
	leaves  map[string]int // path of a value -> line
	groups  map[string]int // path of a map -> line
}

func newCollector(format, flatten string) *collector {
	return &collector{
		format: format, flatten: flatten,
		keys: map[string]int{}, leaves: map[string]int{}, groups: map[string]int{},
	}
}

// pair adds a value. The path has the keys of the maps around it and then its own key.
func (c *collector) pair(path []string, line int, value string) error {
	if err := c.nest(path[:len(path)-1], line); err != nil {
		return err
	}
	full := join(path)
	if first, ok := c.seen(full); ok {
		return c.duplicate(path, first, line)
	}
	c.leaves[full] = line
	key := strings.Join(path, c.flatten)
	if store.CheckKey(key) != nil {
		return c.fault(line, path, `a key has letters, digits, "_", "." and "-", and at most 255 of them`)
	}
	if first, ok := c.keys[key]; ok {
		return c.duplicate([]string{key}, first, line)
	}
	c.keys[key] = line
	v := store.NewValue(value)
	if err := v.Check(); err != nil {
		return c.fault(line, path, strings.TrimPrefix(err.Error(), store.ErrInvalid.Error()+": "))
	}
	if len(c.pairs) >= maxEntries {
		return c.fault(line, nil, fmt.Sprintf("the file holds more than %d values", maxEntries))
	}
	c.pairs = append(c.pairs, Pair{Key: key, Value: v})
	return nil
}

// group adds a map that must not occur twice, as in JSON and YAML.
func (c *collector) group(path []string, line int) error {
	if first, ok := c.seen(join(path)); ok {
		return c.duplicate(path, first, line)
	}
	return c.nest(path, line)
}

// nest adds the maps around a value, the outermost first. They may occur before, as in TOML.
func (c *collector) nest(path []string, line int) error {
	for i := range path {
		outer := path[:i+1]
		if c.flatten == "" {
			return &SyntaxError{Format: c.format, Line: line, Path: displayPath(outer), Reason: "nested maps aren't supported", Nested: true}
		}
		if i >= maxDepth {
			return c.fault(line, nil, fmt.Sprintf("maps are nested more than %d deep", maxDepth))
		}
		full := join(outer)
		if first, ok := c.leaves[full]; ok {
			return c.duplicate(outer, first, line)
		}
		if _, ok := c.groups[full]; !ok {
			c.groups[full] = line
		}
	}
	return nil
}

// seen returns the line at which a path occurred before.
func (c *collector) seen(full string) (int, bool) {
	if line, ok := c.leaves[full]; ok {
		return line, true
	}
	line, ok := c.groups[full]
	return line, ok
}

func (c *collector) fault(line int, path []string, reason string) error {
	return &SyntaxError{Format: c.format, Line: line, Path: displayPath(path), Reason: reason}
}

func (c *collector) duplicate(path []string, first, second int) error {
	return &DuplicateError{Format: c.format, Path: displayPath(path), First: first, Second: second}
}

// join makes one string of a path, with a separator that no valid key has.
func join(path []string) string { return strings.Join(path, "\x00") }

// displayPath returns a path for an error. Parts that can't be keys become "?": if the file is of
// another format, they may be part of a secret.
func displayPath(path []string) string {
	parts := make([]string, len(path))
	for i, part := range path {
		if parts[i] = part; store.CheckKey(part) != nil {
			parts[i] = "?"
		}
	}
	return strings.Join(parts, ".")
}

// lines converts byte offsets to lines. Ascending offsets need one pass over the file in all.
type lines struct {
	body         []byte
	offset, line int
}

func newLines(body []byte) *lines { return &lines{body: body, line: 1} }

func (l *lines) at(offset int) int {
	offset = min(offset, len(l.body))
	if offset < l.offset {
		l.offset, l.line = 0, 1
	}
	l.line += lineAt(l.body[l.offset:offset], offset) - 1
	l.offset = offset
	return l.line
}

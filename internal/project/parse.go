package project

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/coffer-secrets/coffer/store"
)

// fieldNames are the fields of the file, keyFieldNames those of a key.
var (
	fieldNames    = []string{"services", "keys", "variables"}
	keyFieldNames = []string{"type", "optional", "description", "variable"}
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	Line int // 0 if it is the whole file
	Text string
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.Text
	}
	return "line " + strconv.Itoa(p.Line) + ": " + p.Text
}

// Problems is the error of a file that is not valid. There is at least one.
type Problems []Problem

// mostShown is the number of problems that an error names.
const mostShown = 10

func (p Problems) Error() string {
	var texts []string
	for _, problem := range p[:min(len(p), mostShown)] {
		texts = append(texts, problem.String())
	}
	if more := len(p) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}

// Parse returns a valid file. The error is [Problems]: all of them, in the order of lines, with names of the
// file and nothing else of it. It never expands an alias, and works in proportion to the length of the body.
func Parse(body []byte) (*File, error) {
	p := &parser{file: &File{Name: Name}}
	if len(body) > MaxBytes {
		p.say(nil, "it is longer than %d bytes", MaxBytes)
		return nil, p.problems
	}
	if root := p.document(body); root != nil {
		p.root(root)
	}
	if len(p.problems) > 0 {
		slices.SortStableFunc(p.problems, func(a, b Problem) int { return a.Line - b.Line })
		return nil, p.problems
	}
	return p.file, nil
}

type parser struct {
	file     *File
	problems Problems
}

// say records a problem of a node; of the whole file if it is nil.
func (p *parser) say(n *yaml.Node, format string, args ...any) {
	line := 0
	if n != nil {
		line = n.Line
	}
	p.problems = append(p.problems, Problem{line, fmt.Sprintf(format, args...)})
}

// document returns the only document of a body; nil if there is none that can be used.
func (p *parser) document(body []byte) *yaml.Node {
	if !utf8.Valid(body) {
		p.say(nil, "it is not UTF-8")
		return nil
	}
	var first, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(body))
	err := decoder.Decode(&first)
	if err == nil {
		switch more := decoder.Decode(&second); {
		case more == nil:
			p.say(&second, "a second document begins here; the file must have one")
			return nil
		case !errors.Is(more, io.EOF):
			err = more
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		p.say(nil, `it is empty; it must at least have "services"`)
		return nil
	case err != nil:
		p.problems = append(p.problems, notYAML(err))
		return nil
	}
	if !p.plain(&first) {
		return nil
	}
	return first.Content[0]
}

// notYAML returns the problem of a body that isn't YAML, without the words of the library, which may quote
// the file.
func notYAML(err error) Problem {
	if _, rest, ok := strings.Cut(err.Error(), "line "); ok {
		digits, _, _ := strings.Cut(rest, ":")
		if line, err := strconv.Atoi(digits); err == nil {
			return Problem{line, "this is not YAML"}
		}
	}
	return Problem{Text: "it is not YAML"}
}

// plain reports whether a document has no anchor, alias or tag, which could make a small file large, or mean
// something else to another reader.
func (p *parser) plain(n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		p.say(n, "anchors and aliases (& and *) are not allowed; put a text that begins with one in quotes")
	case n.Style&yaml.TaggedStyle != 0:
		p.say(n, "tags (!) are not allowed; put a text that begins with one in quotes")
	default:
		ok := true
		for _, child := range n.Content {
			ok = p.plain(child) && ok
		}
		return ok
	}
	return false
}

// root reads the whole file.
func (p *parser) root(n *yaml.Node) {
	fields, ok := p.fields(n, "the file", fieldNames)
	if !ok {
		return
	}
	if fields["services"] == nil {
		p.say(nil, `"services" is missing: the services that the program needs, such as [api]`)
	}
	p.services(fields["services"])
	p.keys(fields["keys"])
	p.variables(fields["variables"])
	p.distinctVariables()
}

// fields returns the values of a map whose names are known.
func (p *parser) fields(n *yaml.Node, what string, known []string) (map[string]*yaml.Node, bool) {
	out := map[string]*yaml.Node{}
	ok := p.pairs(n, what, func(name string, key, value *yaml.Node) {
		if !slices.Contains(known, name) {
			p.say(key, "%s", fieldFault(name, known))
			return
		}
		out[name] = value
	})
	return out, ok
}

// pairs calls f with each pair of a map, in order, except one whose key was there before.
func (p *parser) pairs(n *yaml.Node, what string, f func(name string, key, value *yaml.Node)) bool {
	if n.Kind != yaml.MappingNode {
		p.say(n, "%s must be a map", what)
		return false
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch line, twice := lines[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			p.say(key, "the names in %s must be plain text", what)
		case twice:
			p.say(key, "%s is already on line %d", quoted(key.Value), line)
		default:
			lines[key.Value] = key.Line
			f(key.Value, key, value)
		}
	}
	return true
}

func (p *parser) services(n *yaml.Node) {
	switch {
	case n == nil:
		return
	case n.Kind != yaml.SequenceNode || len(n.Content) == 0:
		p.say(n, `"services" must be a list of at least one service, such as [api]`)
		return
	case len(n.Content) > MaxServices:
		p.say(n, "%d services are listed; the limit is %d", len(n.Content), MaxServices)
		return
	}
	for _, item := range n.Content {
		name, ok := p.text(item, "a service")
		if !ok {
			continue
		}
		if len(name) > store.MaxObject {
			p.say(item, "the name of a service has %d bytes; the limit is %d", len(name), store.MaxObject)
			continue
		}
		if err := store.CheckService(name); err != nil {
			p.invalid(item, err)
			continue
		}
		if slices.Contains(p.file.Services, name) {
			p.say(item, "service %q is listed twice", name)
			continue
		}
		p.file.Services = append(p.file.Services, name)
	}
}

func (p *parser) keys(n *yaml.Node) {
	if n == nil || isNull(n) {
		return
	}
	if len(n.Content) > 2*MaxKeys {
		p.say(n, "%d keys are listed; the limit is %d", len(n.Content)/2, MaxKeys)
		return
	}
	p.pairs(n, `"keys"`, func(name string, at, value *yaml.Node) {
		if err := store.CheckKey(name); err != nil {
			p.invalid(at, err)
			return
		}
		k := Key{Name: name, Line: at.Line}
		if !isNull(value) {
			p.key(&k, value)
		}
		p.file.Keys = append(p.file.Keys, k)
	})
}

// key reads what the file says of one key.
func (p *parser) key(k *Key, n *yaml.Node) {
	fields, _ := p.fields(n, fmt.Sprintf("the value of the key %q", k.Name), keyFieldNames)
	if v := fields["type"]; v != nil {
		text, ok := p.text(v, `"type"`)
		if k.Type = text; ok && !slices.Contains(TypeNames(), text) {
			near := nearest(text, TypeNames())
			if near != "" {
				near = fmt.Sprintf(" (nearest: %q)", near)
			}
			p.say(v, "unknown type %s%s; use one of %s", quoted(text), near, strings.Join(TypeNames(), ", "))
		}
	}
	if v := fields["optional"]; v != nil {
		if k.Optional = v.Value == "true"; v.Kind != yaml.ScalarNode || v.ShortTag() != "!!bool" || v.Value != "true" && v.Value != "false" {
			p.say(v, `"optional" must be true or false`)
		}
	}
	if v := fields["description"]; v != nil {
		k.Description, _ = p.text(v, `"description"`)
	}
	if v := fields["variable"]; v != nil {
		var ok bool
		if k.Variable, ok = p.text(v, `"variable"`); ok {
			p.variableName(v, k.Variable)
		}
	}
}

func (p *parser) variables(n *yaml.Node) {
	if n == nil || isNull(n) {
		return
	}
	p.pairs(n, `"variables"`, func(name string, at, value *yaml.Node) {
		text, ok := p.text(value, fmt.Sprintf("the variable %s", quoted(name)))
		if !p.variableName(at, name) || !ok {
			return
		}
		t, faults := parseVariable(name, text)
		for _, fault := range faults {
			p.say(value, "%s", fault)
		}
		if len(faults) == 0 {
			p.file.Variables = append(p.file.Variables, Variable{Name: name, Line: at.Line, text: t})
		}
	})
	if n := len(p.file.Every()); n > MaxServices {
		p.say(nil, "%d services are needed; the limit is %d", n, MaxServices)
	}
}

// variableName checks the name of a variable that the file sets.
func (p *parser) variableName(n *yaml.Node, name string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	switch {
	case name == "" || !strings.Contains(letters, name[:1]) || strings.Trim(name, letters+"0123456789") != "":
		p.say(n, `%s is not a name of a variable: letters, digits and "_", no digit first`, quoted(name))
	case ownVariable(name):
		p.say(n, "a project's file can't set %s: variables of that name are Coffer's own", name)
	default:
		return true
	}
	return false
}

// distinctVariables refuses two entries that set the same variable.
func (p *parser) distinctVariables() {
	lines := map[string]int{}
	add := func(name string, line int) {
		if before, ok := lines[name]; ok {
			p.problems = append(p.problems, Problem{max(line, before), fmt.Sprintf("the variable %s is already set on line %d", name, min(line, before))})
			return
		}
		lines[name] = line
	}
	for _, k := range p.file.Keys {
		if name := k.VariableName(""); name != "" {
			add(name, k.Line)
		}
	}
	for _, v := range p.file.Variables {
		add(v.Name, v.Line)
	}
}

// text returns a scalar that every reader of YAML takes for a string.
func (p *parser) text(n *yaml.Node, what string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		p.say(n, "%s must be a text; put a number, a date, true or null in quotes", what)
		return "", false
	}
	return n.Value, true
}

// invalid records the error of a name.
func (p *parser) invalid(n *yaml.Node, err error) {
	p.say(n, "%s", strings.TrimPrefix(err.Error(), store.ErrInvalid.Error()+": "))
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// longestName is the number of bytes that are shown of a name, and compared with others.
const longestName = 80

// quoted returns a name of the file for a sentence.
func quoted(name string) string {
	if len(name) > longestName {
		return strconv.Quote(strings.ToValidUTF8(name[:longestName], "") + "…")
	}
	return strconv.Quote(name)
}

// nearest returns the similar one of known names; "" if there is none.
func nearest(name string, known []string) string {
	if len(name) > longestName {
		return ""
	}
	return store.Nearest(name, known)
}

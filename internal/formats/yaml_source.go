package formats

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yamlSource is a YAML file on its way to the library, with what v3 refuses of valid YAML
// written in other words: "%YAML 1.2", and a block scalar whose first line begins with a tab.
// (v4.0.0 refuses the first as well, and takes 0.2 MB more.)
type yamlSource struct {
	text   []byte
	mark   string // a character that the file does not have
	marked []int  // lines of text, ascending, that have nothing but the mark
}

func newYAMLSource(body []byte) *yamlSource {
	mark := rune(0xe000) // the first of the private ones
	for bytes.ContainsRune(body, mark) {
		mark++
	}
	return &yamlSource{text: knownDirectives(body), mark: string(mark)}
}

// parse returns the first document, and the second where there is one.
func (y *yamlSource) parse() (document, second *yaml.Node, err error) {
	for budget := 16 * MaxInput; ; budget -= len(y.text) {
		document, second, err = parseYAML(y.text)
		if err == nil || budget < 0 || !y.markTab(err) {
			return document, second, err
		}
	}
}

func parseYAML(text []byte) (document, second *yaml.Node, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	document, second = new(yaml.Node), new(yaml.Node)
	if err := decoder.Decode(document); errors.Is(err, io.EOF) {
		return document, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	if err := decoder.Decode(second); errors.Is(err, io.EOF) {
		return document, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	return document, second, nil
}

// markTab puts a line with the mark before the line that the library takes for badly indented, if
// that is where a block scalar begins with a tab: what comes next is then no indentation to it.
// value takes the mark out again. A line break stays one next to a line that begins with a tab,
// in folded scalars too.
func (y *yamlSource) markTab(err error) bool {
	if !strings.Contains(err.Error(), "found a tab character where an indentation space is expected") {
		return false
	}
	number, start := errorLine(err), 0
	for range number - 1 {
		start += len(firstLine(y.text[start:]))
	}
	// The error names that line, or the one of "|" or ">". Between them is nothing but spaces.
	indent := tabAfter(firstLine(y.text[start:]))
	for header := true; indent == 0; header = false {
		line := firstLine(y.text[start:])
		if len(line) == 0 || !header && len(bytes.Trim(line, " \r\n")) > 0 {
			return false
		}
		start += len(line)
		number++
		indent = tabAfter(firstLine(y.text[start:]))
	}
	if slices.Contains(y.marked, number-1) {
		return false
	}
	y.text = slices.Insert(y.text, start, []byte(strings.Repeat(" ", indent)+y.mark+"\n")...)
	y.marked = append(y.marked, number)
	return true
}

// firstLine is the first line of a text with its end.
func firstLine(text []byte) []byte {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return text[:i+1]
	}
	return text
}

// tabAfter is the number of spaces before a tab at the start of a line; 0 for another line.
func tabAfter(line []byte) int {
	indent := len(line) - len(bytes.TrimLeft(line, " "))
	if indent == len(line) || line[indent] != '\t' {
		return 0
	}
	return indent
}

// value is the text of a scalar as the file has it.
func (y *yamlSource) value(n *yaml.Node) string {
	return strings.Replace(n.Value, y.mark+"\n", "", 1)
}

// line is the line of the file in which a node begins.
func (y *yamlSource) line(n *yaml.Node) int { return y.fileLine(n.Line) }

// faultLine keeps nothing but the line of the library's error, which can quote the file.
func (y *yamlSource) faultLine(err error) int { return y.fileLine(errorLine(err)) }

func (y *yamlSource) fileLine(line int) int {
	before, _ := slices.BinarySearch(y.marked, line)
	return line - before
}

// yamlFault is what is wrong, without what the library quotes of the file.
func yamlFault(err error) string {
	if strings.Contains(err.Error(), "unknown escape character") || strings.Contains(err.Error(), "invalid Unicode character escape code") {
		return `an escape in double quotes is unknown: "\/" is "/", and a surrogate pair is one \U with eight digits`
	}
	return "it is not YAML"
}

// loneCR is the place of a carriage return that no newline follows; -1 where there is none.
func loneCR(body []byte) int {
	for i := 0; ; i++ {
		next := bytes.IndexByte(body[i:], '\r')
		if next < 0 {
			return -1
		}
		if i += next; i+1 == len(body) || body[i+1] != '\n' {
			return i
		}
	}
}

// errorLine is the line that an error of the library names; 0 where it names none.
func errorLine(err error) int {
	m := regexp.MustCompile(`line (\d+)`).FindStringSubmatch(err.Error())
	if m == nil {
		return 0
	}
	line, _ := strconv.Atoi(m[1])
	return line
}

// knownDirectives comments out what the library refuses of a header and other readers pass over:
// any "%YAML 1.x" but 1.1, and directives that YAML reserves.
func knownDirectives(body []byte) []byte {
	version := regexp.MustCompile(`^%YAML[ \t]+1\.[0-9]+([ \t]+#.*)?$`)
	known := regexp.MustCompile(`^%(YAML|TAG)([ \t]|$)`)
	out := slices.Clone(body)
	versions := 0
	for at := 0; at < len(out); {
		line, _, _ := bytes.Cut(out[at:], []byte("\n"))
		switch text := bytes.TrimRight(line, " \t\r"); {
		case len(text) == 0, bytes.TrimLeft(text, " \t")[0] == '#':
		case version.Match(text) && versions == 0:
			versions++
			out[at] = '#'
		case text[0] == '%' && !known.Match(text):
			out[at] = '#'
		case text[0] == '%':
		case bytes.Equal(text, []byte("---")), bytes.HasPrefix(text, []byte("--- ")), bytes.HasPrefix(text, []byte("---\t")):
			return out
		default: // without "---" the header is a mistake, which the library tells
			return body
		}
		at += len(line) + len("\n")
	}
	return body
}

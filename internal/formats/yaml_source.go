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

// yamlSource is the text of a YAML file, rewritten where v3 of the library refuses valid YAML: the
// directive "%YAML 1.2", and a block scalar whose first line begins with a tab. (v4.0.0 refuses the
// first one, too, and makes the program 0.2 MB larger.)
type yamlSource struct {
	text   []byte
	mark   string // a character that isn't in the file
	marked []int  // lines of text that were added and have only the mark, ascending
}

func newYAMLSource(body []byte) *yamlSource {
	mark := rune(0xe000) // the first private-use character
	for bytes.ContainsRune(body, mark) {
		mark++
	}
	return &yamlSource{text: knownDirectives(body), mark: string(mark)}
}

// parse returns the first document, and the second one; nil if there is none.
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

// markTab adds a line with the mark before the line with the tab that the library refuses as
// indentation, if a block scalar begins there. The tab is then not on the first line of the scalar, so
// the library accepts it, and value removes the mark. Even a folded scalar keeps the line break before
// a line that begins with a tab. It returns false if the error is another one.
func (y *yamlSource) markTab(err error) bool {
	if !strings.Contains(err.Error(), "found a tab character where an indentation space is expected") {
		return false
	}
	number, start := errorLine(err), 0
	for range number - 1 {
		start += len(firstLine(y.text[start:]))
	}
	// The error names that line, or the line with "|" or ">". Lines between them have only spaces.
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

// firstLine returns the first line of a text, with its newline.
func firstLine(text []byte) []byte {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return text[:i+1]
	}
	return text
}

// tabAfter returns the number of spaces before a tab at the start of a line; 0 for any other line.
func tabAfter(line []byte) int {
	indent := len(line) - len(bytes.TrimLeft(line, " "))
	if indent == len(line) || line[indent] != '\t' {
		return 0
	}
	return indent
}

// value returns the text of a scalar, without the mark.
func (y *yamlSource) value(n *yaml.Node) string {
	return strings.Replace(n.Value, y.mark+"\n", "", 1)
}

// line returns the line of the file in which a node begins.
func (y *yamlSource) line(n *yaml.Node) int { return y.fileLine(n.Line) }

func (y *yamlSource) fileLine(line int) int {
	before, _ := slices.BinarySearch(y.marked, line)
	return line - before
}

// yamlFault describes an error of the library without its text, which can quote the file.
func yamlFault(err error) string {
	if strings.Contains(err.Error(), "unknown escape character") || strings.Contains(err.Error(), "invalid Unicode character escape code") {
		return `unknown escape in double quotes: "\/" is "/", and a surrogate pair is one \U with eight digits`
	}
	return "it is not valid YAML"
}

// yamlFaultLine returns the line of a mistake: the one behind the longest beginning of the text that is
// YAML. The line in an error of the library is often another one, that of the map or list around the
// mistake, counted from 0 in errors of its parser (go.yaml.in/yaml v3.0.6, decode.go, fail). It returns 0
// if the search would take long.
func yamlFaultLine(body []byte) int {
	lines := bytes.SplitAfter(body, []byte("\n"))
	rest := len(body)
	for number, budget := len(lines), 1<<20; number > 0 && budget > 0; number-- {
		rest -= len(lines[number-1])
		budget -= rest
		if _, _, err := newYAMLSource(body[:rest]).parse(); err == nil {
			return number
		}
	}
	return 0
}

// loneCR returns the index of a carriage return without a newline after it; -1 if there is none.
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

// errorLine returns the line in an error of the library; 0 if there is none.
func errorLine(err error) int {
	m := regexp.MustCompile(`line (\d+)`).FindStringSubmatch(err.Error())
	if m == nil {
		return 0
	}
	line, _ := strconv.Atoi(m[1])
	return line
}

// knownDirectives comments out the directives that the library refuses and other readers ignore: any
// "%YAML 1.x" except 1.1, and reserved ones.
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
		default: // directives without "---" are an error, which the library reports
			return body
		}
		at += len(line) + len("\n")
	}
	return body
}

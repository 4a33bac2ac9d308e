package formats

import (
	"regexp"
	"strings"
	"testing"
)

// Readers that follow the documented rules of programs which a test cannot run.

// readSystemdRules follows parse_env_file_internal of systemd's src/basic/env-file.c.
func readSystemdRules(_ testing.TB, body []byte) map[string]string {
	r := systemdReader{all: map[string]string{}, blanks: -1}
	for _, c := range body {
		switch r.state {
		case preKey, inKey:
			r.readKey(c)
		case preValue, inValue, valueEscape:
			r.readPlain(c)
		case singleQuoted, doubleQuoted, doubleEscape:
			r.readQuoted(c)
		case comment, commentEscape:
			r.readComment(c)
		}
	}
	if r.state >= preValue && r.state <= doubleEscape {
		r.push()
	}
	return r.all
}

type systemdState int

// The states of systemd's parser.
const (
	preKey systemdState = iota
	inKey
	preValue
	inValue
	valueEscape
	singleQuoted
	doubleQuoted
	doubleEscape
	comment
	commentEscape
)

// systemdReader reads a file byte by byte, as systemd does.
type systemdReader struct {
	all        map[string]string
	state      systemdState
	key, value []byte
	blanks     int // where white space at the end of a value began, or -1
}

// push keeps a variable that is complete.
func (r *systemdReader) push() {
	if r.blanks >= 0 {
		r.value = r.value[:r.blanks]
	}
	r.all[strings.TrimRight(string(r.key), " \t\n\r")] = string(r.value)
	r.state, r.key, r.value, r.blanks = preKey, nil, nil, -1
}

func (r *systemdReader) readKey(c byte) {
	switch {
	case r.state == preKey && (c == '#' || c == ';'):
		r.state = comment
	case r.state == preKey && systemdSpace(c):
	case systemdNewline(c):
		r.state, r.key = preKey, nil
	case r.state == inKey && c == '=':
		r.state = preValue
	default:
		r.state, r.key = inKey, append(r.key, c)
	}
}

// readPlain reads a value outside of quotes.
func (r *systemdReader) readPlain(c byte) {
	switch {
	case r.state == valueEscape:
		if r.state = inValue; !systemdNewline(c) {
			r.value = append(r.value, c)
		}
	case systemdNewline(c):
		r.push()
	case r.state == preValue && c == '\'':
		r.state = singleQuoted
	case r.state == preValue && c == '"':
		r.state = doubleQuoted
	case c == '\\':
		r.state, r.blanks = valueEscape, -1
	case r.state == preValue && systemdSpace(c):
	default:
		if r.state != inValue || !systemdSpace(c) {
			r.blanks = -1
		} else if r.blanks < 0 {
			r.blanks = len(r.value)
		}
		r.state, r.value = inValue, append(r.value, c)
	}
}

func (r *systemdReader) readQuoted(c byte) {
	switch {
	case r.state == doubleEscape:
		r.state = doubleQuoted
		if strings.IndexByte("\"\\`$", c) >= 0 {
			r.value = append(r.value, c)
		} else if c != '\n' {
			r.value = append(r.value, '\\', c)
		}
	case r.state == singleQuoted && c == '\'', r.state == doubleQuoted && c == '"':
		r.state = preValue
	case r.state == doubleQuoted && c == '\\':
		r.state = doubleEscape
	default:
		r.value = append(r.value, c)
	}
}

func (r *systemdReader) readComment(c byte) {
	switch {
	case r.state == commentEscape:
		r.state = comment
	case c == '\\':
		r.state = commentEscape
	case systemdNewline(c):
		r.state = preKey
	}
}

func systemdNewline(c byte) bool { return c == '\n' || c == '\r' }

func systemdSpace(c byte) bool { return systemdNewline(c) || c == ' ' || c == '\t' }

// readGitHubEnv follows the runner's FileCommandManager (EnvFileKeyValuePairs): lines end
// with LF, on Windows with CRLF too; the end of the line before the delimiter is dropped.
func readGitHubEnv(t testing.TB, body []byte, windows bool) map[string]string {
	text := string(body)
	index := 0
	readLine := func() (line, newline string) {
		rest := text[index:]
		before, _, found := strings.Cut(rest, "\n")
		if !found {
			t.Fatal("the file ends within a line")
		}
		index += len(before) + 1
		if windows && strings.HasSuffix(before, "\r") {
			return before[:len(before)-1], "\r\n"
		}
		return before, "\n"
	}
	all := map[string]string{}
	for index < len(text) {
		line, _ := readLine()
		if line == "" {
			continue
		}
		equals, heredoc := strings.Index(line, "="), strings.Index(line, "<<")
		if heredoc < 0 || equals >= 0 && equals < heredoc {
			t.Fatal("a line is no heredoc")
		}
		name, delimiter, _ := strings.Cut(line, "<<")
		start, end := index, index
		for {
			line, newline := readLine()
			if line == delimiter {
				break
			}
			end = index - len(newline)
		}
		all[name] = text[start:max(start, end)]
	}
	return all
}

func readGitHubEnvOnLinux(t testing.TB, body []byte) map[string]string {
	return readGitHubEnv(t, body, false)
}

func readGitHubEnvOnWindows(t testing.TB, body []byte) map[string]string {
	return readGitHubEnv(t, body, true)
}

// readGitLabRules follows Ci::ParseDotenvArtifactService and fails on what the variables'
// expansion would touch.
func readGitLabRules(t testing.TB, body []byte) map[string]string {
	line := regexp.MustCompile(`(?s)^(.*?)=(.*)$`)
	expanded := regexp.MustCompile(`\$|%[a-zA-Z_][a-zA-Z0-9_]*%`)
	if len(body) >= 5120 {
		t.Fatalf("GitLab takes no file of %d bytes", len(body))
	}
	all := map[string]string{}
	for text := range strings.SplitSeq(strings.TrimSuffix(string(body), "\n"), "\n") {
		m := line.FindStringSubmatch(text)
		if m == nil {
			t.Fatal("GitLab: invalid format")
		}
		if expanded.MatchString(m[2]) {
			t.Error("GitLab would expand a variable")
		}
		all[strings.Trim(m[1], "\x00\t\n\v\f\r ")] = strings.Trim(m[2], "\x00\t\n\v\f\r ")
	}
	return all
}

// masks follows the runner's add-mask: a command in a line, %25, %0D and %0A unescaped.
func masks(t *testing.T, stdout string) map[string]bool {
	all := map[string]bool{}
	unescape := strings.NewReplacer("%0D", "\r", "%0A", "\n", "%25", "%")
	for line := range strings.Lines(stdout) {
		data, found := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "::add-mask::")
		if !found || strings.TrimSpace(data) == "" {
			t.Errorf("not a command to mask: %q", line)
		}
		all[unescape.Replace(data)] = true
	}
	return all
}

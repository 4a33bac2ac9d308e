package formats

import (
	"regexp"
	"strings"
	"testing"
)

// Readers that follow the documented rules of programs which a test cannot run.

// readSystemdRules follows parse_env_file_internal of systemd's src/basic/env-file.c.
func readSystemdRules(_ testing.TB, body []byte) map[string]string {
	const (
		preKey = iota
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
	all := map[string]string{}
	state := preKey
	var key, value []byte
	blanks := -1 // where white space at the end of a value began
	push := func() {
		if blanks >= 0 {
			value = value[:blanks]
		}
		all[strings.TrimRight(string(key), " \t\n\r")] = string(value)
		state, key, value, blanks = preKey, nil, nil, -1
	}
	newline := func(c byte) bool { return c == '\n' || c == '\r' }
	white := func(c byte) bool { return newline(c) || c == ' ' || c == '\t' }
	for _, c := range body {
		switch state {
		case preKey:
			if c == '#' || c == ';' {
				state = comment
			} else if !white(c) {
				state, key = inKey, append(key, c)
			}
		case inKey:
			switch {
			case newline(c):
				state, key = preKey, nil
			case c == '=':
				state = preValue
			default:
				key = append(key, c)
			}
		case preValue, inValue:
			switch {
			case newline(c):
				push()
			case state == preValue && c == '\'':
				state = singleQuoted
			case state == preValue && c == '"':
				state = doubleQuoted
			case c == '\\':
				state, blanks = valueEscape, -1
			case state == preValue && white(c):
			default:
				if state == inValue && white(c) {
					if blanks < 0 {
						blanks = len(value)
					}
				} else {
					blanks = -1
				}
				state, value = inValue, append(value, c)
			}
		case valueEscape:
			if state = inValue; !newline(c) {
				value = append(value, c)
			}
		case singleQuoted:
			if c == '\'' {
				state = preValue
			} else {
				value = append(value, c)
			}
		case doubleQuoted:
			switch c {
			case '"':
				state = preValue
			case '\\':
				state = doubleEscape
			default:
				value = append(value, c)
			}
		case doubleEscape:
			state = doubleQuoted
			if strings.IndexByte("\"\\`$", c) >= 0 {
				value = append(value, c)
			} else if c != '\n' {
				value = append(value, '\\', c)
			}
		case comment:
			if c == '\\' {
				state = commentEscape
			} else if newline(c) {
				state = preKey
			}
		case commentEscape:
			state = comment
		}
	}
	if state >= preValue && state <= doubleEscape {
		push()
	}
	return all
}

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

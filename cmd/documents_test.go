package cmd

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/app"
)

// foreignFlags are flags in documents that belong to another program, which the text around them names.
func foreignFlags() map[string]string {
	return map[string]string{
		"--env-file": "docker run", "-tags": "go build", "-gx": "fish's set", "--ignore-signal": "GNU env", "--block-signal": "GNU env",
		"-last-modified-time": "the SSM API", "--singleline": "chamber", "--normalize-keys": "chamber", "-j": "age",
		"--server-side": "kubectl apply", "-x": "a shell's set", "--require-signature": "install.sh", "--base-url": "install.sh",
	}
}

// documents returns what a user reads: every Markdown file of the project but the changelog, which
// tells of commands that have gone too, and the help texts.
func documents(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"../*.md", "../docs/*.md", "../docs/*/*.md", "../internal/help/*.txt"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if filepath.Base(name) == "CHANGELOG.md" {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			found[strings.TrimPrefix(name, "../")] = string(text)
		}
	}
	return found
}

// shown is a piece of a document that may be a command line.
type shown struct {
	line int
	text string
	code bool // a line of a block; else it stands in a sentence, where an argument may be left out
}

// shownIn returns the code of a Markdown file, or of a help text: the lines of its blocks, with
// continuations joined, and what stands between backquotes.
func shownIn(name, text string) (all []shown) {
	inline := regexp.MustCompile("`([^`]+)`")
	fenced, joined := false, ""
	for number, line := range strings.Split(text, "\n") {
		indented := strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t") || strings.HasSuffix(name, ".txt")
		switch trimmed := strings.TrimSpace(line); {
		case strings.HasPrefix(trimmed, "```"):
			fenced = !fenced
		case fenced || indented:
			if before, more := strings.CutSuffix(trimmed, `\`); more {
				joined += before
				continue
			}
			all = append(all, shown{number + 1, joined + trimmed, true})
			joined = ""
		}
		if !fenced {
			for _, m := range inline.FindAllStringSubmatch(line, -1) {
				all = append(all, shown{number + 1, strings.ReplaceAll(m[1], `\|`, "|"), false})
			}
		}
	}
	return all
}

// cofferLines returns the arguments of each run of coffer in a line for a shell.
func cofferLines(line string) (all [][]string) {
	line = strings.TrimPrefix(line, "$ ")
	line = regexp.MustCompile(`(^|\s)#.*$`).ReplaceAllString(line, "")
	for _, quote := range []string{`'`, `"`} { // an argument that is a script stays one word
		line = regexp.MustCompile(quote+`[^`+quote+`]*`+quote).ReplaceAllStringFunc(line, func(quoted string) string {
			inner := quoted[1 : len(quoted)-1]
			if strings.Contains(inner, "$(coffer ") {
				return inner
			}
			return strings.NewReplacer(" ", "_", "|", "_", ";", "_", "&", "_", "(", "_", ")", "_", "<", "_").Replace(inner)
		})
	}
	for _, simple := range regexp.MustCompile(`\|\||&&|[;&]|\s\|\s|[$<]\(|[()]|\b(?:then|do|if|!)\s`).Split(line, -1) {
		words := strings.Fields(simple)
		at := slices.IndexFunc(words, func(word string) bool {
			return strings.TrimLeft(filepath.Base(word), "`") == "coffer" && !strings.HasSuffix(word, "/coffer/")
		})
		if start := strings.Index(simple, "go run . "); start >= 0 {
			words, at = strings.Fields(simple[start:]), 2
		}
		if at < 0 || slices.ContainsFunc(words[:at], notBeforeAProgram) {
			continue
		}
		args := []string{}
		for _, word := range words[at+1:] {
			if strings.ContainsAny(word, "<>") {
				break // a redirection
			}
			args = append(args, word)
		}
		all = append(all, args)
	}
	return all
}

// notBeforeAProgram reports whether a word can't stand before the name of a program that is run.
func notBeforeAProgram(word string) bool {
	return !strings.Contains(word, "=") && !slices.Contains(strings.Fields("$ exec sudo time env eval export nohup RUN CMD ENTRYPOINT run: script: -"), word)
}

// forms returns the command lines that a line of usage stands for: with all that is optional, each
// alternative once.
func forms(args []string) [][]string {
	all := [][]string{{}}
	for _, arg := range args {
		arg = strings.NewReplacer("[", "", "]", "", "...", "", "…", "").Replace(arg)
		if arg == "" || arg == "flags" || arg == "|" {
			continue
		}
		var next [][]string
		for _, alternative := range strings.Split(strings.Trim(arg, "|"), "|") {
			for _, form := range all {
				next = append(next, append(slices.Clone(form), strings.Trim(alternative, `"',.:`)))
			}
		}
		all = next
	}
	return all
}

var placeholder = regexp.MustCompile(`^[A-Z][A-Z0-9_]*(,[A-Z0-9]+)*$|^<.*>$|[$]`)

// grammarFault returns what is wrong with a command line by the whole grammar; "" if nothing is. In a
// sentence arguments may be missing.
func grammarFault(t *testing.T, args []string, sentence bool) string {
	t.Helper()
	if at := slices.Index(args, "--"); at >= 0 && len(args) > 0 && (args[0] == "exec" || args[0] == "run") {
		args = args[:at]
	}
	whole, exited := &CLI{}, false
	parser, err := newParser(t.Context(), &app.App{Stdout: nowhere(t), Stderr: nowhere(t)}, whole, &whole.Globals, &exited)
	if err != nil {
		t.Fatal(err)
	}
	if args = ownForms(args); args[0] == "COMMAND" {
		args = append([]string{"version"}, slices.DeleteFunc(args[1:], func(arg string) bool { return arg == "ARGS" })...)
	}
	_, err = parser.Parse(attachValues(args))
	if err == nil || exited {
		return ""
	}
	text := err.Error()
	withPlaceholder := slices.ContainsFunc(args, func(arg string) bool {
		_, value, found := strings.Cut(arg, "=")
		return placeholder.MatchString(arg) || found && placeholder.MatchString(value)
	})
	switch {
	case strings.HasPrefix(text, "unknown flag"), strings.HasPrefix(text, "unexpected argument"):
		return text
	case strings.HasPrefix(text, "expected"), strings.Contains(text, "missing"), strings.Contains(text, "expected"):
		if sentence || withPlaceholder && strings.HasPrefix(text, "--") {
			return ""
		}
	case withPlaceholder: // a value of the user's
		return ""
	}
	return text
}

func nowhere(t *testing.T) *os.File {
	t.Helper()
	file, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// flagsBelow returns the flags of a command and its subcommands, with the global ones and their dashes;
// of "" those of all commands.
func flagsBelow(t *testing.T, command string) map[string]bool {
	t.Helper()
	parser, err := kong.New(&CLI{})
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]bool{"--help": true, "-h": true, "--version": true, "-V": true, "-": true, "--": true}
	err = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		switch node := node.(type) {
		case *kong.Node:
			top := node.Parent != nil && node.Parent.Type == kong.ApplicationNode
			if top && command != "" && node.Name != command && !slices.Contains(node.Aliases, command) {
				return nil
			}
		case *kong.Flag:
			for _, name := range append([]string{node.Name}, node.Aliases...) {
				flags["--"+name] = true
			}
			if node.Short != 0 {
				flags["-"+string(node.Short)] = true
			}
			if node.Tag.Negatable != "" {
				flags["--no-"+node.Name] = true
			}
		}
		return next(nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	return flags
}

// checker counts what it has checked of the documents.
type checker struct {
	*testing.T
	known        map[string]bool // all flags
	lines, flags int
}

// line checks the forms of one command line.
func (c *checker) line(where string, args []string, sentence bool) {
	c.Helper()
	for _, form := range forms(args) {
		c.lines++
		if fault := grammarFault(c.T, form, sentence); fault != "" {
			c.Errorf("%s: coffer %s: %s", where, strings.Join(form, " "), fault)
		}
	}
}

// shown checks a piece of code. ofRow has the flags of the commands that the row of a table is about; it
// is nil elsewhere.
func (c *checker) shown(where, text string, ofRow map[string]bool, sentence bool) {
	c.Helper()
	first, _, _ := strings.Cut(text, " ")
	switch {
	case strings.Contains(text, "coffer") || strings.Contains(text, "go run . "):
		for _, args := range cofferLines(text) {
			c.line(where, args, sentence)
		}
	case !sentence:
	case first == "->": // a stanza of an age file
	case strings.HasPrefix(first, "-"):
		for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(" ,/[]", r) }) {
			flag, _, _ := strings.Cut(word, "=")
			if !strings.HasPrefix(flag, "-") || foreignFlags()[flag] != "" {
				continue
			}
			if c.flags++; !c.known[flag] {
				c.Errorf("%s: `%s`: there is no flag %s", where, text, flag)
			} else if ofRow != nil && !ofRow[flag] {
				c.Errorf("%s: `%s`: the commands of this row have no flag %s", where, text, flag)
			}
		}
	case commandField(first) != nil && strings.Contains(text, " ") && !strings.Contains(text, "="):
		for piped := range strings.SplitSeq(text, " | ") { // `read -q`: without the program's name
			if words := strings.Fields(piped); !slices.ContainsFunc(words, func(word string) bool { return foreignFlags()[word] != "" }) {
				c.line(where, words, true)
			}
		}
	}
}

// ofRow returns the flags of the commands in the first cell of a row, if it is in a table of commands:
// nil otherwise.
func ofRow(t *testing.T, rows []string, at int) map[string]bool {
	t.Helper()
	if !strings.HasPrefix(rows[at], "| `") {
		return nil
	}
	head := at
	for head > 0 && strings.HasPrefix(rows[head-1], "|") {
		head--
	}
	if !strings.HasPrefix(rows[head], "| command ") {
		return nil
	}
	flags := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z]+)[^`]*`").FindAllStringSubmatch(strings.Split(rows[at], " | ")[0], -1) {
		if commandField(m[1]) != nil {
			maps.Copy(flags, flagsBelow(t, m[1]))
		}
	}
	return flags
}

// TestDocumentsKeepTheirPromises takes every coffer command line and every flag that a document shows.
// The whole grammar must know its command, its arguments and its flags.
func TestDocumentsKeepTheirPromises(t *testing.T) {
	t.Parallel()
	c := &checker{T: t, known: flagsBelow(t, "")}
	for name, text := range documents(t) {
		rows := strings.Split(text, "\n")
		for _, s := range shownIn(name, text) {
			c.shown(fmt.Sprintf("%s:%d", name, s.line), s.text, ofRow(t, rows, s.line-1), !s.code)
		}
	}
	if c.lines < 100 || c.flags < 100 {
		t.Errorf("only %d command lines and %d flags were found", c.lines, c.flags)
	}
}

// TestDocumentsWithAMistakeAreNoticed: the test above sees what it is for.
func TestDocumentsWithAMistakeAreNoticed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"```sh\ncoffer histroy api k\n```":                                    1,
		"```\n$ coffer list api --no-such\n```":                               1,
		"see `coffer read SVC KEY --nothing`":                                 1,
		"    eval \"$(coffer env api --nothing)\"":                            1,
		"```sh\nA=b coffer exec api --nothing -- ./server --port 1\n```":      1,
		"```sh\nprintf x | coffer write api k - --nothing && coffer lst\n```": 2,
		"```sh\ncoffer policy raeder api\n```":                                1,
		"```sh\ncoffer read api\n```":                                         1,
		"```sh\ncoffer read api key --version x\n```":                         1,
		"```sh\ncoffer edit api --format toml\n```":                           1,
		"in a sentence `coffer read`, and `coffer exec SERVICE... [flags] -- COMMAND [ARG...]`; `coffer read SVC KEY --version N`": 0,
		"```sh\ncoffer exec api -- ./server --nothing\nexport X=1 # coffer nothing\necho coffer nothing\n```":                      0,
		"`coffer policy reader|writer|operator SVC...`":                                                                            0,
		"`coffer policy reader|nothing SVC...`":                                                                                    1,
	} {
		found := 0
		for _, s := range shownIn("x.md", text) {
			for _, args := range cofferLines(s.text) {
				for _, form := range forms(args) {
					if grammarFault(t, form, !s.code) != "" {
						found++
					}
				}
			}
		}
		if found != want {
			t.Errorf("%q: %d mistakes are noticed, want %d", text, found, want)
		}
	}
}

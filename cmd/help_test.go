//go:build unix

package cmd

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/internal/help"
)

// wholeParser returns the grammar of all commands. What it prints goes to the file.
func wholeParser(t *testing.T, output *os.File) *kong.Kong {
	t.Helper()
	whole := &CLI{}
	parser, err := newParser(t.Context(), &app.App{Stdout: output, Stderr: output}, whole, &whole.Globals, new(bool))
	if err != nil {
		t.Fatal(err)
	}
	return parser
}

// helped returns all commands that a person can ask help for.
func helped(t *testing.T) (nodes []*kong.Node) {
	t.Helper()
	var visit func(node *kong.Node)
	visit = func(node *kong.Node) {
		for _, c := range node.Children {
			if !c.Hidden {
				nodes = append(nodes, c)
				visit(c)
			}
		}
	}
	visit(wholeParser(t, nowhere(t)).Model.Node)
	return nodes
}

func TestEveryCommandHasUsageAndExamples(t *testing.T) {
	t.Parallel()
	var names []string
	for _, node := range helped(t) {
		name := help.Name(node)
		names = append(names, name)
		entry := help.Find(name)
		texts := 0
		for _, e := range entry.Examples {
			if e.Text != "" {
				texts++
			}
			if !strings.Contains(e.Line, "coffer") || utf8.RuneCountInString(e.Line) > 96 {
				t.Errorf("%s: the example %q is not a line of coffer", name, e.Line)
			}
		}
		if least := min(2, 1+len(node.Flags)+len(node.Positional)); texts < least && len(node.Children) == 0 || len(entry.Examples) > 8 || len(entry.Usage) == 0 {
			t.Errorf("%s: %d usage lines, %d examples", name, len(entry.Usage), len(entry.Examples))
		}
		if node.Group == nil && node.Parent.Type == kong.ApplicationNode {
			t.Errorf("%s is in no group of coffer --help", name)
		}
		for _, f := range node.Flags {
			if !f.Hidden && !strings.HasSuffix(f.Help, ".") && !strings.HasSuffix(f.Help, ")") {
				t.Errorf("%s: the help of --%s doesn't end as a sentence: %q", name, f.Name, f.Help)
			}
		}
	}
	entries := help.Entries()
	slices.Sort(names)
	slices.Sort(entries)
	if !slices.Equal(names, entries) {
		t.Errorf("the grammar has %q\nthere is help for %q", names, entries)
	}
}

// samples are words for the placeholders of usage lines.
func samples() *strings.Replacer {
	return strings.NewReplacer("SERVICE", "api", "SOURCE", "api", "DESTINATION", "web", "OTHER", "web", "PREFIX", "api", "NAME=VALUE", "a=b", "NAME", "a",
		"KEY", "db_url", "FILE", "values.env", "TEMPLATE", "values.env", "TEXT", "db", "N,M", "1,2", "N", "1", "ALIAS", "alias/ops", "LINK", "x", "COMMAND|TOPIC", "exec", "COMMAND", "true", "ARG", "x")
}

var optional = regexp.MustCompile(`\[[^]]*\]\S*`)

// TestUsageLinesCanBeTyped parses each usage line with sample words: with all that is optional, and
// with nothing of it.
func TestUsageLinesCanBeTyped(t *testing.T) {
	t.Parallel()
	for _, node := range helped(t) {
		for _, usage := range help.Find(help.Name(node)).Usage {
			words := strings.Fields(samples().Replace(usage))[1:]
			if !strings.HasPrefix(usage, "coffer "+help.Name(node)+" ") && usage != "coffer "+help.Name(node) {
				t.Errorf("%q is not a line of %s", usage, help.Name(node))
			}
			bare := strings.Fields(optional.ReplaceAllString(strings.Join(words, " "), ""))
			for _, form := range append(forms(words), forms(bare)...) {
				if fault := grammarFault(t, form, false); fault != "" {
					t.Errorf("%s: coffer %s: %s", usage, strings.Join(form, " "), fault)
				}
			}
			if len(node.Children) == 0 {
				for _, arg := range node.Positional {
					if arg.Required && len(words) < 2 {
						t.Errorf("%s lacks the argument %s", usage, arg.Name)
					}
				}
			}
		}
	}
}

// printed returns what prints to a file.
func printed(t *testing.T, prints func(*os.File)) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "printed")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	prints(file)
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestHelpIsOfOneLayout: a line of purpose, how to type it, its own flags, examples; not wider than 80
// columns where the width isn't known. The global flags are in two places alone.
func TestHelpIsOfOneLayout(t *testing.T) {
	t.Parallel()
	for _, node := range helped(t) {
		text := printed(t, func(out *os.File) {
			if err := help.Print(out, wholeParser(t, out).Model, node); err != nil {
				t.Error(err)
			}
		})
		lines := strings.Split(text, "\n")
		if lines[0] != node.Help || lines[1] != "" || lines[2] != "USAGE" {
			t.Errorf("%s begins with %q", help.Name(node), lines[:3])
		}
		if !strings.Contains(text, "\nEXAMPLES\n") || !strings.Contains(text, "\nLEARN MORE\n  coffer help flags ") || strings.Contains(text, "--endpoint-url URL") {
			t.Errorf("the help of %s:\n%s", help.Name(node), text)
		}
		for _, f := range node.Flags {
			if !f.Hidden && !strings.Contains(text, f.Name) {
				t.Errorf("the help of %s lacks --%s", help.Name(node), f.Name)
			}
		}
		for _, line := range lines {
			if utf8.RuneCountInString(line) > 80 && !strings.HasPrefix(line, "  $ ") {
				t.Errorf("the help of %s has a line of %d columns: %q", help.Name(node), utf8.RuneCountInString(line), line)
			}
		}
	}
}

// TestTopicsSayWhatTheTablesSay: the topics are made from the tables of the program, and the settings
// are those of docs/configuration.md, which another test holds against the code.
func TestTopicsSayWhatTheTablesSay(t *testing.T) {
	t.Parallel()
	topics := map[string]string{}
	for _, topic := range help.Topics() {
		topics[topic.Name] = printed(t, func(out *os.File) {
			found, err := help.PrintTopic(out, wholeParser(t, out).Model, topic.Name)
			if !found || err != nil {
				t.Errorf("topic %s: %t, %v", topic.Name, found, err)
			}
		})
	}
	for _, code := range app.ExitCodes() {
		if !strings.Contains(strings.Join(strings.Fields(topics["exit-codes"]), " "), code.Meaning) {
			t.Errorf("the topic exit-codes lacks %d", code.Code)
		}
	}
	for _, name := range app.Backends() {
		if !strings.Contains(topics["backends"], "\n  "+name+" ") {
			t.Errorf("the topic backends lacks %s", name)
		}
	}
	for _, flag := range globalFlags() {
		if !strings.Contains(topics["flags"], flag) {
			t.Errorf("the topic flags lacks %s", flag)
		}
	}
	page, rows := readConfigurationPage(t)
	settings := help.Settings()
	if len(rows) != len(settings) {
		t.Fatalf("%d settings are documented, the topic has %d", len(rows), len(settings))
	}
	for i, row := range rows {
		s := settings[i]
		if s.Name != row.name || s.Flag != row.flag || !slices.Equal(s.Variables, row.variables) {
			t.Errorf("the topic has %+v, docs/configuration.md %+v", s, row)
		}
		if !strings.Contains(topics["configuration"], "\n  "+s.Name+" ") {
			t.Errorf("the topic configuration lacks %s", s.Name)
		}
	}
	for _, m := range codeSpan.FindAllStringSubmatch(page, -1) {
		if strings.HasPrefix(m[1], "COFFER_") && m[1] == strings.ToUpper(m[1]) && len(m[1]) > len("COFFER_") && !strings.Contains(topics["environment"], m[1]) {
			t.Errorf("the topic environment lacks %s", m[1])
		}
	}
}

// TestHelpListsTheFormats that there are, in the order of the error for an unknown one; so does the table of commands.
func TestHelpListsTheFormats(t *testing.T) {
	design, err := os.ReadFile("../docs/design/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []struct {
		name  string
		row   string
		names []string
	}{{"export", "| `export SVC...` | ", formats.Names()}, {"import", "| `import SVC FILE\\|-` | ", formats.ImportNames()}} {
		last := len(command.names) - 1
		want := strings.Join(command.names[:last], ", ") + " or " + command.names[last]
		for _, node := range helped(t) {
			if help.Name(node) != command.name {
				continue
			}
			for _, flag := range node.Flags {
				if flag.Name == "format" && !strings.HasPrefix(flag.Help, want) {
					t.Errorf("coffer %s --help doesn't list %s:\n%s", command.name, want, flag.Help)
				}
			}
		}
		if want := command.row + strings.Join(command.names, ", ") + " | "; !strings.Contains(string(design), want) {
			t.Errorf("docs/design/cli.md doesn't list the formats of %s", command.name)
		}
	}
}

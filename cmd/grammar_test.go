package cmd

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/app"
)

// commandPaths are the words of every command that can be run, by all of their names.
func commandPaths(node *kong.Node) [][]string {
	var paths [][]string
	for _, child := range node.Children {
		if child.Hidden {
			continue
		}
		below := commandPaths(child)
		if len(child.Children) == 0 {
			below = [][]string{nil}
		}
		for _, name := range append([]string{child.Name}, child.Aliases...) {
			for _, rest := range below {
				paths = append(paths, append([]string{name}, rest...))
			}
		}
	}
	return paths
}

// parse returns all that a parser makes of a command line: what is printed, the exit code, and
// what the command gets.
func parse(t *testing.T, newParser func(*app.App, *bool) (*kong.Kong, error), args []string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "output")
	output, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = output.Close() }()
	a := &app.App{Stdout: output, Stderr: output}
	var exited bool
	parser, err := newParser(a, &exited)
	if err != nil {
		t.Fatal(err)
	}
	told := ""
	parsed, err := parser.Parse(attachValues(args))
	switch {
	case exited:
		told = "help"
	case err != nil:
		told = fmt.Sprintf("exit %d", a.Fail(usageError(args, err)))
	default:
		got, err := json.Marshal([]any{parsed.Selected().Target.Interface(), a.Globals})
		if err != nil {
			t.Fatal(err)
		}
		told = fmt.Sprintf("%s %t %s", parsed.Command(), parsed.Selected().Tag.Has("reads"), got)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return told + "\n" + string(text)
}

func TestOneCommandsGrammarTellsWhatTheWholeOneTells(t *testing.T) {
	t.Parallel()
	ofAll := func(a *app.App, exited *bool) (*kong.Kong, error) {
		whole := &CLI{}
		return newParser(t.Context(), a, whole, &whole.Globals, exited)
	}
	whole, err := ofAll(&app.App{Stdout: os.Stdout, Stderr: os.Stderr}, new(bool))
	if err != nil {
		t.Fatal(err)
	}
	helps, refusals := 0, 0
	for _, path := range commandPaths(whole.Model.Node) {
		if commandField(path[0]) == nil {
			continue // it reads the whole grammar
		}
		ofOne := func(a *app.App, exited *bool) (*kong.Kong, error) {
			return newCommandParser(t.Context(), a, commandField(path[0]), exited)
		}
		for _, words := range [][]string{
			{"--help"}, {"--no-such-flag"}, {"--jso"}, {"--backend"}, {}, {"api", "--", "read"}, {"api", "db_url"}, {"api", "x", "y", "z"},
		} {
			args := slices.Concat(path, words)
			if len(args)%2 == 0 { // the global flags stand anywhere
				args = append([]string{"-qb", "local", "--context", "read"}, args...)
			}
			one, all := parse(t, ofOne, args), parse(t, ofAll, args)
			if one != all {
				t.Errorf("coffer %s:\n%s\nwith the whole grammar:\n%s", strings.Join(args, " "), one, all)
			}
			switch {
			case strings.HasPrefix(all, "help\n") && strings.Contains(all, "\nUSAGE\n"):
				helps++
			case strings.HasPrefix(all, "exit 2\ncoffer: "):
				refusals++
			}
		}
	}
	if helps < 40 || refusals < 160 {
		t.Errorf("%d lines were for help, %d refused", helps, refusals)
	}
}

func TestTheGrammarIsOfTheCommandThatIsNamed(t *testing.T) {
	for line, want := range map[string]string{
		"read api db_url": "read", "get api": "read", "exec api -- read": "exec", "run": "exec", "write read list": "write",
		"--context prod list api": "list", "-b local ls": "list", "-qb local tag read a b": "tag", "--json version": "version",
		"--help": "", "": "", "frob": "", "frob read": "", "-q": "", "--context read frob": "", "--context read list api": "", "__complete read": "", "aliases": "", "Read": "",
	} {
		parser, _, err := parserFor(t.Context(), &app.App{Stdout: os.Stdout, Stderr: os.Stderr}, strings.Fields(line), new(bool))
		if err != nil {
			t.Fatal(err)
		}
		got := parser.Model.Children[0].Name
		if len(parser.Model.Children) > 1 {
			got = ""
		}
		if got != want {
			t.Errorf("coffer %s: the grammar is of %q, want %q", line, got, want)
		}
	}
}

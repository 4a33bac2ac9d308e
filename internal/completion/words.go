package completion

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/internal/help"
)

// Words that tell the script to complete the names of files, or of commands, itself.
const (
	files    = "__files__"
	commands = "__commands__"
)

// Word is a completion, with what it is: "" for names of the store.
type Word struct{ Text, About string }

// Words returns the completions of the last word.
func Words(ctx context.Context, a *app.App, node *kong.Node, words []string) []Word {
	before, last := splitLast(words)
	prefix := ""
	if flag, value, ok := strings.Cut(last, "="); ok && strings.HasPrefix(flag, "--") {
		before, last, prefix = append(before, flag), value, flag+"="
	}
	var found []Word
	for _, word := range candidates(ctx, a, node, before, last) {
		switch {
		case word.Text == files || word.Text == commands:
			found = append(found, word)
		case strings.HasPrefix(word.Text, last):
			found = append(found, Word{prefix + word.Text, word.About})
		}
	}
	return found
}

// splitLast splits off the last word. bash splits --flag=value into three words; the "=" is dropped.
func splitLast(words []string) (before []string, last string) {
	for i, word := range words {
		if word != "=" || i == 0 || !strings.HasPrefix(words[i-1], "--") {
			before = append(before, word)
		} else if i == len(words)-1 {
			return before, ""
		}
	}
	if len(before) == 0 {
		return nil, ""
	}
	return before[:len(before)-1], before[len(before)-1]
}

// typed is the part of the line before the word to complete.
type typed struct {
	args  []string          // of the command
	flags map[string]string // name -> value
}

// candidates follows the grammar along the words before the last one, and returns what can come
// next.
func candidates(ctx context.Context, a *app.App, node *kong.Node, before []string, last string) []Word {
	line := typed{flags: map[string]string{}}
	for i := 0; i < len(before); i++ {
		word := before[i]
		switch {
		case word == "--" && node.Name == "exec" && i == len(before)-1:
			return plain([]string{commands})
		case word == "--":
			return plain([]string{files}) // an argument of a command, or a value
		case strings.HasPrefix(word, "-"):
			flag := flagOf(node, word)
			if flag == nil || flag.IsBool() {
				continue
			}
			_, value, ok := strings.Cut(word, "=")
			if !ok {
				if i++; i == len(before) {
					return describeValues(flag, flagValues(ctx, a, node, flag, line))
				}
				value = before[i]
			}
			line.flags[flag.Name] = value
			set(a.Globals, flag.Name, value)
		case len(node.Children) > 0:
			next := child(node, word)
			if next == nil && node.DefaultCmd != nil { // whose name may be left out
				next = node.DefaultCmd
				i-- // the word is its argument
			}
			if node = next; node == nil {
				return nil
			}
		default:
			line.args = append(line.args, word)
		}
	}
	if strings.HasPrefix(last, "-") {
		return flagNames(node)
	}
	if len(node.Children) > 0 && node.DefaultCmd != nil {
		return append(childNames(node), plain(arguments(ctx, a, node.DefaultCmd, line))...)
	}
	if len(node.Children) > 0 {
		return childNames(node)
	}
	if len(node.Positional) > 0 && node.Positional[0].Name == "topic" {
		return topics(node, line.args)
	}
	return plain(arguments(ctx, a, node, line))
}

// plain returns words without descriptions.
func plain(words []string) []Word {
	out := make([]Word, len(words))
	for i, word := range words {
		out[i].Text = word
	}
	return out
}

// describeValues describes the values of a flag, as far as something is known of them.
func describeValues(f *kong.Flag, values []string) []Word {
	words := plain(values)
	if f.Name == "backend" || strings.HasSuffix(f.Name, "-backend") {
		for i, b := range app.BackendRows() {
			words[i].About = b.About
		}
	}
	return words
}

// topics returns what help has a page for.
func topics(node *kong.Node, args []string) []Word {
	at := node.Parent
	for _, arg := range args {
		if at = child(at, arg); at == nil {
			return nil
		}
	}
	words := childNames(at)
	if at == node.Parent {
		for _, t := range help.Topics() {
			words = append(words, Word{t.Name, t.About})
		}
	}
	return words
}

// set applies a flag of the line, so that completion opens the same store as the command would.
func set(g *app.Globals, flag, value string) {
	switch flag {
	case "backend":
		g.Backend = value
	case "bucket":
		g.Bucket = value
	case "kms-key-alias":
		g.KMSKeyAlias = value
	case "identity":
		g.Identity = value
	case "region":
		g.Region = value
	case "profile":
		g.Profile = value
	case "endpoint-url":
		g.EndpointURL = value
	case "config":
		g.Config = value
	case "context":
		g.Context = value
	}
}

func allFlags(node *kong.Node) []*kong.Flag {
	var all []*kong.Flag
	if node.DefaultCmd != nil {
		node = node.DefaultCmd
	}
	for n := node; n != nil; n = n.Parent {
		for _, f := range n.Flags {
			if !f.Hidden {
				all = append(all, f)
			}
		}
	}
	return all
}

func flagOf(node *kong.Node, word string) *kong.Flag {
	name, _, _ := strings.Cut(word, "=")
	for _, f := range allFlags(node) {
		if name == "--"+f.Name || f.Short != 0 && name == "-"+string(f.Short) ||
			slices.Contains(f.Aliases, strings.TrimPrefix(name, "--")) {
			return f
		}
	}
	return nil
}

func flagNames(node *kong.Node) []Word {
	var names []Word
	for _, f := range allFlags(node) {
		names = append(names, Word{"--" + f.Name, f.Help})
	}
	if node.Type == kong.ApplicationNode {
		names = append(names, Word{"--version", "Print the version."})
	}
	return names
}

// flagValues returns the values that a flag can have: by its enum or placeholder in the grammar or,
// if those don't say enough, by its name.
func flagValues(ctx context.Context, a *app.App, node *kong.Node, f *kong.Flag, line typed) []string {
	if f.Enum != "" {
		return strings.FieldsFunc(f.Enum, func(r rune) bool { return r == ',' })
	}
	switch {
	case f.PlaceHolder == "FILE":
		return []string{files}
	case f.PlaceHolder == "SERVICE":
		return completeServices(ctx, source(a, line))
	case f.PlaceHolder == "ALIAS", f.Name == "key": // of KMS, which may be an alias
		return completeAliases(a)
	case strings.HasPrefix(f.PlaceHolder, "KEY"), f.PlaceHolder == "GLOB":
		return flagKeys(ctx, a, node, line)
	}
	switch f.Name {
	case "backend", "from-backend", "to-backend":
		return app.Backends()
	case "context", "from-context", "to-context":
		if file, _ := a.ConfigFile(); file != nil { // not nil even if $COFFER_CONTEXT names an unknown context
			return slices.Sorted(maps.Keys(file.Contexts))
		}
	case "allow", "exec":
		return []string{commands}
	case "time-limit":
		return []string{"1m", "10m", "1h"}
	case "retry-mode":
		return []string{"standard", "adaptive"}
	case "on-change":
		return []string{"restart", "exit", "signal:HUP"}
	case "signal":
		return []string{"HUP", "USR1", "USR2", "TERM", "INT"}
	case "timeout", "interval", "grace":
		return []string{"10s", "30s", "1m", "5m"}
	case "git":
		return []string{"HEAD", "main..HEAD"}
	case "min-length":
		return []string{"4", "8", "16"}
	case "cache":
		return []string{"8h", "24h", "7d", "off"}
	case "format":
		if node.Name == "import" {
			return formats.ImportNames()
		}
		return formats.Names()
	case "shell":
		return formats.Shells()
	case "prefix":
		if node.Name == "migrate" { // other commands have --prefix for variables
			return completeServices(ctx, source(a, line))
		}
	}
	return nil
}

// projectServices returns the services of the project's file that exec would use; none if it can't be used.
func projectServices(a *app.App, line typed) []string {
	p, err := a.FindProject(line.flags["project"])
	if p == nil || err != nil {
		return nil
	}
	return p.Services
}

func child(node *kong.Node, word string) *kong.Node {
	for _, c := range node.Children {
		if c.Name == word || slices.Contains(c.Aliases, word) {
			return c
		}
	}
	return nil
}

func childNames(node *kong.Node) []Word {
	var names []Word
	for _, c := range node.Children {
		if !c.Hidden {
			names = append(names, Word{c.Name, c.Help})
		}
	}
	return names
}

// arguments returns the values of the next positional argument, by its name in the grammar.
func arguments(ctx context.Context, a *app.App, node *kong.Node, line typed) []string {
	if len(node.Positional) == 0 {
		return nil
	}
	at := min(len(line.args), len(node.Positional)-1)
	arg := node.Positional[at]
	if len(line.args) > at && !arg.IsCumulative() {
		return nil
	}
	if arg.Enum != "" {
		return strings.Split(arg.Enum, ",")
	}
	switch arg.Name {
	case "service", "source", "prefix":
		return completeServices(ctx, source(a, line))
	case "destination":
		return completeServices(ctx, destination(a, line))
	case "other":
		if line.flags["versions"] != "" { // then the argument is a key
			return completeKeys(ctx, source(a, line), line.args[0])
		}
		return completeServices(ctx, destination(a, line))
	case "key":
		return completeKeys(ctx, a, line.args[0])
	case "file", "path", "recipient":
		return []string{files}
	case "alias":
		return completeAliases(a)
	case "member":
		return completeMembers(ctx, a, line.args[0])
	}
	return nil
}

// source returns an App for the store that the command reads from.
func source(a *app.App, line typed) *app.App {
	if name := line.flags["from-context"]; name != "" {
		a = a.InContext(name)
	}
	return a.OnBackend(line.flags["from-backend"], line.flags["from-bucket"], "--from-bucket")
}

// destination returns an App for the store of the second service.
func destination(a *app.App, line typed) *app.App {
	if name := line.flags["to-context"]; name != "" {
		return a.InContext(name)
	}
	return a
}

package cmd

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/help"
)

// About says what the program is, in help and in manual pages.
const About = "Coffer keeps encrypted secrets in a bucket and runs programs with them."

// parserFor returns the parser of a command line, and the name of its command as it was typed. A
// parse that prints help sets exited.
//
// The parser has only the global flags and that one command: building the whole grammar takes
// longer than everything else that most commands do. The whole grammar is used for lines without a
// command, for help, mistakes and completion.
func parserFor(ctx context.Context, a *app.App, args []string, exited *bool) (parser *kong.Kong, name string, err error) {
	for _, word := range args {
		command := commandField(word)
		if command == nil {
			continue
		}
		if parser, err = newCommandParser(ctx, a, command, exited); err != nil {
			return nil, "", err
		}
		if name = commandName(parser.Model, args); name == word {
			return parser, name, nil
		}
		break // the word was the value of a flag, or no command
	}
	whole := &CLI{}
	if parser, err = newParser(ctx, a, whole, &whole.Globals, exited); err != nil {
		return nil, "", err
	}
	return parser, commandName(parser.Model, args), nil
}

// newCommandParser creates a parser of the global flags and one command, a field of [CLI].
func newCommandParser(ctx context.Context, a *app.App, command *reflect.StructField, exited *bool) (*kong.Kong, error) {
	var flags struct {
		app.Globals `group:"Global flags"` // as in CLI
	}
	return newParser(ctx, a, &flags, &flags.Globals, exited, kong.DynamicCommand(
		strings.ToLower(command.Name), command.Tag.Get("help"), "", reflect.New(command.Type).Interface(), string(command.Tag)))
}

// newParser creates the parser of a grammar.
func newParser(ctx context.Context, a *app.App, grammar any, globals *app.Globals, exited *bool, more ...kong.Option) (*kong.Kong, error) {
	a.Globals = globals
	return kong.New(grammar, append(more,
		kong.Name("coffer"),
		kong.Description(About),
		kong.Writers(a.Stdout, a.Stderr),
		kong.Exit(func(int) { *exited = true }), // after --help; parsing continues, and its result is dropped
		kong.Help(help.Printer),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(a),
	)...)
}

// commandField returns the field of a command, by its name or an alias, and nil if there is none.
// It doesn't return the commands with the tag whole: they read the whole grammar.
func commandField(word string) *reflect.StructField {
	for field := range reflect.TypeFor[CLI]().Fields() {
		_, command := field.Tag.Lookup("cmd")
		_, whole := field.Tag.Lookup("whole")
		names := append(strings.Split(field.Tag.Get("aliases"), ","), strings.ToLower(field.Name))
		if command && !whole && word != "" && slices.Contains(names, word) {
			return &field
		}
	}
	return nil
}

// commandName returns the word that names the command, after any global flags.
func commandName(model *kong.Application, args []string) string {
	for i := 0; i < len(args); i++ {
		if !strings.HasPrefix(args[i], "-") {
			return args[i]
		}
		for _, f := range model.Flags {
			if takesNext(f, args[i]) {
				i++
				break
			}
		}
	}
	return ""
}

// takesNext reports whether an argument is a flag whose value is the next argument.
func takesNext(f *kong.Flag, arg string) bool {
	if f.IsBool() {
		return false
	}
	names := append([]string{f.Name}, f.Aliases...)
	bundle := !strings.HasPrefix(arg, "--") && strings.HasSuffix(arg, string(f.Short)) // -qb local
	return f.Short != 0 && bundle ||
		slices.ContainsFunc(names, func(name string) bool { return arg == "--"+name })
}

// refuseEmptyFlags returns an error for a flag with the tag filled that has an empty value, such as that of a
// variable which a script didn't set. It would mean the same as no flag: the newest version, or all keys.
func refuseEmptyFlags(parsed *kong.Context) error {
	given := map[*kong.Flag]int{}
	for _, p := range parsed.Path {
		if p.Flag == nil || !p.Flag.Tag.Has("filled") {
			continue
		}
		given[p.Flag]++
		list, several := p.Flag.Target.Interface().([]string)
		// An empty value adds nothing to a list.
		if p.Flag.Target.Len() == 0 || several && (len(list) < given[p.Flag] || slices.Contains(list, "")) {
			return app.WithHint(app.Usage("--%s: the value is empty", p.Flag.Name), "give a value, or leave the flag out")
		}
	}
	return nil
}

package cmd

import (
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/internal/help"
	"github.com/coffer-secrets/coffer/internal/run"
)

// usageError turns an error of the parser into one with a hint: what was probably meant, or how the
// command is used. For commands whose arguments may be secrets, no argument is repeated.
func usageError(args []string, err error) error {
	var unwritten *fs.PathError // of the help, which the parser prints
	if errors.As(err, &unwritten) && unwritten.Op == "write" {
		return unwritten
	}
	text, secret := err.Error(), mayHoldSecrets(args)
	var node *kong.Node
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		if node = parse.Context.Selected(); node == nil {
			node = parse.Context.Model.Node
		}
	}
	if node == nil {
		return app.Usage("%s", text)
	}
	command := "coffer"
	if node.Type == kong.CommandNode {
		command += " " + help.Name(node)
	}
	hint := command + " --help shows how"
	switch word, rest := offender(text); {
	case rest == "flag":
		text = "unknown flag " + word
		if secret {
			text = "unknown flag (put -- before a value that begins with -, or better: omit the value to be asked)"
		}
		if line := help.InsteadOfFlag(node.Name, word); line != "" {
			hint = "did you mean: " + line
		} else if near := help.NearestFlag(node, word); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
	case rest == "argument" && len(node.Children) > 0:
		text, hint = unknownCommand(node, command, word), meant(node, args, word, secret, usage(node, hint))
	case rest == "argument" && secret:
		text = "too many arguments: a value with spaces needs quotes"
	case rest == "argument":
		text, hint = "unexpected argument "+word, usage(node, hint)
	case strings.HasPrefix(text, "expected"), strings.HasPrefix(text, "missing"):
		text, hint = missing(text), usage(node, hint)
		if line := split(node, args); line != "" && text == "missing argument: KEY" {
			hint = "did you mean: coffer " + line
		}
	case strings.HasSuffix(text, `but got "EOL" (<EOL>)`): // a flag at the end of the line
		flag, _, _ := strings.Cut(text, ":")
		text = flag + " needs a value"
	case secret && strings.HasPrefix(text, "--"): // a known flag, then its value
		if flag, _, ok := strings.Cut(text, ": "); ok {
			text = flag + ": invalid value"
		}
	case secret:
		text = "invalid arguments"
	case strings.Contains(text, " must be one of "):
		text = choice(text)
	}
	return app.WithHint(app.Usage("%s", text), hint)
}

// mayHoldSecrets reports whether an argument may be a value: of a command that takes one, or that would in
// another tool.
func mayHoldSecrets(args []string) bool {
	return slices.ContainsFunc(args, func(word string) bool {
		return slices.Contains([]string{"write", "set", "find", "search", "grep"}, word) || strings.Contains(help.Instead(word, ""), "coffer write")
	})
}

// offender returns the word that kong's text complains of, and what it takes it for.
func offender(text string) (word, kind string) {
	for _, kind := range []string{"flag", "argument"} {
		for _, prefix := range []string{"unknown ", "unexpected "} {
			if rest, ok := strings.CutPrefix(text, prefix+kind+" "); ok {
				word, _, _ := strings.Cut(rest, ", did you mean")
				return word, kind
			}
		}
	}
	return "", ""
}

// meant returns the hint for a word that is no command: what it is here, or the line with the command
// that is similar to it.
func meant(node *kong.Node, args []string, word string, secret bool, hint string) string {
	at := slices.Index(args, word)
	next := ""
	if at >= 0 && at+1 < len(args) {
		next = args[at+1]
	}
	if node.Type == kong.ApplicationNode {
		if line := help.Instead(word, next); line != "" {
			return line
		}
	}
	near := help.NearestCommand(node, word)
	switch {
	case near == "":
		return hint
	case secret || near == "write" || near == "set" || near == "find" || at < 0:
		return "did you mean " + near + "? coffer " + near + " --help shows how"
	}
	line := slices.Clone(args)
	line[at] = near
	return "did you mean: coffer " + shellWords(line)
}

// split returns the line with SERVICE KEY for one that has SERVICE/KEY behind the name of a command; "" for
// any other. What follows isn't repeated.
func split(node *kong.Node, args []string) string {
	at := slices.IndexFunc(args, func(arg string) bool { return arg == node.Name || slices.Contains(node.Aliases, arg) })
	if at < 0 || at+1 >= len(args) || strings.HasPrefix(args[at+1], "-") {
		return ""
	}
	end := strings.LastIndexByte(args[at+1], '/')
	if end <= 0 || end == len(args[at+1])-1 {
		return ""
	}
	return help.Name(node) + " " + shellWords([]string{args[at+1][:end], args[at+1][end+1:]})
}

// twoWords adds a hint to an error about a missing key, if a service is given that may be service/key. rest is what
// follows on the line.
func twoWords(err error, command, service, rest string) error {
	end := strings.LastIndexByte(service, '/')
	if end <= 0 {
		return err
	}
	return app.WithHint(err, "did you mean: coffer "+command+" "+shellWords([]string{service[:end], service[end+1:]})+rest)
}

func usage(node *kong.Node, hint string) string {
	if lines := help.Find(help.Name(node)).Usage; len(lines) > 0 {
		return "usage: " + lines[0] + " (" + hint + ")"
	}
	return hint
}

// missing says which argument is missing, in the words of the help: SERVICE... for kong's <service> ...
func missing(text string) string {
	if !strings.Contains(text, "<") {
		return strings.ReplaceAll(text, `"`, "") // a subcommand
	}
	text = regexp.MustCompile(`<([a-z]+)>( \.\.\.)?`).ReplaceAllStringFunc(text, func(word string) string {
		return strings.ToUpper(strings.NewReplacer("<", "", ">", "", " ", "").Replace(word))
	})
	_, names, _ := strings.Cut(strings.ReplaceAll(text, `"`, ""), " ")
	return "missing argument: " + names
}

// choice says which words an argument or a flag takes, for kong's: --format must be one of "yaml","dotenv"
// but got "toml".
func choice(text string) string {
	what, rest, _ := strings.Cut(text, " must be one of ")
	words, got, _ := strings.Cut(rest, " but got ")
	if name, ok := strings.CutPrefix(what, "<"); ok {
		what = strings.ToUpper(strings.TrimSuffix(name, ">"))
	}
	taken := strings.FieldsFunc(words, func(r rune) bool { return r == '"' || r == ',' })
	return what + ": " + got + " is not one of " + strings.Join(taken, ", ")
}

// shellWords joins arguments for a shell.
func shellWords(args []string) string {
	words := make([]string, len(args))
	for i, word := range args {
		words[i] = formats.ShellQuote(word)
	}
	return strings.Join(words, " ")
}

// noCommand returns the error of an exec without "--". Where a word looks like a program, the hint puts it
// in. It doesn't repeat the program's arguments, which may be secrets.
func noCommand(node *kong.Node, args []string) error {
	var words []int // of args: what isn't a flag or its value
	for i := 0; i < len(args); i++ {
		if !strings.HasPrefix(args[i], "-") {
			words = append(words, i)
			continue
		}
		for n := node; n != nil; n = n.Parent {
			if slices.ContainsFunc(n.Flags, func(f *kong.Flag) bool { return takesNext(f, args[i]) }) {
				i++
				break
			}
		}
	}
	err := app.Usage("no command to run")
	for n, i := range words {
		switch {
		case n == 0: // exec
		case n == 1 && beginsLikeAPath(args[i]):
			return app.WithHint(err, "give the service first: coffer exec SERVICE -- "+shellWords(args[i:i+1]))
		case n > 1 && args[i-1] == "-c": // of a shell
			return app.WithHint(err, "put a shell after --: coffer "+shellWords(args[:i-1])+" -- sh -c COMMAND")
		case n > 1 && looksRunnable(args[i]):
			where := "put -- before the command: "
			if i < len(args)-1 {
				where = "put -- before the command, and its arguments after it: "
			}
			return app.WithHint(err, where+"coffer "+shellWords(args[:i])+" -- "+shellWords(args[i:i+1]))
		}
	}
	if len(words) < 2 {
		return app.WithHint(err, "usage: "+help.Find("exec").Usage[0])
	}
	end := words[len(words)-1] + 1
	return app.WithHint(err, "put it after --: coffer "+shellWords(args[:end])+" -- COMMAND")
}

// looksRunnable reports whether a word is a path, which no service begins like, or a program in the PATH.
func looksRunnable(word string) bool {
	if word == "" || beginsLikeAPath(word) {
		return word != ""
	}
	_, err := run.FindCommand(word)
	return err == nil
}

func beginsLikeAPath(word string) bool {
	return word != "" && strings.Contains("./~", word[:1])
}

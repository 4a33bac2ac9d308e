package cmd

import (
	"errors"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/app"
)

// usageError turns an error of the parser into one with a hint. For commands whose arguments may be
// secrets it replaces kong's text, which quotes them.
func usageError(args []string, err error) error {
	text := err.Error()
	if slices.ContainsFunc(args, func(a string) bool { return a == "write" || a == "set" || a == "find" }) {
		switch {
		case strings.HasPrefix(text, "unknown flag"):
			text = "an unknown flag (a value that begins with - goes behind --, or better: is asked for)"
		case strings.HasPrefix(text, "unexpected argument"):
			text = "too many arguments: a value with spaces needs quotes"
		case strings.HasPrefix(text, "--"): // a known flag, then its value
			if flag, _, ok := strings.Cut(text, ": "); ok {
				text = flag + ": its value is not understood"
			}
		case !strings.HasPrefix(text, "expected") && !strings.HasPrefix(text, "missing"):
			text = "the arguments are not understood"
		}
	}
	command := "--help"
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		for node := parse.Context.Selected(); node != nil && node.Parent != nil; node = node.Parent {
			command = node.Name + " " + command
		}
	}
	return app.WithHint(app.Usage("%s", text), "coffer "+command+" shows how")
}

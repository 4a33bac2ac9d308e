package cmd

import (
	"errors"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/app"
)

// usageError is what kong says of a command line, in our words where kong would repeat an
// argument that may be a secret.
func usageError(args []string, err error) error {
	text := err.Error()
	if slices.ContainsFunc(args, func(a string) bool { return a == "write" || a == "set" || a == "find" }) {
		switch {
		case strings.HasPrefix(text, "unknown flag"):
			text = "an unknown flag (a value that begins with - goes behind --, or better: is asked for)"
		case strings.HasPrefix(text, "unexpected argument"):
			text = "too many arguments: a value with spaces needs quotes"
		case strings.HasPrefix(text, "--"): // a flag of ours, and what stands there as its value
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
	return app.Hinted(app.Usage("%s", text), "coffer "+command+" shows how")
}

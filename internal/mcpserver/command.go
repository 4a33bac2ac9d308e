package mcpserver

import (
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
)

// command is a command that clients may run.
type command struct {
	argv   []string
	prefix bool // any further arguments may follow
}

// parseCommand parses a command as a person writes it: words, which may be quoted, and as the last one
// perhaps *, which stands for any further arguments. No shell runs it, so what only a shell understands
// is an error.
func parseCommand(text string) (command, error) {
	words, err := split(text)
	if err != nil {
		return command{}, err
	}
	var c command
	for i, w := range words {
		switch {
		case w.special == 0:
			c.argv = append(c.argv, w.text)
		case w.text == "*" && i > 0 && i == len(words)-1:
			c.prefix = true
		case w.special == '*':
			return command{}, app.WithHint(refuse(text, "* can only be the last word, for any further arguments"), "put ' around a * that is meant as it is written")
		default:
			return command{}, app.WithHint(refuse(text, "no shell runs it, so "+string(w.special)+" has no meaning"), "put ' around a character that is meant as it is written, or allow a script")
		}
	}
	if len(c.argv) == 0 || c.argv[0] == "" {
		return command{}, refuse(text, "it has no program")
	}
	return c, nil
}

func refuse(text, why string) error { return app.Usage("command %q can't be allowed: %s", text, why) }

// allows reports whether a client may run a command.
func (c command) allows(argv []string) bool {
	if c.prefix {
		return len(argv) >= len(c.argv) && slices.Equal(argv[:len(c.argv)], c.argv)
	}
	return slices.Equal(argv, c.argv)
}

// String returns the command as a person would write it.
func (c command) String() string {
	words := make([]string, len(c.argv), len(c.argv)+1)
	for i, w := range c.argv {
		if words[i] = w; w == "" || strings.ContainsAny(w, special+" \t\n'\"\\") {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'"'"'`) + "'"
		}
	}
	if c.prefix {
		words = append(words, "*")
	}
	return strings.Join(words, " ")
}

// special are the characters that mean something to a shell, besides blanks and quotes.
const special = "|&;<>()$`*?[]{}#~!\\"

// word is a word of a command, with the first special character in it that isn't quoted; 0 if there is
// none.
type word struct {
	text    string
	special rune
}

// split splits a command into words at blanks. Within ' or " everything stands for itself.
func split(text string) (words []word, err error) {
	var w word
	var quote rune
	begun := false
	end := func() {
		if begun {
			words = append(words, w)
		}
		w, begun = word{}, false
	}
	for _, r := range text {
		switch {
		case r == 0:
			return nil, refuse(text, "it has a NUL byte")
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, begun = r, true
		case quote == 0 && strings.ContainsRune(" \t\r\n", r):
			end()
		default:
			if quote == 0 && w.special == 0 && isSpecial(r, begun) {
				w.special = r
			}
			w.text, begun = w.text+string(r), true
		}
	}
	if quote != 0 {
		return nil, refuse(text, "a quote isn't closed")
	}
	end()
	return words, nil
}

// isSpecial reports whether a shell would give a meaning to a character. Some have one only at the
// beginning of a word.
func isSpecial(r rune, within bool) bool {
	if within && strings.ContainsRune("#~", r) {
		return false
	}
	return strings.ContainsRune(special, r)
}

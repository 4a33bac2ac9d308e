package formats

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/store"
)

// The characters that need no quotes in any shell. chamber env leaves "=" unquoted, too, but zsh expands
// a word after "=" to the path of a command, in an assignment as well (zshexpn(1), "= expansion").
const shellPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+:,./-"

// writeShell writes lines that any POSIX shell can source.
func writeShell(b *bytes.Buffer, entries []entry, _ Options) error {
	for _, e := range entries {
		b.WriteString("export " + e.name + "=" + ShellQuote(e.value) + "\n")
	}
	return nil
}

// ShellQuote returns a text as one word for a POSIX shell: sh, bash, dash, ksh, mksh and zsh.
func ShellQuote(value string) string {
	if value != "" && strings.Trim(value, shellPlain) == "" {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'"'"'`) + "'"
}

// ShellTyped returns a text as one word of a command that a person copies from a terminal, which shows no control
// character as it is: printf writes those. $(...) drops line ends at the end, so such a text is only quoted.
func ShellTyped(text string) string {
	odd := !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) })
	if !odd || strings.HasSuffix(text, "\n") {
		return ShellQuote(text)
	}
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c == '%' || c == '\\':
			b.WriteByte(c)
			b.WriteByte(c)
		case c < ' ' || c > '~' || c == '\'' || c == '-' && i == 0: // printf takes no text that begins with - everywhere
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return `"$(printf '` + b.String() + `')"`
}

// shells has the format that each shell evaluates.
var shells = [...]struct{ name, format string }{
	{"sh", "shell"},
	{"bash", "shell"},
	{"dash", "shell"},
	{"ksh", "shell"},
	{"mksh", "shell"},
	{"zsh", "shell"},
	{"fish", "fish"},
	{"powershell", "powershell"},
	{"pwsh", "powershell"},
	{"nushell", "nushell"},
	{"nu", "nushell"},
}

// Shells lists the shells that [ShellFormat] knows.
func Shells() []string {
	names := make([]string, len(shells))
	for i, s := range shells {
		names[i] = s.name
	}
	return names
}

// ShellFormat returns the format that a shell evaluates. The error wraps [store.ErrInvalid].
func ShellFormat(shell string) (string, error) {
	for _, s := range shells {
		if s.name == strings.ToLower(shell) {
			return s.format, nil
		}
	}
	return "", fmt.Errorf("%w: unknown shell %q; use one of %s", store.ErrInvalid, shell, strings.Join(Shells(), ", "))
}

// writeFish writes commands for fish. In its single quotes a backslash escapes itself and the quote
// (fish's documentation, "Quotes").
func writeFish(b *bytes.Buffer, entries []entry, _ Options) error {
	escape := strings.NewReplacer(`\`, `\\`, "'", `\'`)
	for _, e := range entries {
		b.WriteString("set -gx " + e.name + " '" + escape.Replace(e.value) + "'\n")
	}
	return nil
}

// writePowerShell writes one line of ASCII for each variable. PowerShell passes a program's output on
// line by line, decoded with the console's code page, so line ends and letters beyond ASCII are written
// as numbers. In single quotes only the quote is special: it is doubled (about_Quoting_Rules).
func writePowerShell(b *bytes.Buffer, entries []entry, _ Options) error {
	for _, e := range entries {
		b.WriteString("$env:" + e.name + " = ")
		quoted := true
		b.WriteByte('\'')
		for _, unit := range utf16.Encode([]rune(e.value)) {
			plain := unit >= ' ' && unit < 0x7f
			switch {
			case plain && !quoted:
				b.WriteString(" + '")
			case !plain && quoted:
				b.WriteByte('\'')
			}
			switch quoted = plain; {
			case !plain:
				fmt.Fprintf(b, " + [char]%d", unit)
			case unit == '\'':
				b.WriteString("''")
			default:
				b.WriteRune(rune(unit))
			}
		}
		if quoted {
			b.WriteByte('\'')
		}
		b.WriteByte('\n')
	}
	return nil
}

// checkPowerShell rejects the empty value: before version 7.5, PowerShell removes a variable that is
// set to it (about_Environment_Variables).
func checkPowerShell(e entry) string {
	if e.value == "" {
		return "it is empty: PowerShell removes an empty variable"
	}
	return ""
}

// writeNushell writes a record as JSON, for "from json | load-env". nushell cannot evaluate a text.
func writeNushell(b *bytes.Buffer, entries []entry, o Options) error {
	renamed := make([]entry, len(entries))
	for i, e := range entries {
		renamed[i] = entry{key: e.name, name: e.name, value: e.value}
	}
	return writeJSON(b, renamed, o)
}

// writeShellEscaped writes the same as chamber env --escape-strings: double quotes, with escapes such
// as \n that a shell doesn't expand.
func writeShellEscaped(b *bytes.Buffer, entries []entry, _ Options) error {
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, `"`, `\"`, `!`, `\!`, `$`, `\$`, "`", "\\`")
	for _, e := range entries {
		b.WriteString("export " + e.name + `="` + escape.Replace(e.value) + "\"\n")
	}
	return nil
}

// envName returns the name of the variable for a key.
func envName(key string, o Options) (string, error) {
	name, err := environ.Name(key, o.Prefix)
	if err != nil || !o.PreserveCase {
		return name, err
	}
	// The name ends with the key in upper case, of the same length.
	original := strings.NewReplacer("-", "_", ".", "_").Replace(key)
	return name[:len(name)-len(original)] + original, nil
}

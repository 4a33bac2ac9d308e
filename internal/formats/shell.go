package formats

import (
	"bytes"
	"strings"

	"github.com/coffer-secrets/coffer/internal/environ"
)

// The characters that need no quotes in a shell; the same as in chamber env.
const shellPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-"

// writeShell writes lines that any POSIX shell can source.
func writeShell(b *bytes.Buffer, entries []entry, _ Options) error {
	for _, e := range entries {
		b.WriteString("export " + e.name + "=" + ShellQuote(e.value) + "\n")
	}
	return nil
}

// ShellQuote returns a text as one word for a POSIX shell.
func ShellQuote(value string) string {
	if value != "" && strings.Trim(value, shellPlain) == "" {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'"'"'`) + "'"
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

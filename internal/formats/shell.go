package formats

import (
	"bytes"
	"strings"

	"github.com/coffer-secrets/coffer/internal/environ"
)

// What a shell takes literally without quotes; the same set as in `chamber env`.
const shellPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-"

// writeShell writes what bash, dash and every POSIX shell can source.
func writeShell(b *bytes.Buffer, entries []entry, _ Options) error {
	for _, e := range entries {
		b.WriteString("export " + e.name + "=" + ShellQuote(e.value) + "\n")
	}
	return nil
}

// ShellQuote returns text as one word of a POSIX shell.
func ShellQuote(value string) string {
	if value != "" && strings.Trim(value, shellPlain) == "" {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'"'"'`) + "'"
}

// writeShellEscaped writes `chamber env --escape-strings`: double quotes, and escapes
// for a reader that expands them. A shell alone does not.
func writeShellEscaped(b *bytes.Buffer, entries []entry, _ Options) error {
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, `"`, `\"`, `!`, `\!`, `$`, `\$`, "`", "\\`")
	for _, e := range entries {
		b.WriteString("export " + e.name + `="` + escape.Replace(e.value) + "\"\n")
	}
	return nil
}

// envName is the variable that a key becomes.
func envName(key string, o Options) (string, error) {
	name, err := environ.Name(key, o.Prefix)
	if err != nil || !o.PreserveCase {
		return name, err
	}
	// The name ends with the key, letter for letter: nothing but case is put back.
	kept := strings.NewReplacer("-", "_", ".", "_").Replace(key)
	return name[:len(name)-len(kept)] + kept, nil
}

package formats

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// tfName returns the name of the Terraform variable for a key: as in chamber without the prefix
// tf_var_, and with "_" for "-" and ".". A name can't begin with a digit, so it gets a "_" in front.
func tfName(key string, _ Options) (string, error) {
	name := strings.NewReplacer("-", "_", ".", "_").Replace(key)
	if short := strings.TrimPrefix(name, "tf_var_"); short != "" {
		name = short
	}
	if name[0] >= '0' && name[0] <= '9' {
		return "_" + name, nil
	}
	return name, nil
}

func checkTfvars(e entry) string {
	if !norm.NFC.IsNormalString(e.value) {
		return "it is not in Unicode normal form C, to which Terraform converts all text"
	}
	return ""
}

func writeTfvars(b *bytes.Buffer, entries []entry, _ Options) error {
	for _, e := range entries {
		b.WriteString(e.name + ` = "`)
		writeHCL(b, e.value)
		b.WriteString("\"\n")
	}
	return nil
}

// writeHCL writes a value as the content of a quoted template.
func writeHCL(b *bytes.Buffer, value string) {
	value = strings.NewReplacer("${", "$${", "%{", "%%{").Replace(value)
	for _, r := range value {
		switch {
		case r == '\\' || r == '"':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xFFFF:
			fmt.Fprintf(b, `\U%08X`, r)
		default:
			fmt.Fprintf(b, `\u%04X`, r)
		}
	}
}

package formats

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// tfName is the variable that a key becomes: as in chamber without the prefix tf_var_, "-"
// and "." replaced, case kept. A name of Terraform does not begin with a digit.
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
		return "it is not in Unicode normal form C, which Terraform turns all text into"
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

// writeHCL writes the inside of a quoted template.
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

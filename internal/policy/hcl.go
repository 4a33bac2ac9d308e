package policy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// writer writes HCL in the format of "terraform fmt".
type writer struct {
	out    strings.Builder
	depth  int
	group  [][2]string // attributes to write with aligned "="
	filled bool        // the block has content
}

func (w *writer) line(text string) {
	if text != "" {
		w.out.WriteString(strings.Repeat("  ", w.depth) + text)
	}
	w.out.WriteByte('\n')
}

// block writes a block. body writes its content.
func (w *writer) block(head string, body func()) {
	w.flush()
	if w.filled {
		w.line("")
	}
	w.line(head + " {")
	w.depth++
	w.filled = false
	body()
	w.flush()
	w.depth--
	w.line("}")
	w.filled = true
}

// attribute adds an attribute to the group.
func (w *writer) attribute(name, expression string) {
	w.group = append(w.group, [2]string{name, expression})
	w.filled = true
}

// flush writes the group.
func (w *writer) flush() {
	longest := 0
	for _, a := range w.group {
		longest = max(longest, len(a[0]))
	}
	for _, a := range w.group {
		w.line(fmt.Sprintf("%-*s = %s", longest, a[0], a[1]))
	}
	w.group = nil
}

func (w *writer) comment(text string) {
	w.flush()
	if w.filled {
		w.line("")
	}
	w.line("# " + text)
	w.filled = false
}

// quoted returns a text as a string literal, with templates escaped.
func quoted(text string) string {
	var b strings.Builder
	for _, r := range strings.NewReplacer("${", "$${", "%{", "%%{").Replace(text) {
		switch {
		case r == '\\' || r == '"':
			b.WriteString(`\` + string(r))
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	return `"` + b.String() + `"`
}

// variable returns the name of the Terraform variable for a key whose ARN isn't known.
func (s Scope) variable(i int) string {
	name := func(i int) string { return "key_arn_of_" + identifier(s.Keys[i].Alias) }
	for j := range i {
		if name(j) == name(i) { // alias/a/b and alias/a_b
			return name(i) + "_" + strconv.Itoa(i+1)
		}
	}
	return name(i)
}

func identifier(alias string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '_'
	}, alias)
}

// Terraform returns the policies of a role as Terraform data sources, with a variable for
// each placeholder.
func (s Scope) Terraform(role Role) string {
	w := &writer{}
	variables := map[string]string{}
	for i, key := range s.Keys {
		if key.ARN == "" {
			name := s.variable(i)
			variables[s.keyARN(i)] = "var." + name
			w.declare(name, "ARN of the KMS key of "+key.Alias)
		}
	}
	if s.Principal == "" && len(s.Keys) > 0 {
		variables[PrincipalPlaceholder] = "var.principal_arn"
		w.declare("principal_arn", "ARN of the user or role that is the "+string(role))
	}
	d := s.For(role)
	name := "coffer_" + string(role)
	w.document(name, d.Identity, variables)
	for i, key := range d.Keys {
		w.comment("For the policy of " + key.Alias + ", unless that policy delegates access to IAM.")
		suffix := strings.TrimPrefix(s.variable(i), "key_arn_of_")
		w.document(name+"_key_"+suffix, document(key.Statements...), variables)
	}
	w.document("coffer_bucket", d.Bucket, variables)
	return w.out.String()
}

func (w *writer) declare(name, description string) {
	w.block(`variable "`+name+`"`, func() {
		w.attribute("description", quoted(description))
		w.attribute("type", "string")
	})
}

func (w *writer) document(name string, d Document, variables map[string]string) {
	w.block(`data "aws_iam_policy_document" "`+name+`"`, func() {
		for _, s := range d.Statement {
			w.block("statement", func() { w.statement(s, variables) })
		}
	})
}

func (w *writer) statement(s Statement, variables map[string]string) {
	w.attribute("sid", quoted(s.Sid))
	w.attribute("effect", quoted(s.Effect))
	w.attribute("actions", list(s.Action, nil))
	w.attribute("resources", list(s.Resource, variables))
	for _, kind := range slices.Sorted(maps.Keys(s.Principal)) {
		w.block("principals", func() {
			w.attribute("type", quoted(kind))
			w.attribute("identifiers", list(s.Principal[kind], variables))
		})
	}
	for _, test := range slices.Sorted(maps.Keys(s.Condition)) {
		for _, key := range slices.Sorted(maps.Keys(s.Condition[test])) {
			w.block("condition", func() {
				w.attribute("test", quoted(test))
				w.attribute("variable", quoted(key))
				w.attribute("values", list(s.Condition[test][key], nil))
			})
		}
	}
}

// list returns a list of string literals, with placeholders replaced by their variables.
func list(texts []string, variables map[string]string) string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = quoted(text)
		if reference, ok := variables[text]; ok {
			out[i] = reference
		}
	}
	return "[" + strings.Join(out, ", ") + "]"
}

package help

import (
	"cmp"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/term"
)

// widest is the longest line: longer ones are hard to read, however wide the terminal.
const widest = 100

// Width returns how wide help is printed to a stream: as the terminal, at most 100 columns, and 80
// columns elsewhere.
func Width(out any) int { return max(40, min(widest, cmp.Or(term.Width(out), 80))) }

// Printer prints the help of the command that a line names, or of the whole program. It is for
// [kong.Help].
func Printer(_ kong.HelpOptions, parsed *kong.Context) error {
	return Print(parsed.Stdout, parsed.Model, parsed.Selected())
}

// Print prints the help of a command, or of the whole program if node is nil.
func Print(out io.Writer, model *kong.Application, node *kong.Node) error {
	p := &page{width: Width(out)}
	if node == nil || node.Type == kong.ApplicationNode {
		p.program(model)
	} else {
		p.command(node)
	}
	_, err := io.WriteString(out, p.text.String())
	return err
}

// Name returns the words that name a command: "policy reader".
func Name(node *kong.Node) string {
	if node.Parent == nil || node.Parent.Type == kong.ApplicationNode {
		return node.Name
	}
	return Name(node.Parent) + " " + node.Name
}

// program prints what the program is, its commands in their groups, and the global flags.
func (p *page) program(model *kong.Application) {
	p.paragraph("", model.Help)
	p.heading("Usage")
	p.line("  coffer COMMAND [flags]")
	var groups []string
	rows := map[string][][2]string{}
	for _, c := range model.Children {
		if c.Hidden {
			continue
		}
		title := c.Group.Title
		if rows[title] == nil {
			groups = append(groups, title)
		}
		rows[title] = append(rows[title], [2]string{c.Name, c.Help})
	}
	left := 0
	for _, group := range groups {
		left = max(left, leftWidth(rows[group]))
	}
	for _, group := range groups {
		p.heading(group)
		p.columns(rows[group], left)
	}
	p.heading("Global flags")
	p.columns(GlobalFlags(model), 0)
	p.heading("Help topics")
	var topics [][2]string
	for _, t := range Topics() {
		topics = append(topics, [2]string{t.Name, t.About})
	}
	p.columns(topics, left)
	p.heading("Examples")
	p.examples([]Example{
		{"Store a secret; the value is asked for", "coffer write api db_password"},
		{"Run a program with the secrets of api in its environment", "coffer exec api -- ./server"},
	})
	p.heading("Learn more")
	p.line("  coffer help COMMAND   or   coffer COMMAND --help")
	p.line("  coffer help TOPIC")
}

// GlobalFlags returns the rows of the flags that every command has.
func GlobalFlags(model *kong.Application) [][2]string {
	rows := FlagRows(model.Flags)
	return append(rows, [2]string{"-V, --version", "Print the version (without a command)."})
}

func (p *page) command(node *kong.Node) {
	entry := Find(Name(node))
	p.paragraph("", node.Help)
	p.heading("Usage")
	for _, line := range entry.Usage {
		p.line("  " + line)
	}
	p.about(entry.About)
	if len(node.Aliases) > 0 {
		p.heading("Other names")
		p.line("  " + strings.Join(node.Aliases, ", "))
	}
	of := node // whose arguments and flags there are
	if node.DefaultCmd != nil {
		of = node.DefaultCmd
	}
	var arguments, below [][2]string
	for _, arg := range of.Positional {
		arguments = append(arguments, [2]string{Placeholder(arg), arg.Help})
	}
	for _, c := range node.Children {
		below = append(below, [2]string{Name(c), c.Help})
	}
	for _, part := range []struct {
		title string
		rows  [][2]string
	}{{"Commands", below}, {"Arguments", arguments}, {"Flags", FlagRows(of.Flags)}} {
		if len(part.rows) > 0 {
			p.heading(part.title)
			p.columns(part.rows, 0)
		}
	}
	p.heading("Examples")
	p.examples(entry.Examples)
	p.heading("Learn more")
	p.columns([][2]string{
		{"coffer help flags", "the flags that every command has, such as --backend and --json"},
		{"coffer help exit-codes", "what the exit codes mean"},
	}, 0)
}

// Placeholder is an argument as the usage line has it.
func Placeholder(arg *kong.Positional) string {
	name := strings.ToUpper(arg.Name)
	if arg.IsCumulative() {
		name += "..."
	}
	return name
}

func (p *page) examples(all []Example) {
	for i, e := range all {
		if e.Text != "" {
			if i > 0 {
				p.line("")
			}
			p.paragraph("  # ", e.Text)
		}
		p.line("  $ " + e.Line)
	}
}

// FlagRows returns the rows of flags: with their short form and placeholder.
func FlagRows(flags []*kong.Flag) [][2]string {
	var rows [][2]string
	for _, f := range flags {
		if f.Hidden {
			continue
		}
		left := "    --" + f.Name
		if f.Short != 0 {
			left = "-" + string(f.Short) + ", --" + f.Name
		}
		if f.Tag.Negatable != "" {
			left = "    --[no-]" + f.Name
		}
		if !f.IsBool() {
			left += " " + f.FormatPlaceHolder()
		}
		text := f.Help
		if f.Name == "help" {
			text = "Show the help of the command, or of coffer."
		}
		rows = append(rows, [2]string{left, text})
	}
	return rows
}

// Package help prints the help of commands and topics, and suggests what a mistyped word may mean.
package help

import (
	_ "embed" // for the texts
	"strings"
)

var (
	//go:embed commands.txt
	commands string
	//go:embed settings.txt
	settings string
)

// Entry is what the grammar doesn't know of a command.
type Entry struct {
	Usage    []string // the command lines that can be typed, with placeholders in upper case
	About    string   // paragraphs; a line that begins with a space is printed as it is
	Examples []Example
}

// Example is a command line with what it is for.
type Example struct{ Text, Line string }

// Find returns the entry of a command, such as "exec" or "policy reader"; the zero Entry if there is none.
func Find(command string) Entry {
	for section := range strings.SplitSeq(commands, "== ") {
		name, body, _ := strings.Cut(section, "\n")
		if name == command && command != "" {
			return parse(body)
		}
	}
	return Entry{}
}

// Entries returns the commands that have an entry.
func Entries() []string {
	var names []string
	for section := range strings.SplitSeq(commands, "== ") {
		if name, _, _ := strings.Cut(section, "\n"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func parse(body string) (e Entry) {
	part := ""
	for line := range strings.SplitSeq(strings.TrimSuffix(body, "\n"), "\n") {
		name, heading := strings.CutPrefix(line, "= ")
		switch {
		case heading:
			part = name
		case part == "usage":
			e.Usage = append(e.Usage, line)
		case part == "about":
			e.About += line + "\n"
		case strings.HasPrefix(line, "# "):
			e.Examples = append(e.Examples, Example{Text: line[2:]})
		case len(e.Examples) > 0 && e.Examples[len(e.Examples)-1].Line == "":
			e.Examples[len(e.Examples)-1].Line = line
		default:
			e.Examples = append(e.Examples, Example{Line: line}) // goes on with the one before
		}
	}
	return e
}

// Setting is a row of the configuration, for help.
type Setting struct {
	Name, Flag, About string
	Variables         []string // the first that is set wins
}

// Settings returns the rows, in the order of docs/configuration.md.
func Settings() []Setting {
	var all []Setting
	for line := range strings.Lines(settings) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		for i, cell := range cells {
			cells[i] = strings.TrimSpace(cell)
		}
		all = append(all, Setting{Name: cells[0], Variables: strings.Fields(cells[1]), Flag: cells[2], About: cells[3]})
	}
	return all
}

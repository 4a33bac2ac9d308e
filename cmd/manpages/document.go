package main

import (
	"regexp"
	"strings"

	"github.com/coffer-secrets/coffer/internal/help"
)

// examples prints the examples of a command.
func (p *page) examples(all []help.Example) {
	if len(all) == 0 {
		return
	}
	p.section("Examples")
	for i := 0; i < len(all); {
		p.paragraph()
		if all[i].Text != "" {
			p.text(all[i].Text + ":")
		}
		lines := []string{all[i].Line}
		for i++; i < len(all) && all[i].Text == ""; i++ { // goes on with the one before
			lines = append(lines, all[i].Line)
		}
		p.verbatim(lines)
	}
}

// document returns a page made of a document in Markdown: its headings, paragraphs, tables, lists and blocks of code. A row of a
// table becomes an entry of a list, as six columns don't fit a terminal; that is why no converter of others is used.
func (e edition) document(name, about, text string) string {
	p := e.page(name, 5, about)
	p.section("Description")
	var block []string
	for line := range strings.SplitSeq(text, "\n") {
		switch code := len(block) > 0 && strings.HasPrefix(block[0], "```"); {
		case code && line == "```":
			p.verbatim(block[1:])
			block = nil
		case code:
			block = append(block, line)
		case line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "```"):
			p.block(block)
			block = nil
			if title, ok := strings.CutPrefix(line, "## "); ok {
				p.section(title)
			} else if title, ok := strings.CutPrefix(line, "### "); ok {
				p.subsection(title)
			} else if strings.HasPrefix(line, "```") {
				block = []string{line}
			}
		default:
			block = append(block, line)
		}
	}
	p.block(block)
	p.section("See also")
	p.reference("coffer", 1, ",")
	p.text("https://github.com/coffer-secrets/coffer/tree/main/docs")
	return p.String()
}

var dated = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)

// block prints a paragraph, a table or a list.
func (p *page) block(lines []string) {
	switch {
	case len(lines) == 0 || len(lines) == 1 && dated.MatchString(lines[0]):
	case strings.HasPrefix(lines[0], "| "):
		p.table(lines)
	default:
		var text []string
		for i, line := range lines {
			item, ok := strings.CutPrefix(line, "- ")
			if ok || i == 0 {
				p.filled(inline(strings.Join(text, " ")))
				p.paragraph()
				text = nil
			}
			if ok {
				p.linef(".IP \\(bu 2")
			}
			text = append(text, item)
		}
		p.filled(inline(strings.Join(text, " ")))
	}
}

// table prints each row under its first cell: the last cell, and the others with their headings.
func (p *page) table(lines []string) {
	headings := cells(lines[0])
	for _, line := range lines[2:] {
		row := cells(line)
		p.linef(".TP")
		p.linef("%s", guarded(inline(row[0])))
		last := len(row) - 1
		p.filled(inline(row[last]))
		for i := 1; i < last; i++ {
			if row[i] != "" && row[i] != "none" {
				p.linef(".br")
				p.filled(escape(headings[i]) + ": " + inline(row[i]))
			}
		}
	}
}

func cells(row string) []string {
	row = strings.ReplaceAll(strings.Trim(row, "| "), `\|`, "\x00")
	all := strings.Split(row, "|")
	for i, cell := range all {
		all[i] = strings.ReplaceAll(strings.TrimSpace(cell), "\x00", "|")
	}
	return all
}

var marked = regexp.MustCompile("`([^`]+)`|\\*\\*([^*]+)\\*\\*|\\[([^\\]]+)\\]\\(([^)]+)\\)")

// inline returns a line of Markdown in roff: code and bold are bold, a link is its text, and its address if it leads elsewhere.
func inline(text string) string {
	var out strings.Builder
	for {
		at := marked.FindStringSubmatchIndex(text)
		if at == nil {
			return out.String() + escape(text)
		}
		out.WriteString(escape(text[:at[0]]))
		group := func(n int) string {
			if at[2*n] < 0 {
				return ""
			}
			return text[at[2*n]:at[2*n+1]]
		}
		if link := group(3); link != "" {
			out.WriteString(inline(link))
			if to := group(4); strings.HasPrefix(to, "http") {
				out.WriteString(" (" + escape(to) + ")")
			}
		} else {
			out.WriteString(`\fB` + escape(group(1)+group(2)) + `\fR`)
		}
		text = text[at[1]:]
	}
}

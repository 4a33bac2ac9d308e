package main

import (
	"fmt"
	"regexp"
	"strings"
)

// page writes a manual page with the macros of man(7), which every man knows.
type page struct {
	out   strings.Builder
	apart bool // a new paragraph begins with the next text of this section
}

// page begins a page.
func (e edition) page(name string, section int, about string) *page {
	p := &page{}
	p.linef(`.TH %s %d %s "coffer %s" "Coffer"`, strings.ToUpper(escape(name)), section, e.date, escape(e.version))
	p.section("Name")
	p.filled(escape(name) + ` \- ` + escape(about))
	return p
}

func (p *page) String() string { return p.out.String() }

func (p *page) linef(format string, args ...any) {
	if p.apart {
		p.out.WriteString(".PP\n")
		p.apart = false
	}
	fmt.Fprintf(&p.out, format+"\n", args...)
}

func (p *page) section(title string)    { p.heading("SH", strings.ToUpper(title)) }
func (p *page) subsection(title string) { p.heading("SS", title) }

func (p *page) heading(macro, title string) {
	p.apart = false
	p.linef(".%s %s", macro, escape(title))
}

// paragraph begins a paragraph, unless a heading has begun one or nothing follows.
func (p *page) paragraph() { p.apart = !p.begun() }

// begun reports whether nothing stands below the last heading yet.
func (p *page) begun() bool {
	text := strings.TrimSuffix(p.out.String(), "\n")
	last := text[strings.LastIndexByte(text, '\n')+1:]
	return strings.HasPrefix(last, ".SH ") || strings.HasPrefix(last, ".SS ")
}

// reference prints another page's name.
func (p *page) reference(name string, section int, after string) {
	p.linef(".BR %s (%d)%s", escape(name), section, after)
}

// text prints a paragraph of plain text.
func (p *page) text(text string) { p.filled(escape(text)) }

// filled prints what is escaped already, in lines that are short in the file as well. A line that begins with a period or
// an apostrophe would be a request.
func (p *page) filled(text string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > 78 {
			p.linef("%s", guarded(line))
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	if line != "" {
		p.linef("%s", guarded(line))
	}
}

func guarded(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}

// verbatim prints lines as they are, indented.
func (p *page) verbatim(lines []string) {
	p.linef(".RS 4")
	p.linef(".nf")
	for _, line := range lines {
		p.linef("%s", guarded(escape(line)))
	}
	p.linef(".fi")
	p.linef(".RE")
}

// usage prints command lines: what is typed as it is in bold, the placeholders in italics.
func (p *page) usage(lines []string) {
	for i, line := range lines {
		if i > 0 {
			p.linef(".br")
		}
		words := strings.Split(line, " ")
		for i, word := range words {
			words[i] = styled(word)
		}
		p.filled(strings.Join(words, " "))
	}
}

var placeholder = regexp.MustCompile(`^\[?[A-Z][A-Z0-9_|,.=\[\]-]*$`)

// styled prints a word of a command line.
func styled(word string) string {
	switch {
	case placeholder.MatchString(word):
		return `\fI` + escape(word) + `\fR`
	case word == "[flags]" || word == "|" || word == "":
		return escape(word)
	default:
		return `\fB` + escape(word) + `\fR`
	}
}

// rows prints a section with a list.
func (p *page) rows(title string, rows [][2]string) {
	if len(rows) > 0 {
		p.section(title)
		p.list(rows)
	}
}

func (p *page) list(rows [][2]string) {
	for _, row := range rows {
		p.linef(".TP")
		words := strings.Fields(row[0])
		for i, word := range words {
			words[i] = styled(word)
		}
		p.linef("%s", guarded(strings.Join(words, " ")))
		p.text(row[1])
	}
	p.paragraph()
}

// about prints the paragraphs of help. A line that begins with a space is printed as it is.
func (p *page) about(text string) {
	for paragraph := range strings.SplitSeq(strings.TrimSpace(strings.ReplaceAll(text, "\n ", "\n\x00 ")), "\n\n") {
		if paragraph == "" {
			continue
		}
		p.paragraph()
		var kept []string
		for line := range strings.Lines(paragraph) {
			line = strings.TrimSuffix(line, "\n")
			if as, ok := strings.CutPrefix(line, "\x00"); ok {
				kept = append(kept, as)
				continue
			}
			p.kept(&kept)
			p.text(line)
		}
		p.kept(&kept)
	}
}

func (p *page) kept(lines *[]string) {
	if len(*lines) > 0 {
		p.verbatim(*lines)
		*lines = nil
	}
}

// escape makes text safe for roff. Hyphens, apostrophes and the like stay what can be typed and copied.
func escape(text string) string {
	var out strings.Builder
	for _, r := range text {
		switch r {
		case '\\':
			out.WriteString(`\e`)
		case '-':
			out.WriteString(`\-`)
		case '\'':
			out.WriteString(`\(aq`)
		case '`':
			out.WriteString(`\(ga`)
		case '^':
			out.WriteString(`\(ha`)
		case '~':
			out.WriteString(`\(ti`)
		default:
			if r > '~' {
				fmt.Fprintf(&out, `\[u%04X]`, r)
			} else {
				out.WriteRune(r)
			}
		}
	}
	return out.String()
}

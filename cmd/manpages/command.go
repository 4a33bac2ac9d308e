package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/help"
)

// command returns the page of a command.
func (e edition) command(node *kong.Node) string {
	entry := help.Find(help.Name(node))
	p := e.page(pageName(node), 1, lower(node.Help))
	p.section("Synopsis")
	p.usage(entry.Usage)
	p.section("Description")
	p.text(node.Help)
	p.about(entry.About)
	if len(node.Aliases) > 0 {
		p.paragraph()
		p.text("Other names of the command: " + strings.Join(node.Aliases, ", ") + ".")
	}
	of := node // whose arguments and flags there are
	if node.DefaultCmd != nil {
		of = node.DefaultCmd
	}
	var below, arguments [][2]string
	for _, c := range node.Children {
		below = append(below, [2]string{pageName(c) + "(1)", c.Help})
	}
	for _, arg := range of.Positional {
		arguments = append(arguments, [2]string{help.Placeholder(arg), arg.Help})
	}
	p.rows("Commands", below)
	p.rows("Arguments", arguments)
	p.section("Options")
	p.list(help.FlagRows(of.Flags))
	p.paragraph()
	p.text("The flags that every command has are in")
	p.reference("coffer", 1, ".")
	p.examples(entry.Examples)
	p.section("See also")
	if node.Parent != nil && node.Parent.Type == kong.CommandNode {
		p.reference(pageName(node.Parent), 1, ",")
	}
	p.reference("coffer", 1, ",")
	p.reference("coffer-config", 5, "")
	return p.String()
}

// program returns the page of the whole program: its commands, and what all commands have in common.
func (e edition) program(model *kong.Application) string {
	p := e.page("coffer", 1, "keep encrypted secrets in a bucket and run programs with them")
	p.section("Synopsis")
	p.usage([]string{"coffer COMMAND [flags]"})
	p.section("Description")
	p.text(model.Help)
	p.section("Commands")
	var groups []string
	rows := map[string][][2]string{}
	for _, c := range model.Children {
		if c.Hidden {
			continue
		}
		if title := c.Group.Title; !slices.Contains(groups, title) {
			groups = append(groups, title)
		}
		rows[c.Group.Title] = append(rows[c.Group.Title], [2]string{pageName(c) + "(1)", c.Help})
	}
	for _, group := range groups {
		p.subsection(group)
		p.list(rows[group])
	}
	p.rows("Options", help.GlobalFlags(model))
	var codes [][2]string
	for _, code := range app.ExitCodes() {
		codes = append(codes, [2]string{strconv.Itoa(code.Code), code.Meaning})
	}
	p.rows("Exit status", append(codes, [2]string{"128+N", "From coffer exec: signal N ended the command, as a shell reports it."}))
	settings, chamber, others := help.Variables()
	p.rows("Environment", slices.Concat(settings, others, chamber))
	p.rows("Files", [][2]string{
		{"~/.config/coffer/config.yaml", "The configuration file: see coffer-config(5)."},
		{"~/.config/coffer/keys", "The keys of the local backend. Without them its secrets are lost."},
		{"~/.local/share/coffer", "The secrets of the local backend: see coffer-storage(5)."},
		{"coffer.yaml", "What a project's program needs of its secrets: see coffer-check(1)."},
	})
	p.examples([]help.Example{
		{Text: "Store a secret; the value is asked for", Line: "coffer write api db_password"},
		{Text: "Run a program with the secrets of api in its environment", Line: "coffer exec api -- ./server"},
	})
	p.section("See also")
	p.reference("coffer-config", 5, ",")
	p.reference("coffer-storage", 5, "")
	return p.String()
}

// lower makes a sentence of help the line of a page's NAME.
func lower(sentence string) string {
	sentence = strings.TrimSuffix(sentence, ".")
	return strings.ToLower(sentence[:1]) + sentence[1:]
}

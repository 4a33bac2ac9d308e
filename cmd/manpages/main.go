// Manpages writes the manual pages of Coffer: section 1 from the texts of its help, section 5 from the
// documents about the configuration file and the storage format. The packages have them; the program
// doesn't.
//
//	go run ./cmd/manpages DOCS VERSION DATE TO
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/cmd"
	"github.com/coffer-secrets/coffer/internal/help"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: manpages DOCS VERSION DATE TO")
		os.Exit(2)
	}
	if err := write(edition{docs: os.Args[1], version: os.Args[2], date: os.Args[3]}, os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "manpages: "+err.Error())
		os.Exit(1)
	}
}

// edition is what all pages of a release have in common.
type edition struct {
	docs    string // the folder of the documents
	version string
	date    string // of the commit: 2026-11-28
}

// write writes all pages to a folder, such as coffer-exec.1.
func write(e edition, to string) error {
	pages, err := e.pages()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil { //nolint:gosec // pages are for everybody
		return err
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(to, name), []byte(text), 0o644); err != nil { //nolint:gosec // as above
			return err
		}
	}
	return nil
}

// pages returns all pages by the names of their files.
func (e edition) pages() (map[string]string, error) {
	parser, err := kong.New(&cmd.CLI{}, kong.Name("coffer"), kong.Description(cmd.About))
	if err != nil {
		return nil, err
	}
	pages := map[string]string{"coffer.1": e.program(parser.Model)}
	for _, node := range commands(parser.Model.Node) {
		pages[fileName(node)] = e.command(node)
	}
	for _, d := range []struct{ page, document, about string }{
		{"coffer-config", "configuration.md", "settings and configuration file of coffer"},
		{"coffer-storage", "design/storage-format.md", "what coffer stores, and how"},
	} {
		text, err := os.ReadFile(filepath.Join(e.docs, d.document))
		if err != nil {
			return nil, err
		}
		pages[d.page+".5"] = e.document(d.page, d.about, string(text))
	}
	return pages, nil
}

// commands returns the commands below a node that help shows, each before its own.
func commands(node *kong.Node) (all []*kong.Node) {
	for _, c := range node.Children {
		if !c.Hidden {
			all = append(append(all, c), commands(c)...)
		}
	}
	return all
}

func fileName(node *kong.Node) string { return pageName(node) + ".1" }

// pageName is "coffer-policy-reader".
func pageName(node *kong.Node) string {
	return "coffer-" + strings.ReplaceAll(help.Name(node), " ", "-")
}

package cmd

import (
	"context"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/help"
)

// HelpCmd prints the help of a command or a topic.
type HelpCmd struct {
	Topic []string `arg:"" optional:"" name:"topic" help:"A command, such as exec or policy reader, or one of the topics flags, exit-codes, backends, configuration and environment."`
}

// Run prints it to standard output.
func (c *HelpCmd) Run(_ context.Context, a *app.App, parsed *kong.Context) error {
	node := parsed.Model.Node
	if len(c.Topic) == 1 {
		if found, err := help.PrintTopic(a.Stdout, parsed.Model, c.Topic[0]); found {
			return err
		}
	}
	for _, word := range c.Topic {
		below := childOf(node, word)
		if below == nil {
			return noTopic(node, c.Topic, word)
		}
		node = below
	}
	return help.Print(a.Stdout, parsed.Model, node)
}

func childOf(node *kong.Node, word string) *kong.Node {
	for _, c := range node.Children {
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			if name == word && !c.Hidden {
				return c
			}
		}
	}
	return nil
}

func noTopic(node *kong.Node, words []string, word string) error {
	hint := "coffer --help lists the commands and topics"
	if near := help.NearestTopic(word); near != "" && len(words) == 1 {
		hint = "did you mean: coffer help " + near
	} else if line := help.Instead(word, ""); line != "" && len(words) == 1 {
		hint = line
	} else if near := help.NearestCommand(node, word); near != "" {
		path := append([]string{"coffer help"}, words...)
		path[len(path)-1] = near
		hint = "did you mean: " + strings.Join(path, " ")
	}
	return app.WithHint(app.Usage("unknown command or topic %q", strings.Join(words, " ")), hint)
}

// unknownCommand says that a word is no command. If no subcommand is similar to it, it lists them.
func unknownCommand(node *kong.Node, command, word string) string {
	text := "unknown command " + strings.TrimPrefix(command+" "+word, "coffer ")
	if node.Type != kong.CommandNode || help.NearestCommand(node, word) != "" {
		return text
	}
	var names []string
	for _, child := range node.Children {
		if !child.Hidden {
			names = append(names, child.Name)
		}
	}
	return text + ": expected one of " + strings.Join(names, ", ")
}

package cmd

import (
	"context"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/completion"
)

// CompletionCmd prints a shell's completion script.
type CompletionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Run prints it. The script asks this program for the words, so that it knows services and keys.
func (c *CompletionCmd) Run(a *app.App) error {
	return a.Print(completion.Script(c.Shell))
}

// completionTime bounds what a press of the tab key may cost.
const completionTime = time.Second

// completeCmd prints the words that can stand last on a command line, one a line. It never
// says anything else, and never fails: a shell is in the middle of a line.
type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:""`
}

// Run completes the last word.
func (c *completeCmd) Run(ctx context.Context, a *app.App, parsed *kong.Context) error {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	found := make(chan []string, 1)
	go func() { found <- completion.Words(ctx, a, parsed.Model.Node, words) }()
	select {
	case words := <-found:
		return a.Print(strings.Join(append(words, ""), "\n"))
	case <-ctx.Done(): // also where something does not heed it, such as a file system that hangs
		return nil
	}
}

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
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Run prints the script. The script calls coffer __complete for the words, so it knows services
// and keys.
func (c *CompletionCmd) Run(a *app.App) error {
	return a.Print(completion.Script(c.Shell))
}

// completionTime is how long a completion may take.
const completionTime = time.Second

// completeCmd prints the completions of the last word of a command line, one per line. It never
// prints an error and never fails, as that would disturb the line that a person is typing.
type completeCmd struct {
	Descriptions bool // after each word a tab, and what it is

	Words []string `arg:"" optional:"" passthrough:""`
}

// Run completes the last word.
func (c *completeCmd) Run(ctx context.Context, a *app.App, parsed *kong.Context) error {
	a.Unattended = true
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	found := make(chan []completion.Word, 1)
	go func() { found <- completion.Words(ctx, a, parsed.Model.Node, words) }()
	select {
	case words := <-found:
		var out strings.Builder
		for _, word := range words {
			out.WriteString(word.Text)
			if c.Descriptions && word.About != "" {
				out.WriteString("\t" + strings.TrimSuffix(word.About, "."))
			}
			out.WriteString("\n")
		}
		return a.Print(out.String())
	case <-ctx.Done(): // Words itself may not return, for example when a file system hangs
		return nil
	}
}

package cmd

import (
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/app"
)

// readers are the commands that change nothing in a store. Any other may.
func readers() []string {
	return []string{
		"read", "list", "services", "history", "exec", "env", "export", "find", "tag read", "keys", "audit", "diff", "whoami",
		"policy reader", "policy writer", "policy operator", "config", "completion", "version", "__complete",
	}
}

// timeoutOf returns the default of a command.
func timeoutOf(parsed *kong.Context) time.Duration {
	var words []string
	for node := parsed.Selected(); node != nil && node.Parent != nil; node = node.Parent {
		words = append(words, node.Name)
	}
	slices.Reverse(words)
	if slices.Contains(readers(), strings.Join(words, " ")) {
		return app.ReadTimeout
	}
	return app.ChangeTimeout
}

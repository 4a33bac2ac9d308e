package cmd

import (
	"context"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/mcpserver"
	"github.com/coffer-secrets/coffer/internal/term"
)

// MCPCmd serves one agent.
type MCPCmd struct {
	Services []string `arg:"" optional:"" name:"service" help:"The only services that the agent can name. Commands get the secrets of all of them."`

	app.ReadFlags
	EnvFlags
	Allow     []string      `filled:"" sep:"none" placeholder:"COMMAND" help:"Allow the agent to run this command: exactly, or with any further arguments if * is its last word. Can be repeated."`
	TimeLimit time.Duration `default:"10m" placeholder:"TIME" help:"End a command after this long (default 10m)."`
	AWSEnv    bool          `name:"aws-env" help:"Leave your AWS credentials in the environment of commands."`
	MaskText  string        `filled:"" placeholder:"TEXT" help:"What to show instead of a secret (default ***)."`
}

// Run answers requests from standard input until it ends.
func (c *MCPCmd) Run(ctx context.Context, a *app.App) error {
	if term.IsTerminal(a.Stdin) || term.IsTerminal(a.Stdout) {
		return app.WithHint(app.Usage("an agent starts coffer mcp and talks to it, not a person at a terminal"),
			`in the configuration of the agent: {"mcpServers": {"coffer": {"command": "coffer", "args": ["mcp"]}}}`)
	}
	s, err := a.Settings()
	if err != nil {
		return err
	}
	o := mcpserver.Options{Services: c.Services, Allow: c.Allow, TimeLimit: c.TimeLimit, Read: c.ReadFlags, Rules: c.rules()}
	if o.Mark, err = s.MaskText(c.MaskText); err != nil {
		return err
	}
	switch {
	case len(c.Services) > 0:
		o.Allow = append(o.Allow, s.File.MCPAllow...)
	case len(s.File.MCPAllow) > 0:
		a.Note("the commands of mcp_allow can't be run, because no service is named: coffer mcp SERVICE...")
	}
	o.Rules.AllowUnmatched, o.Rules.NoAWS, o.Rules.FoldCase = c.AllowEmpty, !c.AWSEnv, app.FoldNames
	return mcpserver.Serve(ctx, a, a.Stdin, a.Stdout, o)
}

// Package mcpserver is a server of the Model Context Protocol for agents: programs that let a language
// model work with tools. Its tools tell which secrets there are, and run commands with them. No answer
// has a value.
package mcpserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/term"
)

// Options say what clients may do.
type Options struct {
	Services  []string // the only services that clients can name; none: all that the user can read
	Allow     []string // the commands that clients may run; see [parseCommand]
	TimeLimit time.Duration

	Read  app.ReadFlags // which missing secrets keep a command from being run
	Rules environ.Rules // how secrets become variables of a command
	Mark  string        // what is shown instead of a secret
}

// server answers one client.
type server struct {
	ctx     context.Context //nolint:containedctx // calls end with it, too: the SDK gives them a context that doesn't
	running context.Context //nolint:containedctx // commands end with it
	app     *app.App
	options Options
	allowed []command
	places  chan struct{}
	mcp     *mcp.Server
}

// Serve answers a client that sends its requests to in, until in ends or the context does. Then it
// ends the commands that still run, and returns. Nothing but answers is written to out. An error of the options is
// one of the command line.
func Serve(ctx context.Context, a *app.App, in io.ReadCloser, out io.WriteCloser, o Options) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	s := &server{ctx: ctx, running: running, app: a, options: o, places: make(chan struct{}, atOnce)}
	for _, text := range o.Allow {
		c, err := parseCommand(text)
		if err != nil {
			return err
		}
		s.allowed = append(s.allowed, c)
	}
	if len(s.allowed) > 0 && len(o.Services) == 0 {
		return app.WithHint(app.Usage("the commands that are allowed need the services whose secrets they get"), "coffer mcp SERVICE... --allow COMMAND")
	}
	if o.TimeLimit <= 0 {
		return app.Usage("--time-limit %s is too short: use a duration such as 30s or 10m", o.TimeLimit)
	}
	logger := slog.New(slog.DiscardHandler)
	if a.Globals.Verbose {
		logger = a.Logger()
	}
	s.mcp = mcp.NewServer(&mcp.Implementation{Name: "coffer", Title: "Coffer", Version: a.Build.Version}, &mcp.ServerOptions{
		Instructions: s.instructions(),
		Logger:       logger,
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}},
	})
	s.addTools()
	broken := make(chan os.Signal, 1) // without it, a write to a client that is gone would end this process, and no command
	signal.Notify(broken, syscall.SIGPIPE)
	defer signal.Stop(broken)
	l := newLines(in, out, func(why string) { a.SayFailed("a line of the client is refused: %s", why) })
	err := s.mcp.Run(ctx, &transport{l, stop})
	switch {
	case ctx.Err() != nil:
		return &app.ExitError{Code: app.ExitInterrupted, Err: term.ErrInterrupted} // without what was changed: commands may have changed anything
	case err == nil, l.ended.Load() && (errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)): // it doesn't wait for its last answers
		return nil
	}
	return fmt.Errorf("the client broke the connection: %w", err)
}

// instructions tell a client's model what the server is for.
func (s *server) instructions() string {
	text := "Coffer keeps encrypted secrets, such as passwords, in services. These tools tell which secrets there are, but never a value."
	if len(s.allowed) == 0 {
		return text + " No command may be run."
	}
	return text + " Commands that need secrets can be run without seeing them: the tool run puts them into the environment of the command, and hides them in its output."
}

// allowList returns the allowed commands for a sentence.
func (s *server) allowList() string {
	all := make([]string, len(s.allowed))
	for i, c := range s.allowed {
		all[i] = c.String()
	}
	return strings.Join(all, "; ")
}

// addTools adds the tools. Without an allowed command there is no tool run.
func (s *server) addTools() {
	reads := &mcp.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true, OpenWorldHint: new(bool)}
	add(s, &mcp.Tool{
		Name: "services", Title: "List services", Annotations: reads,
		Description: "List the services that have secrets.",
	}, s.services)
	add(s, &mcp.Tool{
		Name: "keys", Title: "List keys", Annotations: reads,
		Description: "List the keys of the secrets of a service. Values are never shown.",
	}, s.keys)
	add(s, &mcp.Tool{
		Name: "describe", Title: "Describe secrets", Annotations: reads,
		Description: "Show the newest version of each secret of a service, or every version of one secret: number, date, author, and the alias of the key that it is encrypted under. Values are never shown.",
	}, s.describe)
	if len(s.allowed) == 0 {
		return
	}
	does := true
	add(s, &mcp.Tool{
		Name: toolRun, Title: "Run a command with secrets", Annotations: &mcp.ToolAnnotations{DestructiveHint: &does, OpenWorldHint: &does},
		Description: "Run a command with the secrets of " + strings.Join(s.options.Services, ", ") + " in its environment: db_url becomes DB_URL. Allowed are only: " + s.allowList() +
			" (a * at the end stands for any further arguments). No shell runs it, and it has no terminal and no input. In its output " + s.options.Mark +
			" stands for each secret. That doesn't work for a secret that the command changes, for example reverses or encrypts: don't try to make a command show one.",
	}, s.run)
}

const toolRun = "run"

// add adds a tool. Each call has an App of its own, and its errors are sentences of ours.
func add[In, Out any](s *server, t *mcp.Tool, do func(context.Context, *app.Call, In) (*mcp.CallToolResult, Out, error)) {
	t.InputSchema, t.OutputSchema = schemaOf[In](), schemaOf[Out]()
	mcp.AddTool(s.mcp, t, func(ctx context.Context, _ *mcp.CallToolRequest, in In) (*mcp.CallToolResult, Out, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(s.ctx, cancel)()
		if t.Name == toolRun {
			defer context.AfterFunc(s.running, cancel)()
		}
		c, ctx, end := s.app.NewCall(ctx)
		defer end()
		result, out, err := do(ctx, c, in)
		if err != nil {
			text := c.Explain(err)
			var hidden *masked
			if errors.As(err, &hidden) {
				text = hidden.child.hide(text)
			}
			sentence, _, _ := strings.Cut(text, "\n")
			s.app.SayFailed("%s: %s", t.Name, sentence)
			return nil, out, errors.New(text)
		}
		return result, out, nil
	})
}

package mcpserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/foreign"
	"github.com/coffer-secrets/coffer/internal/mask"
	"github.com/coffer-secrets/coffer/internal/run"
	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
)

// atOnce is the number of commands that run at the same time. Others wait.
const atOnce = 8

type runInput struct {
	Command []string `json:"command" jsonschema:"the program and its arguments, one string each; no shell runs them"`
}

type runOutput struct {
	Status    int            `json:"exit_status" jsonschema:"the exit status of the command; 128+N if signal N ended it"`
	Ended     string         `json:"ended,omitempty" jsonschema:"why the command was ended before its own end"`
	Stdout    string         `json:"stdout" jsonschema:"its standard output, with a mark in place of each secret"`
	Stderr    string         `json:"stderr" jsonschema:"its standard error, with a mark in place of each secret"`
	Cut       bool           `json:"cut,omitempty" jsonschema:"a part of the output is left out, because it is long"`
	Hidden    map[string]int `json:"hidden,omitempty" jsonschema:"which secrets were hidden in the output, and how often"`
	NotHidden []string       `json:"not_hidden,omitempty" jsonschema:"secrets that are too short to be hidden"`
	Notes     []string       `json:"notes,omitempty" jsonschema:"what is worth knowing about the secrets of the command"`
}

// run runs a command that is allowed, with the secrets of all services of the server.
func (s *server) run(ctx context.Context, c *app.Call, in runInput) (result *mcp.CallToolResult, out runOutput, err error) {
	if !slices.ContainsFunc(s.allowed, func(allowed command) bool { return allowed.allows(in.Command) }) {
		return nil, out, app.WithHint(app.Usage("this command isn't allowed; allowed are: %s", s.allowList()), "only the user who starts the server can allow another one")
	}
	path, err := run.FindCommand(in.Command[0])
	if err != nil {
		return nil, out, err
	}
	select { // a place among those that run
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	case <-ctx.Done():
		return nil, out, ctx.Err()
	}
	process, err := s.prepare(ctx, c, path, in.Command)
	if err != nil {
		return nil, out, err
	}
	s.app.Note("run: %s", foreign.Text(process.hide(command{argv: in.Command}.String())))
	limited, stop := context.WithTimeout(ctx, s.options.TimeLimit)
	defer stop()
	if out.Status, err = process.run(limited); err != nil {
		var reason syscall.Errno
		if errors.As(err, &reason) {
			err = fmt.Errorf("%s can't be executed: %w", path, reason)
		}
		return nil, out, process.hidesIn(err)
	}
	result = &mcp.CallToolResult{}
	if process.ended {
		out.Ended, result.IsError = s.whyEnded(ctx)+"; the command may have done part of its work", true
		s.app.SayFailed("run: the command was ended: %s", out.Ended)
	}
	var cutOut, cutErr bool
	out.Stdout, cutOut = process.stdout.text()
	out.Stderr, cutErr = process.stderr.text()
	out.Cut, out.Hidden, out.NotHidden = cutOut || cutErr, process.hidden.Secrets, process.short
	for _, notice := range c.Notices() {
		out.Notes = append(out.Notes, process.hide(notice))
	}
	return result, out, nil
}

// whyEnded says why a command was ended; ctx is that of its call.
func (s *server) whyEnded(ctx context.Context) string {
	switch {
	case s.running.Err() != nil:
		return "the server is ending"
	case ctx.Err() != nil:
		return "the call was canceled"
	}
	return "it took longer than the time limit of " + waiting.Words(s.options.TimeLimit)
}

// prepare reads the secrets and returns the command, ready to be run.
func (s *server) prepare(ctx context.Context, c *app.Call, path string, argv []string) (*child, error) {
	all, err := c.LoadComplete(ctx, s.options.Services, s.options.Read)
	if err != nil {
		return nil, err
	}
	process := &child{path: path, argv: argv, mark: s.options.Mark, now: c.Now}
	process.hides(all, c.Credentials())
	env, notices, err := environ.Build(c.Environ, environ.Layers(all...), s.options.Rules)
	if err != nil {
		return nil, process.hidesIn(err)
	}
	for _, n := range notices {
		c.Note("%s", n.Text)
	}
	process.env = env.Strings()
	return process, process.hidesIn(environ.Check(path, argv, env, environ.SystemLimits()))
}

// hides has the secrets of services hidden, whether they are variables of the command or not, and the
// credentials of this process, which a command may find elsewhere.
func (c *child) hides(all []store.Contents, credentials []string) {
	var secrets []mask.Secret
	for _, contents := range all {
		for _, secret := range contents.Secrets {
			name, value := secret.ID.Service+"/"+secret.ID.Key, secret.Value.Reveal()
			if value != "" && len(value) < mask.Shortest {
				c.short = append(c.short, name)
			}
			secrets = append(secrets, mask.Secret{Name: name, Value: value})
		}
	}
	for _, value := range credentials {
		secrets = append(secrets, mask.Secret{Name: "a credential of the server", Value: value})
	}
	c.matcher = mask.New(secrets)
}

// hidesIn returns an error whose text has no secret; nil for nil.
func (c *child) hidesIn(err error) error {
	if err == nil {
		return nil
	}
	return &masked{err, c}
}

// masked is an error after the secrets were read. What it wraps decides about the hint.
type masked struct {
	error
	child *child
}

func (m *masked) Unwrap() error { return m.error }

// hide returns a text without the secrets.
func (c *child) hide(text string) string {
	var out strings.Builder
	f := c.matcher.NewFilter(&out, c.mark)
	_, _ = f.Write([]byte(text))
	_ = f.Close()
	return out.String()
}

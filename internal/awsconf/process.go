package awsconf

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"

	"github.com/coffer-secrets/coffer/internal/foreign"
)

const (
	processText = 4096                   // how much of what a process prints to standard error is kept
	processWait = 200 * time.Millisecond // how long the rest of it is waited for once the process has failed
)

// process runs the credential_process of a profile. The SDK's own provider (credentials 1.19) connects the
// process to our standard input and standard error: it could print a secret into a log, and swallow a value that
// is piped to us. So it gets neither, unless a person is at the terminal, who may have to type a code there.
// What it prints to standard error is part of the error if it fails.
type process struct {
	line  string // its command line
	asked bool   // a person is at the terminal
	from  []aws.CredentialSource

	mu       sync.Mutex
	said     []byte
	out      *os.File      // its standard error
	complete chan struct{} // closed once all of that is read
}

// ownProcess returns a function that replaces the SDK's provider of the process by ours, and leaves other
// providers as they are.
func ownProcess(c causes, asked bool) func(aws.CredentialsProvider) aws.CredentialsProvider {
	profile := c.profileOf(func(p config.SharedConfig) bool { return p.CredentialProcess != "" })
	if profile == nil {
		return func(p aws.CredentialsProvider) aws.CredentialsProvider { return p }
	}
	ours := &process{line: profile.CredentialProcess, asked: asked, from: c.from}
	cached := aws.NewCredentialsCache(ours)
	return func(p aws.CredentialsProvider) aws.CredentialsProvider {
		if aws.IsCredentialsProvider(p, (*processcreds.Provider)(nil)) {
			return cached
		}
		return p
	}
}

// Retrieve implements [aws.CredentialsProvider]. The cache calls it once at a time.
func (p *process) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := processcreds.NewProviderCommand(processcreds.NewCommandBuilderFunc(p.command)).Retrieve(ctx)
	if p.out == nil {
		return c, err
	}
	_ = p.out.Close()
	p.out = nil
	if err == nil {
		return c, nil
	}
	limited, cancel := context.WithTimeout(ctx, processWait) // what it has started may hold standard error for ever
	defer cancel()
	select {
	case <-p.complete:
	case <-limited.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if text := foreign.Text(string(p.said)); text != "" {
		err = &processError{text, err}
	}
	return c, err
}

// ProviderSources implements [aws.CredentialProviderSource].
func (p *process) ProviderSources() []aws.CredentialSource { return p.from }

func (p *process) command(ctx context.Context) (*exec.Cmd, error) {
	cmd, err := processcreds.DefaultNewCommandBuilder{Args: []string{p.line}}.NewCommand(ctx)
	if err != nil || p.asked {
		return cmd, err
	}
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.said, p.out, p.complete = nil, out, make(chan struct{})
	go p.listen(in, p.complete)
	cmd.Stdin, cmd.Stderr = nil, out
	return cmd, nil
}

// listen keeps the beginning of what the process prints, and reads the rest so that it can go on.
func (p *process) listen(in *os.File, complete chan<- struct{}) {
	defer close(complete)
	defer func() { _ = in.Close() }()
	_, _ = io.Copy(writerFunc(func(text []byte) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.said = append(p.said, text[:min(len(text), processText-len(p.said))]...)
	}), in)
}

type writerFunc func([]byte)

func (f writerFunc) Write(text []byte) (int, error) {
	f(text)
	return len(text), nil
}

// processError is the failure of a process that has said why: without credentials, on one line.
type processError struct {
	text string
	err  error
}

func (e *processError) Error() string { return fmt.Sprintf("%v: %s", e.err, e.text) }
func (e *processError) Unwrap() error { return e.err }

package app

import (
	"context"
	"fmt"
	"io"
	"os"
)

// Standard names standard input or output instead of a file.
const Standard = "-"

// ReadInput reads a file or, for [Standard], standard input: at most limit+1 bytes, so that the caller sees
// what is too large instead of using its beginning. A pipe may never get a writer, and a terminal no line, so an
// interrupt ends the wait; the error is then an [ExitError].
func (a *App) ReadInput(ctx context.Context, path string, limit int64) ([]byte, error) {
	type input struct {
		body []byte
		err  error
	}
	done := make(chan input, 1)
	go func() { // after an interrupt it waits on, until the process ends
		body, err := a.readInput(path, limit)
		done <- input{body, err}
	}()
	select {
	case in := <-done:
		return in.body, in.err
	case <-ctx.Done():
		if path == Standard {
			path = "standard input"
		}
		return nil, &ExitError{ExitInterrupted, fmt.Errorf("interrupted while waiting for %s; nothing was changed", path)}
	}
}

func (a *App) readInput(path string, limit int64) ([]byte, error) {
	if path == Standard {
		body, err := io.ReadAll(io.LimitReader(a.Stdin, limit+1))
		if err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		return body, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, limit+1))
}

package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// transport is a transport that goes on after a line that is no message, and whose end of input waits for the
// answers to what was asked before it. Without it the SDK (v1.8.0) ends at such a line, and drops those
// answers: `coffer mcp <requests` would print nothing.
type transport struct {
	lines *lines
	ended func() // called when no more can be read
}

// Connect implements [mcp.Transport].
func (t *transport) Connect(ctx context.Context) (mcp.Connection, error) {
	inner, err := t.lines.connect(ctx)
	c := &connection{Connection: inner, lines: t.lines, ended: t.ended, open: map[jsonrpc.ID]bool{}, answered: make(chan struct{}, 1)}
	c.usable, c.close = context.WithCancel(ctx)
	return c, err
}

type connection struct {
	mcp.Connection
	lines  *lines
	ended  func()
	usable context.Context //nolint:containedctx // of the connection: it ends when no more answers can be written
	close  context.CancelFunc

	mu       sync.Mutex
	open     map[jsonrpc.ID]bool // requests without an answer
	answered chan struct{}       // has a token after an answer
}

// Read implements [mcp.Connection].
func (c *connection) Read(ctx context.Context) (jsonrpc.Message, error) {
	message, err := c.next(ctx)
	if err != nil {
		c.ended()
		c.wait()
		return message, err
	}
	if request, ok := message.(*jsonrpc.Request); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		if request.IsCall() && request.Method != "subscriptions/listen" { // which has no answer before its end
			c.open[request.ID] = true
		}
		delete(c.open, canceledBy(request)) // a request that is canceled may get no answer
	}
	return message, nil
}

// next returns the next message. It refuses JSON that is none: for the SDK that is an error of the connection.
func (c *connection) next(ctx context.Context) (jsonrpc.Message, error) {
	for {
		message, err := c.Connection.Read(ctx)
		var input *inputError
		if err == nil || ctx.Err() != nil || errors.Is(err, io.EOF) || errors.As(err, &input) {
			return message, err
		}
		if err := c.lines.refuse(jsonrpc.CodeInvalidRequest, "Invalid Request: the line is not a JSON-RPC 2.0 message"); err != nil {
			return nil, err
		}
	}
}

// canceledBy returns the request that a notification cancels.
func canceledBy(request *jsonrpc.Request) (id jsonrpc.ID) {
	var params mcp.CancelledParams
	if request.Method == "notifications/cancelled" && json.Unmarshal(request.Params, &params) == nil {
		id, _ = jsonrpc.MakeID(params.RequestID)
	}
	return id
}

// Write implements [mcp.Connection].
func (c *connection) Write(ctx context.Context, message jsonrpc.Message) error {
	err := c.Connection.Write(ctx, message)
	if err != nil {
		c.close()
	}
	if response, ok := message.(*jsonrpc.Response); ok {
		c.mu.Lock()
		delete(c.open, response.ID)
		c.mu.Unlock()
		select {
		case c.answered <- struct{}{}:
		default:
		}
	}
	return err
}

// Close implements [mcp.Connection].
func (c *connection) Close() error {
	c.close()
	return c.Connection.Close()
}

// lastAnswers is the longest time in which the last answers are waited for.
const lastAnswers = time.Minute

// wait waits until every request has its answer, or no more can be written.
func (c *connection) wait() {
	limited, stop := context.WithTimeout(c.usable, lastAnswers)
	defer stop()
	for {
		c.mu.Lock()
		left := len(c.open)
		c.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-c.answered:
		case <-limited.Done():
			return
		}
	}
}

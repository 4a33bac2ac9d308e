package s3test

import (
	"fmt"
	"net"
	"net/http"
	"sync"
)

// connections tracks the clients' open connections.
type connections struct {
	mu      sync.Mutex
	changes *sync.Cond
	open    map[net.Conn]bool
}

func newConnections() *connections {
	c := &connections{open: map[net.Conn]bool{}}
	c.changes = sync.NewCond(&c.mu)
	return c
}

func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open[conn] = true
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	}
	c.changes.Broadcast()
}

// waitFor waits until something is true of the open connections.
func (c *connections) waitFor(ok func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !ok() {
		c.changes.Wait()
	}
}

func (c *connections) has(client string) bool {
	for conn := range c.open {
		if conn.RemoteAddr().String() == client {
			return true
		}
	}
	return false
}

// Drain waits until no client has an open connection. By then each request of a process that has
// exited is applied or dropped.
//
// The system accepts connections, with their requests, before the server does, in the order in which
// they are made: once the server has one that is made here, it has those of the process as well.
func (s *Server) Drain() {
	last, err := net.Dial("tcp", s.http.Listener.Addr().String())
	if err != nil {
		panic(fmt.Sprintf("s3test: %v", err))
	}
	s.open.waitFor(func() bool { return s.open.has(last.LocalAddr().String()) })
	_ = last.Close()
	s.open.waitFor(func() bool { return len(s.open.open) == 0 })
}

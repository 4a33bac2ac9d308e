package s3test

import (
	"net"
	"net/http"
	"sync"
)

// connections tracks the clients' open connections.
type connections struct {
	mu   sync.Mutex
	none *sync.Cond
	open map[net.Conn]bool
}

func newConnections() *connections {
	c := &connections{open: map[net.Conn]bool{}}
	c.none = sync.NewCond(&c.mu)
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
		c.none.Broadcast()
	}
}

// Drain waits until no client has an open connection. By then each request of a process that has
// exited is applied or dropped.
func (s *Server) Drain() {
	s.open.mu.Lock()
	defer s.open.mu.Unlock()
	for len(s.open.open) > 0 {
		s.open.none.Wait()
	}
}

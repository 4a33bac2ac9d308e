package s3test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Entry is one request in the log. Bodies are not kept.
type Entry struct {
	Request
	AccessKeyID string      // of whoever was recognised; "" for nobody
	SignedToken bool        // the request carried a session token, signed
	Attempt     string      // what the SDK says of it: "attempt=1; max=10"
	Header      http.Header // of the request: If-* and X-Amz-*, without the session token
	Status      int         // of the answer; 0 when none was sent
	Code        string      // of an error
	Fault       *Fault      // that it met
}

// logSize is how many requests are kept: the newest.
const logSize = 10_000

type requestLog struct {
	mu      sync.Mutex
	n       int
	chosen  func(Request) *Fault
	entries []Entry
}

// Log gives the newest 10,000 requests since the last Reset, in the order in which their answers were ready.
func (s *Server) Log() []Entry {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return slices.Clone(s.log.entries[max(0, len(s.log.entries)-logSize):])
}

// Reset empties the log and counts requests from 1 again. Faults stay.
func (s *Server) Reset() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.n, s.log.entries = 0, nil
}

func (l *requestLog) choose(fn func(Request) *Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n, l.chosen = 0, fn
}

// arrived numbers a request and gives the fault it shall meet.
func (l *requestLog) arrived(r *Request) *Fault {
	l.mu.Lock()
	l.n++
	r.N = l.n
	fn := l.chosen
	l.mu.Unlock()
	if fn == nil {
		return nil
	}
	return fn(*r)
}

func (l *requestLog) answered(c *call, fault *Fault, a answer) {
	e := Entry{Request: c.Request, Status: a.status, Code: a.code, Fault: fault, Header: http.Header{}}
	e.Attempt = c.header.Get("Amz-Sdk-Request")
	if a.lost || a.hang {
		e.Status = 0
	}
	if c.who != nil {
		e.AccessKeyID = c.who.AccessKeyID
		e.SignedToken = slices.Contains(c.signed, "x-amz-security-token")
	}
	for name, values := range c.header {
		if (strings.HasPrefix(name, "X-Amz-") || strings.HasPrefix(name, "If-")) && name != "X-Amz-Security-Token" {
			e.Header[name] = values
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) >= 2*logSize {
		l.entries = slices.Clone(l.entries[logSize:])
	}
	l.entries = append(l.entries, e)
}

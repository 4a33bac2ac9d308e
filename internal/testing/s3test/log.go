package s3test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Entry is one request in the log. Bodies aren't stored.
type Entry struct {
	Request
	AccessKeyID string      // of an authenticated caller; otherwise ""
	SignedToken bool        // the request had a signed session token
	Attempt     string      // the SDK's count: "attempt=1; max=10"
	Header      http.Header // of the request: If-* and X-Amz-*, without the session token
	Status      int         // of the response; 0 if none was sent
	Code        string      // of an error
	Fault       *Fault      // the fault of this request

	KeyID   string            // of kms:Encrypt and kms:Decrypt, as it was sent
	Context map[string]string // the encryption context, likewise
}

// logSize is the number of requests that Log returns: the newest.
const logSize = 10_000

type requestLog struct {
	mu      sync.Mutex
	n       int
	chosen  func(Request) *Fault
	entries []Entry
}

// Log returns the newest 10,000 requests since the last Reset, in the order in which their
// responses were ready.
func (s *Server) Log() []Entry {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return slices.Clone(s.log.entries[max(0, len(s.log.entries)-logSize):])
}

// Reset empties the log and restarts the request count at 1. Faults remain.
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

// arrived numbers a request and returns its fault.
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
	e := Entry{Request: c.Request, Status: a.status, Code: a.code, Fault: fault, Header: http.Header{}, KeyID: c.keyID, Context: c.context}
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

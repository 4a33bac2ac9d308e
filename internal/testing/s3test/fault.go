package s3test

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Fault is how one request goes wrong.
type Fault struct {
	Kind    Kind
	After   bool          // the request is applied, and only its answer is lost or replaced; otherwise nothing is applied
	Delay   time.Duration // of Delay; of Hang, the longest that it lasts, or 0
	Status  int           // of Answer
	Code    string        // of Answer
	Message string        // of Answer

	// Reached, if set, is called when the fault strikes: before the request is applied, or with After once it is.
	Reached func()
}

// Kind is a way to go wrong.
type Kind int

// The kinds. CutBody, FlipBody and WrongLength spoil the real answer, so the request is always applied.
const (
	// Drop closes the connection without an answer. Go's HTTP client repeats a GET by itself when that happens on a
	// connection it had used before.
	Drop Kind = iota + 1
	// Delay waits before the request is applied, even if the client has gone by then, or After before the answer is sent.
	Delay
	// Answer is an error of the API: Status, Code and Message.
	Answer
	// CutBody sends half of the body under its full length, and closes the connection.
	CutBody
	// FlipBody flips one bit in the middle of the body.
	FlipBody
	// WrongLength announces half of the body's length and sends as much: a well-formed answer that is too short.
	WrongLength
	// Garbage is 200 with a body and headers that are not S3's, as a proxy would send them.
	Garbage
	// Hang sends nothing until the client goes away or a time has passed, and closes the connection.
	Hang
)

// String names a fault, for the names of tests.
func (f Fault) String() string {
	kinds := map[Kind]string{
		Drop: "drop", Delay: "delay", CutBody: "cut-body", FlipBody: "flip-body",
		WrongLength: "wrong-length", Garbage: "garbage", Hang: "hang",
	}
	name := kinds[f.Kind]
	switch {
	case f.Kind == Answer:
		name = fmt.Sprintf("%d-%s", f.Status, f.Code)
	case f.spoils():
		return name
	}
	if f.After {
		return name + "-after"
	}
	return name + "-before"
}

// Faults are the fourteen faults of the fault enumeration, each before the request is applied; set After for the other half.
func Faults() []Fault {
	return []Fault{
		{Kind: Drop},
		{Kind: Delay, Delay: 50 * time.Millisecond},
		{Kind: Answer, Status: 500, Code: "InternalError", Message: "We encountered an internal error. Please try again."},
		{Kind: Answer, Status: 503, Code: "SlowDown", Message: "Please reduce your request rate."},
		{Kind: Answer, Status: 409, Code: "ConditionalRequestConflict", Message: "The conditional request cannot succeed due to a conflicting operation against this resource."},
		{Kind: Answer, Status: 412, Code: "PreconditionFailed", Message: "At least one of the pre-conditions you specified did not hold"},
		{Kind: Answer, Status: 403, Code: "AccessDenied", Message: "Access Denied"},
		{Kind: Answer, Status: 400, Code: "ExpiredToken", Message: "The provided token has expired."},
		{Kind: Answer, Status: 400, Code: "KMS.DisabledException", Message: "The key is disabled."},
		{Kind: CutBody},
		{Kind: FlipBody},
		{Kind: WrongLength},
		{Kind: Garbage},
		{Kind: Hang},
	}
}

// Fault sets the function that chooses which requests go wrong, and counts requests from 1 again. It is called for each
// request, before anything else happens; nil, or an answer of nil, is no fault. Calls may run at the same time, and one may
// block to hold its request back.
func (s *Server) Fault(choose func(Request) *Fault) { s.log.choose(choose) }

// FaultAt makes the nth request from now go wrong, and no other.
func (s *Server) FaultAt(n int, f Fault) {
	s.Fault(func(r Request) *Fault {
		if r.N == n {
			return &f
		}
		return nil
	})
}

// replaces tells whether the fault needs no real answer.
func (f *Fault) replaces() bool {
	return f.Kind == Drop || f.Kind == Answer || f.Kind == Garbage || f.Kind == Hang
}

// spoils tells whether the fault changes a real answer.
func (f *Fault) spoils() bool {
	return f.Kind == CutBody || f.Kind == FlipBody || f.Kind == WrongLength
}

// strike does to an answer what the fault says.
func (s *Server) strike(c *call, f *Fault, a answer) answer {
	if f.Reached != nil {
		f.Reached()
	}
	switch f.Kind {
	case Drop:
		a.lost = true
	case Hang:
		a.hang, a.patience = true, f.Delay
	case Delay:
		s.wait(f)
	case Answer:
		return c.refuse(fail(f.Status, f.Code, f.Message))
	case CutBody:
		a.cut = true
	case FlipBody:
		if len(a.body) > 0 {
			a.body = bytes.Clone(a.body)
			a.body[len(a.body)/2] ^= 1
		}
	case WrongLength:
		a.body = a.body[:len(a.body)/2]
		if n, err := strconv.Atoi(a.header.Get("Content-Length")); err == nil { // of a HEAD
			a.header.Set("Content-Length", strconv.Itoa(n/2))
		}
	case Garbage:
		return answer{
			status: http.StatusOK, header: http.Header{"Content-Type": {"text/html"}},
			body: []byte("<html>\x00\xff{]]>&nonsense; <title>please log in</title>"),
		}
	}
	return a
}

func (s *Server) wait(f *Fault) {
	timer := time.NewTimer(f.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.closing:
	}
}

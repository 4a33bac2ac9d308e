package s3test

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Fault is a failure of one request.
type Fault struct {
	Kind    Kind
	After   bool          // the request is applied, and only its response is lost or replaced; otherwise nothing is applied
	Delay   time.Duration // for Delay; for Hang its maximum duration, or 0
	Status  int           // for Answer
	Code    string        // for Answer
	Message string        // for Answer

	// Reached, if set, is called when the fault occurs: before the request is applied, or with
	// After once it is.
	Reached func()
}

// Kind is the kind of a fault.
type Kind int

// The kinds. CutBody, FlipBody and WrongLength change the real response, so the request is always
// applied.
const (
	// Drop closes the connection without a response. Go's HTTP client retries a GET by itself if
	// that happens on a reused connection.
	Drop Kind = iota + 1
	// Delay waits before the request is applied, even if the client has closed the connection by
	// then, or with After before the response is sent.
	Delay
	// Answer returns an API error: Status, Code and Message.
	Answer
	// CutBody sends half of the body with its full length, and closes the connection.
	CutBody
	// FlipBody flips one bit in the middle of the body.
	FlipBody
	// WrongLength announces half of the body's length and sends as much: a well-formed response
	// that is too short.
	WrongLength
	// Garbage is 200 with a body and headers that aren't S3's, as a proxy might send them.
	Garbage
	// Hang sends nothing until the client closes the connection or a time has passed, and then
	// closes it.
	Hang
)

// String returns the fault's name, for the names of tests.
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

// Faults returns the fourteen faults of the fault enumeration, each before the request is applied.
// Set After for the other half.
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

// Fault sets the function that chooses which requests fail, and restarts the request count at 1.
// choose is called for each request, before anything else happens. If it is nil or returns nil, the
// request doesn't fail. Calls may run concurrently, and one may block to delay its request.
func (s *Server) Fault(choose func(Request) *Fault) { s.log.choose(choose) }

// FaultAt makes only the nth request from now fail.
func (s *Server) FaultAt(n int, f Fault) {
	s.Fault(func(r Request) *Fault {
		if r.N == n {
			return &f
		}
		return nil
	})
}

// replaces reports whether the fault needs no real response.
func (f *Fault) replaces() bool {
	return f.Kind == Drop || f.Kind == Answer || f.Kind == Garbage || f.Kind == Hang
}

// spoils reports whether the fault changes a real response.
func (f *Fault) spoils() bool {
	return f.Kind == CutBody || f.Kind == FlipBody || f.Kind == WrongLength
}

// kmsCode returns the code with which KMS says what S3 says with the given one. Codes that only S3 has
// stay as they are.
func kmsCode(code string) string {
	switch code {
	case "AccessDenied":
		return "AccessDeniedException"
	case "ExpiredToken":
		return "ExpiredTokenException"
	case "InternalError":
		return "KMSInternalException"
	case "SlowDown":
		return "ThrottlingException"
	}
	return strings.TrimPrefix(code, "KMS.")
}

// strike applies the fault to a response.
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
		if c.Service == "kms" {
			return c.refuse(fail(f.Status, kmsCode(f.Code), f.Message))
		}
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
		if n, err := strconv.Atoi(a.header.Get("Content-Length")); err == nil { // for a HEAD
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

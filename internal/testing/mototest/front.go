package mototest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Fault is a failure of a request to a [Front].
type Fault struct {
	Applied bool   // the request is executed, and only its response is lost or replaced
	Status  int    // 0 closes the connection without a response
	Code    string // of the response

	Reached func() // if set, it is called before the response, and with Applied after the request was executed
}

// Faults are temporary: of the network, of a failing service, and of an overloaded one. A retry
// succeeds after each of them.
func Faults() map[string]Fault {
	return map[string]Fault{
		"dropped":             {},
		"made, answer lost":   {Applied: true},
		"500":                 {Status: 500, Code: "InternalServerError"},
		"made, 500":           {Applied: true, Status: 500, Code: "InternalServerError"},
		"503":                 {Status: 503, Code: "ServiceUnavailable"},
		"made, 503":           {Applied: true, Status: 503, Code: "ServiceUnavailable"},
		"throttled":           {Status: 400, Code: "ThrottlingException"},
		"made, gateway's 502": {Applied: true, Status: 502},
	}
}

// Request is a request to a [Front].
type Request struct {
	Operation string // the operation, such as "PutParameter"
	N         int    // the number of the request among those with this operation, from 1
	Body      []byte
}

// Front is a proxy before a server of AWS's JSON services that makes requests fail.
type Front struct {
	URL      string
	upstream *httputil.ReverseProxy

	mu     sync.Mutex
	choose func(Request) *Fault
	seen   []Request
	counts map[string]int
}

// NewFront starts a proxy to the server at upstream. It stops when the test ends.
func NewFront(t testing.TB, upstream string) *Front {
	t.Helper()
	to, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	f := &Front{upstream: httputil.NewSingleHostReverseProxy(to), counts: map[string]int{}}
	f.upstream.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) } // without a log message
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.URL = server.URL
	return f
}

// Fault sets the function that chooses the requests that fail. If it is nil or returns nil, the
// request doesn't fail. Fault also discards the requests seen before.
func (f *Front) Fault(choose func(Request) *Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.choose, f.seen, f.counts = choose, nil, map[string]int{}
}

// Seen returns the requests since the last [Front.Fault].
func (f *Front) Seen() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Request(nil), f.seen...)
}

// ServeHTTP implements [http.Handler].
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client closed the connection
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	fault := f.arrived(r.Header.Get("X-Amz-Target"), body)
	if fault == nil {
		f.upstream.ServeHTTP(w, r)
		return
	}
	if fault.Applied {
		f.upstream.ServeHTTP(httptest.NewRecorder(), r)
	}
	if fault.Reached != nil {
		fault.Reached()
	}
	if fault.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(fault.Status)
	if fault.Code != "" {
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": fault.Code, "message": "as the test wants it"})
	}
}

func (f *Front) arrived(target string, body []byte) *Fault {
	f.mu.Lock()
	_, operation, _ := strings.Cut(target, ".")
	f.counts[operation]++
	r := Request{Operation: operation, N: f.counts[operation], Body: body}
	f.seen = append(f.seen, r)
	choose := f.choose
	f.mu.Unlock()
	if choose == nil {
		return nil
	}
	return choose(r)
}

// Package wire counts the requests between a client and an S3, KMS, STS or SSM endpoint.
//
// A [Proxy] forwards each request, adds a fixed round-trip time to it and records its depth: its
// place in the longest chain of requests that had to wait for one another. Two concurrent requests
// have the same depth, so the largest depth of a run is the number of round trips that the client
// couldn't overlap.
package wire

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// Crossing is one request that a [Proxy] forwarded.
type Crossing struct {
	StartUS int64  `json:"start_us"` // microseconds since the proxy was created
	EndUS   int64  `json:"end_us"`
	Depth   int    `json:"depth"` // from 1
	Method  string `json:"method"`
	Path    string `json:"path"`             // including the query
	Target  string `json:"target,omitempty"` // X-Amz-Target: the operation of a JSON service
	Status  int    `json:"status"`
	In      int64  `json:"request_bytes"`
	Out     int64  `json:"response_bytes"`
}

// Summary has the totals since the last [Proxy.Reset].
type Summary struct {
	Requests    int `json:"requests"`    // requests with a response
	Depth       int `json:"depth"`       // the largest depth; 0 without requests
	Connections int `json:"connections"` // opened by clients; counted with [Proxy.ConnState]
}

// Proxy is a reverse proxy that counts requests. Create it with [New]. It also answers GET /_wire
// with the [Summary] as JSON, and resets on POST /_wire/reset.
type Proxy struct {
	upstream *httputil.ReverseProxy
	epoch    time.Time

	mu          sync.Mutex
	rtt         time.Duration
	done        []Crossing
	connections int
	log         *json.Encoder // nil: no log
}

// New returns a proxy to the endpoint upstream (scheme and host; a path isn't used) that delays
// each request by rtt. It doesn't change the Host header, so that signatures stay valid.
func New(upstream *url.URL, rtt time.Duration) *Proxy {
	p := &Proxy{rtt: rtt, epoch: time.Now()}
	p.upstream = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = upstream.Scheme, upstream.Host
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
	}
	return p
}

// ServeHTTP forwards a request, or answers one about the proxy itself. It doesn't use
// http.ServeMux, which redirects object names such as "a//b".
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /_wire":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(p.Summary())
	case "POST /_wire/reset":
		p.Reset()
	default:
		p.pass(w, r)
	}
}

// ConnState counts new connections. Set it as the ConnState of the server that serves p.
func (p *Proxy) ConnState(_ net.Conn, state http.ConnState) {
	if state != http.StateNew {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connections++
}

// Log writes each request to w as one line of JSON from now on. Nil stops it. Failed writes are
// ignored, and forwarding continues.
func (p *Proxy) Log(w io.Writer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = nil
	if w != nil {
		p.log = json.NewEncoder(w)
	}
}

// Summary returns the totals since the last [Proxy.Reset].
func (p *Proxy) Summary() Summary {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Summary{Requests: len(p.done), Connections: p.connections}
	for _, c := range p.done {
		s.Depth = max(s.Depth, c.Depth)
	}
	return s
}

// Crossings returns the requests since the last [Proxy.Reset], in the order in which they ended.
func (p *Proxy) Crossings() []Crossing {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Crossing(nil), p.done...)
}

// Delay sets the round-trip time of later requests.
func (p *Proxy) Delay(rtt time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rtt = rtt
}

// Reset discards the recorded requests. Open connections aren't counted again.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.connections = nil, 0
}

func (p *Proxy) pass(w http.ResponseWriter, r *http.Request) {
	c, rtt := p.begin()
	c.Method, c.Path, c.Target = r.Method, r.URL.RequestURI(), r.Header.Get("X-Amz-Target")
	c.In = max(r.ContentLength, 0)
	m := &meter{ResponseWriter: w, status: http.StatusOK}
	// An aborted response (http.ErrAbortHandler) panics through here and is counted too.
	defer func() {
		c.Status, c.Out = m.status, m.bytes
		p.end(c)
	}()

	if rtt > 0 {
		select {
		case <-time.After(rtt):
		case <-r.Context().Done():
			m.status = http.StatusGatewayTimeout
			return
		}
	}
	p.upstream.ServeHTTP(m, r)
}

// begin records a request's start, and returns its round-trip time. Its depth is one more than that of
// the deepest request that had ended by then.
func (p *Proxy) begin() (c Crossing, rtt time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c = Crossing{StartUS: time.Since(p.epoch).Microseconds(), Depth: 1}
	for _, d := range p.done {
		c.Depth = max(c.Depth, d.Depth+1)
	}
	return c, p.rtt
}

func (p *Proxy) end(c Crossing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.EndUS = time.Since(p.epoch).Microseconds()
	p.done = append(p.done, c)
	if p.log != nil {
		_ = p.log.Encode(c)
	}
}

// A meter records a response's status and counts its bytes.
type meter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (m *meter) WriteHeader(status int) {
	m.status = status
	m.ResponseWriter.WriteHeader(status)
}

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.ResponseWriter.Write(p)
	m.bytes += int64(n)
	return n, err
}

// Unwrap gives http.ResponseController access to the connection, so that responses are flushed.
func (m *meter) Unwrap() http.ResponseWriter { return m.ResponseWriter }

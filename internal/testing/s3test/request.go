package s3test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Request describes a request. Faults are chosen by it, and the log stores it.
type Request struct {
	N       int    // 1 for the first request since the server started, or since the last call of Reset or Fault
	Service string // s3, sts or kms
	Op      string // the API's name: GetObject, ListObjectsV2, AssumeRole, ...; "" for an unknown one
	Bucket  string
	Key     string // the object's name
	Prefix  string // of a listing
	Version string // the version id, if the request has one
}

// call is one request while the server handles it.
type call struct {
	Request
	method string
	host   string
	path   string // decoded
	query  url.Values
	header http.Header
	length int64
	wire   []byte // the body as it was sent
	body   []byte // without the aws-chunked encoding
	now    time.Time
	tls    bool
	who    *identity // nil until authenticated
	signed []string  // names of the signed headers

	keyID   string            // of kms:Encrypt and kms:Decrypt
	context map[string]string // likewise
}

// read reads the whole request.
func (s *Server) read(r *http.Request) (*call, error) {
	wire, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		query = url.Values{}
	}
	c := &call{
		method: r.Method, host: r.Host, path: r.URL.Path, query: query, header: r.Header,
		length: r.ContentLength, wire: wire, body: wire, now: s.opts.Clock(), tls: r.TLS != nil,
	}
	c.name()
	return c, nil
}

// name sets the service, the operation and its object.
func (c *call) name() {
	if target := c.header.Get("X-Amz-Target"); target != "" {
		c.Service = "kms"
		c.Op = strings.TrimPrefix(target, "TrentService.")
		return
	}
	if c.method == http.MethodPost && c.path == "/" {
		c.Service = "sts"
		if form, err := url.ParseQuery(string(c.wire)); err == nil {
			c.Op = form.Get("Action")
		}
		return
	}
	c.Service = "s3"
	c.Bucket, c.Key, _ = strings.Cut(strings.TrimPrefix(c.path, "/"), "/")
	switch {
	case c.Bucket == "":
		if c.method == http.MethodGet {
			c.Op = "ListBuckets"
		}
	case c.Key == "":
		c.Op = c.bucketOp()
		c.Prefix = c.query.Get("prefix")
	default:
		c.Op = c.objectOp()
		c.Version = c.query.Get("versionId")
	}
}

func (c *call) bucketOp() string {
	switch {
	case c.method == http.MethodGet && c.query.Get("list-type") == "2":
		return "ListObjectsV2"
	case c.method == http.MethodGet && c.query.Has("versions"):
		return "ListObjectVersions"
	case c.method == http.MethodGet && c.query.Has("location"):
		return "GetBucketLocation"
	case c.method == http.MethodHead:
		return "HeadBucket"
	case c.method == http.MethodPut && !c.hasSubresource():
		return "CreateBucket"
	case c.method == http.MethodDelete && !c.hasSubresource():
		return "DeleteBucket"
	}
	return c.configurationOp()
}

func (c *call) objectOp() string {
	if c.query.Has("tagging") {
		switch c.method {
		case http.MethodGet:
			return "GetObjectTagging"
		case http.MethodPut:
			return "PutObjectTagging"
		case http.MethodDelete:
			return "DeleteObjectTagging"
		}
		return ""
	}
	if c.hasSubresource() || c.method == http.MethodPut && c.query.Has("versionId") {
		return ""
	}
	switch c.method {
	case http.MethodGet:
		return "GetObject"
	case http.MethodHead:
		return "HeadObject"
	case http.MethodDelete:
		return "DeleteObject"
	case http.MethodPut:
		if c.header.Get("X-Amz-Copy-Source") != "" {
			return "CopyObject"
		}
		return "PutObject"
	}
	return ""
}

// hasSubresource reports whether the query asks for something this server doesn't support (a
// multipart upload, a retention ...).
func (c *call) hasSubresource() bool {
	for name := range c.query {
		if name != "x-id" && name != "versionId" && !strings.HasPrefix(name, "X-Amz-") {
			return true
		}
	}
	return false
}

// arn returns the ARN of the object or the bucket, as in policies.
func (c *call) arn() string {
	if c.Key == "" {
		return "arn:aws:s3:::" + c.Bucket
	}
	return "arn:aws:s3:::" + c.Bucket + "/" + c.Key
}

// answer is a whole response, so that a fault can still change or drop it.
type answer struct {
	status int
	code   string // of an error
	header http.Header
	body   []byte
	cut    bool // send half of the body with the full length, then close
	lost   bool // close without a response
	hang   bool // no response until the client closes the connection

	patience time.Duration // of hang; 0: no limit
}

func (s *Server) send(w http.ResponseWriter, r *http.Request, a answer) {
	if a.hang {
		var enough <-chan time.Time
		if a.patience > 0 {
			enough = time.After(a.patience)
		}
		select {
		case <-r.Context().Done():
		case <-enough:
		case <-s.closing:
		}
	}
	if a.lost || a.hang {
		panic(http.ErrAbortHandler)
	}
	header := w.Header()
	for name, values := range a.header {
		header[name] = values
	}
	header.Set("Date", s.opts.Clock().UTC().Format(http.TimeFormat)) // SDKs correct their clocks by it
	header.Set("Server", "s3test")
	if r.Method == http.MethodHead {
		w.WriteHeader(a.status)
		return
	}
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified && header.Get("Content-Length") == "" {
		header.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	body := a.body
	if a.cut {
		body = body[:len(body)/2]
	}
	if _, err := io.Copy(w, bytes.NewReader(body)); err != nil || a.cut {
		// Half a response must not look complete: what was written is sent, then the connection
		// is closed.
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// Package s3test is an in-memory S3 with STS and KMS, served over HTTP on loopback for tests.
//
// It behaves as AWS does where that is known (signatures are verified, conditions are atomic,
// encrypted objects need their key), as other servers do where [Quirks] say so, and fails where a
// test asks for it with [Server.Fault]. S3 doesn't actually encrypt: an object stores the key it
// would be encrypted with, and access depends on that key's state and the caller's [Policy]. KMS
// encrypts what Encrypt is given.
//
// One URL serves all three services. Buckets are addressed by path
// (http://127.0.0.1:port/bucket/key).
package s3test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// The administrator that every server has: no session token, no denials.
const (
	AdminKeyID  = "AKIAS3TESTADMIN00001"
	AdminSecret = "s3test-administrator-secret" //nolint:gosec // a made-up credential of a server that lives for one test
)

// Options configure a server. The zero value is an AWS of us-east-1 with one administrator and no
// buckets.
type Options struct {
	Region     string           // default us-east-1; a request signed for another region is refused
	Account    string           // default 111122223333
	Buckets    []string         // created at the start
	Principals []Principal      // besides the administrator
	PageSize   int              // most keys in one page of a listing; default 1,000
	Rate       int              // requests a second above which the response is 503 SlowDown; 0: no limit
	Clock      func() time.Time // default time.Now; also used for signatures (15 minutes either way) and sessions
	TLS        bool             // serve HTTPS; use Client, which trusts the certificate

	// SessionLife is the duration of every session, regardless of the requested one; 0: as
	// requested.
	SessionLife time.Duration
	// SessionRequests is the number of requests after which every session ends early; 0: no limit.
	SessionRequests int
	// Trust checks web identity tokens. It returns the code of the refusal, or "" for a valid
	// token. If nil, no token is valid.
	Trust func(token string) (code string)

	Quirks Quirks
}

// Server is a running S3, STS and KMS. All methods may be called at any time, from any goroutine.
type Server struct {
	URL string // without a trailing slash
	KMS *KMS

	opts    Options
	http    *httptest.Server
	iam     *iam
	limit   *limiter
	log     *requestLog
	open    *connections
	closing chan struct{}
	closed  sync.Once

	mu      sync.RWMutex // protects everything in the buckets: a condition and its write are one step
	buckets map[string]*Bucket
}

// New starts a server on a free loopback port. The caller must close it.
func New(o Options) *Server {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Account == "" {
		o.Account = "111122223333"
	}
	if o.PageSize <= 0 {
		o.PageSize = 1000
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	s := &Server{
		KMS:     newKMS(o.Region, o.Account),
		opts:    o,
		iam:     newIAM(o),
		limit:   newLimiter(o.Rate, o.Clock),
		log:     &requestLog{},
		open:    newConnections(),
		closing: make(chan struct{}),
		buckets: map[string]*Bucket{},
	}
	for _, name := range o.Buckets {
		s.Bucket(name)
	}
	s.http = httptest.NewUnstartedServer(s)
	s.http.Config.ConnState = s.open.changed
	if o.TLS {
		s.http.StartTLS()
	} else {
		s.http.Start()
	}
	s.URL = s.http.URL
	return s
}

// Close ends all hanging requests, waits for the others and stops the server. A fault function that
// blocks must be released first. A test may close it before its end: then nobody answers at its URL.
func (s *Server) Close() {
	s.closed.Do(func() {
		close(s.closing)
		s.http.CloseClientConnections()
		s.http.Close()
	})
}

// Client returns an HTTP client that trusts the server's certificate.
func (s *Server) Client() *http.Client { return s.http.Client() }

// Certificate returns the certificate of an HTTPS server as PEM, for AWS_CA_BUNDLE.
func (s *Server) Certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
}

// ServeHTTP serves one request: it is counted, may get a fault, is authenticated, applied, and
// logged just before its response is sent. A client that has the response therefore finds the
// request in the log.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := s.read(r)
	if err != nil {
		panic(http.ErrAbortHandler) // the client closed the connection while sending
	}
	fault := s.log.arrived(&c.Request)

	var a answer
	switch {
	case !s.limit.allow():
		fault = nil
		a = c.refuse(fail(503, "SlowDown", "Please reduce your request rate."))
	case fault != nil && !fault.After && fault.replaces():
		a = s.strike(c, fault, answer{})
	default:
		if fault != nil && !fault.After {
			s.wait(fault)
		}
		a = s.serve(c)
		if fault != nil && (fault.After || fault.spoils()) {
			a = s.strike(c, fault, a)
		}
	}
	s.log.answered(c, fault, a)
	s.send(w, r, a)
}

// serve authenticates and applies one request.
func (s *Server) serve(c *call) answer {
	if c.Op != "AssumeRoleWithWebIdentity" { // it is authenticated by its token
		who, err := s.authenticate(c)
		if err != nil {
			return c.refuse(err)
		}
		c.who = who
	}
	if c.Service == "kms" && s.opts.Quirks.Settings.NoKMSAPI {
		c.Service = "s3" // the S3 error format: the server takes it for a POST to S3
		return c.refuse(fail(405, "MethodNotAllowed", ""))
	}
	s.opts.Quirks.ignore(c)
	if owner := c.header.Get("X-Amz-Expected-Bucket-Owner"); owner != "" && owner != s.opts.Account {
		return c.refuse(fail(403, "AccessDenied", "Access Denied"))
	}
	if s.policyDenies(c) {
		return c.refuse(fail(403, "AccessDenied", "Access Denied."))
	}
	a, err := s.apply(c)
	if err != nil {
		return c.refuse(err)
	}
	return a
}

// apply calls the handler of an operation.
func (s *Server) apply(c *call) (answer, error) {
	switch c.Op {
	case "GetObject":
		return s.getObject(c)
	case "HeadObject":
		return s.headObject(c)
	case "PutObject":
		return s.putObject(c)
	case "CopyObject":
		return s.copyObject(c)
	case "DeleteObject":
		return s.deleteObject(c)
	case "GetObjectTagging":
		return s.getTagging(c)
	case "PutObjectTagging":
		return s.putTagging(c)
	case "DeleteObjectTagging":
		return s.deleteTagging(c)
	case "ListObjectsV2":
		return s.listObjects(c)
	case "ListObjectVersions":
		return s.listVersions(c)
	case "ListBuckets":
		return s.listBuckets()
	case "CreateBucket":
		return s.createBucket(c)
	case "DeleteBucket":
		return s.deleteBucket(c)
	case "HeadBucket":
		return s.headBucket(c)
	case "GetBucketLocation":
		return s.bucketLocation(c)
	case "GetCallerIdentity":
		return s.callerIdentity(c)
	case "AssumeRole", "AssumeRoleWithWebIdentity":
		return s.assumeRole(c)
	case "Encrypt":
		return s.kmsEncrypt(c)
	case "Decrypt":
		return s.kmsDecrypt(c)
	case "DescribeKey":
		return s.describeKey(c)
	case "ListAliases":
		return s.listAliases(c)
	case "CreateKey":
		return s.createKey(c)
	case "CreateAlias":
		return s.createAlias(c)
	}
	if c.Key == "" && c.configurationOp() != "" {
		return s.configuration(c)
	}
	return answer{}, fail(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
}

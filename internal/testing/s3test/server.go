// Package s3test is an S3 in memory, with the STS and the KMS that stand beside it, served over HTTP on loopback for tests.
//
// It answers as AWS does where that is known (signatures are verified, conditions are atomic, encrypted objects need their
// key), as other servers do where [Quirks] say so, and wrongly wherever a test asks for it with [Server.Fault]. Nothing is
// really encrypted: an object remembers the key it would be encrypted under, and that key's state and the caller's [Policy] decide.
//
// One URL serves all three services. Buckets are addressed by path (http://127.0.0.1:port/bucket/key).
package s3test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// The administrator every server starts with: no session token, no denials.
const (
	AdminKeyID  = "AKIAS3TESTADMIN00001"
	AdminSecret = "s3test-administrator-secret" //nolint:gosec // a made-up credential of a server that lives for one test
)

// Options configure a server. The zero value is an AWS of us-east-1 with one administrator and no buckets.
type Options struct {
	Region     string           // default us-east-1; a request signed for another region is refused
	Account    string           // default 111122223333
	Buckets    []string         // created at the start
	Principals []Principal      // besides the administrator
	PageSize   int              // most keys in one page of a listing; default 1,000
	Rate       int              // requests a second above which the answer is 503 SlowDown; 0: no limit
	Clock      func() time.Time // default time.Now; also judges signatures (15 minutes either way) and sessions
	TLS        bool             // serve HTTPS; use Client, which trusts the certificate

	// SessionLife is how long every session lasts, whatever is asked for; 0: as asked.
	SessionLife time.Duration
	// SessionRequests is after how many requests every session ends, before its time; 0: never.
	SessionRequests int
	// Trust judges web identity tokens: the code of the refusal, "" for one that is good. Nil: none is.
	Trust func(token string) (code string)

	Quirks Quirks
}

// Server is a running S3, STS and KMS. All methods may be called at any time, from any goroutine.
type Server struct {
	URL string // without a slash at its end
	KMS *KMS

	opts    Options
	http    *httptest.Server
	iam     *iam
	limit   *limiter
	log     *requestLog
	open    *connections
	closing chan struct{}

	mu      sync.RWMutex // over everything in the buckets: a condition and its write are one step
	buckets map[string]*Bucket
}

// New starts a server on a free loopback port. The caller closes it.
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

// Close ends all hanging requests, waits for the others and stops the server. A fault function that blocks must be let go first.
func (s *Server) Close() {
	close(s.closing)
	s.http.CloseClientConnections()
	s.http.Close()
}

// Client is an HTTP client that trusts the server's certificate.
func (s *Server) Client() *http.Client { return s.http.Client() }

// Certificate is that of a server of HTTPS, as PEM: what AWS_CA_BUNDLE wants.
func (s *Server) Certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
}

// ServeHTTP answers one request: it is counted, may meet a fault, is authenticated, applied, and logged just before its
// answer is sent, so that whoever has an answer finds the request in the log.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := s.read(r)
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away while it was sending
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
	if c.Op != "AssumeRoleWithWebIdentity" { // whose token says who it is
		who, err := s.authenticate(c)
		if err != nil {
			return c.refuse(err)
		}
		c.who = who
	}
	if c.Service == "kms" && s.opts.Quirks.Settings.NoKMSAPI {
		c.Service = "s3" // in whose words it refuses what it takes for a POST
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

// apply is the table of all operations.
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

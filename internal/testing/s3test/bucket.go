package s3test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Encryption methods, as in the header x-amz-server-side-encryption.
const (
	AES256 = "AES256"
	AWSKMS = "aws:kms"
)

// Bucket is one bucket. Tests access it without a request, a signature or a policy.
type Bucket struct {
	srv             *Server
	name            string
	created         time.Time
	objects         map[string]*Object   // an Object is never changed in place
	versions        map[string][]*Object // all stored versions of each name, including delete markers, newest first
	versioning      string               // "", Enabled or Suspended
	stored          int                  // number of versions created so far
	names           []string             // of objects, sorted
	defaultSSE      sse
	conditionalPuts bool
	configuration   map[string][]byte // by the name of the query parameter, as it was sent
	statements      []statement       // of the bucket policy
}

// Object is one stored object.
type Object struct {
	Name     string
	Body     []byte
	ETag     string // without quotes
	SSE      string // AES256, aws:kms, or "" if the server ignores encryption
	KeyARN   string // for aws:kms
	Modified time.Time
	Tags     map[string]string
	Version  string // "null" if the bucket wasn't versioned when it was stored
	Mark     bool   // a delete marker, which has only a name, a version and a date

	keyName   string      // the key's name in responses
	bucketKey bool        // S3 Bucket Keys
	meta      http.Header // Content-Type, Cache-Control, x-amz-meta-* ...
	checksum  checksum
}

// Bucket returns the bucket, and creates it if it doesn't exist.
func (s *Server) Bucket(name string) *Bucket {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[name]; b != nil {
		return b
	}
	b := &Bucket{
		srv: s, name: name, created: s.opts.Clock(),
		objects: map[string]*Object{}, versions: map[string][]*Object{}, defaultSSE: sse{method: AES256},
	}
	s.buckets[name] = b
	return b
}

// Object returns a copy of an object, and false if there is none.
func (b *Bucket) Object(name string) (Object, bool) {
	b.srv.mu.RLock()
	defer b.srv.mu.RUnlock()
	o := b.objects[name]
	if o == nil {
		return Object{}, false
	}
	return o.copy(), true
}

// Objects returns copies of all objects, sorted by name.
func (b *Bucket) Objects() []Object {
	b.srv.mu.RLock()
	defer b.srv.mu.RUnlock()
	all := make([]Object, 0, len(b.names))
	for _, name := range b.names {
		all = append(all, b.objects[name].copy())
	}
	return all
}

func (o *Object) copy() Object {
	c := *o
	c.Body, c.Tags, c.meta = bytes.Clone(o.Body), maps.Clone(o.Tags), o.meta.Clone()
	return c
}

// Restore replaces the bucket's objects and versions with these objects. It keeps the ETags that
// they had when they were copied with [Bucket.Objects], from this server or one with the same keys.
func (b *Bucket) Restore(objects []Object) {
	b.srv.mu.Lock()
	defer b.srv.mu.Unlock()
	b.objects, b.versions, b.names = map[string]*Object{}, map[string][]*Object{}, nil
	for _, o := range objects {
		same := o.copy()
		b.put(&same)
	}
}

// Plant stores an object as an unconditional PUT of the administrator would. method is AES256,
// AWSKMS or "" for the bucket's default. key is any name of a key in the server's KMS, or "" for
// aws/s3. It panics if the key can't be used.
func (b *Bucket) Plant(name string, body []byte, method, key string) Object {
	b.srv.mu.Lock()
	defer b.srv.mu.Unlock()
	under, err := b.srv.encryption(b, sse{method: method, key: key}, nil)
	if err != nil {
		panic(fmt.Sprintf("plant %s: %v", name, err))
	}
	o := b.srv.newObject(name, bytes.Clone(body), under)
	b.put(o)
	return o.copy()
}

// Delete removes an object, if it exists.
func (b *Bucket) Delete(name string) {
	b.srv.mu.Lock()
	defer b.srv.mu.Unlock()
	b.remove(name)
}

// DefaultEncryption sets the encryption of a PUT without encryption headers: AES256 (the default of
// a new bucket), or AWSKMS with a key, "" for aws/s3.
func (b *Bucket) DefaultEncryption(method, key string) {
	b.srv.mu.Lock()
	defer b.srv.mu.Unlock()
	b.defaultSSE = sse{method: method, key: key}
}

// ConditionalPutsOnly sets a bucket policy that denies a PUT or copy with neither If-Match nor
// If-None-Match.
func (b *Bucket) ConditionalPutsOnly(on bool) {
	b.srv.mu.Lock()
	defer b.srv.mu.Unlock()
	b.conditionalPuts = on
}

func (s *Server) createBucket(c *call) (answer, error) {
	if s.opts.Quirks.Settings.NoNewBuckets {
		return answer{}, s.denied(c.who, "s3:CreateBucket", c.arn())
	}
	s.mu.RLock()
	exists := s.buckets[c.Bucket] != nil
	s.mu.RUnlock()
	if exists {
		return answer{}, fail(409, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.")
	}
	s.Bucket(c.Bucket)
	return answer{status: 200, header: http.Header{"Location": {"/" + c.Bucket}}}, nil
}

func (s *Server) headBucket(c *call) (answer, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.buckets[c.Bucket] == nil {
		return answer{}, noSuchBucket()
	}
	if p := s.iam.policy(c.who); p.DenyList || p.DenySettings && !p.listsAll() {
		return answer{}, s.denied(c.who, "s3:ListBucket", c.arn())
	}
	return answer{status: 200, header: http.Header{"X-Amz-Bucket-Region": {s.opts.Region}}}, nil
}

func (s *Server) bucketLocation(c *call) (answer, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.buckets[c.Bucket] == nil {
		return answer{}, noSuchBucket()
	}
	region := s.opts.Region
	if region == "us-east-1" {
		region = "" // S3 returns no name for its first region
	}
	return xmlAnswer(struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
		Region  string   `xml:",chardata"`
	}{Region: region}), nil
}

func (s *Server) listBuckets() (answer, error) {
	type entry struct{ Name, CreationDate string }
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []entry
	for _, name := range slices.Sorted(maps.Keys(s.buckets)) {
		all = append(all, entry{name, s3Time(s.buckets[name].created)})
	}
	return xmlAnswer(struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
		Owner   string   `xml:"Owner>ID"`
		Buckets []entry  `xml:"Buckets>Bucket"`
	}{Owner: s.opts.Account, Buckets: all}), nil
}

func s3Time(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

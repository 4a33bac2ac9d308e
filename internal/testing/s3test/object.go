package s3test

import (
	"crypto/md5" //nolint:gosec // S3 defines its ETags by it
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
)

func (s *Server) getObject(c *call) (answer, error) {
	o, err := s.find(c, c.readAction())
	if err != nil {
		return answer{}, err
	}
	if err := s.mayDecrypt(c, o); err != nil {
		if s.opts.Quirks.DeniedKeyCutBody {
			return answer{status: 200, header: o.header(c), body: o.Body, cut: true}, nil
		}
		return answer{}, err
	}
	if match := c.header.Get("If-Match"); match != "" && match != "*" && bareTag(match) != o.ETag {
		return answer{}, preconditionFailed()
	}
	if none := c.header.Get("If-None-Match"); none == "*" || none != "" && bareTag(none) == o.ETag {
		return answer{status: http.StatusNotModified, header: http.Header{"Etag": {quote(o.ETag)}}}, nil
	}
	if wanted := c.header.Get("Range"); wanted != "" {
		return o.part(c, wanted)
	}
	return answer{status: 200, header: o.header(c), body: o.Body}, nil
}

// part returns the first bytes of an object. S3 refuses a range that begins after the last byte, which
// for an empty object are all (RFC 9110, 15.5.17), and returns no checksum of a part (the S3 API reference, GetObject).
func (o *Object) part(c *call, wanted string) (answer, error) {
	last, err := strconv.Atoi(strings.TrimPrefix(wanted, "bytes=0-"))
	if err != nil {
		return answer{}, fail(http.StatusNotImplemented, "NotImplemented", "This server knows only ranges from the first byte.")
	}
	if len(o.Body) == 0 {
		return answer{}, fail(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable")
	}
	n := min(last+1, len(o.Body))
	header := o.header(c)
	for name := range header {
		if strings.HasPrefix(name, "X-Amz-Checksum-") {
			header.Del(name)
		}
	}
	header.Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", n-1, len(o.Body)))
	return answer{status: http.StatusPartialContent, header: header, body: o.Body[:n]}, nil
}

// headObject needs no key, as it doesn't read encrypted data. If checksums are requested, it does
// (the S3 API reference, HeadObject).
func (s *Server) headObject(c *call) (answer, error) {
	o, err := s.find(c, c.readAction())
	if err != nil {
		return answer{}, err
	}
	if wantsChecksum(c) {
		if err := s.mayDecrypt(c, o); err != nil {
			return answer{}, err
		}
	}
	header := o.header(c)
	header.Set("Content-Length", strconv.Itoa(len(o.Body)))
	return answer{status: 200, header: header}, nil
}

// find returns the object for a read if the caller has permission. A caller without permission to
// list doesn't learn that a key is missing.
func (s *Server) find(c *call, action string) (*Object, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.buckets[c.Bucket]
	if b == nil {
		return nil, noSuchBucket()
	}
	if err := s.authorize(c.who, action, c.Bucket, c.Key); err != nil {
		return nil, err
	}
	if c.Version != "" {
		return b.version(c.Key, c.Version)
	}
	if o := b.objects[c.Key]; o != nil {
		return o, nil
	}
	if !s.iam.policy(c.who).listsAll() && !s.opts.Quirks.MissingKeyTold {
		return nil, s.denied(c.who, "s3:ListBucket", "arn:aws:s3:::"+c.Bucket)
	}
	return nil, noSuchKey()
}

func (s *Server) putObject(c *call) (answer, error) {
	sum, err := c.verifyChecksum()
	if err != nil {
		return answer{}, err
	}
	tags, err := parseTagHeader(c.header.Get("X-Amz-Tagging"))
	if err != nil {
		return answer{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.writable(c)
	if err != nil {
		return answer{}, err
	}
	under, err := s.encryption(b, sseOf(c.header), c.who)
	if err != nil {
		return answer{}, err
	}
	if err := b.checkPut(c); err != nil {
		return answer{}, err
	}
	o := s.newObject(c.Key, c.body, under)
	o.meta, o.Tags, o.checksum = metadata(c.header), tags, sum
	b.put(o)
	header := o.sseHeader()
	header.Set("ETag", quote(o.ETag))
	b.tellVersion(header, o)
	sum.set(header)
	return answer{status: 200, header: header}, nil
}

// writable returns the bucket for a PUT or copy if the caller has permission. A PUT with If-Match
// reveals something about the object, so it needs s3:GetObject too.
func (s *Server) writable(c *call) (*Bucket, error) {
	b := s.buckets[c.Bucket]
	if b == nil {
		return nil, noSuchBucket()
	}
	if len(c.Key) > 1024 {
		return nil, fail(400, "KeyTooLongError", "Your key is too long")
	}
	actions := []string{"s3:PutObject"}
	if c.header.Get("If-Match") != "" {
		actions = append(actions, "s3:GetObject")
	}
	if c.header.Get("X-Amz-Tagging") != "" {
		actions = append(actions, "s3:PutObjectTagging")
	}
	for _, action := range actions {
		if err := s.authorize(c.who, action, c.Bucket, c.Key); err != nil {
			return nil, err
		}
	}
	if b.blocked() {
		return nil, fail(403, "AccessDenied", "")
	}
	conditional := c.header.Get("If-Match") != "" || c.header.Get("If-None-Match") != ""
	if b.conditionalPuts && !conditional {
		return nil, fail(403, "AccessDenied", userMessage(c.who.arn, "s3:PutObject", quote(c.arn()))+
			" with an explicit deny in a resource-based policy")
	}
	return b, nil
}

func (s *Server) deleteObject(c *call) (answer, error) {
	if c.Version != "" {
		return s.deleteVersion(c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[c.Bucket]
	if b == nil {
		return answer{}, noSuchBucket()
	}
	if err := s.authorize(c.who, "s3:DeleteObject", c.Bucket, c.Key); err != nil {
		return answer{}, err
	}
	if c.header.Get("If-Match") != "" {
		if err := s.authorize(c.who, "s3:GetObject", c.Bucket, c.Key); err != nil {
			return answer{}, err
		}
	}
	if err := s.opts.Quirks.checkDelete(c, b.objects[c.Key]); err != nil {
		return answer{}, err
	}
	header := http.Header{}
	if mark := b.remove(c.Key); mark != nil {
		b.tellVersion(header, mark)
	}
	return answer{status: http.StatusNoContent, header: header}, nil
}

// newObject creates the object of a PUT. Its ETag is the MD5 of the body. With aws:kms it is
// random, and different for each PUT.
func (s *Server) newObject(name string, body []byte, under encrypted) *Object {
	sum := md5.Sum(body) //nolint:gosec // S3 defines its ETags by it
	tag := sum[:]
	if under.method == AWSKMS && !s.opts.Quirks.MD5Tags {
		_, _ = rand.Read(tag) // never fails
	}
	return &Object{
		Name: name, Body: body, ETag: hex.EncodeToString(tag), Modified: s.opts.Clock().UTC(),
		SSE: under.method, KeyARN: under.keyARN, keyName: under.keyName, bucketKey: under.bucketKey,
	}
}

// header returns the response headers of GET and HEAD for an object.
func (o *Object) header(c *call) http.Header {
	h := o.sseHeader()
	maps.Copy(h, o.meta)
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "binary/octet-stream")
	}
	h.Set("ETag", quote(o.ETag))
	h.Set("Last-Modified", o.Modified.Format(http.TimeFormat))
	h.Set("Accept-Ranges", "bytes")
	if c.Version != "" || o.Version != nullVersion {
		h.Set("X-Amz-Version-Id", o.Version)
	}
	if n := len(o.Tags); n > 0 {
		h.Set("X-Amz-Tagging-Count", strconv.Itoa(n))
	}
	if wantsChecksum(c) {
		o.checksum.set(h)
	}
	return h
}

// metadata returns the headers of a PUT that are returned with each read.
func metadata(h http.Header) http.Header {
	kept := http.Header{}
	for name, values := range h {
		switch name {
		case "Content-Type", "Cache-Control", "Content-Disposition", "Content-Language", "Expires":
			kept[name] = values
		case "Content-Encoding":
			if rest := withoutChunked(values); rest != "" {
				kept.Set(name, rest)
			}
		default:
			if strings.HasPrefix(name, "X-Amz-Meta-") {
				kept[name] = values
			}
		}
	}
	return kept
}

func quote(tag string) string { return `"` + tag + `"` }

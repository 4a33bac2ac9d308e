package s3test

import (
	"encoding/xml"
	"net/url"
	"strings"
)

// copyObject writes a new object. Its encryption is what the request asks for, or the bucket's
// default, regardless of the source's encryption. Conditions on the destination work as for a PUT.
func (s *Server) copyObject(c *call) (answer, error) {
	src, err := s.copySource(c)
	if err != nil {
		return answer{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.writable(c)
	if err != nil {
		return answer{}, err
	}
	if b.conditionalPuts {
		return answer{}, notImplemented() // a conditional copy in a bucket whose policy requires conditions
	}
	under, err := s.encryption(b, sseOf(c.header), c.who)
	if err != nil {
		return answer{}, err
	}
	old := b.objects[c.Key]
	if err := b.checkPut(c); err != nil {
		return answer{}, err
	}
	newMeta := c.header.Get("X-Amz-Metadata-Directive") == "REPLACE"
	asked := c.header.Get("X-Amz-Server-Side-Encryption") != ""
	if old == src && !newMeta && !asked && under.method == src.SSE && under.keyARN == src.KeyARN {
		return answer{}, fail(400, "InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without "+
			"changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	o := s.newObject(c.Key, src.Body, under)
	o.meta, o.Tags, o.checksum = src.meta, src.Tags, src.checksum
	if newMeta {
		o.meta = metadata(c.header)
	}
	if c.header.Get("X-Amz-Tagging-Directive") == "REPLACE" {
		if o.Tags, err = parseTagHeader(c.header.Get("X-Amz-Tagging")); err != nil {
			return answer{}, err
		}
	}
	b.put(o)
	a := xmlAnswer(struct {
		XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CopyObjectResult"`
		LastModified string
		ETag         string
	}{LastModified: s3Time(o.Modified), ETag: quote(o.ETag)})
	for name, values := range o.sseHeader() {
		a.header[name] = values
	}
	b.tellVersion(a.header, o)
	return a, nil
}

// copySource returns the source object of a copy, as a GET would read it.
func (s *Server) copySource(c *call) (*Object, error) {
	path, err := url.PathUnescape(strings.TrimPrefix(c.header.Get("X-Amz-Copy-Source"), "/"))
	if err != nil {
		return nil, invalidArgument("Invalid copy source encoding")
	}
	from := *c
	from.Bucket, from.Key, _ = strings.Cut(path, "/")
	o, err := s.find(&from, "s3:GetObject")
	if err != nil {
		return nil, err
	}
	if err := s.mayDecrypt(c, o); err != nil {
		return nil, err
	}
	if match := c.header.Get("X-Amz-Copy-Source-If-Match"); match != "" && bareTag(match) != o.ETag {
		return nil, preconditionFailed()
	}
	return o, nil
}

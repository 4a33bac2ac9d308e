package s3test

import (
	"encoding/base64"
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
)

type listing struct {
	XMLName     xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name        string
	Prefix      string
	Delimiter   string `xml:",omitempty"`
	StartAfter  string `xml:",omitempty"`
	Encoding    string `xml:"EncodingType,omitempty"`
	MaxKeys     int
	KeyCount    int
	IsTruncated bool
	Token       string   `xml:"ContinuationToken,omitempty"`
	NextToken   string   `xml:"NextContinuationToken,omitempty"`
	Contents    []listed `xml:"Contents"`
	Prefixes    []common `xml:"CommonPrefixes"`
}

type listed struct {
	Key          string
	LastModified string
	ETag         string
	Size         int
	StorageClass string
}

type common struct{ Prefix string }

// listObjects returns one page, sorted by the bytes of the names. With a delimiter, names that
// contain it after the prefix are grouped into one common prefix.
func (s *Server) listObjects(c *call) (answer, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.buckets[c.Bucket]
	if b == nil {
		return answer{}, noSuchBucket()
	}
	if !s.iam.policy(c.who).lists(c.Prefix) {
		return answer{}, s.denied(c.who, "s3:ListBucket", c.arn())
	}
	page, err := newListing(c, s.opts.PageSize)
	if err != nil {
		return answer{}, err
	}
	first, err := page.start(b.names)
	if err != nil {
		return answer{}, err
	}
	page.fill(b, first)
	if page.Encoding == "url" {
		page.encode()
	}
	return xmlAnswer(page), nil
}

func newListing(c *call, pageSize int) (*listing, error) {
	page := &listing{
		Name: c.Bucket, Prefix: c.Prefix, Delimiter: c.query.Get("delimiter"), StartAfter: c.query.Get("start-after"),
		Encoding: c.query.Get("encoding-type"), Token: c.query.Get("continuation-token"), MaxKeys: pageSize,
	}
	if asked := c.query.Get("max-keys"); asked != "" {
		n, err := strconv.Atoi(asked)
		if err != nil || n < 0 {
			return nil, invalidArgument("Provided max-keys not an integer or within integer range")
		}
		page.MaxKeys = min(n, pageSize)
	}
	return page, nil
}

// Continuation tokens contain the last entry of the page before: a name, or a common prefix for all
// names below it.
const (
	tokenOfName  = "name:"
	tokenOfGroup = "group:"
)

// start returns the index of the page's first name.
func (p *listing) start(names []string) (int, error) {
	first, _ := slices.BinarySearch(names, p.Prefix)
	last, err := base64.URLEncoding.DecodeString(p.Token)
	if err != nil {
		return 0, invalidArgument("The continuation token provided is incorrect")
	}
	if group, ok := strings.CutPrefix(string(last), tokenOfGroup); ok {
		return max(first, afterGroup(names, group)), nil
	}
	if name, ok := strings.CutPrefix(string(last), tokenOfName); ok {
		return max(first, afterName(names, name)), nil
	}
	if p.StartAfter != "" {
		return max(first, afterName(names, p.StartAfter)), nil
	}
	return first, nil
}

// fill adds names from the sorted list, and skips all that share a common prefix.
func (p *listing) fill(b *Bucket, i int) {
	var last string
	for i < len(b.names) && strings.HasPrefix(b.names[i], p.Prefix) {
		if p.KeyCount == p.MaxKeys {
			if p.IsTruncated = p.MaxKeys > 0; p.IsTruncated {
				p.NextToken = base64.URLEncoding.EncodeToString([]byte(last))
			}
			return
		}
		p.KeyCount++
		name := b.names[i]
		if group := p.group(name); group != "" {
			p.Prefixes = append(p.Prefixes, common{group})
			last = tokenOfGroup + group
			i = afterGroup(b.names, group)
			continue
		}
		o := b.objects[name]
		p.Contents = append(p.Contents, listed{name, s3Time(o.Modified), quote(o.ETag), len(o.Body), "STANDARD"})
		last = tokenOfName + name
		i++
	}
}

// group returns the common prefix that a name belongs to, or "".
func (p *listing) group(name string) string {
	if p.Delimiter == "" {
		return ""
	}
	before, _, found := strings.Cut(name[len(p.Prefix):], p.Delimiter)
	if !found {
		return ""
	}
	return p.Prefix + before + p.Delimiter
}

// afterName returns the index of the first name greater than the given one.
func afterName(names []string, name string) int {
	i, found := slices.BinarySearch(names, name)
	if found {
		i++
	}
	return i
}

// afterGroup returns the index of the first name after all that begin with a common prefix.
func afterGroup(names []string, group string) int {
	i, _ := slices.BinarySearchFunc(names, group, func(name, group string) int {
		if name < group || strings.HasPrefix(name, group) {
			return -1
		}
		return 1
	})
	return i
}

// encode escapes names for XML, which can't represent control characters.
func (p *listing) encode() {
	p.Prefix, p.Delimiter, p.StartAfter = uriEncode(p.Prefix, true), uriEncode(p.Delimiter, true), uriEncode(p.StartAfter, true)
	for i := range p.Contents {
		p.Contents[i].Key = uriEncode(p.Contents[i].Key, true)
	}
	for i := range p.Prefixes {
		p.Prefixes[i].Prefix = uriEncode(p.Prefixes[i].Prefix, true)
	}
}

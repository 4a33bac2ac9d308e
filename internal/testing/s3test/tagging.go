package s3test

import (
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"
)

type tagging struct {
	XMLName xml.Name `xml:"Tagging"`
	Tags    []tag    `xml:"TagSet>Tag"`
}

type tag struct{ Key, Value string }

func (s *Server) getTagging(c *call) (answer, error) {
	o, err := s.find(c, "s3:GetObjectTagging")
	if err != nil {
		return answer{}, err
	}
	var all tagging
	for _, name := range slices.Sorted(maps.Keys(o.Tags)) {
		all.Tags = append(all.Tags, tag{name, o.Tags[name]})
	}
	return xmlAnswer(all), nil
}

func (s *Server) putTagging(c *call) (answer, error) {
	var sent tagging
	if err := xml.Unmarshal(c.body, &sent); err != nil { //nolint:gosec // strings into two fields of our own
		return answer{}, fail(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	tags := map[string]string{}
	for _, t := range sent.Tags {
		if _, twice := tags[t.Key]; twice {
			return answer{}, invalidTag("Cannot provide multiple Tags with the same key")
		}
		tags[t.Key] = t.Value
	}
	if err := checkTags(tags); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, header: http.Header{}}, s.retag(c, tags)
}

func (s *Server) deleteTagging(c *call) (answer, error) {
	return answer{status: http.StatusNoContent, header: http.Header{}}, s.retag(c, nil)
}

// retag replaces the tags of an object. Its ETag and its date don't change.
func (s *Server) retag(c *call, tags map[string]string) error {
	if _, err := s.find(c, "s3:"+c.Op); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[c.Bucket]
	old := b.objects[c.Key]
	if old == nil {
		return noSuchKey() // deleted between the two locks
	}
	changed := *old
	changed.Tags = tags
	b.replace(old, &changed)
	return nil
}

// parseTagHeader parses x-amz-tagging: tags as a query string.
func parseTagHeader(header string) (map[string]string, error) {
	if header == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(header)
	if err != nil {
		return nil, invalidArgument("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
	}
	tags := map[string]string{}
	for name, values := range query {
		if len(values) > 1 {
			return nil, invalidArgument("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
		}
		tags[name] = values[0]
	}
	return tags, checkTags(tags)
}

// checkTags enforces S3's limits: ten tags, 128 characters a key, 256 a value.
func checkTags(tags map[string]string) error {
	if len(tags) > 10 {
		return fail(400, "BadRequest", "Object tags cannot be greater than 10")
	}
	for name, value := range tags {
		if name == "" || len([]rune(name)) > 128 {
			return invalidTag("The TagKey you have provided is invalid")
		}
		if len([]rune(value)) > 256 {
			return invalidTag("The TagValue you have provided is invalid")
		}
	}
	return nil
}

func invalidTag(message string) error { return fail(400, "InvalidTag", message) }

package s3test

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
)

// SettingsQuirks are other servers' behaviour with bucket settings (docs/design/facts.md, section
// 9).
type SettingsQuirks struct {
	BlockDeniesPuts      bool // under a public access block each PUT is denied, also the owner's: Ceph 16.2.15
	VersionsVoidPuts     bool // once versioning was enabled, If-None-Match is ignored and each If-Match is 412: Ceph 16.2.15
	MarkIsObject         bool // a delete marker counts as the object for the conditions of PUTs: versitygw 1.8
	NoKMSDefault         bool // aws:kms as the default encryption is 400 InvalidArgument: Ceph 16.2.15
	NoKMSAPI             bool // a request to KMS is 405 MethodNotAllowed: Ceph 16.2.15
	NoNewBuckets         bool // buckets can't be created: 403 AccessDenied
	PolicyWithoutClauses bool // a policy's Deny applies whatever its conditions are: moto 5.2

	Missing string // settings that aren't implemented, 501 NotImplemented, by their query parameters: "policy,lifecycle"
	Forgets string // settings that are accepted with 200 and not stored, likewise
}

func (q SettingsQuirks) missing(setting string) bool { return named(q.Missing, setting) }

func (q SettingsQuirks) forgets(setting string) bool { return named(q.Forgets, setting) }

func named(names, name string) bool {
	return name != "" && slices.Contains(strings.Split(names, ","), name)
}

// checkPut checks the conditions of a PUT of one object, in a bucket that may be versioned.
func (b *Bucket) checkPut(c *call) error {
	q, old := b.srv.opts.Quirks, b.objects[c.Key]
	if b.versioning == "" {
		return q.checkPut(c, old)
	}
	if q.Settings.VersionsVoidPuts {
		if c.header.Get("If-Match") != "" {
			return preconditionFailed()
		}
		return nil
	}
	if q.Settings.MarkIsObject && old == nil {
		for _, kept := range b.versions[c.Key] {
			if !kept.Mark {
				old = kept
				break
			}
		}
	}
	return q.checkPut(c, old)
}

// blocked reports whether the bucket's public access block denies a PUT.
func (b *Bucket) blocked() bool {
	return b.srv.opts.Quirks.Settings.BlockDeniesPuts && len(b.configuration["publicAccessBlock"]) > 0
}

// statement contains the parts of a bucket policy statement that the server evaluates.
type statement struct {
	Effect    string
	Action    oneOrMore
	Condition map[string]map[string]oneOrMore
}

type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(o))
}

// policyDenies reports whether the bucket policy denies a request: one without TLS, if a statement
// denies these. That applies to the administrator too, and to the request that would delete the
// policy (SeaweedFS 4.44; AWS allows that request to the account's root user).
func (s *Server) policyDenies(c *call) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.buckets[c.Bucket]
	if b == nil || c.Service != "s3" {
		return false
	}
	blind := s.opts.Quirks.Settings.PolicyWithoutClauses
	for _, st := range b.statements {
		switch {
		case st.Effect != "Deny":
		case blind:
			if strings.HasSuffix(c.Op, "Object") && (slices.Contains(st.Action, "s3:*") || slices.Contains(st.Action, "s3:"+c.Op)) {
				return true
			}
		case !c.tls && slices.Contains(st.Condition["Bool"]["aws:SecureTransport"], "false"):
			return true
		}
	}
	return false
}

// parseStatements parses a policy's statements. A single statement may be without a list.
func parseStatements(body []byte) []statement {
	var many struct{ Statement []statement }
	var one struct{ Statement statement }
	if json.Unmarshal(body, &many) == nil {
		return many.Statement
	}
	if json.Unmarshal(body, &one) == nil {
		return []statement{one.Statement}
	}
	return nil
}

// setDefault sets the default encryption from a configuration. nil sets AES256, as in a new bucket.
func (b *Bucket) setDefault(body []byte) error {
	b.defaultSSE = sse{method: AES256}
	if body == nil {
		return nil
	}
	var sent struct {
		Method string `xml:"Rule>ApplyServerSideEncryptionByDefault>SSEAlgorithm"`
		Key    string `xml:"Rule>ApplyServerSideEncryptionByDefault>KMSMasterKeyID"`
	}
	if err := xml.Unmarshal(body, &sent); err != nil { //nolint:gosec // strings into fields of our own
		return fail(400, "MalformedXML", "The XML you provided was not well-formed")
	}
	if sent.Method == AWSKMS && b.srv.opts.Quirks.Settings.NoKMSDefault {
		return invalidArgument("UnknownError") // Ceph's message
	}
	b.defaultSSE = sse{method: sent.Method, key: sent.Key}
	return nil
}

// deleteConfiguration deletes a setting, as if it had never been set.
func (b *Bucket) deleteConfiguration(query string) answer {
	delete(b.configuration, query)
	switch query {
	case "policy":
		b.statements, b.conditionalPuts = nil, false
	case "encryption":
		_ = b.setDefault(nil) // never fails
	}
	return answer{status: http.StatusNoContent, header: http.Header{}}
}

// deleteBucket deletes a bucket that contains no objects and no versions.
func (s *Server) deleteBucket(c *call) (answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[c.Bucket]
	switch {
	case b == nil:
		return answer{}, noSuchBucket()
	case len(b.objects)+len(b.versions) > 0:
		return answer{}, fail(409, "BucketNotEmpty", "The bucket you tried to delete is not empty")
	}
	delete(s.buckets, c.Bucket)
	return answer{status: http.StatusNoContent, header: http.Header{}}, nil
}

// Buckets returns the names of all buckets, sorted.
func (s *Server) Buckets() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := make([]string, 0, len(s.buckets))
	for name := range s.buckets {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Settings lists the bucket's settings in one line, for comparisons.
func (b *Bucket) Settings() string {
	b.srv.mu.RLock()
	defer b.srv.mu.RUnlock()
	var parts []string
	for query, body := range b.configuration {
		if len(body) > 0 {
			parts = append(parts, query)
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, " ") + " " + b.versioning
}

// DropPolicy deletes the bucket's policy, as the account's root user could.
func (b *Bucket) DropPolicy() {
	b.srv.mu.Lock()
	defer b.srv.mu.Unlock()
	b.deleteConfiguration("policy")
}

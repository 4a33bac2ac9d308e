package s3test

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
)

// SettingsQuirks are what other servers make of a bucket's settings (docs/design/facts.md, section 9).
type SettingsQuirks struct {
	BlockDeniesPuts      bool // under a public access block each put is denied, the owner's too: Ceph 16.2.15
	VersionsVoidPuts     bool // once versions were kept, If-None-Match is ignored and each If-Match is 412: Ceph 16.2.15
	MarkIsObject         bool // the mark of a deletion counts as the object for the conditions of puts: versitygw 1.8
	NoKMSDefault         bool // aws:kms as the default encryption is 400 InvalidArgument: Ceph 16.2.15
	NoKMSAPI             bool // a request to KMS is 405 MethodNotAllowed: Ceph 16.2.15
	NoNewBuckets         bool // a bucket may not be created: 403 AccessDenied
	PolicyWithoutClauses bool // a policy's Deny holds whatever its conditions say: moto 5.2

	Missing string // settings without an implementation, 501 NotImplemented, by their names in the query: "policy,lifecycle"
	Forgets string // settings that are answered with 200, and not kept, likewise
}

func (q SettingsQuirks) missing(setting string) bool { return named(q.Missing, setting) }

func (q SettingsQuirks) forgets(setting string) bool { return named(q.Forgets, setting) }

func named(names, name string) bool {
	return name != "" && slices.Contains(strings.Split(names, ","), name)
}

// checkPut decides a conditional put of one object, in a bucket that may keep versions.
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

// blocked tells whether the bucket's public access block denies a put.
func (b *Bucket) blocked() bool {
	return b.srv.opts.Quirks.Settings.BlockDeniesPuts && len(b.configuration["publicAccessBlock"]) > 0
}

// statement is what the server understands of a statement of a bucket's policy.
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

// policyDenies tells whether the bucket's policy refuses a request: one that came without TLS, where a statement denies
// these to everybody. The administrator is no exception, nor is the request that would take the policy back (SeaweedFS 4.44;
// AWS leaves that one to the account's root user).
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

// parseStatements takes a policy's statements, of which one may stand without a list.
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

// setDefault makes a configuration of the default encryption hold; nil makes AES256 hold, as in a new bucket.
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
		return invalidArgument("UnknownError") // Ceph's words
	}
	b.defaultSSE = sse{method: sent.Method, key: sent.Key}
	return nil
}

// deleteConfiguration takes a part of the configuration away, as if it had never been set.
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

// deleteBucket removes a bucket that holds nothing, no older version either.
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

// Buckets gives the names of all buckets, sorted.
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

// Settings says in a line what of a bucket is configured, for a comparison.
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

// DropPolicy takes the bucket's policy away, as the account's root user could.
func (b *Bucket) DropPolicy() {
	b.srv.mu.Lock()
	defer b.srv.mu.Unlock()
	b.deleteConfiguration("policy")
}

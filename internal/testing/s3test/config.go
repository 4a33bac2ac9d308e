package s3test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

// configurations are the settings of a bucket that are stored as they were sent, by the name of the
// query parameter. Each has its part of the operation names, and the error if it was never set.
var configurations = map[string]struct{ name, missing string }{
	"encryption":        {"BucketEncryption", "ServerSideEncryptionConfigurationNotFoundError"},
	"lifecycle":         {"BucketLifecycleConfiguration", "NoSuchLifecycleConfiguration"},
	"policy":            {"BucketPolicy", "NoSuchBucketPolicy"},
	"publicAccessBlock": {"PublicAccessBlock", "NoSuchPublicAccessBlockConfiguration"},
	"versioning":        {"BucketVersioning", ""},
}

// configurationOf returns which setting a request is about, or "".
func (c *call) configurationOf() string {
	for query := range configurations {
		if c.query.Has(query) {
			return query
		}
	}
	return ""
}

// configurationOp returns the name of the operation.
func (c *call) configurationOp() string {
	part := configurations[c.configurationOf()]
	switch {
	case part.name == "":
		return ""
	case c.method == http.MethodGet:
		return "Get" + part.name
	case c.method == http.MethodPut:
		return "Put" + part.name
	case c.method == http.MethodDelete && part.missing != "":
		return "Delete" + strings.TrimSuffix(part.name, "Configuration")
	}
	return ""
}

// configuration gets, sets or deletes a setting. Settings that concern PUTs and TLS have an effect:
// versioning, the default encryption, and the policy. If a policy mentions If-None-Match, each PUT
// needs a condition.
func (s *Server) configuration(c *call) (answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[c.Bucket]
	if b == nil {
		return answer{}, noSuchBucket()
	}
	query, quirks := c.configurationOf(), s.opts.Quirks.Settings
	if p := s.iam.policy(c.who); p.DenySettings || p.DenySettingChanges && c.method != http.MethodGet {
		return answer{}, s.denied(c.who, "s3:"+c.Op, c.arn())
	}
	switch {
	case quirks.missing(query):
		return answer{}, notImplemented()
	case c.method == http.MethodDelete:
		return b.deleteConfiguration(query), nil
	case c.method == http.MethodPut && quirks.forgets(query):
		return answer{status: 200, header: http.Header{}}, nil
	case c.method == http.MethodPut:
		return answer{status: 200, header: http.Header{}}, b.configure(query, c.body)
	}
	body, ok := b.configuration[query]
	switch {
	case !ok && query == "versioning":
		body = []byte(`<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>`)
	case !ok && query == "encryption": // the default of every new bucket
		body = []byte(`<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>` +
			`<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>` +
			`</Rule></ServerSideEncryptionConfiguration>`)
	case !ok:
		return answer{}, fail(404, configurations[query].missing, "It was never set.")
	}
	return answer{status: 200, header: http.Header{"Content-Type": {"application/xml"}}, body: body}, nil
}

// configure stores a setting.
func (b *Bucket) configure(query string, body []byte) (err error) {
	switch query {
	case "policy":
		if !json.Valid(body) {
			return fail(400, "MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'")
		}
		b.conditionalPuts, b.statements = bytes.Contains(body, []byte("s3:if-none-match")), parseStatements(body)
	case "versioning":
		err = b.setVersioning(body)
	case "encryption":
		err = b.setDefault(body)
	}
	if err != nil {
		return err
	}
	if b.configuration == nil {
		b.configuration = map[string][]byte{}
	}
	b.configuration[query] = bytes.Clone(body)
	return nil
}

// createKey creates an enabled key without aliases.
func (s *Server) createKey(*call) (answer, error) {
	arn := s.KMS.CreateKey()
	return jsonAnswer(map[string]any{"KeyMetadata": map[string]any{"Arn": arn, "KeyId": (&key{arn: arn}).id(), "KeyState": Enabled, "Enabled": true}}), nil
}

// createAlias creates an alias of an existing key.
func (s *Server) createAlias(c *call) (answer, error) {
	var in struct {
		AliasName   string
		TargetKeyID string `json:"TargetKeyId"`
	}
	if err := json.Unmarshal(c.body, &in); err != nil {
		return answer{}, fail(400, "SerializationException", "")
	}
	s.KMS.mu.Lock()
	defer s.KMS.mu.Unlock()
	target, err := s.KMS.find(in.TargetKeyID)
	switch {
	case err != nil:
		return answer{}, kmsError(err)
	case s.KMS.aliases[in.AliasName] != "":
		return answer{}, fail(400, "AlreadyExistsException", "An alias with the name "+s.KMS.arn(in.AliasName)+" already exists")
	}
	s.KMS.aliases[in.AliasName] = target.arn
	return answer{status: 200, header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}}, nil
}

package s3test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
)

func (s *Server) describeKey(c *call) (answer, error) {
	var in struct {
		KeyID string `json:"KeyId"`
	}
	if err := json.Unmarshal(c.body, &in); err != nil {
		return answer{}, fail(400, "SerializationException", "")
	}
	s.KMS.mu.RLock()
	defer s.KMS.mu.RUnlock()
	found, err := s.KMS.find(in.KeyID)
	if err != nil {
		return answer{}, kmsError(err)
	}
	if err := s.mayDescribe(c, "kms:DescribeKey", found.arn); err != nil {
		return answer{}, err
	}
	usage, spec := "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT"
	if found.signing {
		usage, spec = "SIGN_VERIFY", "ECC_NIST_P256"
	}
	return jsonAnswer(map[string]any{"KeyMetadata": map[string]any{
		"AWSAccountId": s.opts.Account, "Arn": found.arn, "KeyId": found.id(), "KeyState": found.state,
		"Enabled": found.state == Enabled, "KeyUsage": usage, "KeySpec": spec, "KeyManager": "CUSTOMER",
		"Origin": "AWS_KMS", "CreationDate": 1577836800, "MultiRegion": false,
	}}), nil
}

// listAliases returns all aliases, or those of one key, sorted, in pages of Limit.
func (s *Server) listAliases(c *call) (answer, error) {
	var in struct {
		KeyID  string `json:"KeyId"`
		Marker string
		Limit  int
	}
	if err := json.Unmarshal(c.body, &in); err != nil {
		return answer{}, fail(400, "SerializationException", "")
	}
	if err := s.mayDescribe(c, "kms:ListAliases", "*"); err != nil {
		return answer{}, err
	}
	s.KMS.mu.RLock()
	defer s.KMS.mu.RUnlock()
	var only *key
	if in.KeyID != "" {
		var err error
		if only, err = s.KMS.find(in.KeyID); err != nil {
			return answer{}, kmsError(err)
		}
	}
	var names []string
	for name, arn := range s.KMS.aliases {
		if name > in.Marker && (only == nil || only.arn == arn) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	out := map[string]any{"Truncated": false}
	if in.Limit == 0 {
		in.Limit = 50
	}
	if len(names) > in.Limit {
		names = names[:in.Limit]
		out = map[string]any{"Truncated": true, "NextMarker": names[in.Limit-1]}
	}
	aliases := []map[string]any{}
	for _, name := range names {
		target := s.KMS.keys[s.KMS.aliases[name]]
		aliases = append(aliases, map[string]any{"AliasName": name, "AliasArn": s.KMS.arn(name), "TargetKeyId": target.id()})
	}
	out["Aliases"] = aliases
	return jsonAnswer(out), nil
}

func (k *key) id() string { return k.arn[strings.LastIndex(k.arn, "/")+1:] }

func (s *Server) mayDescribe(c *call, action, resource string) error {
	if s.iam.policy(c.who).DenyDescribe {
		return fail(400, "AccessDeniedException", userMessage(c.who.arn, action, resource)+
			" because no identity-based policy allows the "+action+" action")
	}
	return nil
}

// kmsError returns an error with KMS's own code. S3 prefixes the code with "KMS.".
func kmsError(err error) error {
	var f *failure
	if !errors.As(err, &f) {
		return err
	}
	return fail(f.status, strings.TrimPrefix(f.code, "KMS."), f.message)
}

func jsonAnswer(v any) answer {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // v is always one of our own maps
	}
	return answer{status: http.StatusOK, header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, body: body}
}

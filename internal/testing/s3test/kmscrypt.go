package s3test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
)

// crypt is a request to encrypt or decrypt. JSON sorts the names of the context, so that its encoding
// is the additional data of the ciphertext.
type crypt struct {
	KeyID             string `json:"KeyId"`
	EncryptionContext map[string]string
	Plaintext         []byte
	CiphertextBlob    []byte
}

func (s *Server) kmsEncrypt(c *call) (answer, error) {
	in, found, err := s.crypt(c, "kms:Encrypt", s.iam.policy(c.who).DenyEncrypt)
	if err != nil {
		return answer{}, err
	}
	const limit = 4096 // of a symmetric key
	if n := len(in.Plaintext); n == 0 || n > limit {
		return answer{}, fail(400, "ValidationException", "1 validation error detected: Value at 'plaintext' failed to satisfy constraint")
	}
	blob := []byte(found.arn + "\n")
	aead := found.aead()
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails: crypto/rand ends the program instead
	blob = aead.Seal(append(blob, nonce...), nonce, in.Plaintext, in.additional())
	return jsonAnswer(map[string]any{"KeyId": found.arn, "CiphertextBlob": blob, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}), nil
}

// kmsDecrypt needs a KeyId, as Coffer always sends one.
func (s *Server) kmsDecrypt(c *call) (answer, error) {
	in, found, err := s.crypt(c, "kms:Decrypt", s.iam.policy(c.who).DenyDecrypt)
	if err != nil {
		return answer{}, err
	}
	arn, sealed, ok := bytes.Cut(in.CiphertextBlob, []byte("\n"))
	aead := found.aead()
	switch {
	case !ok || len(sealed) < aead.NonceSize():
		return answer{}, fail(400, "InvalidCiphertextException", "")
	case string(arn) != found.arn:
		return answer{}, fail(400, "IncorrectKeyException",
			"The key ID in the request does not identify a CMK that can perform this operation.")
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], in.additional())
	if err != nil {
		return answer{}, fail(400, "InvalidCiphertextException", "")
	}
	return jsonAnswer(map[string]any{"KeyId": found.arn, "Plaintext": plain, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}), nil
}

// crypt parses a request and finds its key. It refuses what the caller may not do.
func (s *Server) crypt(c *call, action string, denied []string) (in crypt, found *key, err error) {
	if json.Unmarshal(c.body, &in) != nil {
		return in, nil, fail(400, "SerializationException", "")
	}
	c.keyID, c.context = in.KeyID, in.EncryptionContext
	arn, err := s.KMS.use(in.KeyID, action, c.who, denied)
	if err == nil && deniesContext(s.iam.policy(c.who).DenyContext, in.EncryptionContext) {
		err = fail(400, "AccessDenied", userMessage(c.who.arn, action, arn)+" because no identity-based policy allows the "+action+" action")
	}
	if err != nil {
		return in, nil, cryptError(err)
	}
	s.KMS.mu.RLock()
	defer s.KMS.mu.RUnlock()
	return in, s.KMS.keys[arn], nil
}

// cryptError is [kmsError] for a refusal of [KMS.use], which is S3's: KMS has its own code for a denial.
func cryptError(err error) error {
	var f *failure
	if errors.As(err, &f) && f.code == "AccessDenied" {
		return fail(400, "AccessDeniedException", f.message)
	}
	return kmsError(err)
}

func deniesContext(denied []string, context map[string]string) bool {
	for _, pair := range denied {
		name, pattern, _ := strings.Cut(pair, "=")
		if value, ok := context[name]; ok && wildcard(pattern, value) {
			return true
		}
	}
	return false
}

func (in crypt) additional() []byte {
	text, err := json.Marshal(in.EncryptionContext)
	if err != nil {
		panic(err) // a map of strings
	}
	return text
}

func (k *key) aead() cipher.AEAD {
	block, err := aes.NewCipher(k.material[:])
	if err != nil {
		panic(err) // the length is right
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

package kmsseal

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	region       = "eu-west-1"
	own          = "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-4000-8000-000000000001"
	old          = "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-4000-8000-000000000002"
	foreign      = "arn:aws:kms:eu-west-1:999999999999:key/00000000-0000-4000-8000-000000000009"
	foreignAlias = "arn:aws:kms:eu-west-1:999999999999:alias/app"
	replica      = "arn:aws:kms:eu-west-1:111122223333:key/mrk-00000000000000000000000000000003"
)

// aliases of [memory].
var keysOf = map[string]string{"alias/app": own, "alias/team": own, "alias/old": old, "alias/both": replica, foreignAlias: foreign}

// memory is a KMS in memory for one account and region, for tests of millions of objects. It uses
// AES-GCM with the encryption context as additional data, as KMS does. Keys of other accounts may
// be used by all: KMS allows that if their policies do.
type memory struct {
	mu      sync.Mutex
	asked   []string // the KeyId of each request
	context []map[string]string
	answers string // the key that answers name; "" for the right one
}

func (m *memory) record(key *string, context map[string]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked, m.context = append(m.asked, aws.ToString(key)), append(m.context, maps.Clone(context))
}

func (m *memory) requests() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.asked)
}

// find returns the ARN of a key: an ARN is itself, and all else is of this account and region.
func (m *memory) find(name string) (string, error) {
	if arn, ok := keysOf[name]; ok {
		return arn, nil
	}
	if strings.HasPrefix(name, "arn:") {
		return name, nil
	}
	for _, arn := range keysOf {
		if strings.Contains(arn, ":111122223333:") && strings.HasSuffix(arn, "/"+name) {
			return arn, nil
		}
	}
	return "", refused(&types.NotFoundException{Message: aws.String("Key '" + name + "' does not exist")})
}

func (m *memory) Encrypt(ctx context.Context, in *kms.EncryptInput, _ ...func(*kms.Options)) (*kms.EncryptOutput, error) {
	m.record(in.KeyId, in.EncryptionContext)
	arn, err := m.find(*in.KeyId)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, err
	}
	aead := aeadOf(arn)
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce)
	blob := aead.Seal(append([]byte(arn+"\n"), nonce...), nonce, in.Plaintext, additional(in.EncryptionContext))
	return &kms.EncryptOutput{KeyId: &arn, CiphertextBlob: blob}, nil
}

func (m *memory) Decrypt(ctx context.Context, in *kms.DecryptInput, _ ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	m.record(in.KeyId, in.EncryptionContext)
	arn, err := m.find(*in.KeyId)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, err
	}
	under, sealed, ok := bytes.Cut(in.CiphertextBlob, []byte("\n"))
	aead := aeadOf(arn)
	switch {
	case !ok || len(sealed) < aead.NonceSize():
		return nil, refused(&types.InvalidCiphertextException{})
	case string(under) != arn && !SameKey(string(under), arn):
		return nil, refused(&types.IncorrectKeyException{})
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], additional(in.EncryptionContext))
	if err != nil {
		return nil, refused(&types.InvalidCiphertextException{})
	}
	if m.answers != "" {
		arn = m.answers
	}
	return &kms.DecryptOutput{KeyId: &arn, Plaintext: plain}, nil
}

// refused returns the error of the client for an answer of KMS.
func refused(err error) error {
	return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusBadRequest}}, Err: err}
}

func aeadOf(arn string) cipher.AEAD {
	if _, id, ok := parse(arn); ok && isMultiRegion(id) {
		arn = id
	}
	material := sha256.Sum256([]byte(arn))
	block, err := aes.NewCipher(material[:])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func additional(context map[string]string) []byte {
	text, err := json.Marshal(context)
	if err != nil {
		panic(err)
	}
	return text
}

// inAccount returns the sealer of a caller whose credentials name their account, or not: "".
func inAccount(account string, o Options) (*Sealer, *memory) {
	m := &memory{}
	return newSealer(m, region, o, func(context.Context) string { return account }), m
}

const (
	name   = "api/db_password.json"
	secret = `{"canary":"canary-e1"}`
)

func seal1(t *testing.T, s *Sealer, alias, name string) []byte {
	t.Helper()
	out, _, err := s.Seal(t.Context(), alias, name, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

package kmsseal

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"strings"

	"filippo.io/age"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal"
)

// StanzaType is the type of our stanzas in an age header.
const StanzaType = "aws-kms"

const (
	intro       = "age-encryption.org/v1\n"
	fileKeySize = 16
	maxBlob     = 6144 // bytes; the limit of kms:Decrypt for a ciphertext
)

// Context returns the encryption context of an object. No two names have the same.
func Context(name string) map[string]string {
	service, base := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		service, base = name[:i], name[i+1:]
	}
	key, isSecret := strings.CutSuffix(base, store.ObjectSuffix)
	if isSecret && store.CheckKey(key) == nil {
		return map[string]string{admin.ContextService: service, admin.ContextKey: key}
	}
	return map[string]string{admin.ContextService: service, admin.ContextKey: admin.ContextIndexKey, admin.ContextIndex: base}
}

// recipient wraps the file key of one object.
type recipient struct {
	ctx         context.Context // age's interface passes none
	s           *Sealer
	alias, name string

	key string
	err error // why Wrap failed
}

// Wrap implements [age.Recipient].
func (r *recipient) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	stanza, err := r.wrap(fileKey)
	if err != nil {
		r.err = err
		return nil, err
	}
	return []*age.Stanza{stanza}, nil
}

func (r *recipient) wrap(fileKey []byte) (*age.Stanza, error) {
	if r.alias == "" {
		return nil, seal.Fault{Err: bucket.ErrRefused, Reason: "no key alias to encrypt the object under"}
	}
	name := r.alias
	if other, ok := r.s.o.KeyNames[r.alias]; ok {
		name = other
	}
	answer, err := r.s.client.Encrypt(r.ctx, &kms.EncryptInput{KeyId: &name, Plaintext: fileKey, EncryptionContext: Context(r.name)})
	if err != nil {
		return nil, r.s.fail(r.ctx, "kms:Encrypt with "+name, err)
	}
	arn := aws.ToString(answer.KeyId)
	if n := len(answer.CiphertextBlob); !isArgument(arn) || n == 0 || n > maxBlob {
		return nil, seal.Fault{Err: bucket.ErrUnsupported, Reason: "the answer to kms:Encrypt names no key, or has no ciphertext"}
	}
	r.s.learn(name, arn)
	if !r.s.opens(r.ctx, name, arn) {
		return nil, &store.PinError{Alias: r.alias, KeyID: arn}
	}
	r.key = arn
	return &age.Stanza{Type: StanzaType, Args: []string{arn, url.PathEscape(r.name)}, Body: answer.CiphertextBlob}, nil
}

// identity unwraps the file key of one object.
type identity struct {
	ctx  context.Context // age's interface passes none
	s    *Sealer
	name string

	key string
	err error // why Unwrap failed; age only needs to know that it did
}

// Unwrap implements [age.Identity].
func (i *identity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	fileKey, err := i.unwrap(stanzas)
	if err != nil {
		i.err = err
		return nil, fmt.Errorf("%w: %w", age.ErrIncorrectIdentity, err)
	}
	return fileKey, nil
}

func (i *identity) unwrap(stanzas []*age.Stanza) ([]byte, error) {
	stanza, err := ours(i.name, stanzas)
	if err != nil {
		return nil, err
	}
	arn := stanza.Args[0]
	key, err := i.s.request(i.ctx, i.name, arn)
	if err != nil {
		return nil, err
	}
	answer, err := i.s.client.Decrypt(i.ctx, &kms.DecryptInput{KeyId: &key, CiphertextBlob: stanza.Body, EncryptionContext: Context(i.name)})
	if err != nil {
		return nil, i.s.fail(i.ctx, "kms:Decrypt with "+arn, err)
	}
	used := aws.ToString(answer.KeyId)
	i.s.learn(key, used)
	switch {
	case !SameKey(used, arn):
		return nil, &store.SealError{Object: i.name, Method: Method, KeyID: used, Want: arn + ", which it names"}
	case len(answer.Plaintext) != fileKeySize:
		return nil, seal.Fault{Err: bucket.ErrTorn, Reason: "its file key has the wrong length"}
	}
	i.key = arn
	return answer.Plaintext, nil
}

// ours returns the stanza of an object. A header with others beside it isn't one that this package
// has made.
func ours(name string, stanzas []*age.Stanza) (*age.Stanza, error) {
	if len(stanzas) != 1 || stanzas[0].Type != StanzaType {
		return nil, &store.SealError{Object: name, Method: "age", Want: Method}
	}
	stanza := stanzas[0]
	if n := len(stanza.Body); len(stanza.Args) != 2 || n == 0 || n > maxBlob {
		return nil, seal.Fault{Err: bucket.ErrTorn, Reason: "its header is not one of this program"}
	}
	if stanza.Args[1] != url.PathEscape(name) {
		other, err := url.PathUnescape(stanza.Args[1])
		if err != nil {
			other = stanza.Args[1]
		}
		return nil, seal.Fault{Err: bucket.ErrTorn, Code: store.CodeCopied, Reason: fmt.Sprintf("it is a copy of %q", other)}
	}
	return stanza, nil
}

func isAge(header []byte) bool { return bytes.HasPrefix(header, []byte(intro)) }

// firstStanza returns the arguments of the stanza at the beginning of an age header that may be cut
// off after it; ok is false if it isn't ours.
func firstStanza(header []byte) (key, name string, ok bool) {
	line, _, whole := bytes.Cut(header[len(intro):], []byte("\n"))
	fields := strings.Split(string(line), " ")
	if !whole || len(fields) != 4 || fields[0] != "->" || fields[1] != StanzaType || !isArgument(fields[2]) || !isArgument(fields[3]) {
		return "", "", false
	}
	name, err := url.PathUnescape(fields[3])
	return fields[2], name, err == nil
}

// isArgument reports whether a text can be an argument of a stanza.
func isArgument(text string) bool {
	return text != "" && strings.IndexFunc(text, func(r rune) bool { return r < '!' || r > '~' }) < 0
}

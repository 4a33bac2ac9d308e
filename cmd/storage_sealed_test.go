//go:build unix

package cmd_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"filippo.io/age"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3envelope"
)

// envelope is s3-envelope, on a server that encrypts nothing itself. Its objects are opened here by what
// docs/design/seal.md says of them, with another program than the one that wrote them.
type envelope struct {
	opened *sync.Map // of wrapped file keys, which KMS unwraps once
}

func (envelope) server(o *s3test.Options) { o.Quirks.NoKMS = true }

func (envelope) seals() bool { return true }

func (envelope) choose(b *bench) {
	b.env = append(b.env, "COFFER_BACKEND=s3-envelope", "AWS_ENDPOINT_URL_KMS="+b.URL)
}

func (v envelope) read(b *bench, o s3test.Object) (body []byte, key string) {
	b.Helper()
	body, key, err := openStanza(o, "aws-kms", 2, func(s *age.Stanza) ([]byte, string, error) {
		if known, ok := v.opened.Load(string(s.Body)); ok {
			return known.([]byte), s.Args[0], nil
		}
		service, file, _ := strings.Cut(o.Name, "/")
		bound := map[string]string{"coffer:service": service, "coffer:key": strings.TrimSuffix(file, ".json")}
		if index.Is(file, false) {
			bound["coffer:key"], bound["coffer:index"] = "__index", file
		}
		client := kms.New(kms.Options{
			Region: "us-east-1", BaseEndpoint: &b.URL,
			Credentials: credentials.NewStaticCredentialsProvider(s3test.AdminKeyID, s3test.AdminSecret, ""),
			HTTPClient:  &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, // the server waits for its connections to end
		})
		answer, err := client.Decrypt(b.Context(), &kms.DecryptInput{KeyId: &s.Args[0], CiphertextBlob: s.Body, EncryptionContext: bound})
		if err != nil {
			return nil, "", err
		}
		v.opened.Store(string(s.Body), answer.Plaintext)
		return answer.Plaintext, aws.ToString(answer.KeyId), nil
	})
	if err != nil {
		b.Errorf("%s: %v", o.Name, err)
	}
	return body, key
}

func (envelope) key(b *bench, alias string) string { return sseKMS{}.key(b, alias) }

func (envelope) next(s *stage) string { return sseKMS{}.next(s) }

func (envelope) renew(s *stage) { sseKMS{}.renew(s) }

func (envelope) restore(s *stage) { sseKMS{}.restore(s) }

func (envelope) open(s *stage, v visit) (store.Store, error) {
	return s3envelope.New(s.Context(), s.visitor(v), s3envelope.Options{Bucket: "b", KeyAlias: v.alias, CacheDir: s.cache(), Now: v.clock})
}

// openStanza opens an age file with the one stanza that its sealer writes, whose last argument is the name
// of the object. unwrap returns the file key, and the key that it was under.
func openStanza(o s3test.Object, kind string, args int, unwrap func(*age.Stanza) ([]byte, string, error)) (body []byte, key string, err error) {
	r, err := age.Decrypt(bytes.NewReader(o.Body), unwrapper(func(all []*age.Stanza) (fileKey []byte, err error) {
		if len(all) != 1 || all[0].Type != kind || len(all[0].Args) != args || all[0].Args[args-1] != url.PathEscape(o.Name) {
			return nil, fmt.Errorf("%w: it has the stanzas %+v", errStanza, all)
		}
		fileKey, key, err = unwrap(all[0])
		return fileKey, err
	}))
	if err == nil {
		body, err = io.ReadAll(r)
	}
	return body, key, err
}

var errStanza = errors.New("not sealed as it should be")

// unwrapper is an [age.Identity].
type unwrapper func([]*age.Stanza) ([]byte, error)

func (u unwrapper) Unwrap(all []*age.Stanza) ([]byte, error) { return u(all) }

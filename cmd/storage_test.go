//go:build unix

package cmd_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3kms"
)

// storage is a backend on S3, as benches and walks see it: how it is chosen, and what is in its bucket,
// read without the program.
type storage interface {
	// server changes the server on which the backend is tried.
	server(o *s3test.Options)
	// seals reports whether the bucket has no value in clear.
	seals() bool
	// choose sets it up for dev, who may use the keys of alias/app and alias/ops.
	choose(b *bench)
	// read returns what an object holds, and the key that it is really under.
	read(b *bench, o s3test.Object) (body []byte, key string)
	// key returns the key that an alias has now.
	key(b *bench, alias string) string
	// next makes a key for alias/app, which renew gives it, and restore takes away again.
	next(s *stage) string
	renew(s *stage)
	restore(s *stage)
	// open opens it without the program.
	open(s *stage, v visit) (store.Store, error)
}

// visit is how the store is opened without the program.
type visit struct {
	alias string
	only  string // the alias whose key the visitor has; "" all
	clock func() time.Time
}

// walked is a storage that the walks are repeated on. Of the cases that they have on s3-kms, make test has
// one in inTest here, and make walk one in inWalk. Neither has a factor in common with the number of
// faults: a walk would meet the same few at every request.
type walked struct {
	storage
	inTest, inWalk int
}

// storages are those on which the walks run: a further one is a line here.
var storages = map[string]walked{
	"s3-kms":      {sseKMS{}, 1, 1},
	"s3-envelope": {envelope{new(sync.Map)}, 21, 13},
	"s3-age":      {teamAge{}, 21, 11},
}

// sample is [proof.Sample] for a walk, of which make test takes one case in n on s3-kms.
func (w walked) sample(n int) (take func() bool) { return proof.Thinned(n*w.inTest, w.inWalk) }

// sseKMS is s3-kms: the server encrypts, and says so.
type sseKMS struct{}

func (sseKMS) server(*s3test.Options) {}

func (sseKMS) seals() bool { return false }

func (sseKMS) choose(*bench) {}

func (sseKMS) read(_ *bench, o s3test.Object) ([]byte, string) {
	if o.SSE != s3test.AWSKMS {
		return o.Body, ""
	}
	return o.Body, o.KeyARN
}

func (sseKMS) key(b *bench, alias string) string { return b.KMS.ARN(alias) }

func (sseKMS) next(s *stage) string { return s.KMS.CreateKey() }

func (sseKMS) renew(s *stage) { s.KMS.PointAlias("alias/app", s.keys["next"]) }

func (sseKMS) restore(s *stage) { s.KMS.PointAlias("alias/app", s.keys["alias/app"]) }

func (sseKMS) open(s *stage, v visit) (store.Store, error) {
	return s3kms.New(s.Context(), s.visitor(v), s3kms.Options{Bucket: "b", KeyAlias: v.alias, CacheDir: s.cache(), Now: v.clock})
}

// visitor is the configuration of somebody who may do everything, or may not use the key of the other alias.
func (s *stage) visitor(v visit) aws.Config {
	who := s3test.Principal{AccessKeyID: s3test.AdminKeyID, SecretKey: s3test.AdminSecret}
	if v.only != "" {
		denied := map[string]string{"alias/app": "alias/ops", "alias/ops": "alias/app"}[v.only]
		who = s3test.Principal{Name: "holder", AccessKeyID: "AKIAHOLDER", SecretKey: "holder-secret", Policy: s3test.Policy{DenyDecrypt: []string{s.keys[denied]}}}
		s.AddPrincipal(who)
	}
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &s.URL,
		Credentials: credentials.NewStaticCredentialsProvider(who.AccessKeyID, who.SecretKey, who.SessionToken),
		HTTPClient:  &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

// cache is where the program keeps what it knows of the server.
func (s *stage) cache() string { return filepath.Join(s.home, "cache", "coffer") }

// object is an object as its owner sees it.
type object struct {
	name, tag string
	body      []byte
	key       string // that it is really under; "" if it isn't encrypted as it must be
}

// objects are those of services, without those that keep keys.
func (b *bench) objects() []object {
	b.Helper()
	var all []object
	for _, o := range b.bucket.Objects() {
		if !strings.HasPrefix(o.Name, "__keys/") {
			body, key := b.on.read(b, o)
			all = append(all, object{o.Name, o.ETag, body, key})
		}
	}
	return all
}

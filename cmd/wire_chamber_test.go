//go:build unix

package cmd_test

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
)

// TestWireAfterChamber counts what a service costs whose index chamber wrote last: each secret once, and after that no
// more than an index of ours.
func TestWireAfterChamber(t *testing.T) {
	l := newLine(t)
	l.fill("one", "alias/app", 50)
	l.asChamber("one", "alias/app")
	for _, c := range []struct {
		what, line      string
		requests, depth int
	}{
		{"exec, 50 secrets, the first time", "exec one -- true", 52, 3},
		{"exec again", "exec one -- true", 2, 1},
		{"list", "list one", 2, 1},
		{"export", "export one", 2, 1},
		{"env", "env one", 2, 1},
		{"exec of a session of another store", "exec one --region eu-west-1 -- true", 52, 3},
	} {
		t.Run(c.what, func(t *testing.T) {
			l.proxy.Reset() // the first time is only once
			l.run(c.line, "")
			got := l.proxy.Summary()
			t.Logf("| %s | %d | %d |", c.what, got.Requests, got.Depth)
			if got.Requests != c.requests || got.Depth > c.depth+1 { // a busy machine pulls requests apart
				t.Errorf("%d requests, depth %d; want %d and %d", got.Requests, got.Depth, c.requests, c.depth)
			}
		})
	}
}

// asChamber writes the index of a service as chamber does: with nothing that chamber doesn't know.
func (l *line) asChamber(service, alias string) {
	l.Helper()
	moto := mototest.Start(l.T)
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &moto, Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", "")}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	var bucket string
	for _, entry := range l.env {
		if name, ok := strings.CutPrefix(entry, "COFFER_S3_BUCKET="); ok {
			bucket = name
		}
	}
	key := service + "/__kms_" + strings.ReplaceAll(alias, "/", "_") + "__latest.json"
	out, err := client.GetObject(l.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		l.Fatal(err)
	}
	body, err := io.ReadAll(out.Body)
	_ = out.Body.Close()
	var index struct {
		Latest map[string]struct {
			Version  int    `json:"version"`
			Value    string `json:"value"`
			KMSAlias string
		} `json:"latest"`
	}
	if err != nil || json.Unmarshal(body, &index) != nil {
		l.Fatalf("%s: %v", body, err)
	}
	if body, err = json.Marshal(index); err != nil {
		l.Fatal(err)
	}
	_, err = client.PutObject(l.Context(), &s3.PutObjectInput{
		Bucket: &bucket, Key: &key, Body: bytes.NewReader(body), ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &alias,
	})
	if err != nil {
		l.Fatal(err)
	}
}

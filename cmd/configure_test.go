//go:build unix

package cmd_test

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// configured is a bucket's configuration in the hands of its administrator.
type configured struct {
	b      *bench
	bucket string
}

func (b *bench) configure(bucket string) configured { return configured{b, bucket} }

func (c configured) put(part, body string) { c.send(http.MethodPut, part, body) }

func (c configured) get(part string) string { return c.send(http.MethodGet, part, "") }

func (c configured) send(method, part, body string) string {
	c.b.Helper()
	request, err := http.NewRequest(method, c.b.URL+"/"+c.bucket+"?"+part+"=", strings.NewReader(body))
	if err != nil {
		c.b.Fatal(err)
	}
	const unsigned = "UNSIGNED-PAYLOAD"
	request.Header.Set("X-Amz-Content-Sha256", unsigned)
	who := aws.Credentials{AccessKeyID: s3test.AdminKeyID, SecretAccessKey: s3test.AdminSecret}
	if err := v4.NewSigner().SignHTTP(c.b.Context(), who, request, unsigned, "s3", "us-east-1", time.Now()); err != nil {
		c.b.Fatal(err)
	}
	answer, err := c.b.Client().Do(request)
	if err != nil {
		c.b.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		c.b.Fatalf("%s %s: %s %v\n%s", method, part, answer.Status, err, text)
	}
	return string(text)
}

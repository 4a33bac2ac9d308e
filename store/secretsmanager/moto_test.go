package secretsmanager

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/store"
)

const (
	canary = "canary-9b3d20"
	author = "arn:aws:sts::123456789012:assumed-role/ci/run-7"
)

// moment keeps its length when it is written, so that sizes are the same each time.
var moment = time.Date(2026, 11, 21, 20, 57, 19, 674742166, time.UTC)

func newClient(url string) *awssm.Client {
	return awssm.New(awssm.Options{
		BaseEndpoint: aws.String(url), Region: "us-east-1", RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "test-secret-key", ""),
	})
}

func open(url string) *Store {
	return New(newClient(url), Options{
		Author: func(context.Context) string { return author },
		Now:    func() time.Time { return moment },
	})
}

func id(service, key string) store.ID { return store.ID{Service: service, Key: key} }

// serviceName returns a name that no other test uses, nor this one when it runs again.
func serviceName(t *testing.T) string {
	return "t-" + strings.ToLower(strings.NewReplacer("/", "-", ",", "").Replace(t.Name())+"-"+rand.Text()[:6])
}

// hook answers an operation itself; with status 0 it leaves that to moto.
type hook func(operation string, body []byte, moto *server) (status int, answer []byte)

// server is moto, corrected where it differs from what AWS documents: one request at a time,
// since it checks and then sets without a lock; and AWSCURRENT is where the label is, while
// moto remembers another version after UpdateSecretVersionStage.
type server struct {
	url string
	mu  sync.Mutex
}

func serve(t *testing.T, h hook) string {
	t.Helper()
	moto := &server{url: mototest.Start(t)}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has gone away
		}
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		status, answer := 0, []byte(nil)
		if h != nil {
			status, answer = h(operation, body, moto)
		}
		if status == 0 {
			status, answer = moto.do(operation, body)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_, _ = w.Write(answer)
	}))
	t.Cleanup(front.Close)
	return front.URL
}

func (s *server) do(operation string, body []byte) (int, []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var in map[string]any
	if err := json.Unmarshal(body, &in); err != nil {
		return http.StatusBadRequest, refusal("SerializationException", err.Error())
	}
	switch operation {
	case "GetSecretValue":
		if in["VersionId"] == nil && in["VersionStage"] == nil {
			in["VersionStage"] = stageCurrent
		}
	case "ListSecretVersionIds":
		if status, answer := s.send("DescribeSecret", map[string]any{"SecretId": in["SecretId"]}); status != http.StatusOK {
			return status, answer // moto 5.2.1 fails with status 500 for a secret that doesn't exist
		}
	case "PutSecretValue":
		return s.put(in)
	case "UpdateSecretVersionStage":
		// AWS refuses to attach a label that another version has, unless it is told from where.
		if at := s.holder(in["SecretId"], in["VersionStage"].(string)); in["RemoveFromVersionId"] == nil && at != "" && at != in["MoveToVersionId"] {
			return http.StatusBadRequest, refusal("InvalidParameterException", "the label is attached to another version")
		}
	}
	return s.send(operation, in)
}

// put makes a version current by moving the label, as moto does not when it puts.
func (s *server) put(in map[string]any) (int, []byte) {
	stages, _ := in["VersionStages"].([]any)
	makeCurrent := len(stages) == 0 || slices.Contains(stages, any(stageCurrent))
	old := s.holder(in["SecretId"], stageCurrent)
	if makeCurrent && old != "" {
		stages = slices.DeleteFunc(slices.Clone(stages), func(stage any) bool { return stage == stageCurrent })
		if len(stages) == 0 {
			stages = []any{"PUT"}
		}
		in["VersionStages"] = stages
	}
	status, answer := s.send("PutSecretValue", in)
	if status != http.StatusOK || !makeCurrent || old == "" {
		return status, answer
	}
	var out struct {
		ID string `json:"VersionId"`
	}
	_ = json.Unmarshal(answer, &out)
	moved, why := s.send("UpdateSecretVersionStage", map[string]any{
		"SecretId": in["SecretId"], "VersionStage": stageCurrent, "MoveToVersionId": out.ID, "RemoveFromVersionId": old,
	})
	if moved != http.StatusOK {
		return moved, why
	}
	return status, answer
}

func (s *server) holder(secret any, stage string) string {
	_, answer := s.send("DescribeSecret", map[string]any{"SecretId": secret})
	var out struct {
		Stages map[string][]string `json:"VersionIdsToStages"`
	}
	_ = json.Unmarshal(answer, &out)
	return holder(out.Stages, stage)
}

func (s *server) send(operation string, in map[string]any) (int, []byte) {
	body, err := json.Marshal(in)
	if err != nil {
		return http.StatusBadGateway, nil
	}
	request, err := http.NewRequest(http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return http.StatusBadGateway, nil
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "secretsmanager."+operation)
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261121/us-east-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=0")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return http.StatusBadGateway, nil
	}
	defer func() { _ = response.Body.Close() }()
	answer, _ := io.ReadAll(response.Body)
	return response.StatusCode, answer
}

func refusal(code, message string) []byte {
	answer, _ := json.Marshal(map[string]string{"__type": code, "message": message})
	return answer
}

// refusing answers some operations, or all, with a refusal.
func refusing(code string, operations ...string) hook {
	return func(operation string, _ []byte, _ *server) (int, []byte) {
		if len(operations) > 0 && !slices.Contains(operations, operation) {
			return 0, nil
		}
		return http.StatusBadRequest, refusal(code, "User is not authorized to perform: secretsmanager:"+operation)
	}
}

// secretText reads what AWS holds.
func secretText(t *testing.T, url, service string) string {
	t.Helper()
	out, err := newClient(url).GetSecretValue(t.Context(), &awssm.GetSecretValueInput{SecretId: aws.String(service)})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.SecretString)
}

// create makes a secret as another program might.
func create(t *testing.T, url, service, text string) {
	t.Helper()
	in := &awssm.CreateSecretInput{Name: aws.String(service), SecretString: aws.String(text)}
	if text == "" {
		in.SecretString = nil
	}
	if _, err := newClient(url).CreateSecret(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

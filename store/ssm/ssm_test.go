package ssm

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/storetest"
)

const (
	canary    = "canary-5c1e77"
	testAlias = "alias/parameter_store_key"
)

func newClient(url string, attempts int) *awsssm.Client {
	return awsssm.New(awsssm.Options{
		BaseEndpoint: aws.String(url), Region: "us-east-1", RetryMaxAttempts: attempts,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "test-secret-key", ""),
	})
}

// patient is a client that repeats: a busy moto drops a connection now and then, and answers 500 to a listing
// beside a change (moto 5.2.1 walks through its parameters without a lock).
func patient(url string) *awsssm.Client { return newClient(url, 8) }

func open(t *testing.T, url string) *Store {
	t.Helper()
	return openWith(t, patient(url))
}

// openOnce opens a store that sends each request once.
func openOnce(t *testing.T, url string) *Store {
	t.Helper()
	return openWith(t, newClient(url, 1))
}

func openWith(t *testing.T, client *awsssm.Client) *Store {
	t.Helper()
	s, err := New(client, Options{KeyAlias: testAlias})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// put stores one version as chamber does; an empty description stands for none.
func put(t *testing.T, url, name, value, description string) {
	t.Helper()
	in := &awsssm.PutParameterInput{
		Name: aws.String(name), Value: aws.String(value), Overwrite: aws.Bool(true),
		Type: types.ParameterTypeSecureString, KeyId: aws.String(testAlias),
	}
	if description != "" {
		in.Description = aws.String(description)
	}
	// A busy moto can lose its answer to a put that it has made: made again, there would be two versions.
	before := newest(t, url, name)
	for range 8 {
		if _, err := newClient(url, 1).PutParameter(t.Context(), in); err == nil || newest(t, url, name) > before {
			return
		}
	}
	t.Fatalf("%s can't be put", name)
}

// newest returns the number of Parameter Store's newest version; 0 if there is none.
func newest(t *testing.T, url, name string) int64 {
	t.Helper()
	out, err := patient(url).GetParameter(t.Context(), &awsssm.GetParameterInput{Name: aws.String(name)})
	if missing := (*types.ParameterNotFound)(nil); errors.As(err, &missing) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Parameter.Version
}

// proxy stands before moto and lets a test answer requests itself. A hook that returns
// status 0 passes the request on.
func proxy(t *testing.T, hook func(operation string, body []byte, forward func([]byte) (int, []byte)) (int, []byte)) string {
	t.Helper()
	moto := mototest.Start(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has gone away
		}
		forward := func(body []byte) (int, []byte) {
			request, err := http.NewRequestWithContext(r.Context(), r.Method, moto+r.URL.Path, bytes.NewReader(body))
			if err != nil {
				return http.StatusBadGateway, nil
			}
			request.Header = r.Header.Clone()
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return http.StatusBadGateway, nil
			}
			defer func() { _ = response.Body.Close() }()
			answer, _ := io.ReadAll(response.Body)
			return response.StatusCode, answer
		}
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		status, answer := hook(operation, body, forward)
		if status == 0 {
			status, answer = forward(body)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_, _ = w.Write(answer)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func refusal(code, message string) []byte {
	answer, _ := json.Marshal(map[string]string{"__type": code, "message": message})
	return answer
}

// refusing answers some operations with a refusal.
func refusing(code string, operations ...string) func(string, []byte, func([]byte) (int, []byte)) (int, []byte) {
	return func(operation string, _ []byte, _ func([]byte) (int, []byte)) (int, []byte) {
		for _, o := range operations {
			if o == operation {
				return http.StatusBadRequest, refusal(code, "User is not authorized to perform: ssm:"+o)
			}
		}
		return 0, nil
	}
}

func id(service, key string) store.ID { return store.ID{Service: service, Key: key} }

// service returns a name that no other test uses, nor this one when it runs again.
func service(t *testing.T) string {
	name := strings.ReplaceAll(t.Name(), "/", "-") + "-" + rand.Text()[:6]
	return "t-" + strings.ToLower(name)
}

func TestStoreKeepsTheInterface(t *testing.T) {
	url := mototest.Start(t)
	noCondition := "Parameter Store has no conditional write: writers that race can overwrite one another"
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, url) }, storetest.Capabilities{
		MaxValue: maxAdvanced,
		Plant: func(t *testing.T, _ store.Store, id store.ID, value string) {
			put(t, url, parameterName(id), value, "1")
		},
		Skips: map[string]string{
			"numbers go on after a delete":                              "Parameter Store forgets a parameter that is deleted, and begins anew",
			"a race of creates has one winner":                          "moto checks and then sets without a lock; AWS does not",
			"a race of updates has one winner for each version":         noCondition,
			"writers of one key all succeed, each with its own version": "the version is in the description, which is written with the value: writers that race can give two versions one number",
			"values/empty":         "Parameter Store can't store an empty value",
			"values/one space":     "Parameter Store may drop spaces around a value",
			"values/spaces around": "Parameter Store may drop spaces around a value",
			"values/template":      "Parameter Store refuses {{...}}",
		},
	})
}

func TestReadsWhatChamberWrote(t *testing.T) {
	url := mototest.Start(t)
	s, api := open(t, url), service(t)
	put(t, url, "/"+api+"/db_url", "v1", "1")
	put(t, url, "/"+api+"/db_url", "v2", "2")
	put(t, url, "/"+api+"/dash-key", "dashed", "1")
	put(t, url, "/"+api+"/worker/queue", "q", "1")
	put(t, url, "/"+api+"/__chamber.service.metadata", `{"includes":[]}`, "")

	contents, err := s.Load(t.Context(), api)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		Key, Value, Alias string
		Version           int
	}
	var got []row
	for _, secret := range contents.Secrets {
		got = append(got, row{secret.ID.Key, secret.Value.Reveal(), secret.KeyAlias, secret.Version})
		if secret.Created.IsZero() {
			t.Errorf("%s has no date", secret.ID)
		}
	}
	if diff := cmp.Diff([]row{{"dash-key", "dashed", testAlias, 1}, {"db_url", "v2", testAlias, 2}}, got); diff != "" {
		t.Error(diff)
	}
	if len(contents.Notices) > 0 || contents.Listed != 2 {
		t.Errorf("notices %q, %d listed", contents.Notices, contents.Listed)
	}
	names, err := s.Services(t.Context(), api)
	if diff := cmp.Diff([]string{api, api + "/worker"}, names); err != nil || diff != "" {
		t.Errorf("error %v, %s", err, diff)
	}
}

// The answers were recorded after chamber itself had written.
func TestReadsRecordedAnswers(t *testing.T) {
	recorded := map[string]string{
		"DescribeParameters":  "testdata/chamber-describe-parameters.json",
		"GetParametersByPath": "testdata/chamber-get-parameters-by-path.json",
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		http.ServeFile(w, r, recorded[operation])
	}))
	t.Cleanup(server.Close)
	contents, err := open(t, server.URL).Load(t.Context(), "api")
	if err != nil || len(contents.Secrets) != 2 || len(contents.Notices) > 0 {
		t.Fatalf("%d secrets, notices %q, error %v; want 2", len(contents.Secrets), contents.Notices, err)
	}
	dash, url := contents.Secrets[0], contents.Secrets[1]
	if dash.ID != id("api", "dash-key") || dash.Version != 1 || dash.Value.Reveal() != "dashed" {
		t.Errorf("%s version %d; want version 1 of dash-key", dash.ID, dash.Version)
	}
	if url.ID != id("api", "db_url") || url.Version != 2 || url.Value.Reveal() != "v2" || url.KeyAlias != testAlias {
		t.Errorf("%s version %d; want version 2 of db_url", url.ID, url.Version)
	}
}

func TestWritesWhatChamberReads(t *testing.T) {
	url := mototest.Start(t)
	s, api := open(t, url), service(t)
	for _, value := range []string{"one", "two"} {
		if _, err := s.Write(t.Context(), id(api, "DB_URL"), store.NewValue(value), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	out, err := patient(url).GetParameterHistory(t.Context(), &awsssm.GetParameterHistoryInput{
		Name: aws.String("/" + api + "/db_url"), WithDecryption: aws.Bool(true),
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range out.Parameters {
		got = append(got, strings.Join([]string{*p.Description, *p.Value, string(p.Type), *p.KeyId}, " "))
	}
	want := []string{"1 one SecureString " + testAlias, "2 two SecureString " + testAlias}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParameterStoresVersionCountsWithoutANumberInTheDescription(t *testing.T) {
	url := mototest.Start(t)
	s, api := open(t, url), service(t)
	put(t, url, "/"+api+"/k", "one", "made by terraform")
	put(t, url, "/"+api+"/k", "two", "made by terraform")
	r, err := s.Write(t.Context(), id(api, "k"), store.NewValue("three"), store.WriteOptions{IfVersion: aws.Int(2)})
	if err != nil || r.Meta.Version != 3 {
		t.Fatalf("version %d, error %v; want 3", r.Meta.Version, err)
	}
	if got, err := s.Read(t.Context(), id(api, "k"), 1); err != nil || got.Value.Reveal() != "one" {
		t.Errorf("version 1: another value, or error %v", err)
	}
	metas, err := s.History(t.Context(), id(api, "k"))
	if err != nil || len(metas) != 3 || metas[0].Version != 1 || metas[2].Version != 3 {
		t.Errorf("history: %v, error %v", metas, err)
	}
}

func TestHistoryOfMoreThanOnePage(t *testing.T) {
	url := mototest.Start(t)
	s, api := open(t, url), service(t)
	for n := 1; n <= historyPage+3; n++ {
		put(t, url, "/"+api+"/k", "value", "")
	}
	metas, err := s.History(t.Context(), id(api, "k"))
	if err != nil || len(metas) != historyPage+3 {
		t.Errorf("%d versions, error %v; want %d", len(metas), err, historyPage+3)
	}
}

func TestParametersThatAreNoSecretsAreToldOrLeftOut(t *testing.T) {
	url := mototest.Start(t)
	s, api := open(t, url), service(t)
	put(t, url, "/"+api+"/__other", "one", "")
	put(t, url, "/"+api+"/"+metadataKey, "{}", "")
	put(t, url, "/_chamber/"+api, "one", "1")
	contents, err := s.Load(t.Context(), api)
	if err != nil || contents.Listed != 0 || len(contents.Notices) != 1 || !strings.Contains(contents.Notices[0], "/__other") {
		t.Errorf("%d listed, notices %q, error %v; want a notice of __other", contents.Listed, contents.Notices, err)
	}
	names, err := s.Services(t.Context(), "_chamber")
	if err != nil || len(names) != 0 {
		t.Errorf("services %q, error %v; want none", names, err)
	}
	if _, err := s.LoadLabel(t.Context(), api, ""); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("no label: error is %v; want invalid", err)
	}
}

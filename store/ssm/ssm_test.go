package ssm

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
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

// patient is a client as people have it: a busy moto drops a connection now and then.
func patient(url string) *awsssm.Client { return newClient(url, 3) }

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
	if _, err := patient(url).PutParameter(t.Context(), in); err != nil {
		t.Fatal(err)
	}
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
			"values/empty":         "Parameter Store keeps no empty value",
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

func TestWriteRefusesAnotherKeysSecret(t *testing.T) {
	url := mototest.Start(t)
	s, api := open(t, url), service(t)
	put(t, url, "/"+api+"/k", "one", "1")
	other, err := New(patient(url), Options{KeyAlias: "ops"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = other.Write(t.Context(), id(api, "k"), store.NewValue("two"), store.WriteOptions{})
	var alias *store.AliasError
	if !errors.As(err, &alias) || alias.Have != testAlias || alias.Want != "alias/ops" {
		t.Errorf("error is %v; want one that names both aliases", err)
	}
	if got, err := s.Read(t.Context(), id(api, "k"), store.Latest); err != nil || got.Version != 1 {
		t.Errorf("version %d, error %v; want 1", got.Version, err)
	}
}

func TestASecretWhoseAliasCannotBeToldIsAdopted(t *testing.T) {
	url := mototest.Start(t)
	s, api := open(t, url), service(t)
	if _, err := patient(url).PutParameter(t.Context(), &awsssm.PutParameterInput{
		Name: aws.String("/" + api + "/k"), Value: aws.String("one"), Type: types.ParameterTypeSecureString,
		KeyId: aws.String("arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
	}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Write(t.Context(), id(api, "k"), store.NewValue("two"), store.WriteOptions{})
	var alias *store.AliasError
	if !errors.As(err, &alias) || alias.Have != "" {
		t.Errorf("error is %v; want one of an alias that cannot be told", err)
	}
	r, err := s.Write(t.Context(), id(api, "k"), store.NewValue("two"), store.WriteOptions{Adopt: true})
	if err != nil || r.Meta.Version != 2 || r.Meta.KeyAlias != testAlias {
		t.Errorf("version %d under %q, error %v; want 2", r.Meta.Version, r.Meta.KeyAlias, err)
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

func TestDeleteDeletesWhatItMay(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	for _, key := range []string{"a", "b", "kept"} {
		put(t, moto, "/"+api+"/"+key, "one", "1")
	}
	s := openOnce(t, proxy(t, func(operation string, body []byte, _ func([]byte) (int, []byte)) (int, []byte) {
		if operation == "DeleteParameters" && bytes.Contains(body, []byte("kept")) {
			return http.StatusBadRequest, refusal("AccessDeniedException", "denied")
		}
		return 0, nil
	}))
	results, err := s.Delete(t.Context(), api, "a", "kept", "B")
	if !errors.Is(err, store.ErrDenied) || len(results) != 3 {
		t.Fatalf("%d results, error %v; want denied", len(results), err)
	}
	for i, want := range []store.Outcome{store.Deleted, store.Failed, store.Deleted} {
		if results[i].Outcome != want {
			t.Errorf("%s: %s; want %s", results[i].Meta.ID, results[i].Outcome, want)
		}
	}
	if contents, err := open(t, moto).Load(t.Context(), api); err != nil || contents.Listed != 1 {
		t.Errorf("%d listed, error %v; want the one that is kept", contents.Listed, err)
	}
}

// TestADeleteWhoseAnswerIsLost is known where the parameters can be looked at.
func TestADeleteWhoseAnswerIsLost(t *testing.T) {
	moto := mototest.Start(t)
	for name, c := range map[string]struct {
		exists, made, blind bool
		want                error
	}{
		"deleted":            {exists: true, made: true},
		"not deleted":        {exists: true, want: store.ErrUnavailable},
		"not there":          {want: store.ErrNotFound},
		"deleted unseen":     {exists: true, made: true, blind: true, want: store.ErrUnknown},
		"not deleted unseen": {exists: true, blind: true, want: store.ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			api := service(t)
			if c.exists {
				put(t, moto, "/"+api+"/k", "one", "1")
			}
			s := openOnce(t, proxy(t, func(operation string, body []byte, forward func([]byte) (int, []byte)) (int, []byte) {
				switch {
				case operation == "DeleteParameters" && c.made:
					forward(body)
					fallthrough
				case operation == "DeleteParameters":
					return http.StatusInternalServerError, refusal("InternalServerError", "")
				case operation == "GetParameters" && c.blind:
					return http.StatusBadRequest, refusal("AccessDeniedException", "denied")
				}
				return 0, nil
			}))
			results, err := s.Delete(t.Context(), api, "k")
			if !errors.Is(err, c.want) || len(results) != 1 || (results[0].Outcome == store.Deleted) != (c.want == nil) {
				t.Errorf("%v, error is %v; want %v", results, err, c.want)
			}
		})
	}
}

func TestTagsThatFailAfterTheWriteAreTold(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	put(t, moto, "/"+api+"/k", "one", "1")
	s := openOnce(t, proxy(t, refusing("AccessDeniedException", "AddTagsToResource")))
	_, err := s.Write(t.Context(), id(api, "k"), store.NewValue("two"), store.WriteOptions{Tags: map[string]string{"a": "b"}})
	if !errors.Is(err, ErrTagsBehind) || !errors.Is(err, store.ErrDenied) {
		t.Errorf("error is %v; want tags that are behind", err)
	}
	if got, err := s.Read(t.Context(), id(api, "k"), store.Latest); err != nil || got.Version != 2 {
		t.Errorf("version %d, error %v; want 2", got.Version, err)
	}
}

func TestReadsALabelledVersion(t *testing.T) {
	url := mototest.Start(t)
	s, api := open(t, url), service(t)
	put(t, url, "/"+api+"/k", "one", "1")
	put(t, url, "/"+api+"/k", "two", "2")
	put(t, url, "/"+api+"/newest", "three", "7")
	put(t, url, "/"+api+"/plain", "four", "1")
	for name, version := range map[string]int64{"k": 1, "newest": 1} {
		if _, err := patient(url).LabelParameterVersion(t.Context(), &awsssm.LabelParameterVersionInput{
			Name: aws.String("/" + api + "/" + name), Labels: []string{"prod"}, ParameterVersion: aws.Int64(version),
		}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.ReadLabel(t.Context(), id(api, "K"), "prod")
	if err != nil || got.Version != 1 || got.Value.Reveal() != "one" {
		t.Errorf("version %d, error %v; want 1", got.Version, err)
	}
	if _, err := s.ReadLabel(t.Context(), id(api, "k"), "none"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("error is %v; want not found", err)
	}
	// moto looks at the labels of newest versions only.
	contents, err := s.LoadLabel(t.Context(), api, "prod")
	if err != nil || len(contents.Secrets) != 1 || contents.Secrets[0].ID.Key != "newest" || contents.Secrets[0].Version != 7 {
		t.Errorf("load: %v, error %v; want version 7 of newest alone", contents.Secrets, err)
	}
}

func TestTags(t *testing.T) {
	url := mototest.Start(t)
	s, api, ctx := open(t, url), service(t), t.Context()
	v := store.NewValue("one")
	if _, err := s.Write(ctx, id(api, "k"), v, store.WriteOptions{Tags: map[string]string{"team": "a"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(ctx, id(api, "k"), v, store.WriteOptions{Tags: map[string]string{"stage": "test"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteTags(ctx, id(api, "K"), map[string]string{"team": "b", "x": ""}); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteTags(ctx, id(api, "k"), "x", "never"); err != nil {
		t.Fatal(err)
	}
	got, err := s.ReadTags(ctx, id(api, "K"))
	if diff := cmp.Diff(map[string]string{"team": "b", "stage": "test"}, got); err != nil || diff != "" {
		t.Errorf("error %v, %s", err, diff)
	}
	// The value is stored already: nothing but the tag is written.
	same, err := s.Write(ctx, id(api, "k"), v, store.WriteOptions{SkipUnchanged: true, Tags: map[string]string{"new": "1"}})
	if err != nil || same.Outcome != store.Unchanged {
		t.Errorf("%+v, error %v", same, err)
	}
	got, err = s.ReadTags(ctx, id(api, "k"))
	if diff := cmp.Diff(map[string]string{"team": "b", "stage": "test", "new": "1"}, got); err != nil || diff != "" {
		t.Errorf("error %v, %s", err, diff)
	}
	if err := s.SetTags(ctx, id(api, "K"), map[string]string{"only": "x"}); err != nil {
		t.Fatal(err)
	}
	got, err = s.ReadTags(ctx, id(api, "k"))
	if diff := cmp.Diff(map[string]string{"only": "x"}, got); err != nil || diff != "" {
		t.Errorf("error %v, %s", err, diff)
	}
	if _, err := s.ReadTags(ctx, id(api, "none")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("error is %v; want not found", err)
	}
}

func TestRequiredTagsOfTheStoresConfiguration(t *testing.T) {
	moto := mototest.Start(t)
	// The configuration is one for the whole account: this test alone sees it.
	config := `{"version":"1","requiredTags":["owner","stage"]}`
	url := proxy(t, func(operation string, body []byte, _ func([]byte) (int, []byte)) (int, []byte) {
		if operation == "GetParameter" && bytes.Contains(body, []byte(configName)) {
			answer, _ := json.Marshal(map[string]any{"Parameter": map[string]string{"Name": configName, "Value": config}})
			return http.StatusOK, answer
		}
		return 0, nil
	})
	s, api, ctx := open(t, url), service(t), t.Context()
	put(t, moto, "/"+api+"/old", "one", "1")
	if _, err := s.Write(ctx, id(api, "old"), store.NewValue("two"), store.WriteOptions{}); err != nil {
		t.Errorf("an older secret: %v", err)
	}
	_, err := s.Write(ctx, id(api, "new"), store.NewValue("one"), store.WriteOptions{Tags: map[string]string{"owner": "me"}})
	if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "requires these tags of a new secret: stage") {
		t.Errorf("error is %v; want the missing tag", err)
	}
	tags := map[string]string{"owner": "me", "stage": "test"}
	if _, err := s.Write(ctx, id(api, "new"), store.NewValue("one"), store.WriteOptions{Tags: tags}); err != nil {
		t.Errorf("with both tags: %v", err)
	}
	if err := s.DeleteTags(ctx, id(api, "new"), "stage"); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("error is %v; want a refusal", err)
	}
	if got, err := s.ReadTags(ctx, id(api, "new")); err != nil || len(got) != 2 {
		t.Errorf("%d tags, error %v; want both", len(got), err)
	}
	config = "not JSON " + canary
	if _, err := s.Write(ctx, id(api, "newer"), store.NewValue("one"), store.WriteOptions{}); !errors.Is(err, store.ErrCorrupt) || strings.Contains(err.Error(), canary) {
		t.Errorf("error is %v; want one that names the configuration and does not quote it", err)
	}
}

func TestValuesThatParameterStoreCannotKeep(t *testing.T) {
	url := mototest.Start(t)
	s, api := open(t, url), service(t)
	for name, c := range map[string]struct{ value, says string }{
		"empty":         {"", "keeps no empty value"},
		"too large":     {canary + strings.Repeat("x", maxAdvanced), "the value has 8205 bytes; Parameter Store keeps at most 8192 (4096 in a standard parameter)"},
		"reference":     {canary + " {{ssm:x}}", "holds {{...}}"},
		"braces":        {canary + " {{}}", "holds {{...}}"},
		"leading space": {" " + canary, "begins or ends with a space"},
		"space at end":  {canary + " ", "begins or ends with a space"},
		"NUL":           {canary + "\x00", "holds a NUL at byte 13"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Write(t.Context(), id(api, "k"), store.NewValue(c.value), store.WriteOptions{})
			if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), canary) {
				t.Errorf("error is %v; want %q", err, c.says)
			}
		})
	}
	for _, value := range []string{"{{", "}} {{", `{"a":{"b":{}}}`, "line\n", "\ttab"} {
		if err := CheckValue(store.NewValue(value)); err != nil {
			t.Errorf("%q is refused: %v", value, err)
		}
	}
}

func TestNamesThatParameterStoreKeeps(t *testing.T) {
	s := openOnce(t, "http://127.0.0.1:1") // no request is made
	for _, service := range []string{"aws", "awsome", "SSM", "_chamber"} {
		if _, err := s.Write(t.Context(), id(service, "k"), store.NewValue("one"), store.WriteOptions{}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: error is %v; want invalid", service, err)
		}
	}
}

func TestPagesOfALargeService(t *testing.T) {
	var mu sync.Mutex
	empties := 0
	// An empty page with a token comes before the first page of every listing.
	url := proxy(t, func(operation string, body []byte, forward func([]byte) (int, []byte)) (int, []byte) {
		if operation != "GetParametersByPath" && operation != "DescribeParameters" {
			return 0, nil
		}
		if !bytes.Contains(body, []byte("NextToken")) {
			mu.Lock()
			defer mu.Unlock()
			empties++
			return http.StatusOK, []byte(`{"Parameters":[],"NextToken":"after the empty page"}`)
		}
		return forward(bytes.ReplaceAll(body, []byte(`"after the empty page"`), []byte(`"0"`)))
	})
	s, api := open(t, url), service(t)
	values := map[string]store.Value{}
	for _, a := range "abcdefgh" {
		for _, b := range "abcdefgh" {
			values[string(a)+string(b)] = store.NewValue(string(b) + string(a))
		}
	}
	results, err := s.WriteAll(t.Context(), api, values, store.WriteOptions{})
	if err != nil || len(results) != 64 {
		t.Fatalf("%d results, error %v", len(results), err)
	}
	contents, err := s.Load(t.Context(), api)
	if err != nil || contents.Listed != 64 {
		t.Fatalf("%d listed, error %v; want 64", contents.Listed, err)
	}
	for _, secret := range contents.Secrets {
		if secret.Value != values[secret.ID.Key] || secret.Version != 1 {
			t.Errorf("%s: version %d, or another value", secret.ID, secret.Version)
		}
	}
	if empties < 4 {
		t.Errorf("%d listings; want at least 4", empties)
	}
	var keys []string
	for key := range values {
		keys = append(keys, key)
	}
	if _, err := s.Delete(t.Context(), api, keys...); err != nil {
		t.Fatal(err)
	}
	if contents, err := s.Load(t.Context(), api); err != nil || contents.Listed != 0 {
		t.Errorf("%d listed, error %v; want none", contents.Listed, err)
	}
}

func TestLoadWithoutDescribeParametersUsesParameterStoresVersions(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	put(t, moto, "/"+api+"/k", "one", "1")
	s := openOnce(t, proxy(t, refusing("AccessDeniedException", "DescribeParameters")))
	contents, err := s.Load(t.Context(), api)
	if err != nil || len(contents.Secrets) != 1 || contents.Secrets[0].Version != 1 || len(contents.Notices) != 1 {
		t.Errorf("%d secrets, notices %q, error %v", len(contents.Secrets), contents.Notices, err)
	}
	if got, err := s.Read(t.Context(), id(api, "k"), store.Latest); err != nil || got.Value.Reveal() != "one" {
		t.Errorf("read: error %v", err)
	}
	// Without its description a secret cannot be given its next version.
	if _, err := s.Write(t.Context(), id(api, "k"), store.NewValue("two"), store.WriteOptions{}); !errors.Is(err, store.ErrDenied) {
		t.Errorf("error is %v; want denied", err)
	}
}

func TestLoadReadsWhatMayBeReadOneByOne(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	for _, key := range []string{"a", "b", "hidden"} {
		put(t, moto, "/"+api+"/"+key, key, "1")
	}
	url := proxy(t, func(operation string, body []byte, _ func([]byte) (int, []byte)) (int, []byte) {
		if operation == "GetParametersByPath" || operation == "GetParameters" && bytes.Contains(body, []byte("hidden")) {
			return http.StatusBadRequest, refusal("AccessDeniedException", "denied")
		}
		return 0, nil
	})
	contents, err := open(t, url).Load(t.Context(), api)
	if err != nil || len(contents.Secrets) != 2 || contents.Listed != 3 || !cmp.Equal(contents.Hidden, []string{"hidden"}) {
		t.Errorf("%d secrets, hidden %q, %d listed, error %v", len(contents.Secrets), contents.Hidden, contents.Listed, err)
	}
}

// Whatever is refused for whatever reason is told as that, and never as something missing.
func TestRefusalsAreNeverNotFound(t *testing.T) {
	everything := []string{"GetParameter", "GetParameters", "GetParametersByPath", "GetParameterHistory", "DescribeParameters", "PutParameter", "DeleteParameters", "ListTagsForResource", "AddTagsToResource", "RemoveTagsFromResource", "LabelParameterVersion"}
	for code, want := range map[string]error{
		"AccessDeniedException":       store.ErrDenied,
		"ThrottlingException":         store.ErrUnavailable,
		"InternalServerError":         store.ErrUnavailable,
		"ExpiredTokenException":       store.ErrConfiguration,
		"UnrecognizedClientException": store.ErrConfiguration,
		"InvalidKeyId":                store.ErrConfiguration,
	} {
		t.Run(code, func(t *testing.T) {
			s := openOnce(t, proxy(t, refusing(code, everything...)))
			ctx, k := t.Context(), id("svc", "k")
			calls := map[string]func() error{
				"read":         func() error { _, err := s.Read(ctx, k, store.Latest); return err },
				"read version": func() error { _, err := s.Read(ctx, k, 3); return err },
				"load":         func() error { _, err := s.Load(ctx, "svc"); return err },
				"load label":   func() error { _, err := s.LoadLabel(ctx, "svc", "prod"); return err },
				"history":      func() error { _, err := s.History(ctx, k); return err },
				"services":     func() error { _, err := s.Services(ctx, ""); return err },
				"write": func() error {
					_, err := s.Write(ctx, k, store.NewValue(canary), store.WriteOptions{})
					return err
				},
				"delete":      func() error { _, err := s.Delete(ctx, "svc", "k"); return err },
				"read tags":   func() error { _, err := s.ReadTags(ctx, k); return err },
				"write tags":  func() error { return s.WriteTags(ctx, k, map[string]string{"a": "b"}) },
				"set tags":    func() error { return s.SetTags(ctx, k, map[string]string{"a": "b"}) },
				"delete tags": func() error { return s.DeleteTags(ctx, k, "a") },
				"rekey":       func() error { _, err := s.Rekey(ctx, "svc", admin.RekeyOptions{}); return err },
			}
			for name, call := range calls {
				err := call()
				var typed *store.Error
				if !errors.Is(err, want) || errors.Is(err, store.ErrNotFound) || !errors.As(err, &typed) {
					t.Errorf("%s: error is %v; want %v", name, err, want)
				}
			}
		})
	}
}

func TestAPutsRefusalNeverTellsTheValue(t *testing.T) {
	for code, want := range map[string]error{
		"ValidationException":               store.ErrInvalid,
		"ParameterPatternMismatchException": store.ErrInvalid,
		"InternalServerError":               store.ErrUnavailable,
		"ParameterMaxVersionLimitExceeded":  store.ErrConflict,
		"HierarchyTypeMismatchException":    store.ErrConflict,
		"ParameterLimitExceeded":            store.ErrConfiguration,
	} {
		t.Run(code, func(t *testing.T) {
			s := openOnce(t, proxy(t, func(operation string, _ []byte, _ func([]byte) (int, []byte)) (int, []byte) {
				if operation == "PutParameter" {
					return http.StatusBadRequest, refusal(code, "Value '"+canary+"' at 'value' failed; a maximum of 4096 characters")
				}
				return 0, nil
			}))
			_, err := s.Write(t.Context(), id(service(t), "k"), store.NewValue(canary), store.WriteOptions{})
			if !errors.Is(err, want) || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), code) {
				t.Errorf("error is %v; want %v without the value", err, want)
			}
			if code == "ValidationException" && !strings.Contains(err.Error(), "the value has 13 bytes; a standard parameter keeps 4096") {
				t.Errorf("error is %v; want both sizes", err)
			}
		})
	}
}

func TestALostAnswerIsLookedUp(t *testing.T) {
	for name, c := range map[string]struct {
		apply bool // the put is made before its answer is lost
		blind bool // nothing can be read afterwards
		want  error
	}{
		"stored":         {apply: true},
		"not stored":     {want: store.ErrUnavailable},
		"cannot be told": {apply: true, blind: true, want: store.ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			lost := false
			s := openOnce(t, proxy(t, func(operation string, body []byte, forward func([]byte) (int, []byte)) (int, []byte) {
				switch {
				case operation == "PutParameter" && c.apply:
					forward(body)
					fallthrough
				case operation == "PutParameter":
					lost = true
					return http.StatusInternalServerError, refusal("InternalServerError", "")
				case lost && c.blind && operation == "GetParameters":
					return http.StatusInternalServerError, refusal("InternalServerError", "")
				}
				return 0, nil
			}))
			r, err := s.Write(t.Context(), id(service(t), "k"), store.NewValue(canary), store.WriteOptions{})
			if !errors.Is(err, c.want) || c.want == nil && (r.Outcome != store.Created || r.Meta.Version != 1) {
				t.Errorf("%s version %d, error %v; want error %v", r.Outcome, r.Meta.Version, err, c.want)
			}
		})
	}
}

func TestAWriterWhoComesBetweenIsAConflict(t *testing.T) {
	moto := mototest.Start(t)
	for name, c := range map[string]struct {
		exists    bool
		ifVersion int
		says      string
	}{
		"update": {true, 1, "another writer came between"},
		"create": {false, 0, "the newest version is 1, not 0"},
	} {
		t.Run(name, func(t *testing.T) {
			api := service(t)
			if c.exists {
				put(t, moto, "/"+api+"/k", "one", "1")
			}
			raced := false
			s := openOnce(t, proxy(t, func(operation string, _ []byte, _ func([]byte) (int, []byte)) (int, []byte) {
				if operation == "PutParameter" && !raced {
					raced = true
					put(t, moto, "/"+api+"/k", "theirs", map[bool]string{true: "2", false: "1"}[c.exists])
				}
				return 0, nil
			}))
			_, err := s.Write(t.Context(), id(api, "k"), store.NewValue("ours"), store.WriteOptions{IfVersion: &c.ifVersion})
			if !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error is %v; want %q", err, c.says)
			}
		})
	}
}

func TestACreateThatLosesWritesTheNextVersion(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	var once sync.Once
	s := openOnce(t, proxy(t, func(operation string, _ []byte, _ func([]byte) (int, []byte)) (int, []byte) {
		if operation == "PutParameter" {
			once.Do(func() { put(t, moto, "/"+api+"/k", "theirs", "1") })
		}
		return 0, nil
	}))
	r, err := s.Write(t.Context(), id(api, "k"), store.NewValue("ours"), store.WriteOptions{})
	if err != nil || r.Outcome != store.Updated || r.Meta.Version != 2 {
		t.Errorf("%s version %d, error %v; want updated version 2", r.Outcome, r.Meta.Version, err)
	}
}

func TestADescriptionThatLagsIsFoundInTheHistory(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	put(t, moto, "/"+api+"/k", "one", "41")
	put(t, moto, "/"+api+"/k", "two", "42")
	s := openOnce(t, proxy(t, func(operation string, body []byte, forward func([]byte) (int, []byte)) (int, []byte) {
		if operation != "DescribeParameters" {
			return 0, nil
		}
		status, answer := forward(body)
		answer = bytes.ReplaceAll(answer, []byte(`"Version": 2`), []byte(`"Version": 1`))
		return status, bytes.ReplaceAll(answer, []byte(`"42"`), []byte(`"41"`))
	}))
	if got, err := s.Read(t.Context(), id(api, "k"), store.Latest); err != nil || got.Version != 42 || got.Value.Reveal() != "two" {
		t.Errorf("version %d, error %v; want 42", got.Version, err)
	}
	if contents, err := s.Load(t.Context(), api); err != nil || len(contents.Secrets) != 1 || contents.Secrets[0].Version != 42 {
		t.Errorf("load: error %v; want version 42", err)
	}
}

func TestLargeValuesBecomeAdvancedParameters(t *testing.T) {
	url := mototest.Start(t)
	s, err := New(patient(url), Options{KeyAlias: testAlias, Advanced: true})
	if err != nil {
		t.Fatal(err)
	}
	api := service(t)
	tier := func() types.ParameterTier {
		described, err := s.describe(t.Context(), "Name", "Equals", "/"+api+"/k")
		if err != nil || len(described) != 1 {
			t.Fatalf("%d described, error %v", len(described), err)
		}
		return described[0].Tier
	}
	for _, step := range []struct {
		size int
		want types.ParameterTier
	}{{10, types.ParameterTierStandard}, {maxStandard + 1, types.ParameterTierAdvanced}, {10, types.ParameterTierAdvanced}} {
		if _, err := s.Write(t.Context(), id(api, "k"), store.NewValue(strings.Repeat("x", step.size)), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := tier(); got != step.want {
			t.Errorf("after %d bytes: %s; want %s", step.size, got, step.want)
		}
	}
}

func TestNoServerAndNoCredentials(t *testing.T) {
	s := openOnce(t, "http://127.0.0.1:1")
	if _, err := s.Load(t.Context(), "svc"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("no server: error is %v; want unavailable", err)
	}
	client := awsssm.New(awsssm.Options{Region: "us-east-1", Credentials: aws.CredentialsProviderFunc(
		func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("no credentials here")
		})})
	s, err := New(client, Options{KeyAlias: testAlias})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), "svc"); !errors.Is(err, store.ErrConfiguration) {
		t.Errorf("no credentials: error is %v; want configuration", err)
	}
	if _, err := New(client, Options{}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("no alias: error is %v; want invalid", err)
	}
}

// TestADeleteTellsThatNumbersBeginAgain: what this backend cannot keep, it says, once it matters.
func TestADeleteTellsThatNumbersBeginAgain(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	var notices []string
	s, err := New(patient(moto), Options{KeyAlias: testAlias, Notice: func(text string) { notices = append(notices, text) }})
	if err != nil {
		t.Fatal(err)
	}
	write := func() store.Result {
		r, err := s.Write(t.Context(), id(api, "k"), store.NewValue("one"), store.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	write()
	write()
	if _, err := s.Delete(t.Context(), api, "none"); !errors.Is(err, store.ErrNotFound) || len(notices) != 0 {
		t.Errorf("error %v, notices %q; want none where nothing is deleted", err, notices)
	}
	if _, err := s.Delete(t.Context(), api, "k"); err != nil || len(notices) != 1 || !strings.Contains(notices[0], "starts at version 1") {
		t.Errorf("error %v, notices %q", err, notices)
	}
	if r := write(); r.Meta.Version != 1 || r.Outcome != store.Created {
		t.Errorf("version %d %s; the notice says 1", r.Meta.Version, r.Outcome)
	}
}

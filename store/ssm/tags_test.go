package ssm

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/store"
)

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

package ssm

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/store"
)

func TestRevisionsDecryptNothing(t *testing.T) {
	moto, api := mototest.Start(t), service(t)
	for _, key := range []string{"a", "b"} {
		put(t, moto, "/"+api+"/"+key, key, "1")
	}
	var mu sync.Mutex
	var requests []string
	s := open(t, proxy(t, func(operation string, body []byte, _ func([]byte) (int, []byte)) (int, []byte) {
		mu.Lock()
		defer mu.Unlock()
		requests = append(requests, operation)
		if bytes.Contains(body, []byte(`"WithDecryption":true`)) {
			t.Errorf("%s decrypts", operation)
		}
		return 0, nil
	}))
	now, err := s.Revisions(t.Context(), api)
	if err != nil || len(now) != 2 || !slices.Equal(requests, []string{"GetParametersByPath"}) {
		t.Errorf("revisions %v, requests %q, error %v", now, requests, err)
	}
}

func TestAServiceThatIsReadOneByOneHasNoRevisions(t *testing.T) {
	moto, api := mototest.Start(t), service(t)
	put(t, moto, "/"+api+"/k", "one", "1")
	s := open(t, proxy(t, refusing("AccessDeniedException", "GetParametersByPath")))
	if _, err := s.Revisions(t.Context(), api); !errors.Is(err, store.ErrDenied) {
		t.Errorf("error is %v; want denied", err)
	}
	if c, err := s.Load(t.Context(), api); err != nil || c.Listed != 1 || c.Revisions != nil {
		t.Errorf("%d listed, revisions %v, error %v", c.Listed, c.Revisions, err)
	}
}

func TestRevisionsOfALabel(t *testing.T) {
	url, api := mototest.Start(t), service(t)
	s := open(t, url)
	put(t, url, "/"+api+"/k", "one", "1")
	put(t, url, "/"+api+"/plain", "one", "1")
	move := func(version int64) map[string]string {
		t.Helper()
		if _, err := patient(url).LabelParameterVersion(t.Context(), &awsssm.LabelParameterVersionInput{
			Name: aws.String("/" + api + "/k"), Labels: []string{"prod"}, ParameterVersion: aws.Int64(version),
		}); err != nil {
			t.Fatal(err)
		}
		now, err := s.LabelRevisions(t.Context(), api, "prod")
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.LoadLabel(t.Context(), api, "prod")
		if err != nil || !maps.Equal(c.Revisions, now) || len(now) != 1 || now["k"] == "" || now["k"] != c.Secrets[0].Revision {
			t.Errorf("revisions %v, of the load %v, error %v", now, c.Revisions, err)
		}
		return now
	}
	before := move(1)
	put(t, url, "/"+api+"/k", "two", "2")
	if after := move(2); maps.Equal(before, after) {
		t.Errorf("the revisions are %v before and after the label was moved", after)
	}
}

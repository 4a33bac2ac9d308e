package ssm

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/store"
)

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

func TestValuesThatParameterStoreCannotKeep(t *testing.T) {
	url := mototest.Start(t)
	s, api := open(t, url), service(t)
	for name, c := range map[string]struct{ value, says string }{
		"empty":         {"", "can't store an empty value"},
		"too large":     {canary + strings.Repeat("x", maxAdvanced), "the value has 8205 bytes; Parameter Store's limit is 8192 (4096 in a standard parameter)"},
		"reference":     {canary + " {{ssm:x}}", "contains {{...}}"},
		"braces":        {canary + " {{}}", "contains {{...}}"},
		"leading space": {" " + canary, "begins or ends with a space"},
		"space at end":  {canary + " ", "begins or ends with a space"},
		"NUL":           {canary + "\x00", "has a NUL at byte 13"},
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
		"update": {true, 1, "another writer changed it"},
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

package awsconf_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
)

func TestDescribeTellsTheKeyOfAnAlias(t *testing.T) {
	server := simulator(t, s3test.Options{})
	arn := server.KMS.CreateKey("alias/app")
	keys := awsconf.NewKeys(load(t, awsconf.Options{EndpointURL: server.URL, Retries: 1}))
	id := arn[strings.LastIndex(arn, "/")+1:]
	for _, name := range []string{"alias/app", arn, id} {
		want := awsconf.KeyInfo{ID: id, ARN: arn, State: "Enabled", Enabled: true, Usage: "ENCRYPT_DECRYPT"}
		if got, err := keys.Describe(t.Context(), name); err != nil || got != want {
			t.Errorf("%s: %+v, error %v, want %+v", name, got, err, want)
		}
	}
	server.KMS.SetState(arn, s3test.Disabled)
	if got, err := keys.Describe(t.Context(), arn); err != nil || got.Enabled || got.State != "Disabled" {
		t.Errorf("disabled: %+v, error %v", got, err)
	}
}

func TestAliasOfAKey(t *testing.T) {
	server := simulator(t, s3test.Options{})
	one, none := server.KMS.CreateKey("alias/app"), server.KMS.CreateKey()
	two := server.KMS.CreateKey("alias/b", "alias/a")
	keys := awsconf.NewKeys(load(t, awsconf.Options{EndpointURL: server.URL, Retries: 1}))
	for _, name := range []string{one, one[strings.LastIndex(one, "/")+1:], "alias/app", "arn:aws:kms:us-east-1:111122223333:alias/app"} {
		if got, err := keys.AliasOf(t.Context(), name); err != nil || got != "alias/app" {
			t.Errorf("%s: %q, error %v", name, got, err)
		}
	}
	for _, name := range []string{
		"arn:aws:kms:us-east-1:999988887777:alias/app", "arn:aws:kms:eu-west-1:111122223333:alias/app", "arn:aws-cn:kms:us-east-1:111122223333:alias/app",
		strings.Replace(one, "us-east-1", "eu-west-1", 1), "arn:aws:s3:us-east-1:111122223333:alias/app", "arn:aws:kms",
	} {
		if got, err := keys.AliasOf(t.Context(), name); got != "" || !errors.Is(err, store.ErrConfiguration) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: taken for %q, error %v", name, got, err)
		}
	}
	for key, aliases := range map[string][]string{none: nil, two: {"alias/a", "alias/b"}} {
		_, err := keys.AliasOf(t.Context(), key)
		var e *awsconf.AliasesError
		if !errors.As(err, &e) || !errors.Is(err, store.ErrConfiguration) {
			t.Errorf("%s: error %v, want an AliasesError", key, err)
		} else if diff := cmp.Diff(aliases, e.Aliases); diff != "" {
			t.Errorf("aliases (-want +got):\n%s", diff)
		}
	}
}

func TestKeysOnMoto(t *testing.T) {
	mototest.Isolate(t)
	cfg := load(t, awsconf.Options{EndpointURL: mototest.Start(t)})
	made, err := awsconf.KMS(cfg).CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := awsconf.KMS(cfg).CreateAlias(t.Context(), &kms.CreateAliasInput{
		AliasName: aws.String("alias/app"), TargetKeyId: made.KeyMetadata.KeyId,
	}); err != nil {
		t.Fatal(err)
	}
	keys := awsconf.NewKeys(cfg)
	got, err := keys.Describe(t.Context(), "alias/app")
	if err != nil || got.ARN != *made.KeyMetadata.Arn || !got.Enabled {
		t.Errorf("%+v, error %v", got, err)
	}
	if alias, err := keys.AliasOf(t.Context(), got.ARN); err != nil || alias != "alias/app" {
		t.Errorf("alias %q, error %v", alias, err)
	}
	if _, err := keys.Describe(t.Context(), "alias/none"); !errors.Is(err, store.ErrConfiguration) {
		t.Errorf("error %v, want %v", err, store.ErrConfiguration)
	}
	if caller, err := awsconf.Identity(t.Context(), cfg); err != nil || !strings.HasPrefix(caller.Name, "arn:aws:") {
		t.Errorf("identity %+v, error %v", caller, err)
	}
}

func TestRefusalsOfKMS(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"denied":        {400, `{"__type":"AccessDeniedException"}`, store.ErrDenied},
		"unknown":       {400, `{"__type":"NotFoundException"}`, store.ErrConfiguration},
		"invalid":       {400, `{"__type":"InvalidArnException"}`, store.ErrConfiguration},
		"expired":       {400, `{"__type":"ExpiredTokenException"}`, store.ErrConfiguration},
		"bad signature": {400, `{"__type":"InvalidSignatureException"}`, store.ErrConfiguration},
		"throttled":     {400, `{"__type":"ThrottlingException"}`, store.ErrUnavailable},
		"internal":      {500, `{"__type":"KMSInternalException"}`, store.ErrUnavailable},
		"gateway":       {503, ``, store.ErrUnavailable},
		"no KMS, JSON":  {400, `{"__type":"UnknownOperationException"}`, store.ErrUnsupported},
		"no KMS, XML":   {400, `<Error><Code>InvalidRequest</Code></Error>`, store.ErrUnsupported},
		"no KMS, 404":   {404, ``, store.ErrUnsupported},
		"no KMS, 405":   {405, ``, store.ErrUnsupported},
		"no KMS, 200":   {200, `<html>`, store.ErrUnsupported},
		"empty":         {200, `{}`, store.ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			mototest.Isolate(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			defer server.Close()
			keys := awsconf.NewKeys(load(t, awsconf.Options{EndpointURL: server.URL, Retries: 1}))
			if _, err := keys.Describe(t.Context(), "alias/app"); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

func TestKMSOutOfReach(t *testing.T) {
	mototest.Isolate(t)
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	cfg := load(t, awsconf.Options{EndpointURL: server.URL, Retries: 1})
	if _, err := awsconf.NewKeys(cfg).AliasOf(t.Context(), "1234"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error %v, want %v", err, store.ErrUnavailable)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := awsconf.NewKeys(cfg).Describe(ctx, "alias/app"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	cfg = load(t, awsconf.Options{EndpointURL: server.URL, Retries: 1})
	if _, err := awsconf.NewKeys(cfg).Describe(t.Context(), "alias/app"); !errors.Is(err, store.ErrConfiguration) {
		t.Errorf("without credentials: error %v, want %v", err, store.ErrConfiguration)
	}
}

package secretsmanager

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/coffer-secrets/coffer/store"
)

// Whatever is refused for whatever reason is told as that, and never as something missing.
func TestRefusalsAreNeverNotFound(t *testing.T) {
	for code, want := range map[string]error{
		"AccessDeniedException":       store.ErrDenied,
		"ThrottlingException":         store.ErrUnavailable,
		"InternalServiceError":        store.ErrUnavailable,
		"DecryptionFailure":           store.ErrConfiguration,
		"ExpiredTokenException":       store.ErrConfiguration,
		"UnrecognizedClientException": store.ErrConfiguration,
		"InvalidRequestException":     store.ErrConflict,
		"UnknownOperationException":   store.ErrUnsupported,
	} {
		t.Run(code, func(t *testing.T) {
			s, ctx, k := open(serve(t, refusing(code))), t.Context(), id("svc", "k")
			for name, err := range map[string]error{
				"read":         second(s.Read(ctx, k, store.Latest)),
				"read version": second(s.Read(ctx, k, 3)),
				"load":         second(s.Load(ctx, "svc")),
				"history":      second(s.History(ctx, k)),
				"services":     second(s.Services(ctx, "")),
				"write":        second(s.Write(ctx, k, store.NewValue(canary), store.WriteOptions{})),
				"delete":       second(s.Delete(ctx, "svc", "k")),
			} {
				var typed *store.Error
				if !errors.Is(err, want) || errors.Is(err, store.ErrNotFound) || !errors.As(err, &typed) {
					t.Errorf("%s: error is %v; want %v", name, err, want)
				}
			}
		})
	}
}

func TestEachPermissionThatAWriteLacksIsTold(t *testing.T) {
	moto := serve(t, nil)
	for _, operation := range []string{"DescribeSecret", "PutSecretValue", "UpdateSecretVersionStage", "CreateSecret"} {
		t.Run(operation, func(t *testing.T) {
			api := serviceName(t)
			if operation != "CreateSecret" {
				create(t, moto, api, recorded(t))
			}
			s := open(serve(t, refusing("AccessDeniedException", operation)))
			_, err := s.Write(t.Context(), id(api, "db_url"), store.NewValue(canary), store.WriteOptions{})
			if !errors.Is(err, store.ErrDenied) || !strings.Contains(err.Error(), "secretsmanager:"+operation) || strings.Contains(err.Error(), canary) {
				t.Errorf("error is %v; want denied %s", err, operation)
			}
			if operation != "CreateSecret" && secretText(t, moto, api) != recorded(t) {
				t.Error("the secret has changed")
			}
		})
	}
	t.Run("a new secret needs no DescribeSecret", func(t *testing.T) {
		s := open(serve(t, refusing("AccessDeniedException", "DescribeSecret")))
		r, err := s.Write(t.Context(), id(serviceName(t), "k"), store.NewValue("one"), store.WriteOptions{})
		if err != nil || r.Outcome != store.Created {
			t.Errorf("%s, error %v; want created", r.Outcome, err)
		}
	})
}

func TestAPutsRefusalNeverTellsTheValue(t *testing.T) {
	moto := serve(t, nil)
	for _, operation := range []string{"CreateSecret", "PutSecretValue"} {
		for code, want := range map[string]error{
			"ValidationException":       store.ErrInvalid,
			"InvalidParameterException": store.ErrInvalid,
			"LimitExceededException":    store.ErrConflict,
			"EncryptionFailure":         store.ErrConfiguration,
		} {
			t.Run(operation+"/"+code, func(t *testing.T) {
				api := serviceName(t)
				if operation == "PutSecretValue" {
					create(t, moto, api, recorded(t))
				}
				s := open(serve(t, func(op string, _ []byte, _ *server) (int, []byte) {
					if op != operation {
						return 0, nil
					}
					message := "refused"
					if want == store.ErrInvalid {
						message = "Value '" + canary + "' at 'secretString' failed to satisfy constraint"
					}
					return http.StatusBadRequest, refusal(code, message)
				}))
				_, err := s.Write(t.Context(), id(api, "k"), store.NewValue(canary), store.WriteOptions{})
				if !errors.Is(err, want) || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), code) {
					t.Errorf("error is %v; want %v without the value", err, want)
				}
			})
		}
	}
}

func TestTagsAreRefused(t *testing.T) {
	o := store.WriteOptions{Tags: map[string]string{"owner": "me"}}
	s := open("http://127.0.0.1:1") // no request is made
	if _, err := s.Write(t.Context(), id("svc", "k"), store.NewValue("x"), o); !errors.Is(err, store.ErrUnsupported) {
		t.Errorf("error is %v; want unsupported", err)
	}
}

func TestNoServerAndNoCredentials(t *testing.T) {
	if _, err := open("http://127.0.0.1:1").Load(t.Context(), "svc"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("no server: error is %v; want unavailable", err)
	}
	client := awssm.New(awssm.Options{Region: "us-east-1", Credentials: aws.CredentialsProviderFunc(
		func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("no credentials here")
		})})
	if _, err := New(client, Options{}).Load(t.Context(), "svc"); !errors.Is(err, store.ErrConfiguration) {
		t.Errorf("no credentials: error is %v; want configuration", err)
	}
}

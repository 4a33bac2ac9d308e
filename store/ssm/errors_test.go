package ssm

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

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
			if code == "ValidationException" && !strings.Contains(err.Error(), "the value has 13 bytes; the limit is 4096 in a standard parameter") {
				t.Errorf("error is %v; want both sizes", err)
			}
		})
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

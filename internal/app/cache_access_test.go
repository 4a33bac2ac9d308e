package app

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
)

// TestWhichErrorsOpenTheCacheAndWhichDeleteIt: of no error both are true.
func TestWhichErrorsOpenTheCacheAndWhichDeleteIt(t *testing.T) {
	answer := func(kind error, status int, code, reason string) error {
		return &store.Error{Op: "load", ID: store.ID{Service: "api"}, Err: &store.StorageError{Op: "list", Kind: kind, Status: status, Code: code, Reason: reason}}
	}
	for _, c := range []struct {
		err                error
		unreached, refused bool
	}{
		{errors.New("another"), false, false},
		{context.Canceled, false, false},
		{fmt.Errorf("a request: %w", context.DeadlineExceeded), true, false},
		{&waiting.NoProgressError{Limit: time.Second}, true, false},
		{answer(store.ErrUnavailable, 0, "", noAnswer+"host (no such host)"), true, false},
		{answer(store.ErrCredentials, 0, "", noAnswer+"portal.sso (no such host)"), true, false},
		{answer(store.ErrConfiguration, 0, awsconf.CodeProxy, "the proxy can't be used"), true, false},
		{answer(store.ErrConfiguration, 0, awsconf.CodeCertificate, "not accepted"), true, false},
		{answer(store.ErrUnavailable, 500, "InternalError", ""), true, false},
		{answer(store.ErrUnavailable, 503, "SlowDown", ""), true, false},
		{answer(store.ErrUnavailable, 429, "TooManyRequestsException", ""), true, false},
		{answer(store.ErrUnavailable, 400, "ThrottlingException", ""), true, false},
		{answer(store.ErrUnavailable, 400, "KMS.ThrottlingException", ""), true, false},
		{answer(store.ErrUnavailable, 400, "KMS.DisabledException", ""), false, true},
		{answer(store.ErrUnavailable, 400, "KMS.InvalidKeyUsageException", ""), false, false},
		{answer(store.ErrUnavailable, 409, "KMS.KMSInvalidStateException", ""), false, true},
		{answer(store.ErrConfiguration, 400, "KMS.NotFoundException", ""), false, true},
		{answer(store.ErrConfiguration, 400, "kms:NotAuthorized", ""), false, true},
		{answer(store.ErrConfiguration, 400, "DecryptionFailure", ""), false, true},
		{answer(store.ErrDenied, 403, "AccessDenied", ""), false, true},
		{answer(store.ErrCredentials, 403, "InvalidAccessKeyId", ""), false, true},
		{answer(store.ErrCredentials, 400, "UnrecognizedClientException", ""), false, true},
		{answer(store.ErrCredentials, 400, "ExpiredToken", ""), false, false},
		{answer(store.ErrCredentials, 403, "RequestTimeTooSkewed", ""), false, false},
		{answer(store.ErrCredentials, 403, "SignatureDoesNotMatch", ""), false, false},
		{answer(store.ErrConfiguration, 404, "NoSuchBucket", ""), false, false},
		{answer(store.ErrCorrupt, 200, "", ""), false, false},
		{&store.CredentialsError{Reason: "no answer from STS", Unreached: true}, true, false},
		{&store.CredentialsError{Reason: "STS refuses the role", Refused: true}, false, true},
		{&store.CredentialsError{Reason: "no SSO session"}, false, false},
		{&unreadableError{store.Contents{Service: "api"}}, false, true},
	} {
		if Unreached(c.err) != c.unreached || refused(c.err) != c.refused {
			t.Errorf("%v: unreached %t, refused %t; want %t and %t", c.err, Unreached(c.err), refused(c.err), c.unreached, c.refused)
		}
	}
}

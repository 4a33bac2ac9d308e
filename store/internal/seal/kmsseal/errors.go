package kmsseal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal"
)

// fail converts an error of a request to KMS to a [seal.Fault], or to the context's error. Codes of
// KMS begin with "KMS.", as S3 passes them on, so that both have the same hints.
func (s *Sealer) fail(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var contact *awsconf.ContactError
	var expired *store.CredentialsError
	var api smithy.APIError
	switch {
	case errors.As(err, &expired):
		return seal.Fault{Err: fmt.Errorf("%w: %w", bucket.ErrCredentials, expired)}
	case errors.As(err, &contact) && contact.Code != "":
		return seal.Fault{Err: bucket.ErrEndpoint, Code: contact.Code, Reason: contact.Error()}
	case contact != nil:
		return seal.Fault{Err: bucket.ErrUnavailable, Reason: contact.Error()}
	case awsconf.IdentityFailed(err):
		return seal.Fault{Err: bucket.ErrCredentials, Reason: awsconf.Said(err)}
	case status(err) == 0:
		return seal.Fault{Err: bucket.ErrUnavailable, Reason: doing + ": " + awsconf.Said(err)}
	}
	f := seal.Fault{Err: ofStatus(status(err)), Reason: doing + ": " + awsconf.Said(err)}
	if status(err) >= http.StatusMultipleChoices {
		f.Status = status(err)
	}
	if errors.As(err, &api) && api.ErrorCode() != "UnknownError" {
		f.Code, f.Err = "KMS."+api.ErrorCode(), ofCode(api.ErrorCode(), status(err))
		if text := api.ErrorMessage(); text != "" {
			f.Reason = doing + ": " + text
		}
	}
	switch {
	case errors.Is(f.Err, bucket.ErrCredentials):
		f.Code = strings.TrimPrefix(f.Code, "KMS.") // its hint is the same for every service
	case errors.Is(f.Err, bucket.ErrTorn):
		f.Reason = "KMS can't decrypt its key: it was changed, or copied from another object"
	case s.region == "" && !awsconf.SpeaksKMS(err):
		f.Err, f.Code = bucket.ErrUnsupported, CodeNoKMS
		f.Reason = fmt.Sprintf("%s: %s doesn't have the API of KMS (status %d)", doing, awsconf.HostOf(err), status(err))
	}
	return f
}

// CodeNoKMS is the code of a fault: the endpoint of KMS is a server without KMS.
const CodeNoKMS = "NoKMS"

// ofCode classifies an answer of KMS by its code, or else by its status (facts.md, section 4).
func ofCode(code string, status int) error {
	switch code {
	case "AccessDeniedException", "AccessDenied":
		return bucket.ErrDenied
	case "InvalidCiphertextException", "IncorrectKeyException":
		return bucket.ErrTorn // not made under this key, or for an object of another name
	case "DisabledException", "KMSInvalidStateException", "NotFoundException", "InvalidKeyUsageException", "InvalidArnException":
		return bucket.ErrKey
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "UnrecognizedClientException", "InvalidClientTokenId",
		"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException",
		"MissingAuthenticationToken", "MissingAuthenticationTokenException", "InvalidAccessKeyId", "InvalidToken", "OptInRequired":
		return bucket.ErrCredentials
	case "KMSInternalException", "InternalException", "DependencyTimeoutException", "KeyUnavailableException", "LimitExceededException",
		"ServiceUnavailableException", "RequestLimitExceeded", "RequestTimeout":
		return bucket.ErrUnavailable
	case "UnsupportedOperationException", "UnknownOperationException":
		return bucket.ErrUnsupported
	}
	if strings.HasPrefix(code, "Throttl") {
		return bucket.ErrUnavailable
	}
	return ofStatus(status)
}

func ofStatus(status int) error {
	switch {
	case status == http.StatusUnauthorized:
		return bucket.ErrCredentials
	case status < http.StatusMultipleChoices: // it was done, and the answer was cut off or changed on the way
		return bucket.ErrUnavailable
	case status == http.StatusTooManyRequests, status >= http.StatusInternalServerError && status != http.StatusNotImplemented:
		return bucket.ErrUnavailable
	}
	return bucket.ErrRefused
}

// status returns the HTTP status of an answer; 0 if there was none.
func status(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

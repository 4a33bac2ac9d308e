package awsconf

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
)

// Once returns a retryer for requests that must not be executed twice. It retries what r retries,
// except requests that may have been executed. The SDK retries a request whose response was lost as
// if it had never arrived: one CreateKey then makes two keys, and one PutParameter two versions.
func Once(r aws.Retryer) aws.Retryer {
	if v2, ok := r.(aws.RetryerV2); ok {
		return once{v2}
	}
	return aws.NopRetryer{}
}

type once struct{ aws.RetryerV2 }

// IsErrorRetryable implements [aws.Retryer].
func (o once) IsErrorRetryable(err error) bool {
	return Unapplied(err) && o.RetryerV2.IsErrorRetryable(err)
}

// Unapplied reports whether the request that failed with err was certainly not executed: it was
// never sent, or the service refused it. After a 5xx or no response this isn't known, and the
// result is false.
func Unapplied(err error) bool {
	var (
		connection  *net.OpError
		certificate *tls.CertificateVerificationError
		api         smithy.APIError
	)
	switch {
	case errors.As(err, &connection) && connection.Op == "dial", errors.As(err, &certificate), IdentityFailed(err):
		return true
	case errors.As(err, &api) && (api.ErrorFault() == smithy.FaultServer || strings.HasPrefix(api.ErrorCode(), "RequestTimeout")):
		return false // with any status: S3 returns 400 for a timeout
	}
	status := answered(err)
	return status >= http.StatusBadRequest && status < http.StatusInternalServerError && status != http.StatusRequestTimeout
}

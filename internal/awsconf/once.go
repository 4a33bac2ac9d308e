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

// Once returns a retryer for requests that must not be obeyed twice: it repeats what r repeats,
// but no request that may have been obeyed. The SDK repeats a request whose answer was lost as
// one that never arrived, which makes two keys of one CreateKey and two versions of one
// PutParameter.
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

// Unapplied reports whether a request that failed like this was certainly not obeyed: it was
// never sent, or the service refused it. An answer of 5xx, or none, leaves it open.
func Unapplied(err error) bool {
	var (
		connection  *net.OpError
		certificate *tls.CertificateVerificationError
		api         smithy.APIError
	)
	switch {
	case errors.As(err, &connection) && connection.Op == "dial", errors.As(err, &certificate), identityFailed(err):
		return true
	case errors.As(err, &api) && (api.ErrorFault() == smithy.FaultServer || strings.HasPrefix(api.ErrorCode(), "RequestTimeout")):
		return false // whatever the status: a time-out is a 400 to S3
	}
	status := answered(err)
	return status >= http.StatusBadRequest && status < http.StatusInternalServerError && status != http.StatusRequestTimeout
}

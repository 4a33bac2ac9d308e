package app

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
)

// kmsVariable names the server of KMS for the SDK.
const kmsVariable = "AWS_ENDPOINT_URL_KMS"

// kmsPlaceHint returns the hint for an error of KMS, with the variable that names its server, where the S3 server
// isn't AWS's and nothing says where KMS is: the request went to AWS, or to the S3 server, and perhaps to the
// wrong one. "" for any other error, and for a backend that doesn't ask KMS itself.
func (a *App) kmsPlaceHint(err error) string {
	if a.InForce == nil || !a.InForce.Kind().Sealed || !a.InForce.Kind().KMS {
		return ""
	}
	at, own := a.kmsPlace()
	if !own || !maybeElsewhere(err, at == "") {
		return ""
	}
	place := "KMS is asked at " + cmp.Or(at, "AWS") + ", as " + kmsVariable + " isn't set: set it to the URL of another server with the API of KMS"
	if base := cmp.Or(hint(err), a.contactHint(err)); base != "" {
		return base + ". " + place
	}
	return place
}

// kmsPlace returns the host to which requests to KMS go, "" for AWS; own is false where that was chosen, or the S3
// server is AWS's, too. It makes no request.
func (a *App) kmsPlace() (host string, own bool) {
	o, err := a.AWSOptions(a.InForce)
	if err != nil {
		return "", false
	}
	o.Offline = true
	cfg, err := awsconf.Load(context.Background(), o)
	if err != nil || awsconf.OtherServer(cfg) == "" {
		return "", false
	}
	kms := awsconf.OtherKMS(cfg)
	u, err := url.Parse(kms)
	return u.Hostname(), err == nil && (kms == "" || kms == awsconf.OtherServer(cfg)) && a.Getenv(kmsVariable) == ""
}

// maybeElsewhere reports whether an error may be that of a request to KMS that reached the wrong server: any error of
// AWS's KMS, and what an S3 server says of a signature that is not for S3.
func maybeElsewhere(err error, atAWS bool) bool {
	var refused *store.StorageError
	if !errors.As(err, &refused) {
		return false
	}
	host := strings.HasPrefix(refused.Reason, noAnswer+"kms.")
	if !host && !strings.HasPrefix(refused.Reason, "kms:") {
		return false
	}
	return atAWS || slices.Contains([]string{"SignatureDoesNotMatch", "InvalidAccessKeyId"}, refused.Code)
}

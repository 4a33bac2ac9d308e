package app

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/partition"
	"github.com/coffer-secrets/coffer/store"
)

func storageHint(e *store.StorageError) string {
	if e.Code == "AccessDenied" && errors.Is(e, store.ErrCredentials) { // denied after the same was allowed
		return "the session has ended: get new credentials (aws sso login, or assume the role again)"
	}
	if e.Code == store.CodeNoTeamKey && e.Op == "get" { // there is something encrypted with the key
		return hintOf(store.CodeLostTeamKey)
	}
	if own, ok := codeHint(e.Code); ok {
		return own
	}
	switch denied := errors.Is(e, store.ErrDenied); {
	case neededActions(e.Op) != "" && e.Code == "" && e.Status == http.StatusNotFound:
		return "check the endpoint (--endpoint-url or COFFER_ENDPOINT_URL): this server doesn't seem to support the API"
	case e.Bucket != "":
		return "check the endpoint (--endpoint-url or COFFER_ENDPOINT_URL): it must be the URL of an S3 server, without a path; coffer init creates a bucket there"
	case e.Op == "get" && errors.Is(e, store.ErrCorrupt):
		return unopenedHint(e.Object)
	case e.Op == "put" && e.Code == "NotImplemented":
		return probeShows
	case e.Op == "put" && e.Status == http.StatusInternalServerError:
		return noSuchKey
	case denied && strings.HasPrefix(e.Op, "cloudtrail:"):
		return "you need cloudtrail:LookupEvents"
	case denied && neededActions(e.Op) != "":
		return "you need " + neededActions(e.Op)
	case denied && strings.HasSuffix(e.Op, "of") && strings.Contains(e.Op, "version"):
		return "you need s3:ListBucketVersions, s3:GetObjectVersion, s3:DeleteObjectVersion and kms:Decrypt: coffer policy operator prints the policy"
	case denied && e.Op == opLookAtBucket:
		return "all AWS accounts share the names of buckets: if this one belongs to somebody else, choose another name; if it is yours, you need s3:ListBucket on it"
	case denied:
		return "you need s3:GetObject, s3:ListBucket and kms:Decrypt to read; s3:PutObject, s3:DeleteObject and kms:GenerateDataKey to write"
	case e.Code == "Forbidden": // not a code of AWS: moto's, for a bucket policy
		return "if the server doesn't support the conditions in the bucket policy, delete the policy there; coffer init --without policy creates none"
	case e.Op == opLookAtBucket && e.Status == http.StatusBadRequest: // the answer to HEAD has no body
		return "check the region (--region or COFFER_AWS_REGION), and that the credentials are for this server"
	case e.Op == opLookAtBucket && (e.Status == http.StatusMethodNotAllowed || e.Status == http.StatusNotImplemented),
		e.Op == opCreateBucket && e.Status == http.StatusNotFound:
		return "check that --endpoint-url (or COFFER_ENDPOINT_URL) is the URL of an S3 server, without a path"
	case errors.Is(e, store.ErrCredentials):
		return "no usable credentials: set up a profile, a role or AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
	}
	return ""
}

// Hints about servers that don't encrypt as the backend asks, and what is added where s3-age is another way out.
const (
	unencrypted = "no secret was sent. To accept a server that doesn't encrypt, set allow_unencrypted: true in the configuration file"
	noSuchKey   = "some servers return this for a key that doesn't exist: check that the alias exists there"
	probeShows  = "coffer doctor --probe shows what this server supports"
	noKMS       = "set " + kmsVariable + " to the URL of a server with the API of KMS"
	withoutKMS  = ". Without KMS, coffer init -b s3-age sets up secrets that are encrypted before they are stored; -b s3-age then uses them"
)

// encryptionHint returns the hint for a server that doesn't encrypt as the backend in force asks; "" for any other
// error, and for a backend that asks for nothing.
func (a *App) encryptionHint(err error) string {
	if a.InForce == nil || !a.InForce.Kind().Bucket || a.InForce.Kind().Teams {
		return ""
	}
	switch h := hint(err); h {
	case unencrypted, probeShows, noKMS:
		return h + withoutKMS
	}
	return ""
}

// noAnswer begins the text of an [awsconf.ContactError] without a code.
const noAnswer = "no answer from "

// directoryHint returns the hint for a missing service if the directory of the secrets doesn't exist, which
// probably is not the one that was meant; "" for any other error.
func (a *App) directoryHint(err error) string {
	if !IsMissingService(err) || a.InForce == nil || !a.InForce.Kind().Directory {
		return ""
	}
	dir := a.InForce.Dir
	if _, err := os.Stat(dir.Value); !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return "there is no directory " + dir.Value + " (" + dir.From + "): no secret has been stored there"
}

// contactHint returns the hint for a server that wasn't reached, with the setting that names it; "" for any
// other error.
func (a *App) contactHint(err error) string {
	var contact *awsconf.ContactError
	var refused *store.StorageError
	text := ""
	switch {
	case errors.As(err, &contact):
		text = contact.Error()
	case errors.As(err, &refused):
		text = refused.Reason
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(text, noAnswer), " (")
	switch {
	case !strings.HasPrefix(text, noAnswer):
		return ""
	case partition.IsAWS(host):
		return "check the network, and the region (--region, COFFER_AWS_REGION or AWS_REGION)"
	}
	if a.InForce != nil {
		if u, err := url.Parse(a.InForce.EndpointURL.Value); err == nil && u.Host == host && !a.InForce.EndpointURL.isDefault() {
			return "check that the server is running, and the endpoint (" + a.InForce.EndpointURL.From + ")"
		}
	}
	if u, err := url.Parse(a.Getenv(kmsVariable)); err == nil && host != "" && u.Host == host {
		return "check that the server is running, and the endpoint ($" + kmsVariable + ")"
	}
	return "check that the server is running, and the endpoint (COFFER_ENDPOINT_URL, AWS_ENDPOINT_URL or that of the service)"
}

const lostIdentity = "the key file is missing, or in another directory: put it back from a backup, or set COFFER_KEY_DIR. coffer doctor shows which file. Without it nobody can decrypt the secret"

// hintOf returns the hint of a code alone; "" for none.
func hintOf(code string) string {
	hint, _ := codeHint(code)
	return hint
}

// codeHint returns the hint of a code alone, and whether it has one.
func codeHint(code string) (hint string, ok bool) {
	switch code {
	case store.CodeNotMember:
		return "ask a member to run coffer keys grant with the alias and your recipient, which coffer whoami --recipient prints", true
	case store.CodeNoTeamKey:
		return "the first write under the alias creates its key; so does coffer init", true
	case store.CodeDamagedTeamKey:
		return "restore the key object from an older version of the bucket, or a backup; coffer doctor names it. Delete nothing: what is encrypted with it is as it was", true
	case store.CodeLostTeamKey:
		return "restore the object from a backup or an older version of the bucket: no other key opens what is encrypted under it. A new key is not made in its place", true
	case "NoConditionalWrites":
		return "if nobody else writes to this bucket, use --single-writer (or single_writer in the configuration file)", true
	case "NotKept":
		return "nothing was changed; coffer doctor --probe shows what this server supports", true
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
		return "the session has ended: get new credentials (aws sso login, or assume the role again)", true
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException":
		return "these credentials belong to another server", true
	case "RequestTimeTooSkewed":
		return "this machine's clock is wrong", true
	case awsconf.CodeNoTLS:
		return "write the endpoint as http://, if it is meant to be without TLS", true
	case awsconf.CodeOnlyTLS:
		return "write the endpoint as https://", true
	case awsconf.CodeCertificate:
		return "check the host name and this machine's clock; for a private certificate authority, set AWS_CA_BUNDLE to the file of its certificate", true
	case awsconf.CodeNotHTTP:
		return "check the port", true
	case awsconf.CodeProxy:
		return "check HTTPS_PROXY (or HTTP_PROXY), with the user and password if the proxy requires them; NO_PROXY lists hosts to reach without it", true
	case store.CodeFile:
		return "", true // the reason names the path and what is wrong with it
	case store.CodeNoIdentity:
		return lostIdentity, true
	case codeNoBucket:
		return "coffer init creates it; if it should exist, check its name (--bucket or COFFER_S3_BUCKET) and the region", true
	case "BucketAlreadyExists":
		return "all AWS accounts share the names of buckets: choose another with --bucket (or COFFER_S3_BUCKET), such as acme-secrets", true
	case "InvalidBucketName":
		return "a bucket's name has 3 to 63 characters: lower-case letters, digits, dots and hyphens", true
	case "PermanentRedirect", "AuthorizationHeaderMalformed":
		return "the bucket is in another region: set --region or COFFER_AWS_REGION", true
	case "KMS.AccessDeniedException":
		return "you need kms:Decrypt on the key to read, and kms:Encrypt to write, for the service: coffer policy reader, or writer, prints the policy", true
	case "NoKMS":
		return noKMS, true
	case "KMS.DisabledException":
		return "the KMS key is disabled: its owner must enable it, at least until the secrets are moved to another key; coffer doctor shows whether it encrypts anything but an unneeded index", true
	case "KMS.KMSInvalidStateException":
		return "the KMS key is pending deletion: its owner can cancel the deletion", true
	case "KMS.NotFoundException", "kms:KeyNotFound":
		return "check that the alias exists in this account and region", true
	}
	return "", false
}

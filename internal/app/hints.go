package app

import (
	"errors"
	"net/http"
	"strings"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// hint returns what a person can do about an error; "" if nothing is known.
func hint(err error) string {
	text := ownHint(err)
	if text != "" && isStopped(err) {
		text += "; what is done stays, and the same command again does the rest"
	}
	return text
}

// ownHint returns the hint of an error alone, without regard to a batch that it stopped.
func ownHint(err error) string {
	var own *hintError
	var alias *store.AliasError
	var pin *store.PinError
	var seal *store.SealError
	var rollback *store.RollbackError
	var corrupt *store.CorruptError
	var refused *store.StorageError
	var ended *store.CredentialsError
	switch {
	case errors.As(err, &own):
		return own.hint
	case errors.As(err, &ended):
		return ended.Way
	case errors.As(err, &alias):
		return aliasHint(alias)
	case errors.As(err, &pin):
		return "nothing was stored: whoever pins other keys could not read it. Add the key to key_arns everywhere first (docs/rotation.md), or point the alias back"
	case errors.As(err, &seal) && seal.Method == "" && strings.Contains(seal.Object, admin.ProbeDir):
		return "nothing of yours was sent. allow_unencrypted: true in the configuration file accepts a server that does not encrypt"
	case errors.As(err, &seal):
		return "somebody may have replaced it, or the store does not encrypt; nothing that it says was used"
	case errors.As(err, &rollback):
		return "an older version was put back, or it was deleted and written anew by another program; --allow-rollback accepts it, coffer doctor --fix --allow-rollback for good"
	case errors.As(err, &corrupt) && strings.Contains(corrupt.Object, "/__"):
		return "coffer doctor --fix makes an index anew from its secrets"
	case errors.As(err, &refused):
		return storageHint(refused)
	case errors.Is(err, awsconf.ErrNoRegion):
		return "--region, COFFER_AWS_REGION or AWS_REGION"
	case errors.Is(err, store.ErrIndexBehind):
		return "readers still see the right values; the next write of any secret of the service, coffer doctor --fix, or the same command again, repairs the index"
	}
	return environHint(err)
}

func aliasHint(e *store.AliasError) string {
	switch {
	case e.Index != "":
		return "use another alias for one of them: \"/\" and \"_\" make the same index name"
	case e.Have == "":
		return "--adopt takes it over under " + e.Want
	}
	return "to change it where it is: --kms-key-alias " + e.Have
}

func storageHint(e *store.StorageError) string {
	if e.Code == "AccessDenied" && errors.Is(e, store.ErrCredentials) { // denied after the same was allowed
		return "the session has ended: get new credentials (aws sso login, or assume the role again)"
	}
	switch e.Code {
	case "NoConditionalWrites":
		return "if nobody else writes to this bucket, --single-writer (or single_writer in the configuration) changes secrets all the same"
	case "NotKept":
		return "nothing was changed; coffer doctor --probe shows what this server keeps"
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
		return "the session has ended: get new credentials (aws sso login, or assume the role again)"
	case "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return "these credentials are not of this storage"
	case "RequestTimeTooSkewed":
		return "this machine's clock is wrong"
	case awsconf.CodeNoTLS:
		return "write the endpoint as http://, if it is meant to be without TLS"
	case awsconf.CodeOnlyTLS:
		return "write the endpoint as https://"
	case awsconf.CodeCertificate:
		return "AWS_CA_BUNDLE names a file with the certificates to trust, instead of those of this machine; is it the right host, and its clock right?"
	case awsconf.CodeNotHTTP:
		return "is it the right port?"
	case awsconf.CodeProxy:
		return "HTTPS_PROXY (or HTTP_PROXY) names the proxy, with a user and a password if it wants them; NO_PROXY names hosts that need none"
	case store.CodeFile:
		return "" // the reason names the path and what is wrong with it
	case store.CodeNoIdentity:
		return "the identity that it was sealed to is lost, or in another key directory: put its file back (from a backup), or name the directory with key_dir in the configuration. Without it nobody can open the secret"
	case "NoSuchBucket":
		return "is the bucket's name right, and the region?"
	case "BucketAlreadyExists":
		return "somebody else has a bucket of that name: take another name"
	case "InvalidBucketName":
		return "a bucket's name has 3 to 63 characters: lower-case letters, digits, dots and hyphens"
	case "PermanentRedirect", "AuthorizationHeaderMalformed":
		return "the bucket is in another region: --region, or COFFER_AWS_REGION"
	case "KMS.DisabledException":
		return "the KMS key is disabled: who owns it must enable it, or the secrets must be moved to another key while it is enabled; coffer doctor tells whether anything but a left index is under it"
	case "KMS.KMSInvalidStateException":
		return "the KMS key is about to be deleted: who owns it can cancel the deletion"
	case "KMS.NotFoundException", "kms:KeyNotFound":
		return "does the alias exist in this account and region?"
	}
	switch denied := errors.Is(e, store.ErrDenied); {
	case e.Op == "put" && e.Code == "NotImplemented":
		return "coffer doctor --probe shows what this server keeps; where it has no KMS keys: -b s3"
	case e.Op == "put" && e.Status == http.StatusInternalServerError:
		return "some servers answer so for a key that they do not have: does the alias exist there?"
	case denied && strings.HasPrefix(e.Op, "cloudtrail:"):
		return "ask for cloudtrail:LookupEvents"
	case denied && neededActions(e.Op) != "":
		return "ask for " + neededActions(e.Op)
	case denied && strings.HasSuffix(e.Op, "of") && strings.Contains(e.Op, "version"):
		return "ask for what coffer policy operator prints: s3:ListBucketVersions, s3:GetObjectVersion and s3:DeleteObjectVersion; and kms:Decrypt"
	case denied && e.Op == opLookAtBucket:
		return "it may be somebody else's, since a name is taken once for all accounts: then take another name; if it is yours, ask for s3:ListBucket on it"
	case denied:
		return "ask for s3:GetObject, s3:ListBucket and kms:Decrypt to read; s3:PutObject, s3:DeleteObject and kms:GenerateDataKey to write"
	case e.Code == "Forbidden": // not a code of AWS: moto's, for a bucket policy
		return "if the server does not know the conditions of the bucket's policy, take the policy away there: coffer init --without policy makes none"
	case e.Op == opLookAtBucket && e.Status == http.StatusBadRequest: // the answer to HEAD has no body
		return "is the region right (--region, or COFFER_AWS_REGION), and are the credentials this server's?"
	case errors.Is(e, store.ErrCredentials):
		return "no usable credentials: set up a profile, a role or AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
	}
	return ""
}

func environHint(err error) string {
	var dangerous *environ.DangerousError
	var clash *environ.ClashError
	var size *environ.SizeError
	var nul *environ.NULError
	switch {
	case errors.As(err, &dangerous):
		return "--allow-env " + dangerous.Name + " lets it through, --skip " + dangerous.Key + " leaves it out"
	case errors.As(err, &clash):
		return "--skip leaves one of them out"
	case errors.As(err, &size) && size.Key != "":
		return "--skip " + size.Key + " leaves it out; read --out FILE hands it over as a file"
	case errors.As(err, &nul) && nul.Key != "":
		return "--skip " + nul.Key + " leaves it out"
	}
	return ""
}

package s3test

// authFault is the reason why authentication failed. Each service reports it differently.
type authFault int

const (
	anonymous authFault = iota
	unknownKey
	badSignature
	badToken
	expiredToken
	skewed
)

func (c *call) authError(why authFault) error {
	const invalid = "The security token included in the request is invalid."
	const mismatch = "The request signature we calculated does not match the signature you provided. Check your key and signing method."
	answers := map[string]map[authFault]failure{
		"s3": {
			anonymous:    {403, "AccessDenied", "Access Denied"},
			unknownKey:   {403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."},
			badSignature: {403, "SignatureDoesNotMatch", mismatch},
			badToken:     {400, "InvalidToken", "The provided token is malformed or otherwise invalid."},
			expiredToken: {400, "ExpiredToken", "The provided token has expired."},
			skewed:       {403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."},
		},
		"sts": {
			anonymous:    {403, "MissingAuthenticationToken", "Request is missing Authentication Token"},
			unknownKey:   {403, "InvalidClientTokenId", invalid},
			badSignature: {403, "SignatureDoesNotMatch", mismatch},
			badToken:     {403, "InvalidClientTokenId", invalid},
			expiredToken: {403, "ExpiredToken", "The security token included in the request is expired"},
			skewed:       {403, "SignatureDoesNotMatch", "Signature expired: the request is more than 15 minutes old or new"},
		},
		"kms": {
			anonymous:    {400, "MissingAuthenticationTokenException", "Missing Authentication Token"},
			unknownKey:   {400, "UnrecognizedClientException", invalid},
			badSignature: {400, "InvalidSignatureException", mismatch},
			badToken:     {400, "UnrecognizedClientException", invalid},
			expiredToken: {400, "ExpiredTokenException", "The security token included in the request is expired"},
			skewed:       {400, "InvalidSignatureException", "Signature expired: the request is more than 15 minutes old or new"},
		},
	}
	f := answers[c.Service][why]
	return &f
}

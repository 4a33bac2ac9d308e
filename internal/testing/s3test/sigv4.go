package s3test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// signature contains a request's claims, from its Authorization header or the query of a presigned
// URL.
type signature struct {
	accessKeyID string
	scope       []string // date, region, service, "aws4_request"
	headers     []string // names, lower-case and sorted
	sum         string
	token       string
	date        time.Time
	expires     time.Duration // of a presigned URL
	payload     string        // hash of the body, or the name of another payload scheme
}

const (
	amzDate         = "20060102T150405Z"
	unsignedPayload = "UNSIGNED-PAYLOAD"
	unsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	maxSkew         = 15 * time.Minute
)

// authenticate verifies a request's signature (AWS Signature Version 4) and its session, and
// unwraps its body.
func (s *Server) authenticate(c *call) (*identity, error) {
	claim, err := c.claim()
	if err != nil {
		return nil, err
	}
	who := s.iam.find(claim.accessKeyID)
	if who == nil || who.SessionToken != "" && claim.token == "" {
		return nil, c.authError(unknownKey)
	}
	if err := s.checkScope(c, claim); err != nil {
		return nil, err
	}
	if skew := c.now.Sub(claim.date); claim.expires == 0 && skew.Abs() > maxSkew {
		return nil, c.authError(skewed)
	}
	if claim.expires > 0 && !s.opts.Quirks.LinksNeverEnd && c.now.After(claim.date.Add(claim.expires)) {
		return nil, fail(403, "AccessDenied", "Request has expired")
	}
	if !hmac.Equal([]byte(claim.sum), []byte(c.sign(claim, who.SecretKey))) {
		return nil, c.authError(badSignature)
	}
	if claim.token != who.SessionToken {
		return nil, c.authError(badToken)
	}
	spent := s.opts.SessionRequests > 0 && who.role != "" && who.uses.Add(1) > int64(s.opts.SessionRequests)
	if spent || !who.Expires.IsZero() && !c.now.Before(who.Expires) {
		return nil, s.opts.Quirks.expired(c)
	}
	c.signed = claim.headers
	return who, c.unwrap(claim.payload)
}

func (q Quirks) expired(c *call) error {
	switch {
	case q.ExpiredAccessDenied:
		return fail(403, "AccessDenied", "")
	case q.ExpiredInvalidKeyID:
		return c.authError(unknownKey)
	}
	return c.authError(expiredToken)
}

// claim parses the signature of a request.
func (c *call) claim() (signature, error) {
	if c.query.Get("X-Amz-Algorithm") != "" {
		return c.presigned()
	}
	rest, ok := strings.CutPrefix(c.header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return signature{}, c.authError(anonymous)
	}
	claim := signature{token: c.header.Get("X-Amz-Security-Token"), payload: c.header.Get("X-Amz-Content-Sha256")}
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			claim.credential(value)
		case "SignedHeaders":
			claim.headers = strings.Split(value, ";")
		case "Signature":
			claim.sum = value
		}
	}
	var err error
	if claim.date, err = time.Parse(amzDate, c.header.Get("X-Amz-Date")); err != nil {
		return signature{}, fail(403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
	}
	if claim.payload == "" {
		if c.Service == "s3" {
			return signature{}, fail(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
		}
		claim.payload = hexSHA256(c.wire)
	}
	return claim, c.checkSigned(claim.headers)
}

// presigned parses the signature of a presigned URL.
func (c *call) presigned() (signature, error) {
	claim := signature{
		headers: strings.Split(c.query.Get("X-Amz-SignedHeaders"), ";"),
		sum:     c.query.Get("X-Amz-Signature"),
		token:   c.query.Get("X-Amz-Security-Token"),
		payload: unsignedPayload,
	}
	claim.credential(c.query.Get("X-Amz-Credential"))
	var err error
	if claim.date, err = time.Parse(amzDate, c.query.Get("X-Amz-Date")); err != nil {
		return signature{}, fail(400, "AuthorizationQueryParametersError", "X-Amz-Date must be in the ISO8601 Long Format")
	}
	claim.expires, err = time.ParseDuration(c.query.Get("X-Amz-Expires") + "s")
	if err != nil || claim.expires <= 0 || claim.expires > 7*24*time.Hour {
		return signature{}, fail(400, "AuthorizationQueryParametersError", "X-Amz-Expires must be less than a week (in seconds)")
	}
	return claim, c.checkSigned(claim.headers)
}

func (claim *signature) credential(value string) {
	id, scope, _ := strings.Cut(value, "/")
	claim.accessKeyID, claim.scope = id, strings.Split(scope, "/")
}

// checkSigned refuses unsigned headers that could have been added in transit: host and every
// x-amz-* must be signed.
func (c *call) checkSigned(headers []string) error {
	unsigned := !slices.Contains(headers, "host")
	for name := range c.header {
		name = strings.ToLower(name)
		unsigned = unsigned || strings.HasPrefix(name, "x-amz-") && !slices.Contains(headers, name)
	}
	if unsigned {
		return fail(403, "AccessDenied", "There were headers present in the request which were not signed")
	}
	return nil
}

func (s *Server) checkScope(c *call, claim signature) error {
	malformed := func(why string) error {
		return fail(400, "AuthorizationHeaderMalformed", "The authorization header is malformed; "+why)
	}
	switch {
	case len(claim.scope) != 4 || claim.scope[3] != "aws4_request":
		return malformed("the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
	case claim.scope[0] != claim.date.Format("20060102"):
		return c.authError(badSignature)
	case claim.scope[1] != s.opts.Region:
		return malformed(fmt.Sprintf("the region '%s' is wrong; expecting '%s'", claim.scope[1], s.opts.Region))
	case claim.scope[2] != c.Service:
		return malformed(fmt.Sprintf("incorrect service %q. This endpoint belongs to %q.", claim.scope[2], c.Service))
	}
	return nil
}

// sign returns the signature that the request should have.
func (c *call) sign(claim signature, secret string) string {
	canonical := strings.Join([]string{
		c.method, uriEncode(c.path, true), c.canonicalQuery(), c.canonicalHeaders(claim.headers),
		strings.Join(claim.headers, ";"), claim.payload,
	}, "\n")
	toSign := strings.Join([]string{
		"AWS4-HMAC-SHA256", claim.date.Format(amzDate), strings.Join(claim.scope, "/"), hexSHA256([]byte(canonical)),
	}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range claim.scope {
		key = hmacSHA256(key, part)
	}
	return hex.EncodeToString(hmacSHA256(key, toSign))
}

func (c *call) canonicalQuery() string {
	var pairs []string
	for name, values := range c.query {
		if name == "X-Amz-Signature" {
			continue
		}
		for _, value := range values {
			pairs = append(pairs, uriEncode(name, false)+"="+uriEncode(value, false))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

func (c *call) canonicalHeaders(names []string) string {
	var b strings.Builder
	for _, name := range names {
		var value string
		switch name { // net/http removes these two from the header
		case "host":
			value = c.host
		case "content-length":
			value = fmt.Sprint(c.length)
		default:
			value = strings.Join(strings.Fields(strings.Join(c.header.Values(name), ",")), " ")
		}
		fmt.Fprintf(&b, "%s:%s\n", name, value)
	}
	return b.String()
}

// uriEncode is S3's encoding: url.QueryEscape, except for the space and, in a path, the slash.
func uriEncode(s string, path bool) string {
	escaped := strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), "%7E", "~")
	if path {
		escaped = strings.ReplaceAll(escaped, "%2F", "/")
	}
	return escaped
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func hmacSHA256(key []byte, s string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(s))
	return mac.Sum(nil)
}

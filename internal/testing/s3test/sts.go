package s3test

import (
	"encoding/xml"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// callerIdentity needs no permission, as on AWS.
func (s *Server) callerIdentity(c *call) (answer, error) {
	if s.opts.Quirks.NoSTS {
		return answer{}, unsupportedAction(c)
	}
	return xmlAnswer(struct {
		XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse"`
		ARN       string   `xml:"GetCallerIdentityResult>Arn"`
		UserID    string   `xml:"GetCallerIdentityResult>UserId"`
		Account   string   `xml:"GetCallerIdentityResult>Account"`
		RequestID string   `xml:"ResponseMetadata>RequestId"`
	}{ARN: c.who.arn, UserID: c.who.userID, Account: s.opts.Account, RequestID: requestID}), nil
}

// assumeRole creates a session with a role from SetRole, for a caller or a web identity.
func (s *Server) assumeRole(c *call) (answer, error) {
	form, err := url.ParseQuery(string(c.wire))
	if err != nil {
		return answer{}, fail(400, "MalformedInput", "")
	}
	if c.who == nil {
		if err := s.checkToken(form.Get("WebIdentityToken")); err != nil {
			return answer{}, err
		}
	}
	role, session := form.Get("RoleArn"), form.Get("RoleSessionName")
	if session == "" {
		return answer{}, fail(400, "ValidationError", "1 validation error detected: Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null")
	}
	lasts := time.Hour
	if asked := form.Get("DurationSeconds"); asked != "" {
		n, err := strconv.Atoi(asked)
		if err != nil || n < 900 || n > 43200 {
			return answer{}, fail(400, "ValidationError", "The requested DurationSeconds is outside of 900 to 43200 seconds.")
		}
		lasts = time.Duration(n) * time.Second
	}
	if s.opts.SessionLife != 0 {
		lasts = s.opts.SessionLife
	}
	var who *identity
	if name, ok := strings.CutPrefix(role, roleARN(s.opts.Account, "")); ok {
		who = s.iam.assume(name, session, c.now.Add(lasts))
	}
	if who == nil {
		return answer{}, fail(403, "AccessDenied", "Not authorized to perform sts:"+c.Op+" on "+role)
	}
	type result struct {
		AccessKeyID  string `xml:"Credentials>AccessKeyId"`
		SecretKey    string `xml:"Credentials>SecretAccessKey"`
		SessionToken string `xml:"Credentials>SessionToken"`
		Expiration   string `xml:"Credentials>Expiration"`
		ARN          string `xml:"AssumedRoleUser>Arn"`
		RoleID       string `xml:"AssumedRoleUser>AssumedRoleId"`
	}
	opened := result{
		AccessKeyID: who.AccessKeyID, SecretKey: who.SecretKey, SessionToken: who.SessionToken,
		Expiration: who.Expires.UTC().Format(time.RFC3339Nano), ARN: who.arn, RoleID: who.userID,
	}
	type answered struct {
		XMLName   xml.Name
		Role      *result `xml:"AssumeRoleResult"`
		Web       *result `xml:"AssumeRoleWithWebIdentityResult"`
		RequestID string  `xml:"ResponseMetadata>RequestId"`
	}
	out := answered{XMLName: xml.Name{Space: "https://sts.amazonaws.com/doc/2011-06-15/", Local: c.Op + "Response"}, RequestID: requestID}
	if c.who == nil {
		out.Web = &opened
	} else {
		out.Role = &opened
	}
	return xmlAnswer(out), nil
}

// checkToken returns AWS's error for an invalid web identity token.
func (s *Server) checkToken(token string) error {
	code := "InvalidIdentityToken"
	if s.opts.Trust != nil {
		code = s.opts.Trust(token)
	}
	switch code {
	case "":
		return nil
	case "ExpiredTokenException":
		return fail(400, code, "Token expired: current date/time must be before the expiration date/time")
	case "InvalidIdentityToken":
		return fail(400, code, "Incorrect token audience")
	}
	return fail(400, code, "")
}

func unsupportedAction(c *call) error {
	return fail(400, "InvalidParameterValue", "Unsupported action "+c.Op)
}

package awsconf

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/coffer-secrets/coffer/store"
)

const (
	stsAttempts = 3
	stsTimeout  = 15 * time.Second // for all attempts of one call
)

// assumer sends the calls that create credentials to the STS in force. [Load] sets at while it
// loads the configuration: the SDK creates its STS clients before it knows the endpoints.
type assumer struct {
	at      *stsPlace
	now     func() time.Time
	retries *retries
	source  func(aws.CredentialsProvider) aws.CredentialsProvider // set by [Load], like at: see [ownProcess]

	// For roles that need the code of an MFA device.
	causes causes // set by [Load], like at
	ask    func(prompt string) (string, error)
	cache  sessionCache
	log    *slog.Logger
}

// options are those of the SDK's credential chain: web identities, and roles of profiles, also
// chained ones.
func (a *assumer) options() []func(*config.LoadOptions) error {
	return []func(*config.LoadOptions) error{
		config.WithWebIdentityRoleCredentialOptions(func(o *stscreds.WebIdentityRoleOptions) {
			if o.Client != nil { // nil when the SDK only reads the options
				o.Client = &webIdentity{a, o.Client, tokenFileOf(o.TokenRetriever)}
			}
			if file, ok := o.TokenRetriever.(stscreds.IdentityTokenFile); ok {
				o.TokenRetriever = tokenFile(file)
			}
		}),
		config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			if o.Client != nil {
				o.Client = &role{assumer: a, next: o.Client}
			}
			if o.SerialNumber != nil { // the SDK asks for the code before the call; we ask only if no session is cached
				o.TokenProvider = func() (string, error) { return "", nil }
			}
		}),
	}
}

// call makes a call to the STS in force. what names the role or the token in errors.
func (a *assumer) call(ctx context.Context, what string, do func(context.Context, func(*sts.Options)) error) error {
	if a.at.missing != nil {
		return &store.CredentialsError{Reason: a.at.missing.Error() + ": " + what + " is not sent to AWS", Way: a.at.missing.Hint()}
	}
	limited, cancel := context.WithTimeout(ctx, stsTimeout)
	defer cancel()
	err := do(limited, func(o *sts.Options) {
		if a.retries.byUs {
			o.Retryer = retry.AddWithMaxAttempts(o.Retryer, stsAttempts)
		}
		if a.at.URL != "" {
			o.BaseEndpoint = &a.at.URL
		}
		o.Credentials = a.source(o.Credentials)
		if o.Region == "" && a.at.URL != "" {
			o.Region = regionOfOthers
		}
	})
	if err == nil || ctx.Err() != nil {
		return err
	}
	if IdentityFailed(err) { // the credentials that assume the role
		if told := a.causes.explain(ctx, err); told != err { //nolint:errorlint // whether it is the same
			return told
		}
	}
	return a.refusal(what, err)
}

// refusal describes a failed call.
func (a *assumer) refusal(what string, err error) error {
	where := "AWS's STS"
	if a.at.URL != "" {
		where = "the STS at " + redacted(a.at.URL)
	}
	var done *store.CredentialsError
	var api smithy.APIError
	switch {
	case errors.As(err, &done): // of the credentials that assume the role
		return err
	case errors.As(err, &api) && answered(err) != 0 && answered(err) < 500 && api.ErrorCode() != "UnknownError":
		return &store.CredentialsError{
			Reason: fmt.Sprintf("%s refuses %s (%s): %s", where, what, api.ErrorCode(), api.ErrorMessage()),
			Way:    wayAfter(api), Refused: refusesCaller(api.ErrorCode()),
		}
	case answered(err) != 0:
		return &store.CredentialsError{
			Reason: fmt.Sprintf("%s returned status %d and no session for %s", where, answered(err), what),
			Way:    "check that this is an STS: " + variableOfSTS + " names another (now: " + a.from() + ")",

			Unreached: answered(err) >= http.StatusInternalServerError,
		}
	}
	return &store.CredentialsError{
		Reason: fmt.Sprintf("no answer from %s: %s", where, reason(err)),
		Way:    variableOfSTS + " names another (now: " + a.from() + ")",

		Unreached: true,
	}
}

// refusesCaller reports whether a code of STS means that the caller has no access. Other codes mean that a
// session or a token has ended.
func refusesCaller(code string) bool {
	return code == "AccessDenied" || code == "InvalidClientTokenId" || code == "InvalidAccessKeyId"
}

// wayAfter returns what to do about an answer of STS.
func wayAfter(api smithy.APIError) string {
	clock := []string{"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}
	if slices.Contains(clock, api.ErrorCode()) || strings.Contains(api.ErrorMessage(), "Signature expired") || strings.Contains(api.ErrorMessage(), "Signature not yet current") {
		return "this machine's clock is wrong: set it, and try again"
	}
	return "the server decides who can assume this role: ask its administrator"
}

func (a *assumer) from() string {
	if a.at.From == FromOption {
		return "the endpoint of the store"
	}
	return a.at.From
}

// role is the STS client for roles.
type role struct {
	*assumer
	next stscreds.AssumeRoleAPIClient
	last string // the access key of the latest session with MFA
}

// AssumeRole implements [stscreds.AssumeRoleAPIClient].
func (r *role) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput, o ...func(*sts.Options)) (*sts.AssumeRoleOutput, error) {
	if in.SerialNumber != nil {
		return r.assumeWithMFA(ctx, in, o...)
	}
	return r.send(ctx, in, o...)
}

func (r *role) send(ctx context.Context, in *sts.AssumeRoleInput, o ...func(*sts.Options)) (out *sts.AssumeRoleOutput, err error) {
	err = r.call(ctx, "the role "+aws.ToString(in.RoleArn), func(ctx context.Context, at func(*sts.Options)) (err error) {
		out, err = r.next.AssumeRole(ctx, in, append(o, at)...)
		return err
	})
	return out, err
}

// webIdentity is the STS client for web identities.
type webIdentity struct {
	*assumer
	next stscreds.AssumeRoleWithWebIdentityAPIClient
	file string // the token's file; "" when it isn't known
}

// AssumeRoleWithWebIdentity implements [stscreds.AssumeRoleWithWebIdentityAPIClient].
func (w *webIdentity) AssumeRoleWithWebIdentity(ctx context.Context, in *sts.AssumeRoleWithWebIdentityInput, o ...func(*sts.Options)) (
	out *sts.AssumeRoleWithWebIdentityOutput, err error,
) {
	token := aws.ToString(in.WebIdentityToken)
	err = w.call(ctx, w.what(), func(ctx context.Context, at func(*sts.Options)) (err error) {
		out, err = w.next.AssumeRoleWithWebIdentity(ctx, in, append(o, at)...)
		return err
	})
	var said *store.CredentialsError
	if errors.As(err, &said) && answered(err) == 0 {
		w.explain(said, token)
	}
	return out, err
}

func (w *webIdentity) what() string { return "the web identity token of " + w.file }

// explain adds what the token's own claims say about why it was refused, since each server words
// the refusal differently. No message contains the token, even when the server repeats it.
func (w *webIdentity) explain(e *store.CredentialsError, token string) {
	if strings.Contains(e.Reason, token) {
		e.Reason, _, _ = strings.Cut(e.Reason, ": ")
	}
	if !strings.Contains(e.Reason, " refuses ") {
		return
	}
	claims, ok := claimsOf(token)
	refuses := strings.Replace(e.Reason, w.what(), "it", 1)
	switch {
	case !ok:
		e.Reason = fmt.Sprintf("%s does not hold a web identity token (a JWT): %s", w.file, refuses)
		e.Way = "check what writes the file (Kubernetes or the CI)"
	case claims.Expires > 0 && !w.now().Before(time.Unix(claims.Expires, 0)):
		e.Reason = fmt.Sprintf("%s expired at %s: %s", w.what(), time.Unix(claims.Expires, 0).UTC().Format(time.RFC3339), refuses)
		e.Way = "check what writes the file (Kubernetes or the CI): it must renew the token. Coffer reads the file again for every session"
	default:
		e.Way = fmt.Sprintf("the token is for the audience %s, issued by %q: the server must trust both, and let them assume the role", claims.Audience, claims.Issuer)
	}
}

// claims are the claims of a refused token that an error shows.
type claims struct {
	Issuer   string          `json:"iss"`
	Audience json.RawMessage `json:"aud"` // a string or a list of strings
	Expires  int64           `json:"exp"`
}

func claimsOf(token string) (c claims, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, false
	}
	body, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return c, false
	}
	return c, json.Unmarshal(body, &c) == nil
}

// tokenFile reads the token again for each session, because its issuer replaces the file.
type tokenFile string

func tokenFileOf(retriever stscreds.IdentityTokenRetriever) string {
	switch file := retriever.(type) {
	case stscreds.IdentityTokenFile:
		return string(file)
	case tokenFile:
		return string(file)
	}
	return ""
}

// GetIdentityToken implements [stscreds.IdentityTokenRetriever].
func (f tokenFile) GetIdentityToken() ([]byte, error) {
	const way = "check AWS_WEB_IDENTITY_TOKEN_FILE, or web_identity_token_file of the profile"
	body, err := os.ReadFile(string(f))
	if err != nil {
		return nil, &store.CredentialsError{Reason: "can't read the web identity token: " + err.Error(), Way: way}
	}
	token := strings.TrimSpace(string(body))
	if token == "" {
		return nil, &store.CredentialsError{Reason: "the web identity token file is empty: " + string(f), Way: way}
	}
	return []byte(token), nil
}

package awsconf

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/smithy-go"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
)

const (
	trailPage = 50                     // events; CloudTrail's maximum for one response
	trailPace = 500 * time.Millisecond // between pages: the whole account may make two requests a second
)

// Trail reads CloudTrail's event history: the management events of one account and region, of the
// last 90 days.
type Trail struct {
	client *cloudtrail.Client
	region string
	other  bool // not a server of AWS
	pace   time.Duration
}

// NewTrail returns a Trail for the configuration's account and region. It waits for pace between
// its requests; 0 means CloudTrail's limit.
func NewTrail(cfg aws.Config, pace time.Duration) *Trail {
	t := &Trail{region: cfg.Region, pace: cmp.Or(pace, trailPace)}
	t.client = cloudtrail.NewFromConfig(cfg, func(o *cloudtrail.Options) {
		if t.other = o.BaseEndpoint != nil && !ofAWS(*o.BaseEndpoint); t.other {
			o.Retryer = stopWithoutCloudTrail(o.Retryer)
		}
	})
	return t
}

// Decrypt is one Decrypt event of KMS: a principal, or a service on its behalf, decrypted
// something. All text is untrusted and must be escaped before printing.
type Decrypt struct {
	ID        string
	Time      time.Time
	Who       string            // an ARN, or a service or an account without one
	Context   map[string]string // the encryption context; nil if CloudTrail has none, as for refusals
	SourceIP  string            // often only the service that called KMS
	UserAgent string
	Error     string // the code of a refusal; "" if it was decrypted
}

// Decrypts calls each for the Decrypt events of KMS from since to until, latest first. It reads
// fifty events per request. It returns the number of other events that couldn't be parsed.
//
// Errors are the context's, or [*store.StorageError] of kind [store.ErrDenied],
// [store.ErrUnavailable] (also if throttled for longer than the configured attempts),
// [store.ErrConfiguration], [store.ErrInvalid] or [store.ErrUnsupported] (the server has no
// CloudTrail). Events passed to each before an error are valid.
func (t *Trail) Decrypts(ctx context.Context, since, until time.Time, each func(Decrypt)) (senseless int, err error) {
	in := &cloudtrail.LookupEventsInput{
		LookupAttributes: []types.LookupAttribute{{ // CloudTrail accepts only one
			AttributeKey: types.LookupAttributeKeyEventName, AttributeValue: aws.String("Decrypt"),
		}},
		StartTime: aws.Time(since.Truncate(time.Second)), EndTime: aws.Time(until.Truncate(time.Second)), MaxResults: aws.Int32(trailPage),
	}
	for {
		page, err := t.client.LookupEvents(ctx, in)
		if err != nil {
			return senseless, t.fail(ctx, err)
		}
		for _, e := range page.Events {
			switch d, ours, err := parseDecrypt(aws.ToString(e.CloudTrailEvent)); {
			case err != nil:
				senseless++
			case ours:
				each(d)
			}
		}
		switch aws.ToString(page.NextToken) {
		case "":
			return senseless, nil
		case aws.ToString(in.NextToken):
			return senseless, t.fail(ctx, errors.New("the response repeats its own page token"))
		}
		in.NextToken = page.NextToken
		if err := pace.Sleep(ctx, t.pace); err != nil {
			return senseless, err
		}
	}
}

// parseDecrypt parses one event. ours is false if the Decrypt is of another service than KMS.
func parseDecrypt(text string) (d Decrypt, ours bool, err error) {
	var e struct {
		EventID, EventSource, EventName       string
		EventTime                             time.Time
		SourceIPAddress, UserAgent, ErrorCode string

		UserIdentity struct{ ARN, InvokedBy, PrincipalID, AccountID string }
		// Not always an object of the expected form: it is null for refusals, and contexts can be
		// hidden.
		RequestParameters json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return Decrypt{}, false, err
	}
	var parameters struct{ EncryptionContext map[string]string }
	_ = json.Unmarshal(e.RequestParameters, &parameters)
	who := e.UserIdentity
	return Decrypt{
		ID: e.EventID, Time: e.EventTime.UTC(), Context: parameters.EncryptionContext,
		Who:      cmp.Or(who.ARN, who.InvokedBy, who.PrincipalID, who.AccountID),
		SourceIP: e.SourceIPAddress, UserAgent: e.UserAgent, Error: e.ErrorCode,
	}, e.EventSource == "kms.amazonaws.com" && e.EventName == "Decrypt", nil
}

// stopWithoutCloudTrail returns a retryer that stops when a failure has no CloudTrail error code:
// the server doesn't have CloudTrail. It is for servers that aren't AWS's.
func stopWithoutCloudTrail(r aws.Retryer) aws.Retryer {
	if v2, ok := r.(aws.RetryerV2); ok {
		return withoutCloudTrail{v2}
	}
	return r
}

type withoutCloudTrail struct{ aws.RetryerV2 }

// IsErrorRetryable implements [aws.Retryer].
func (s withoutCloudTrail) IsErrorRetryable(err error) bool {
	return !lacksCloudTrail(err) && s.RetryerV2.IsErrorRetryable(err)
}

// lacksCloudTrail reports whether a failure isn't a response of CloudTrail.
func lacksCloudTrail(err error) bool {
	return answered(err) == http.StatusInternalServerError && trailCode(err) == ""
}

// trailCode returns the CloudTrail error code of a response, or "".
func trailCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() != "UnknownError" { // the SDK's code for an unknown error
		return api.ErrorCode()
	}
	return ""
}

// fail converts an error to a [*store.StorageError].
func (t *Trail) fail(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	out := &store.StorageError{Op: "cloudtrail:LookupEvents", Object: "in " + t.region, Reason: Said(err), Kind: store.ErrUnavailable}
	var contact *ContactError
	var api smithy.APIError
	var unread *smithy.DeserializationError
	switch {
	case errors.As(err, &contact):
		out.Code, out.Reason = contact.Code, contact.Error()
		if contact.Code != "" {
			out.Kind = store.ErrConfiguration
		}
	case IdentityFailed(err):
		out.Kind = store.ErrConfiguration
	case answered(err) != 0:
		out.Status, out.Code = answered(err), trailCode(err)
		out.Kind = trailKind(out.Code, out.Status)
		if t.other && lacksCloudTrail(err) {
			out.Kind = store.ErrUnsupported
		}
		if out.Reason = ""; errors.As(err, &api) && out.Code != "" {
			out.Reason = api.ErrorMessage()
		}
		out.Reason = cmp.Or(out.Reason, fmt.Sprintf("status %d, and no CloudTrail response", out.Status))
	case errors.As(err, &unread):
		out.Kind, out.Reason = store.ErrUnsupported, "the response is not a CloudTrail response"
	}
	return out
}

func trailKind(code string, status int) error {
	switch code {
	case "AccessDeniedException":
		return store.ErrDenied
	case "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded":
		return store.ErrUnavailable
	case "ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException", "InvalidClientTokenId",
		"IncompleteSignature", "MissingAuthenticationTokenException", "OptInRequired":
		return store.ErrConfiguration
	case "UnsupportedOperationException", "UnknownOperationException", "":
		if status < http.StatusInternalServerError || status == http.StatusNotImplemented {
			return store.ErrUnsupported // another server
		}
	}
	if status >= http.StatusInternalServerError || status == http.StatusTooManyRequests {
		return store.ErrUnavailable
	}
	return store.ErrInvalid
}

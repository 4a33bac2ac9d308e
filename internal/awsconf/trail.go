package awsconf

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/coffer-secrets/coffer/store"
)

const (
	trailPage   = 50                     // events; the most there are in one answer
	trailPace   = 500 * time.Millisecond // between pages: two requests a second are allowed to the whole account
	trailAnswer = 64 << 20               // bytes; an event has 256 KiB at most
)

// Trail looks into CloudTrail's event history: the management events of one account and region,
// of the last 90 days. It speaks to CloudTrail itself, by its one request: another client of the
// SDK would be a price to the size of the program (dependencies.md).
type Trail struct {
	cfg      aws.Config
	endpoint string
	contacts *contacts
	o        TrailOptions
}

// TrailOptions refine a [Trail].
type TrailOptions struct {
	Now  func() time.Time // the clock of signatures; required
	Log  *slog.Logger     // each request, at debug level; nil: none
	Pace time.Duration    // between requests; 0: as many as CloudTrail allows
}

// NewTrail returns the Trail of a configuration's account and region.
func NewTrail(ctx context.Context, cfg aws.Config, o TrailOptions) (*Trail, error) {
	o.Pace = cmp.Or(o.Pace, trailPace)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	endpoint, err := trailEndpoint(ctx, cfg)
	return &Trail{cfg: cfg, endpoint: endpoint, contacts: newContacts(), o: o}, err
}

// trailEndpoint is what was configured, or AWS's own for the region: a neighbour of KMS's, whose
// address the SDK knows in every partition.
func trailEndpoint(ctx context.Context, cfg aws.Config) (string, error) {
	if own := endpointByName(ctx, cfg, "CloudTrail"); own != nil {
		return *own, nil
	}
	if cfg.BaseEndpoint != nil {
		return *cfg.BaseEndpoint, nil
	}
	neighbour, err := kms.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, kms.EndpointParameters{
		Region:  aws.String(cfg.Region),
		UseFIPS: aws.Bool(KMS(cfg).Options().EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
	})
	if err != nil {
		return "", fmt.Errorf("the address of CloudTrail in %s: %w: %w", cfg.Region, err, store.ErrConfiguration)
	}
	return strings.Replace(neighbour.URI.String(), "//kms", "//cloudtrail", 1), nil
}

// Decrypt is one event of KMS: somebody, or a service in his name, opened something. All text is
// untrusted, to be escaped before it is printed.
type Decrypt struct {
	ID        string
	Time      time.Time
	Who       string            // an ARN; a service or an account where there is none
	Context   map[string]string // the encryption context; nil where CloudTrail tells none, as of refusals
	SourceIP  string            // often only the service that asked KMS
	UserAgent string
	Error     string // the code of a refusal; "" when it was opened
}

// Decrypts hands the Decrypt events of KMS from since until until over, the latest first, fifty a
// request. It returns how many other events made no sense.
//
// Errors are [*store.StorageError] of kind [store.ErrDenied], [store.ErrUnavailable] (also
// throttled for longer than the configured attempts), [store.ErrConfiguration],
// [store.ErrInvalid] or [store.ErrUnsupported] (no CloudTrail there), or the context's. What was
// handed over before stands.
func (t *Trail) Decrypts(ctx context.Context, since, until time.Time, each func(Decrypt)) (senseless int, err error) {
	in := lookup{
		LookupAttributes: []lookupAttribute{{"EventName", "Decrypt"}}, // one attribute is all that can be asked for
		StartTime:        since.Unix(), EndTime: until.Unix(), MaxResults: trailPage,
	}
	for {
		page, err := t.lookup(ctx, in)
		if err != nil {
			return senseless, err
		}
		for _, e := range page.Events {
			switch d, ours, err := parseDecrypt(e.CloudTrailEvent); {
			case err != nil:
				senseless++
			case ours:
				each(d)
			}
		}
		switch page.NextToken {
		case "":
			return senseless, nil
		case in.NextToken:
			return senseless, t.refusal(errors.New("the answer leads to itself"))
		}
		in.NextToken = page.NextToken
		if err := pause(ctx, t.o.Pace); err != nil {
			return senseless, err
		}
	}
}

// lookup is the request LookupEvents.
type lookup struct {
	LookupAttributes []lookupAttribute
	StartTime        int64 // seconds
	EndTime          int64
	MaxResults       int
	NextToken        string `json:",omitempty"`
}

type lookupAttribute struct{ AttributeKey, AttributeValue string }

type lookupPage struct {
	Events    []struct{ CloudTrailEvent string } // JSON in JSON
	NextToken string
}

// parseDecrypt reads one event. ours is false for the Decrypt of another service than KMS.
func parseDecrypt(text string) (d Decrypt, ours bool, err error) {
	var e struct {
		EventID, EventSource, EventName       string
		EventTime                             time.Time
		SourceIPAddress, UserAgent, ErrorCode string

		UserIdentity struct{ ARN, InvokedBy, PrincipalID, AccountID string }
		// Not always of the form that one expects: a refusal has null, and contexts can be hidden.
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

// lookup asks for one page, again when told to slow down or when no answer comes, as often and as
// patiently as the configuration says for every service.
func (t *Trail) lookup(ctx context.Context, in lookup) (_ lookupPage, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return lookupPage{}, err
	}
	retryer := aws.Retryer(retry.NewStandard())
	if t.cfg.Retryer != nil {
		retryer = t.cfg.Retryer()
	}
	o := newOperation(ctx, t.contacts, retryer.MaxAttempts(), "LookupEvents", "")
	defer func() { o.wait.End(outcome(err)) }()
	for attempt := 1; ; attempt++ {
		page, err := t.ask(ctx, o, body)
		if ctx.Err() != nil {
			return lookupPage{}, ctx.Err()
		}
		if err == nil {
			return page, nil
		}
		wait, giveUp := retryer.RetryDelay(attempt, err)
		if attempt >= retryer.MaxAttempts() || !retryer.IsErrorRetryable(err) || giveUp != nil {
			return lookupPage{}, t.refusal(err)
		}
		if err := pause(ctx, wait); err != nil {
			return lookupPage{}, err
		}
	}
}

// ask sends the request once.
func (t *Trail) ask(ctx context.Context, o *operation, body []byte) (lookupPage, error) {
	request, err := t.signed(ctx, body)
	if err != nil {
		return lookupPage{}, err
	}
	start := t.o.Now()
	response, err := t.cfg.HTTPClient.Do(request.WithContext(o.begin(request.Context(), request.URL.Host)))
	if err != nil {
		return lookupPage{}, o.answered(ctx, request.URL, nil, &smithyhttp.RequestSendError{Err: err})
	}
	if err := o.answered(ctx, request.URL, &smithyhttp.Response{Response: response}, nil); err != nil {
		return lookupPage{}, err
	}
	defer func() { _ = response.Body.Close() }()
	t.o.Log.LogAttrs(ctx, slog.LevelDebug, "request", slog.String("operation", "CloudTrail.LookupEvents"),
		slog.Int("status", response.StatusCode), slog.Int64("ms", t.o.Now().Sub(start).Milliseconds()))
	answer, err := io.ReadAll(io.LimitReader(response.Body, trailAnswer))
	if err != nil {
		return lookupPage{}, &smithyhttp.RequestSendError{Err: err}
	}
	var page struct {
		lookupPage
		Type    string `json:"__type"` // of a refusal
		Message string
	}
	senseless := json.Unmarshal(answer, &page)
	if senseless == nil && response.StatusCode == http.StatusOK {
		return page.lookupPage, nil
	}
	_, code, found := strings.Cut(page.Type, "#") // some answer with a namespace before it
	if !found {
		code = page.Type
	}
	refused := &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: response},
		Err:      &smithy.GenericAPIError{Code: code, Message: page.Message},
	}
	if code == "" && response.StatusCode == http.StatusInternalServerError && !ofAWS(t.endpoint) {
		return lookupPage{}, &strangerError{refused}
	}
	return lookupPage{}, refused
}

// strangerError is the failure of a server, not AWS's, that says nothing in CloudTrail's words: it
// has none. It is not asked again.
type strangerError struct{ error }

func (e *strangerError) Unwrap() error { return e.error }

// RetryableError is what a retryer goes by.
func (*strangerError) RetryableError() bool { return false }

// errNoCredentials is an error of fetching them, which may itself be an answer of another service.
var errNoCredentials = errors.New("no credentials")

func (t *Trail) signed(ctx context.Context, body []byte) (*http.Request, error) {
	if t.cfg.Credentials == nil {
		return nil, errNoCredentials
	}
	credentials, err := t.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoCredentials, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(t.endpoint, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("User-Agent", "coffer")
	request.Header.Set("X-Amz-Target", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents")
	hash := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(ctx, credentials, request, hex.EncodeToString(hash[:]), "cloudtrail", t.cfg.Region, t.o.Now().UTC())
	return request, err
}

// refusal is an error in the store's words.
func (t *Trail) refusal(err error) error {
	out := &store.StorageError{Op: "cloudtrail:LookupEvents", Object: "in " + t.cfg.Region, Reason: cmp.Or(Unanswered(err), err.Error()), Kind: store.ErrUnavailable}
	var response *smithyhttp.ResponseError
	var api smithy.APIError
	var contact *ContactError
	switch {
	case errors.As(err, &contact):
		out.Code, out.Reason = contact.Code, contact.Error()
		if contact.Code != "" {
			out.Kind = store.ErrConfiguration
		}
	case errors.Is(err, errNoCredentials):
		out.Kind = store.ErrConfiguration
	case errors.As(err, &response) && errors.As(err, &api):
		out.Code, out.Reason, out.Status = api.ErrorCode(), api.ErrorMessage(), response.HTTPStatusCode()
		out.Kind = trailKind(out.Code, out.Status)
		var stranger *strangerError
		if errors.As(err, &stranger) {
			out.Kind = store.ErrUnsupported
		}
		if out.Code == "" {
			out.Reason = cmp.Or(out.Reason, fmt.Sprintf("status %d, and nothing that CloudTrail would say", out.Status))
		}
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

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

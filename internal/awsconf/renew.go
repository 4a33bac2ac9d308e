package awsconf

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/coffer-secrets/coffer/internal/partition"
	"github.com/coffer-secrets/coffer/store"
)

// mostRepeats limits how often a request is repeated when several short sessions end during it.
const mostRepeats = 3

// renewal repeats a request whose session has ended, with new credentials, for any service.
// [session] renews by the clock, renewal by the server's response.
type renewal struct{ session *session }

// insert adds the renewal inside the attempts of a request, before signing. A request that is only
// signed, such as a presigned link, has no attempts.
func (r *renewal) insert(stack *middleware.Stack) error {
	if _, ok := stack.Finalize.Get("Retry"); !ok {
		return nil
	}
	return stack.Finalize.Insert(r, "Retry", middleware.After)
}

// ID implements the SDK's middleware interface.
func (r *renewal) ID() string { return "RenewCredentials" }

// HandleFinalize runs within one attempt.
func (r *renewal) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	out middleware.FinalizeOutput, metadata middleware.Metadata, err error,
) {
	used, err := r.session.get(ctx)
	if err != nil {
		// The wording is that of the SDK's own step, which would call the provider a second time.
		return out, metadata, fmt.Errorf("get identity: get credentials: %w", err)
	}
	request, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return next.HandleFinalize(ctx, in)
	}
	for n := 0; ; n++ {
		attempt := in
		attempt.Request = request.Clone() // signing changes the request
		out, metadata, err = next.HandleFinalize(ctx, attempt)
		why := refused(ctx, request, err)
		if why == nil {
			if err == nil || answered(err) == http.StatusNotFound || answered(err) == http.StatusPreconditionFailed {
				used.worked.Store(true)
			}
			return out, metadata, err
		}
		fresh, ended := r.instead(ctx, used, why, n, err)
		if fresh == nil {
			return out, metadata, ended
		}
		if err := request.RewindStream(); err != nil {
			return out, metadata, fmt.Errorf("rewinding the body: %w", err)
		}
		used = fresh
	}
}

// refusal is a response that may mean that the session has ended.
type refusal struct {
	code    string
	certain bool // it means nothing else
	denial  bool // it usually means a missing permission
}

// refused classifies a response. It returns nil if the response is unrelated to sessions. For an
// ended session AWS returns ExpiredToken, SeaweedFS InvalidAccessKeyId, Ceph AccessDenied. A denial
// from AWS is always a missing permission, so the request isn't repeated. The response to a HEAD
// has no code.
func refused(ctx context.Context, request *smithyhttp.Request, err error) *refusal {
	status := answered(err)
	if status == 0 {
		return nil
	}
	var api smithy.APIError
	code := ""
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	other := !partition.IsAWS(request.URL.Hostname())
	head := middleware.GetOperationName(ctx) == "HeadObject"
	switch code {
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
		return &refusal{code: code, certain: true}
	case "InvalidAccessKeyId", "InvalidToken", "InvalidTokenId", "InvalidClientTokenId", "UnrecognizedClientException", "XMinioAdminNoSuchAccessKey":
		return &refusal{code: code}
	case "AccessDenied", "AccessDeniedException":
		if other {
			return &refusal{code: code, denial: true}
		}
	}
	switch {
	case head && status == http.StatusBadRequest:
		return &refusal{code: "400", certain: true}
	case other && (head && status == http.StatusForbidden || status == http.StatusUnauthorized):
		return &refusal{code: fmt.Sprint(status), denial: true}
	}
	return nil
}

// instead returns other credentials for a request that was refused and has been repeated so many
// times, or nil and the error of the request. A genuine denial costs one renewal per set of
// credentials: if the new credentials are denied too, the denial is accepted.
func (r *renewal) instead(ctx context.Context, used *generation, why *refusal, repeated int, err error) (*generation, error) {
	if now := r.session.held(); !same(now.Credentials, used.Credentials) && repeated < mostRepeats {
		return now, nil // another request has renewed them
	}
	over := used.CanExpire && !r.session.now().Before(used.Expires)
	certain := why.certain || over && !why.denial
	switch {
	case repeated > 0 && !over && !used.isDue(r.session.now()) && (why.denial || !used.worked.Load()):
		used.believed.Store(!why.certain)
		return nil, err
	case !certain && (!used.worked.Load() || used.believed.Load()), why.denial && used.SessionToken == "":
		return nil, err
	case repeated == mostRepeats:
		return nil, r.ended(used, why, nil, err)
	}
	fresh, failed := r.session.renew(ctx, used)
	switch {
	case fresh != nil:
		return fresh, nil
	case ctx.Err() != nil, why.denial && !over:
		return nil, err
	}
	return nil, r.ended(used, why, failed, err)
}

// ended returns the error for a session that has ended and wasn't renewed. failed is why the
// renewal failed, if one was tried. Without such a failure it returns the server's error unchanged
// if the credentials never worked, or if the server's response is certain.
func (r *renewal) ended(used *generation, why *refusal, failed, err error) error {
	var said *store.CredentialsError
	var contact *ContactError
	switch {
	case errors.As(failed, &said):
		return &store.CredentialsError{Reason: why.over() + " and could not be renewed: " + said.Reason, Way: said.Way, Unreached: said.Unreached, Refused: said.Refused}
	case failed != nil:
		return &store.CredentialsError{Reason: why.over() + " and could not be renewed: " + failed.Error(), Way: wayToNewSession, Unreached: errors.As(failed, &contact)}
	case used.worked.Load() && !why.certain:
		return &store.CredentialsError{Reason: why.over() + ": these credentials were accepted before, but no longer are", Way: wayToNewSession}
	}
	return err
}

func (why *refusal) over() string { return "the session has ended (" + why.code + ")" }

const wayToNewSession = "get new credentials (aws sso login, or assume the role again)"

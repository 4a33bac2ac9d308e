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

// renewal has a request whose session has ended sent once more with new credentials, of
// whatever service. [session] goes by the clock; the server's word comes after that.
type renewal struct{ session *session }

// insert puts it within the attempts of a request, before that is signed. A request that is
// only signed, as for a link, has no attempts.
func (r *renewal) insert(stack *middleware.Stack) error {
	if _, ok := stack.Finalize.Get("Retry"); !ok {
		return nil
	}
	return stack.Finalize.Insert(r, "Retry", middleware.After)
}

// ID makes it a middleware.
func (r *renewal) ID() string { return "RenewCredentials" }

// HandleFinalize runs within one attempt.
func (r *renewal) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	out middleware.FinalizeOutput, metadata middleware.Metadata, err error,
) {
	used, err := r.session.get(ctx)
	if err != nil {
		// In the words of the SDK's own step, which would ask the provider a second time.
		return out, metadata, fmt.Errorf("get identity: get credentials: %w", err)
	}
	request, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return next.HandleFinalize(ctx, in)
	}
	first := in
	first.Request = request.Clone() // signing changes it
	out, metadata, err = next.HandleFinalize(ctx, first)
	why := refused(ctx, request, err)
	if why == nil {
		if err == nil || answered(err) == http.StatusNotFound || answered(err) == http.StatusPreconditionFailed {
			used.worked.Store(true)
		}
		return out, metadata, err
	}
	fresh, ended := r.instead(ctx, used, why, err)
	if fresh == nil {
		return out, metadata, ended
	}
	if err := request.RewindStream(); err != nil {
		return out, metadata, fmt.Errorf("rewinding the body: %w", err)
	}
	out, metadata, err = next.HandleFinalize(ctx, in)
	switch again := refused(ctx, request, err); {
	case err == nil:
		fresh.worked.Store(true)
	case again != nil && !why.certain:
		fresh.believed.Store(true)
	}
	return out, metadata, err
}

// refusal is an answer that may mean that the session has ended.
type refusal struct {
	code    string
	certain bool // it means nothing else
	denial  bool // it mostly means a lack of permission
}

// refused reads an answer; nil for one that has nothing to do with sessions. Of an ended one
// AWS says ExpiredToken, SeaweedFS InvalidAccessKeyId, Ceph AccessDenied. AWS means what it says
// with a denial, so that it is asked no second time. The answer to a HEAD has no code.
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

// instead returns other credentials for a request that was refused, or nil and the error of
// the request. What may be a genuine denial costs one renewal for each set of credentials:
// when the new ones are denied too, they are believed.
func (r *renewal) instead(ctx context.Context, used *generation, why *refusal, err error) (*generation, error) {
	if now := r.session.held(); !same(now.Credentials, used.Credentials) {
		return now, nil // somebody has renewed them
	}
	if !why.certain && (!used.worked.Load() || used.believed.Load()) || why.denial && used.SessionToken == "" {
		return nil, err
	}
	fresh, failed := r.session.renew(ctx, used)
	over := used.CanExpire && !r.session.now().Before(used.Expires)
	switch {
	case fresh != nil:
		return fresh, nil
	case ctx.Err() != nil, why.denial && !over:
		return nil, err
	case failed != nil:
		return nil, couldNotRenew(why, failed)
	case used.worked.Load() && !why.certain:
		return nil, &store.CredentialsError{
			Reason: "the credentials were taken before, and are no more (" + why.code + "): the session has ended",
			Way:    wayToNewSession,
		}
	}
	return nil, err
}

const wayToNewSession = "get new credentials (aws sso login, or assume the role again), and run the same command again"

func couldNotRenew(why *refusal, failed error) error {
	e := &store.CredentialsError{Reason: "the session has ended (" + why.code + ") and could not be renewed: " + failed.Error(), Way: wayToNewSession}
	var hint interface{ Hint() string }
	if errors.As(failed, &hint) {
		e.Way = hint.Hint()
	}
	return e
}

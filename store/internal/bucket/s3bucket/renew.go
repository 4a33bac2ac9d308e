package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// renewCredentials has a request whose token expired sent once more with new credentials.
// The SDK refreshes by its own clock alone, and extends an instance's credentials when
// their refresh fails (facts.md, section 7); the server's word comes after that.
//
// It returns an option for each request; credentials that cannot be renewed need none.
func renewCredentials(provider aws.CredentialsProvider) func(*s3.Options) {
	cache, ok := provider.(*aws.CredentialsCache)
	if !ok {
		return func(*s3.Options) {}
	}
	r := &renewal{cache: cache}
	insert := func(stack *middleware.Stack) error { return stack.Finalize.Insert(r, "Retry", middleware.After) }
	return func(o *s3.Options) { o.APIOptions = append(o.APIOptions, insert) }
}

type renewal struct {
	cache *aws.CredentialsCache
	mu    sync.Mutex // of requests that fail together one renews
}

// ID makes it a middleware.
func (r *renewal) ID() string { return "RenewCredentials" }

// HandleFinalize runs within one attempt, before the request is signed.
func (r *renewal) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	out middleware.FinalizeOutput, metadata middleware.Metadata, err error,
) {
	used, err := r.cache.Retrieve(ctx)
	if err != nil {
		// In the words of the SDK's own step, which would ask the provider a second time.
		return out, metadata, fmt.Errorf("get identity: get credentials: %w", err)
	}
	first := in
	request, ok := in.Request.(*smithyhttp.Request)
	if ok {
		first.Request = request.Clone() // signing changes it
	}
	out, metadata, err = next.HandleFinalize(ctx, first)
	if err == nil || !ok || !expired(ctx, err) || !r.renew(ctx, used) {
		return out, metadata, err
	}
	if err := request.RewindStream(); err != nil {
		return out, metadata, fmt.Errorf("rewinding the body: %w", err)
	}
	return next.HandleFinalize(ctx, in)
}

// expired tells whether the server says so. The answer to a HEAD has no code: its 400 may
// mean it.
func expired(ctx context.Context, err error) bool {
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
			return true
		}
	}
	var response *smithyhttp.ResponseError
	return middleware.GetOperationName(ctx) == "HeadObject" &&
		errors.As(err, &response) && response.HTTPStatusCode() == http.StatusBadRequest
}

// renew reports whether there are other credentials now than the ones used.
func (r *renewal) renew(ctx context.Context, used aws.Credentials) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	have, err := r.cache.Retrieve(ctx)
	if err == nil && same(have, used) {
		r.cache.Invalidate()
		have, err = r.cache.Retrieve(ctx)
	}
	return err == nil && !same(have, used)
}

func same(a, b aws.Credentials) bool {
	return a.AccessKeyID == b.AccessKeyID && a.SecretAccessKey == b.SecretAccessKey && a.SessionToken == b.SessionToken
}

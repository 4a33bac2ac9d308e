package awsconf

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// sdkLogger sends the SDK's own messages to log, and not to standard error.
func sdkLogger(log *slog.Logger) logging.Logger {
	if log == nil {
		return logging.Nop{}
	}
	return logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
		log.Debug("AWS SDK", "text", fmt.Sprintf(format, v...))
	})
}

// logRequests logs each attempt of all services, including those that fetch credentials. It logs
// the paths of S3 requests only: other services may have a secret in the URL.
func logRequests(log *slog.Logger, now func() time.Time) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("LogRequests", func(
			ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
		) (middleware.DeserializeOutput, middleware.Metadata, error) {
			if !log.Enabled(ctx, slog.LevelDebug) {
				return next.HandleDeserialize(ctx, in)
			}
			var start time.Time
			if now != nil {
				start = now()
			}
			out, metadata, err := next.HandleDeserialize(ctx, in)
			service := middleware.GetServiceID(ctx)
			attributes := []slog.Attr{slog.String("operation", service+"."+middleware.GetOperationName(ctx))}
			if request, ok := in.Request.(*smithyhttp.Request); ok && service == "S3" {
				attributes = append(attributes, slog.String("object", object(request.URL)))
			}
			if response, ok := out.RawResponse.(*smithyhttp.Response); ok {
				attributes = append(attributes, slog.Int("status", response.StatusCode))
			}
			if now != nil {
				attributes = append(attributes, slog.Int64("ms", now().Sub(start).Milliseconds()))
			}
			log.LogAttrs(ctx, slog.LevelDebug, "request", attributes...)
			return out, metadata, err
		}), middleware.After)
	}
}

// object returns the path of an S3 request, %-escaped, with the prefix of a listing.
func object(u *url.URL) string {
	text := u.EscapedPath()
	if prefix := u.Query().Get("prefix"); prefix != "" {
		text += "?prefix=" + url.QueryEscape(prefix)
	}
	return text
}

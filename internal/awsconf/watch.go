package awsconf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/coffer-secrets/coffer/internal/waiting"
)

// operation is one operation of a service, with its attempts.
type operation struct {
	wait     *waiting.Wait
	contacts *contacts
	attempts int    // the maximum
	n        int    // the current attempt
	misses   misses // until the current attempt
	limited  bool   // the attempt before reached no server, so that only few follow

	uploaded atomic.Int64 // the most bytes of the body that any attempt has sent
}

type operationKey struct{}

// watchRequests reports every operation to the watch of its context, including those that fetch
// credentials. It limits the attempts at servers that never answered.
func watchRequests(c *contacts, r *retries) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		begin := middleware.InitializeMiddlewareFunc("Watch", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			what, change := describeOperation(middleware.GetServiceID(ctx), middleware.GetOperationName(ctx), in.Parameters)
			if own := credentialRequest(in.Parameters); own != "" {
				what, change = own, ""
			}
			o := newOperation(ctx, c, r.attempts, what, change)
			out, metadata, err := next.HandleInitialize(middleware.WithStackValue(ctx, operationKey{}, o), in)
			o.wait.End(outcome(err))
			return out, metadata, err
		})
		attempt := middleware.DeserializeMiddlewareFunc("WatchAttempt", func(
			ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
		) (middleware.DeserializeOutput, middleware.Metadata, error) {
			o, ok := middleware.GetStackValue(ctx, operationKey{}).(*operation)
			request, http := in.Request.(*smithyhttp.Request)
			if !ok || !http {
				return next.HandleDeserialize(ctx, in)
			}
			if ctx = o.begin(ctx, request.URL.Host); request.GetStream() != nil {
				if watched, err := request.SetStream(&upload{Reader: request.GetStream(), o: o}); err == nil {
					in.Request = watched
				}
			}
			out, metadata, err := next.HandleDeserialize(ctx, in)
			response, _ := out.RawResponse.(*smithyhttp.Response)
			return out, metadata, o.answered(ctx, request.URL, response, err)
		})
		if err := stack.Initialize.Add(begin, middleware.Before); err != nil {
			return err
		}
		return stack.Deserialize.Add(attempt, middleware.After)
	}
}

func newOperation(ctx context.Context, c *contacts, attempts int, what, change string) *operation {
	o := &operation{contacts: c, attempts: attempts}
	if change == "" {
		o.wait = waiting.Begin(ctx, what)
	} else {
		o.wait = waiting.BeginChange(ctx, what, change)
	}
	return o
}

// begin starts an attempt. The returned context reports when the request gets a connection.
func (o *operation) begin(ctx context.Context, host string) context.Context {
	o.n++
	o.wait.Attempt(host, o.n, o.of(o.n-1))
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { o.wait.Sent() }})
}

// of returns the maximum number of attempts, as far as it is known after the first n.
func (o *operation) of(n int) int {
	if o.limited {
		return min(o.attempts, n-o.misses.n+contactTries)
	}
	return o.attempts
}

// answered ends an attempt. If there was a response, its body continues to be watched.
func (o *operation) answered(ctx context.Context, to *url.URL, r *smithyhttp.Response, err error) error {
	if r == nil || r.Response == nil || r.StatusCode == 0 { // 0: the SDK's placeholder for no response
		if err == nil {
			return nil
		}
		if to.Scheme == "http" && !o.contacts.hasMet(to.Host) && brokeOff(err) && speaksTLS(ctx, to.Host) {
			err = &smithyhttp.RequestSendError{Err: errOnlyTLS}
		}
		err = o.missed(ctx, to.Host, err)
		o.wait.Lost(reason(err), false, true)
		o.wait.Attempt(to.Host, o.n, o.of(o.n))
		return err
	}
	if refused := refusalBefore(r); refused != nil {
		_ = r.Body.Close()
		err := o.missed(ctx, to.Host, refused)
		o.wait.Lost(reason(err), true, false)
		return err
	}
	o.contacts.met(to.Host)
	newestMiss(ctx).Store(nil)
	if o.limited {
		o.misses, o.limited = misses{}, false
		o.wait.Within(0)
		o.wait.Attempt(to.Host, o.n, o.attempts)
	}
	if r.StatusCode >= http.StatusBadRequest { // its body is no progress
		o.wait.Lost(fmt.Sprintf("%d %s", r.StatusCode, http.StatusText(r.StatusCode)), true, r.StatusCode >= http.StatusInternalServerError)
		return err
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &download{ReadCloser: r.Body, wait: o.wait.Beside()}
	}
	return err
}

// missed classifies an attempt that may not have reached its server.
func (o *operation) missed(ctx context.Context, host string, err error) error {
	at := time.Now() //nolint:forbidigo // for the time since the first failure, on the monotonic clock
	if o.misses.n++; o.misses.n == 1 {
		o.misses.since = at
	}
	err = o.contacts.classify(host, o.misses, at, err)
	var contact *ContactError
	if errors.As(err, &contact) {
		newestMiss(ctx).Store(contact)
	}
	if o.limited = contact != nil && contact.soon; !o.limited {
		o.misses = misses{}
		o.wait.Within(0)
		return err
	}
	o.wait.Within(max(1, contactEnd-at.Sub(o.misses.since)))
	return err
}

// refusalBefore returns the error for a response that isn't the service's: it comes from a proxy, or
// from a server that wants TLS.
func refusalBefore(r *smithyhttp.Response) error {
	switch {
	case r.StatusCode == http.StatusProxyAuthRequired:
		return &smithyhttp.RequestSendError{Err: &proxyError{"it", r.StatusCode}}
	case wantsTLS(r):
		return &smithyhttp.RequestSendError{Err: errOnlyTLS}
	}
	return nil
}

// outcome returns how an operation ended. After a response that asks to retry later, the outcome
// isn't final.
func outcome(err error) waiting.Outcome {
	if err == nil {
		return waiting.Done
	}
	var response *smithyhttp.ResponseError
	if !errors.As(err, &response) {
		return waiting.Failed
	}
	switch status := response.HTTPStatusCode(); {
	case status < http.StatusMultipleChoices, status >= http.StatusInternalServerError,
		status == http.StatusRequestTimeout, status == http.StatusTooManyRequests,
		retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary:
		return waiting.Failed
	}
	return waiting.Refused
}

// describeOperation returns a readable name of an operation, and what it changes: "" for one that
// only reads or fetches credentials. The names of secrets, keys and buckets aren't secret.
func describeOperation(service, name string, parameters any) (what, change string) {
	object := subject(parameters)
	what = strings.TrimSpace(name + " " + object)
	if key := textField(parameters, "SSEKMSKeyId"); key != "" {
		what += " under " + key
	}
	if !changing(service, name) {
		return what, ""
	}
	if object == "" || strings.HasPrefix(name, "PutBucket") || strings.HasPrefix(name, "PutPublicAccessBlock") {
		return what, what
	}
	return what, object
}

// credentialRequest describes a request to this machine's metadata or to its credential endpoint. The
// SDK's clients of these have no names of operations: the context has that of the request for which
// the credentials are fetched. It returns "" for any other request.
func credentialRequest(parameters any) string {
	t := reflect.TypeOf(parameters)
	if t == nil {
		return ""
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch from := t.PkgPath(); {
	case strings.HasSuffix(from, "/ec2/imds"):
		return "instance metadata"
	case strings.HasSuffix(from, "/endpointcreds/internal/client"):
		return "credentials of the container"
	}
	return ""
}

// changing reports whether an operation changes anything that persists.
func changing(service, name string) bool {
	switch service {
	case "S3", "KMS", "SSM", "Secrets Manager":
	default:
		return false
	}
	for _, verb := range []string{"Get", "BatchGet", "Head", "List", "Describe", "Encrypt", "Decrypt", "GenerateDataKey"} {
		if strings.HasPrefix(name, verb) {
			return false
		}
	}
	return true
}

// subject returns the object of an operation, from its parameters.
func subject(parameters any) string {
	for _, field := range []string{"Key", "Prefix", "Name", "Names", "Path", "SecretId", "ResourceId", "AliasName", "KeyId", "Bucket"} {
		if name := textField(parameters, field); name != "" {
			return name
		}
	}
	return ""
}

// textField returns a field of a struct that is a string or a slice of strings, and "" if there is
// none.
func textField(of any, name string) string {
	v := reflect.Indirect(reflect.ValueOf(of))
	if v.Kind() != reflect.Struct {
		return ""
	}
	switch text := reflect.Indirect(v.FieldByName(name)); {
	case text.Kind() == reflect.String:
		return text.String()
	case text.Kind() == reflect.Slice && text.Type().Elem().Kind() == reflect.String:
		names := make([]string, text.Len())
		for i := range names {
			names[i] = text.Index(i).String()
		}
		return strings.Join(names, ", ")
	}
	return ""
}

// upload is the body of a request. Only bytes that no earlier attempt has sent are progress.
type upload struct {
	io.Reader
	o *operation
	n int64 // bytes of this attempt
}

func (u *upload) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	u.n += int64(n)
	if most := u.o.uploaded.Load(); u.n >= most+waiting.Rate && u.o.uploaded.CompareAndSwap(most, u.n) {
		u.o.wait.Progress()
	}
	return n, err
}

// download is the body of a response.
type download struct {
	io.ReadCloser
	wait *waiting.Wait
	n    int // bytes since the last progress
}

func (d *download) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	if d.n += n; d.n >= waiting.Rate {
		d.n = 0
		d.wait.Progress()
	}
	switch {
	case errors.Is(err, io.EOF):
		d.wait.End(waiting.Done)
	case err != nil:
		d.wait.End(waiting.Failed)
	}
	return n, err
}

func (d *download) Close() error {
	d.wait.End(waiting.Failed)
	return d.ReadCloser.Close()
}

package awsconf

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/coffer-secrets/coffer/store"
)

const (
	firstTries   = 3               // attempts at a server that never answered
	firstContact = 4 * time.Second // no retry after a failure later than this

	handshakeTime = time.Second
)

// Codes of a [*ContactError] that is [store.ErrConfiguration].
const (
	CodeNoTLS       = "NoTLS"       // https:// to a server that speaks only HTTP
	CodeOnlyTLS     = "OnlyTLS"     // http:// to a server that speaks TLS
	CodeCertificate = "Certificate" // the certificate has an unknown issuer, or the wrong name or dates
)

// ContactError reports that a request didn't reach the service at an endpoint. It is
// [store.ErrConfiguration] if the endpoint or this machine's trusted certificates are wrong, and
// [store.ErrUnavailable] if the connection is refused or the host has no address.
type ContactError struct {
	Host string
	Code string // "" for [store.ErrUnavailable]
	Err  error

	again bool // worth another attempt
	first bool // the server never answered
}

func (e *ContactError) Error() string {
	switch e.Code {
	case CodeNoTLS:
		return e.Host + " speaks plain HTTP, not TLS"
	case CodeOnlyTLS:
		return e.Host + " speaks TLS, not plain HTTP"
	case CodeCertificate:
		return fmt.Sprintf("the certificate of %s is not accepted: %s", e.Host, reason(e.Err))
	}
	return fmt.Sprintf("no answer from %s (%s)", e.Host, reason(e.Err))
}

func (e *ContactError) Unwrap() []error {
	kind := store.ErrUnavailable
	if e.Code != "" {
		kind = store.ErrConfiguration
	}
	return []error{e.Err, kind}
}

// RetryableError is called by every retryer of the SDK.
func (e *ContactError) RetryableError() bool { return e.again }

// contacts records which servers have answered. After a few attempts the client gives up on a server
// that never answered. For one that did, it retries as long as the command may run.
type contacts struct {
	mu       sync.Mutex
	answered map[string]bool // by host and port
	givenUp  map[string]bool
}

func newContacts() *contacts {
	return &contacts{answered: map[string]bool{}, givenUp: map[string]bool{}}
}

func (c *contacts) met(host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered[host] = true
}

// classify returns err as a [*ContactError] if the server wasn't reached, and unchanged otherwise.
// n is the number of the attempt, and after the time since the first one.
func (c *contacts) classify(host string, n int, after time.Duration, err error) error {
	code, missed := contactFault(err)
	if !missed {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &ContactError{Host: host, Code: code, Err: err, first: !c.answered[host]}
	var dns *net.DNSError
	switch unknown := errors.As(err, &dns) && dns.IsNotFound; {
	case !e.first:
		e.again = true
	case code != "", unknown, n >= firstTries, after >= firstContact, c.givenUp[host]:
		c.givenUp[host] = true
	default:
		e.again = true
	}
	return e
}

// contactFault reports whether err means that the server wasn't reached, with the code of the
// [*ContactError]. A connection that breaks, or a server that doesn't respond, isn't such an error.
func contactFault(err error) (code string, missed bool) {
	var (
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		record      tls.RecordHeaderError
		dns         *net.DNSError
		operation   *net.OpError
	)
	switch {
	case errors.As(err, &certificate), errors.As(err, &authority):
		return CodeCertificate, true
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return CodeNoTLS, true
	case errors.Is(err, errOnlyTLS):
		return CodeOnlyTLS, true
	case strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`): // a TLS alert; net/http has no type for it
		return CodeOnlyTLS, true
	case errors.As(err, &dns):
		return "", true
	case errors.As(err, &operation) && operation.Op == "dial" && !operation.Timeout():
		return "", true
	}
	return "", false
}

// errOnlyTLS is the error for plain HTTP to a TLS server.
var errOnlyTLS = errors.New("the server wants TLS")

// wantsTLS reports whether the response says that plain HTTP was sent to a TLS port. The texts are
// those of Go's servers, nginx, Apache and Jetty. The body remains readable.
func wantsTLS(r *smithyhttp.Response) bool {
	if r.StatusCode != http.StatusBadRequest || r.Request == nil || r.Request.URL.Scheme != "http" || r.Body == nil {
		return false
	}
	head, _ := io.ReadAll(io.LimitReader(r.Body, 1<<10)) // such a server resets the connection after its response
	rest := r.Body
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), rest), rest}
	text := strings.ToLower(string(head))
	for _, words := range []string{
		"http request to an https server", "plain http request was sent to https port", "speaking plain http to an ssl-enabled server port",
	} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// HostOf returns the host and port of the server whose response caused err, and "" for any other
// error.
func HostOf(err error) string {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil && response.Response.Response != nil && response.Response.Request != nil {
		return response.Response.Request.URL.Host
	}
	return ""
}

// Unanswered describes a request without a response, with its host. It returns "" for any other
// error. It shows only the host of the URL.
func Unanswered(err error) string {
	var contact *ContactError
	var sending *url.Error
	switch {
	case errors.As(err, &contact):
		return contact.Error()
	case !errors.As(err, &sending):
		return ""
	}
	host := "the server"
	if u, err := url.Parse(sending.URL); err == nil && u.Host != "" {
		host = u.Host
	}
	return fmt.Sprintf("no answer from %s (%s)", host, reason(err))
}

// reason describes the innermost error of a request without a response in known words.
func reason(err error) string {
	var (
		dns         *net.DNSError
		call        syscall.Errno
		certificate *tls.CertificateVerificationError
		timeout     interface{ Timeout() bool }
		sending     *url.Error
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host"
	case errors.As(err, &dns):
		return "the name " + dns.Name + " cannot be resolved: " + dns.Err
	case errors.As(err, &certificate):
		return certificate.Err.Error()
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timed out"
	case errors.As(err, &call):
		return call.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	case errors.As(err, &sending):
		return sending.Err.Error()
	}
	return err.Error()
}

func (c *contacts) hasMet(host string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answered[host]
}

// brokeOff reports whether a connection was established and broke before a response.
func brokeOff(err error) bool {
	var operation *net.OpError
	return errors.Is(err, io.EOF) || errors.As(err, &operation) && operation.Op != "dial" && !operation.Timeout()
}

// speaksTLS tries a TLS handshake with a server that broke a plain HTTP connection. Not every
// server says that it needs TLS, and with some the response is lost when they reset the connection.
func speaksTLS(ctx context.Context, host string) bool {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(host, "80")
	}
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // nothing is sent
	conn, err := dialer.DialContext(ctx, "tcp", host)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

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

	"github.com/coffer-secrets/coffer/internal/foreign"
	"github.com/coffer-secrets/coffer/store"
)

const (
	contactTries = 3               // attempts in a row at a server that isn't reached
	contactTime  = 4 * time.Second // no retry after a failure later than this
	contactEnd   = 5 * time.Second // by which the last attempt has failed

	handshakeTime = time.Second
)

// Codes of a [*ContactError] that is [store.ErrConfiguration].
const (
	CodeNoTLS       = "NoTLS"       // https:// to a server that speaks only HTTP
	CodeOnlyTLS     = "OnlyTLS"     // http:// to a server that speaks TLS
	CodeCertificate = "Certificate" // the certificate has an unknown issuer, or the wrong name or dates
	CodeNotHTTP     = "NotHTTP"     // the server speaks another protocol
	CodeProxy       = "Proxy"       // the proxy of this machine isn't reached, or refuses
)

// ContactError reports that a request didn't reach the service at an endpoint. It is
// [store.ErrConfiguration] if the endpoint or this machine's trusted certificates are wrong, and
// [store.ErrUnavailable] if the connection is refused or the host has no address.
type ContactError struct {
	Host string
	Code string // "" for [store.ErrUnavailable]
	Err  error

	again bool // worth another attempt
	soon  bool // of the few attempts that such a fault gets
}

func (e *ContactError) Error() string {
	switch e.Code {
	case CodeNoTLS:
		return e.Host + " speaks plain HTTP, not TLS"
	case CodeOnlyTLS:
		return e.Host + " speaks TLS, not plain HTTP"
	case CodeCertificate:
		return fmt.Sprintf("the certificate of %s is not accepted: %s", e.Host, reason(e.Err))
	case CodeNotHTTP:
		return e.Host + " doesn't speak HTTP"
	case CodeProxy:
		return fmt.Sprintf("the proxy for %s can't be used: %s", e.Host, reason(e.Err))
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

// contacts records which servers have answered, and which the client has given up on.
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
	delete(c.givenUp, host)
}

// misses counts the attempts in a row that reached no server.
type misses struct {
	n     int
	since time.Time // the first of them
}

// classify returns err as a [*ContactError] if the server wasn't reached, and unchanged otherwise.
//
// What only a person can mend isn't tried again. A refused connection may be a server that
// restarts: it gets three attempts within five seconds, whatever the user's number of attempts is.
// So does every other fault of a server that never answered. After an answer a network that fails
// is retried as long as the command may run.
func (c *contacts) classify(host string, m misses, at time.Time, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	code, fault := contactFault(err)
	first := !c.answered[host]
	if fault == reached || fault == broken && !first {
		return err
	}
	e := &ContactError{Host: host, Code: code, Err: err, soon: true}
	switch {
	case code == "" && fault == unsteady && !first:
		e.again, e.soon = true, false
	case code != "", fault == unknownHost && first, m.n >= contactTries, at.Sub(m.since) >= contactTime, c.givenUp[host]:
		c.givenUp[host] = true
	default:
		e.again = true
	}
	return e
}

// contactKind says how a request failed to reach its server.
type contactKind int

const (
	reached     contactKind = iota // it didn't fail so
	broken                         // the connection ended before there was an answer
	unsteady                       // no route, or a resolver that fails
	unknownHost                    // the name has no address
	unusable                       // nobody listens there, or not with this protocol
)

// contactFault returns how err failed to reach a server, with the code of the [*ContactError]. A
// server that doesn't respond in time isn't such a fault.
func contactFault(err error) (code string, kind contactKind) {
	var (
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		record      tls.RecordHeaderError
		dns         *net.DNSError
		operation   *net.OpError
		proxy       *proxyError
	)
	switch isOp := errors.As(err, &operation); {
	case errors.As(err, &proxy):
		return proxy.code(), unusable
	case isOp && operation.Op == "proxyconnect" && !operation.Timeout():
		return CodeProxy, unusable
	case errors.As(err, &certificate), errors.As(err, &authority):
		return CodeCertificate, unusable
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return CodeNoTLS, unusable
	case errors.Is(err, errOnlyTLS), strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`): // a TLS alert
		return CodeOnlyTLS, unusable
	case strings.Contains(err.Error(), `malformed HTTP `): // net/http has no type for it
		return CodeNotHTTP, unusable
	case errors.As(err, &dns) && dns.IsNotFound:
		return "", unknownHost
	case errors.As(err, &dns):
		return "", unsteady
	case isOp && operation.Timeout():
		return "", reached
	case isOp && operation.Op == "dial" && errors.Is(err, syscall.ECONNREFUSED):
		return "", unusable
	case isOp && operation.Op == "dial":
		return "", unsteady
	case isOp, errors.Is(err, io.EOF), closedIdle(err):
		return "", broken
	}
	return "", reached
}

// closedIdle reports whether the server closed the connection before the request was sent, or sent something
// unasked. net/http has no type for it.
func closedIdle(err error) bool {
	return strings.Contains(err.Error(), "http: server closed idle connection")
}

// proxyError is the answer of a proxy that refuses to connect to a server.
type proxyError struct {
	Proxy  string // host and port
	Status int
}

func (e *proxyError) Error() string {
	return fmt.Sprintf("%s returned %d %s", e.Proxy, e.Status, http.StatusText(e.Status))
}

// code returns "" if the server behind the proxy may be at fault.
func (e *proxyError) code() string {
	if e.Status >= http.StatusInternalServerError {
		return ""
	}
	return CodeProxy
}

// answerOfProxy gives the answer of a proxy a type. Without it, net/http makes a bare text of it.
func answerOfProxy(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{proxy.Host, answer.StatusCode}
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
	switch proxy, ok := proxyAt(err); {
	case ok:
		return proxy
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host"
	case errors.As(err, &dns):
		return "the name " + dns.Name + " can't be resolved: " + dns.Err
	case errors.As(err, &certificate):
		return certificate.Err.Error()
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timed out"
	case errors.As(err, &call):
		return call.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), closedIdle(err):
		return "the connection was closed"
	case errors.As(err, &sending):
		return foreign.Text(sending.Err.Error())
	}
	return foreign.Text(err.Error())
}

// proxyAt describes the failure of a proxy, with its address.
func proxyAt(err error) (text string, ok bool) {
	var connect, dial *net.OpError
	var answered *proxyError
	switch {
	case errors.As(err, &answered):
		return answered.Error(), true
	case !errors.As(err, &connect) || connect.Op != "proxyconnect":
		return "", false
	case errors.As(connect.Err, &dial) && dial.Addr != nil:
		return dial.Addr.String() + ": " + reason(connect.Err), true
	}
	return reason(connect.Err), true
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

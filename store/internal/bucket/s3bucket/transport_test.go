package s3bucket_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// The network cut off the answer, so it says nothing about the object.
func TestConnectionThatIsResetInTheMiddleIsUnavailable(t *testing.T) {
	c, _ := recorder(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"x"`)
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "{")
		_ = http.NewResponseController(w).Flush()
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	})
	_, err := sealed(c).Get(t.Context(), "api/db.json")
	wantSentinel(t, err, bucket.ErrUnavailable)
}

// The transport of a library's user may end a request by a context of its own.
func TestRequestThatItsTransportEndsIsUnavailable(t *testing.T) {
	c, _ := recorder(t, func(http.ResponseWriter, *http.Request) {})
	o := c.Options()
	o.HTTPClient = &http.Client{Transport: failing{context.DeadlineExceeded}}
	_, err := sealed(s3.New(o)).Get(t.Context(), "api/db.json")
	wantSentinel(t, err, bucket.ErrUnavailable)
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

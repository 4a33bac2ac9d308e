package s3bucket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
)

var sentinels = []error{
	bucket.ErrNotFound, bucket.ErrChanged, bucket.ErrBusy, bucket.ErrDenied, bucket.ErrKey, bucket.ErrNoBucket,
	bucket.ErrCredentials, bucket.ErrUnavailable, bucket.ErrUnsupported, bucket.ErrTorn, bucket.ErrRefused, bucket.ErrEndpoint,
}

// wantSentinel checks that err is a *bucket.Error around this sentinel and no other.
func wantSentinel(t *testing.T, err, want error) *bucket.Error {
	t.Helper()
	var e *bucket.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want a *bucket.Error", err, err)
	}
	for _, s := range sentinels {
		if errors.Is(err, s) != (s == want) {
			t.Errorf("error %v, want %v alone", err, want)
		}
	}
	return e
}

// refusals are what servers answer, and the sentinel of each.
var refusals = []struct {
	op      string
	status  int
	code    string
	message string
	want    error
}{
	{"get", 404, "NoSuchKey", "The specified key does not exist.", bucket.ErrNotFound},
	{"get", 404, "NoSuchBucket", "The specified bucket does not exist", bucket.ErrNoBucket},
	{"get", 404, "", "", bucket.ErrNotFound},
	{"get", 404, "NoSuchUpload", "another thing is missing", bucket.ErrRefused},
	{"list", 404, "NoSuchBucket", "The specified bucket does not exist", bucket.ErrNoBucket},
	{"list", 404, "NoSuchKey", "a gateway's word", bucket.ErrNoBucket},
	{"list", 404, "", "", bucket.ErrNoBucket},
	{"put", 404, "NoSuchKey", "The specified key does not exist.", bucket.ErrNotFound},
	{"put", 404, "NoSuchBucket", "The specified bucket does not exist", bucket.ErrNoBucket},
	{"delete", 404, "NoSuchKey", "The specified key does not exist.", bucket.ErrNotFound},

	{"get", 403, "AccessDenied", "User: arn:aws:iam::1:user/a is not authorized to perform: kms:Decrypt", bucket.ErrDenied},
	{"get", 403, "AccessDenied", "", bucket.ErrDenied}, // Ceph
	{"list", 403, "AccessDenied", "Access Denied", bucket.ErrDenied},
	{"put", 403, "AccessDenied", "Access Denied", bucket.ErrDenied},
	{"delete", 403, "AccessDenied", "Access Denied", bucket.ErrDenied},
	{"get", 403, "", "", bucket.ErrRefused}, // a proxy: nobody who knows said "denied"
	{"get", 403, "AllAccessDisabled", "All access to this object has been disabled", bucket.ErrRefused},
	{"get", 403, "InvalidPayer", "", bucket.ErrRefused},

	{"get", 400, "KMS.DisabledException", "arn:aws:kms:us-east-1:1:key/1 is disabled.", bucket.ErrKey},
	{"put", 400, "KMS.DisabledException", "arn:aws:kms:us-east-1:1:key/1 is disabled.", bucket.ErrKey},
	{"get", 400, "KMS.KMSInvalidStateException", "arn:aws:kms:us-east-1:1:key/1 is pending deletion.", bucket.ErrKey},
	{"put", 400, "KMS.NotFoundException", "Invalid arn us-west-2", bucket.ErrKey},
	{"put", 400, "KMS.InvalidKeyUsageException", "", bucket.ErrKey},
	{"put", 404, "kms:KeyNotFound", "", bucket.ErrKey},   // MinIO
	{"get", 403, "kms:NotAuthorized", "", bucket.ErrKey}, // MinIO
	{"get", 503, "SlowDown", "Please reduce your request rate for operations involving AWS KMS.", bucket.ErrUnavailable},
	{"get", 400, "KMS.ThrottlingException", "", bucket.ErrUnavailable},

	{"get", 400, "ExpiredToken", "The provided token has expired.", bucket.ErrCredentials},
	{"get", 400, "TokenRefreshRequired", "", bucket.ErrCredentials},
	{"get", 403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", bucket.ErrCredentials},
	{"get", 403, "SignatureDoesNotMatch", "", bucket.ErrCredentials},
	{"get", 403, "RequestTimeTooSkewed", "", bucket.ErrCredentials},
	{"get", 400, "InvalidToken", "", bucket.ErrCredentials},
	{"get", 401, "", "", bucket.ErrCredentials},

	{"put", 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", bucket.ErrChanged},
	{"put", 412, "", "", bucket.ErrChanged},
	{"delete", 412, "PreconditionFailed", "", bucket.ErrChanged},
	{"put", 409, "ConditionalRequestConflict", "", bucket.ErrBusy},
	{"put", 409, "OperationAborted", "", bucket.ErrBusy},
	{"put", 409, "", "", bucket.ErrBusy},
	{"put", 501, "NotImplemented", "A header you provided implies functionality that is not implemented", bucket.ErrUnsupported},

	{"get", 500, "InternalError", "We encountered an internal error. Please try again.", bucket.ErrUnavailable},
	{"get", 502, "", "", bucket.ErrUnavailable},
	{"put", 503, "ServiceUnavailable", "", bucket.ErrUnavailable},
	{"get", 504, "", "", bucket.ErrUnavailable},
	{"put", 400, "RequestTimeout", "", bucket.ErrUnavailable},
	{"get", 429, "TooManyRequests", "", bucket.ErrUnavailable},

	{"get", 400, "AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong; expecting 'eu-west-1'", bucket.ErrEndpoint},
	{"get", 301, "PermanentRedirect", "", bucket.ErrEndpoint},
	{"put", 400, "InvalidArgument", "", bucket.ErrRefused},
	{"put", 405, "MethodNotAllowed", "", bucket.ErrRefused},

	{"head", 404, "", "", bucket.ErrNotFound},
	{"head", 403, "", "", bucket.ErrDenied},
	{"head", 400, "", "", bucket.ErrRefused},
	{"head", 412, "", "", bucket.ErrChanged},
	{"head", 503, "", "", bucket.ErrUnavailable},
}

// The answers are AWS's where facts.md marks them as recorded, else those of the server named.
func TestRefusalsBecomeSentinels(t *testing.T) {
	for _, test := range refusals {
		t.Run(fmt.Sprint(test.op, " ", test.status, " ", test.code), func(t *testing.T) {
			c, _ := recorder(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, test.status, test.code, test.message) })
			e := wantSentinel(t, eachRequest(t, sealed(c))[test.op], test.want)
			if e.Status != test.status || test.code != "" && e.Code != test.code {
				t.Errorf("status %d, code %q, want %d, %q", e.Status, e.Code, test.status, test.code)
			}
			if !strings.Contains(e.Reason, test.message) {
				t.Errorf("reason %q, want %q", e.Reason, test.message)
			}
			if strings.Contains(e.Error(), canary) {
				t.Error("the error repeats the value")
			}
		})
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	if code != "" {
		_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
	}
}

func TestRefusalThatIsNoXML(t *testing.T) {
	for status, want := range map[int]error{403: bucket.ErrRefused, 502: bucket.ErrUnavailable, 404: bucket.ErrNotFound} {
		c, _ := recorder(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<html><hr><p>"+canary)
		})
		e := wantSentinel(t, eachRequest(t, sealed(c))["get"], want)
		if strings.Contains(e.Error(), canary) {
			t.Errorf("%d: the error repeats the body", status)
		}
	}
}

func TestBucketInAnotherRegionIsNamed(t *testing.T) {
	for code, status := range map[string]int{"PermanentRedirect": 301, "AuthorizationHeaderMalformed": 400} {
		for header, want := range map[string]bool{"eu-west-1": true, "eu west!": false} {
			c, _ := recorder(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["X-Amz-Bucket-Region"] = []string{header}
				refuse(w, status, code, "use another endpoint")
			})
			e := wantSentinel(t, eachRequest(t, sealed(c))["get"], bucket.ErrEndpoint)
			if got := strings.Contains(e.Reason, "in region "+header); got != want || e.Code != code {
				t.Errorf("code %q, reason %q", e.Code, e.Reason)
			}
		}
	}
}

func TestUnreachableServerIsUnavailable(t *testing.T) {
	mototest.Isolate(t)
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	for op, err := range eachRequest(t, sealed(client(t, server.URL))) {
		if e := wantSentinel(t, err, bucket.ErrUnavailable); e.Status != 0 || !strings.HasPrefix(e.Reason, "no answer from 127.0.0.1:") {
			t.Errorf("%s: status %d, reason %q of no answer", op, e.Status, e.Reason)
		}
	}
}

func TestDroppedConnectionIsUnavailable(t *testing.T) {
	c, _ := recorder(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for _, err := range eachRequest(t, sealed(c)) {
		wantSentinel(t, err, bucket.ErrUnavailable)
	}
}

func TestTimeoutOfTheClientIsUnavailable(t *testing.T) {
	done := make(chan struct{})
	c, _ := recorder(t, func(http.ResponseWriter, *http.Request) { <-done })
	defer close(done)
	o := c.Options()
	o.HTTPClient = &http.Client{Timeout: time.Millisecond}
	_, err := sealed(s3.New(o)).Get(t.Context(), "api/db.json")
	wantSentinel(t, err, bucket.ErrUnavailable)
}

func TestUntrustedCertificateIsOfTheEndpoint(t *testing.T) {
	mototest.Isolate(t)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	_, err := sealed(client(t, server.URL)).Get(t.Context(), "api/db.json")
	wantSentinel(t, err, bucket.ErrEndpoint)
}

func TestEndOfTheCallersContextIsItsOwnError(t *testing.T) {
	server := simulator(t, s3test.Options{})
	b := sealed(client(t, server.URL))
	t.Run("cancelled while waiting", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		server.Fault(func(s3test.Request) *s3test.Fault { cancel(); return &s3test.Fault{Kind: s3test.Hang} })
		_, err := b.Get(ctx, "api/db.json")
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
		for _, s := range sentinels {
			if errors.Is(err, s) {
				t.Errorf("error %v is %v too", err, s)
			}
		}
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		server.Fault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Kind: s3test.Hang} })
		if err := b.Delete(ctx, "api/db.json", bucket.If{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
		}
	})
}

func TestMissingCredentialsAreNotADenial(t *testing.T) {
	t.Run("nowhere", func(t *testing.T) {
		mototest.Isolate(t)
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		for _, err := range eachRequest(t, sealed(client(t, "http://127.0.0.1:1"))) {
			wantSentinel(t, err, bucket.ErrCredentials)
		}
	})
	t.Run("web identity without its file", func(t *testing.T) {
		mototest.Isolate(t)
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", filepath.Join(t.TempDir(), "none"))
		t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/app")
		_, err := sealed(client(t, "http://127.0.0.1:1")).Get(t.Context(), "api/db.json")
		wantSentinel(t, err, bucket.ErrCredentials)
	})
	t.Run("SSO without a login", func(t *testing.T) {
		home := mototest.Isolate(t)
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		writeConfig(t, home, "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n"+
			"[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://example.awsapps.com/start\n")
		_, err := sealed(client(t, "http://127.0.0.1:1")).Get(t.Context(), "api/db.json")
		wantSentinel(t, err, bucket.ErrCredentials)
	})
	// STS's AccessDenied must not pass for S3's, which a reader may skip.
	t.Run("role denied", func(t *testing.T) {
		server := simulator(t, s3test.Options{})
		home := filepath.Dir(os.Getenv("AWS_CONFIG_FILE"))
		t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
		writeConfig(t, home, fmt.Sprintf("[profile app]\nrole_arn = arn:aws:iam::111122223333:role/none\nsource_profile = base\n"+
			"[profile base]\naws_access_key_id = %s\naws_secret_access_key = %s\n", s3test.AdminKeyID, s3test.AdminSecret))
		cfg, err := awsconf.Load(t.Context(), awsconf.Options{EndpointURL: server.URL, Profile: "app", Retries: 1})
		if err != nil {
			t.Fatal(err)
		}
		_, err = sealed(awsconf.S3(cfg)).Get(t.Context(), "api/db.json")
		var said *store.CredentialsError
		if wantSentinel(t, err, bucket.ErrCredentials); !errors.As(err, &said) || !strings.Contains(said.Reason, "refuses the role arn:aws:iam::111122223333:role/none (AccessDenied)") {
			t.Errorf("error %v, want STS's", err)
		}
	})
}

func writeConfig(t *testing.T, home, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(home, "config"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRefusalsOfTheSimulator(t *testing.T) {
	server := simulator(t, s3test.Options{})
	server.KMS.CreateKey("alias/off")
	server.KMS.CreateKey("alias/secret")
	b := sealed(client(t, server.URL))
	put := func(name, alias string) error {
		_, err := b.Put(t.Context(), name, []byte("{}"), bucket.PutOptions{KeyAlias: alias})
		return err
	}
	for name, alias := range map[string]string{"api/off.json": "alias/off", "api/secret.json": "alias/secret"} {
		if err := put(name, alias); err != nil {
			t.Fatal(err)
		}
	}
	server.KMS.SetState("alias/off", s3test.Disabled)
	server.SetPolicy(s3test.AdminKeyID, s3test.Policy{DenyDecrypt: []string{"alias/secret"}, DenyGet: []string{"*/denied.json"}})
	get := func(name string) error { _, err := b.Get(t.Context(), name); return err }

	wantSentinel(t, get("api/off.json"), bucket.ErrKey)
	wantSentinel(t, put("api/new.json", "alias/off"), bucket.ErrKey)
	wantSentinel(t, put("api/new.json", "alias/unknown"), bucket.ErrKey)
	wantSentinel(t, get("api/secret.json"), bucket.ErrDenied)
	wantSentinel(t, get("api/denied.json"), bucket.ErrDenied)
	wantSentinel(t, get("api/missing.json"), bucket.ErrNotFound)
	elsewhere := s3bucket.New(client(t, server.URL), s3bucket.Options{Bucket: "nowhere"})
	_, err := elsewhere.Get(t.Context(), "api/a.json")
	wantSentinel(t, err, bucket.ErrNoBucket)
	for _, err := range elsewhere.List(t.Context(), "api/") {
		wantSentinel(t, err, bucket.ErrNoBucket)
	}
	if info, err := b.Head(t.Context(), "api/secret.json"); err != nil || info.Seal.KeyID != server.KMS.ARN("alias/secret") {
		t.Errorf("head under a denied key: %+v, %v", info, err)
	}
}

package awsconf_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
)

func load(t *testing.T, o awsconf.Options) aws.Config {
	t.Helper()
	cfg, err := awsconf.Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// simulator starts an S3, STS and KMS; the environment holds its administrator.
func simulator(t *testing.T, o s3test.Options) *s3test.Server {
	t.Helper()
	mototest.Isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.AdminKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.AdminSecret)
	server := s3test.New(o)
	t.Cleanup(server.Close)
	return server
}

const httpElsewhere = "http://user:hunter2@s3.example.com:9000"

// endpointCases are the ways to set an endpoint, each with the service whose endpoint is refused.
var endpointCases = map[string]struct {
	options awsconf.Options
	env     map[string]string
	profile string
	service string // that is refused; "" when none is
}{
	"option":                      {options: awsconf.Options{EndpointURL: httpElsewhere}, service: "S3"},
	"option, allowed":             {options: awsconf.Options{EndpointURL: httpElsewhere, AllowHTTP: true}},
	"option, https":               {options: awsconf.Options{EndpointURL: "https://s3.example.com"}},
	"option, IPv4":                {options: awsconf.Options{EndpointURL: "http://127.0.0.1:9000"}},
	"option, other IPv4":          {options: awsconf.Options{EndpointURL: "http://127.1.2.3:9000"}},
	"option, IPv6":                {options: awsconf.Options{EndpointURL: "http://[::1]:9000"}},
	"option, localhost":           {options: awsconf.Options{EndpointURL: "http://localhost:9000"}},
	"option, lookalike":           {options: awsconf.Options{EndpointURL: "http://localhost.example.com"}, service: "S3"},
	"option, network":             {options: awsconf.Options{EndpointURL: "http://10.0.0.1"}, service: "S3"},
	"variable":                    {env: map[string]string{"AWS_ENDPOINT_URL": httpElsewhere}, service: "S3"},
	"variable of S3":              {env: map[string]string{"AWS_ENDPOINT_URL_S3": httpElsewhere}, service: "S3"},
	"variable of STS":             {env: map[string]string{"AWS_ENDPOINT_URL_STS": httpElsewhere}, service: "STS"},
	"variable of KMS":             {env: map[string]string{"AWS_ENDPOINT_URL_KMS": httpElsewhere}, service: "KMS"},
	"variable of SSM":             {env: map[string]string{"AWS_ENDPOINT_URL_SSM": httpElsewhere}, service: "SSM"},
	"variable of Secrets Manager": {env: map[string]string{"AWS_ENDPOINT_URL_SECRETS_MANAGER": httpElsewhere}, service: "Secrets Manager"},
	"variable of CloudTrail":      {env: map[string]string{"AWS_ENDPOINT_URL_CLOUDTRAIL": httpElsewhere}, service: "CloudTrail"},
	"variable beside those of S3, STS and KMS": {
		env: map[string]string{
			"AWS_ENDPOINT_URL": httpElsewhere, "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
			"AWS_ENDPOINT_URL_STS": "https://sts.example.com", "AWS_ENDPOINT_URL_KMS": "https://kms.example.com",
		}, service: "SSM",
	},
	"variable of SSO": {env: map[string]string{"AWS_ENDPOINT_URL_SSO": httpElsewhere}, service: "SSO"},
	"variable, ignored": {
		env: map[string]string{"AWS_ENDPOINT_URL": httpElsewhere, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
	},
	"option over variable": {
		options: awsconf.Options{EndpointURL: "https://s3.example.com"},
		env:     map[string]string{"AWS_ENDPOINT_URL_S3": httpElsewhere},
	},
	"option beside variable of STS": {
		options: awsconf.Options{EndpointURL: "https://s3.example.com"},
		env:     map[string]string{"AWS_ENDPOINT_URL_STS": httpElsewhere}, service: "STS",
	},
	"profile":         {profile: "[default]\nendpoint_url = " + httpElsewhere + "\n", service: "S3"},
	"profile, of KMS": {profile: "[default]\nservices = s\n[services s]\nkms =\n  endpoint_url = " + httpElsewhere + "\n", service: "KMS"},
	"profile, other":  {profile: "[default]\n[profile other]\nendpoint_url = " + httpElsewhere + "\n"},
}

func TestPlainHTTPToAnotherMachineIsRefused(t *testing.T) {
	for name, test := range endpointCases {
		t.Run(name, func(t *testing.T) {
			home := mototest.Isolate(t)
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			writeConfig(t, home, test.profile)
			_, err := awsconf.Load(t.Context(), test.options)
			if test.service == "" {
				if err != nil {
					t.Errorf("error %v, want none", err)
				}
				return
			}
			var plain *awsconf.PlainHTTPError
			if !errors.As(err, &plain) || !errors.Is(err, store.ErrConfiguration) || plain.Service != test.service {
				t.Fatalf("error %v, want a refusal of the %s endpoint", err, test.service)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the error tells the password")
			}
		})
	}
}

func writeConfig(t *testing.T, home, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(home, "config"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEndpointThatIsNoURLIsRefused(t *testing.T) {
	mototest.Isolate(t)
	for _, address := range []string{"s3.example.com", "ftp://s3.example.com", "https://", "http://[::1", "https://user:hunter2@s3.example.com:port"} {
		_, err := awsconf.Load(t.Context(), awsconf.Options{EndpointURL: address})
		if !errors.Is(err, store.ErrConfiguration) {
			t.Errorf("%s: error %v, want %v", address, err, store.ErrConfiguration)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Error("the error tells the password")
		}
	}
}

func TestEndpointOptionIsThatOfS3First(t *testing.T) {
	mototest.Isolate(t)
	t.Setenv("AWS_ENDPOINT_URL", "https://all.example.com")
	t.Setenv("AWS_ENDPOINT_URL_S3", "https://env.example.com")
	t.Setenv("AWS_ENDPOINT_URL_STS", "https://sts.example.com")
	cfg := load(t, awsconf.Options{EndpointURL: "https://option.example.com"})
	for service, got := range map[string][2]string{
		"S3":  {awsconf.Endpoint(cfg), "https://option.example.com"},
		"STS": {aws.ToString(awsconf.STS(cfg).Options().BaseEndpoint), "https://sts.example.com"},
		"KMS": {aws.ToString(awsconf.KMS(cfg).Options().BaseEndpoint), "https://option.example.com"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s is at %s, want %s", service, got[0], got[1])
		}
	}
	if got := awsconf.Endpoint(load(t, awsconf.Options{})); got != "https://env.example.com" {
		t.Errorf("without an option S3 is at %s", got)
	}
}

func TestClientForOtherServersIsPlain(t *testing.T) {
	mototest.Isolate(t)
	for endpoint, want := range map[string]struct {
		pathStyle bool
		checksums aws.RequestChecksumCalculation
	}{
		"":                          {false, aws.RequestChecksumCalculationWhenSupported},
		"https://minio.example.com": {true, aws.RequestChecksumCalculationWhenRequired},
		"https://bucket.vpce-1.s3.us-east-1.vpce.amazonaws.com": {true, aws.RequestChecksumCalculationWhenSupported},
	} {
		o := awsconf.S3(load(t, awsconf.Options{EndpointURL: endpoint})).Options()
		if o.UsePathStyle != want.pathStyle || o.RequestChecksumCalculation != want.checksums {
			t.Errorf("%q: path style %v, checksums %v, want %v", endpoint, o.UsePathStyle, o.RequestChecksumCalculation, want)
		}
		if (o.ResponseChecksumValidation == aws.ResponseChecksumValidationWhenRequired) != (want.checksums == aws.RequestChecksumCalculationWhenRequired) {
			t.Errorf("%q: answers and requests differ in their checksums", endpoint)
		}
		if !o.DisableLogOutputChecksumValidationSkipped {
			t.Errorf("%q: skipped checksums are logged", endpoint)
		}
	}
}

func TestOptionsReachTheClients(t *testing.T) {
	mototest.Isolate(t)
	t.Setenv("AWS_MAX_ATTEMPTS", "7")
	cfg := load(t, awsconf.Options{Region: "eu-west-1", Retries: 5, RetryMode: "adaptive"})
	if attempts := cfg.Retryer().MaxAttempts(); cfg.Region != "eu-west-1" || attempts != 5 {
		t.Errorf("region %s, %d attempts", cfg.Region, attempts)
	}
	transport := awsconf.S3(cfg).Options().HTTPClient.(*awshttp.BuildableClient).GetTransport()
	if transport.MaxIdleConnsPerHost < 64 || transport.MaxIdleConns < 64 || transport.ResponseHeaderTimeout != 30*time.Second {
		t.Errorf("transport %+v", transport)
	}
	if cfg = load(t, awsconf.Options{}); cfg.Region != "us-east-1" || cfg.Retryer().MaxAttempts() != 7 {
		t.Errorf("from the environment: region %s, %d attempts", cfg.Region, cfg.Retryer().MaxAttempts())
	}
	for name, o := range map[string]awsconf.Options{"retry mode": {RetryMode: "often"}, "profile": {Profile: "none"}} {
		if _, err := awsconf.Load(t.Context(), o); !errors.Is(err, store.ErrConfiguration) {
			t.Errorf("unknown %s: error %v, want %v", name, err, store.ErrConfiguration)
		}
	}
}

func TestRegionIsRequiredOfAWSAlone(t *testing.T) {
	mototest.Isolate(t)
	t.Setenv("AWS_REGION", "")
	if _, err := awsconf.Load(t.Context(), awsconf.Options{}); !errors.Is(err, awsconf.ErrNoRegion) || !errors.Is(err, store.ErrConfiguration) {
		t.Errorf("error %v, want %v", err, awsconf.ErrNoRegion)
	}
	if got := load(t, awsconf.Options{EndpointURL: "https://minio.example.com"}).Region; got != "us-east-1" {
		t.Errorf("region %q of another server", got)
	}
}

// metadata is the service that instances have, with a count of its requests.
func metadata(t *testing.T) *atomic.Int32 {
	t.Helper()
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		switch {
		case strings.HasSuffix(r.URL.Path, "/api/token"):
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
			_, _ = io.WriteString(w, "token")
		case strings.HasSuffix(r.URL.Path, "/instance-identity/document"):
			_, _ = io.WriteString(w, `{"region":"ap-south-1"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
	return &n
}

func TestInstanceMetadataIsAskedByThoseWhoHaveNothingElse(t *testing.T) {
	mototest.Isolate(t)
	asked := metadata(t)
	load(t, awsconf.Options{})
	t.Setenv("AWS_REGION", "")
	if _, err := awsconf.Load(t.Context(), awsconf.Options{}); !errors.Is(err, awsconf.ErrNoRegion) {
		t.Errorf("error %v, want %v", err, awsconf.ErrNoRegion)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests with credentials in the environment, want none", n)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	if got := load(t, awsconf.Options{}).Region; got != "ap-south-1" {
		t.Errorf("region %q, want the instance's", got)
	}
}

func TestIdentity(t *testing.T) {
	t.Run("is an ARN", func(t *testing.T) {
		server := simulator(t, s3test.Options{})
		caller, err := awsconf.Identity(t.Context(), load(t, awsconf.Options{EndpointURL: server.URL}))
		if want := "arn:aws:iam::111122223333:user/admin"; err != nil || caller.Name != want || caller.Note != "" {
			t.Errorf("%+v, error %v, want %s", caller, err, want)
		}
	})
	t.Run("is the access key id without STS", func(t *testing.T) {
		server := simulator(t, s3test.Options{Quirks: s3test.MinIO()})
		wantKeyID(t, load(t, awsconf.Options{EndpointURL: server.URL}), "STS reported no identity: ")
	})
	t.Run("is the access key id when STS is not there", func(t *testing.T) {
		simulator(t, s3test.Options{})
		server := httptest.NewServer(http.NotFoundHandler())
		server.Close()
		for _, attempts := range []int{1, 0} { // 0: ended by the time, while it waits for an attempt
			wantKeyID(t, load(t, awsconf.Options{EndpointURL: server.URL, Retries: attempts}), "STS can't be reached at "+server.Listener.Addr().String()+" (connection refused)")
		}
	})
	t.Run("is the access key id when STS is silent", func(t *testing.T) {
		server := simulator(t, s3test.Options{})
		server.Fault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Kind: s3test.Hang} })
		wantKeyID(t, load(t, awsconf.Options{EndpointURL: server.URL}), "STS reported no identity: ")
	})
	t.Run("needs credentials", func(t *testing.T) {
		server := simulator(t, s3test.Options{})
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		_, err := awsconf.Identity(t.Context(), load(t, awsconf.Options{EndpointURL: server.URL}))
		if !errors.Is(err, store.ErrConfiguration) || len(server.Log()) != 0 {
			t.Errorf("error %v after %d requests, want %v after none", err, len(server.Log()), store.ErrConfiguration)
		}
	})
}

func wantKeyID(t *testing.T, cfg aws.Config, note string) {
	t.Helper()
	caller, err := awsconf.Identity(t.Context(), cfg)
	if err != nil || caller.Name != s3test.AdminKeyID || !strings.HasPrefix(caller.Note, note) {
		t.Errorf("%+v, error %v, want the access key id and a note: %s", caller, err, note)
	}
}

func TestLogTellsOperationStatusAndTime(t *testing.T) {
	server := simulator(t, s3test.Options{})
	var text bytes.Buffer
	clock := time.Unix(0, 0)
	cfg := load(t, awsconf.Options{
		EndpointURL: server.URL,
		Log:         slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now:         func() time.Time { clock = clock.Add(7 * time.Millisecond); return clock },
	})
	if _, err := awsconf.Identity(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if want := "msg=request operation=STS.GetCallerIdentity status=200 ms=7"; !strings.Contains(text.String(), want) {
		t.Errorf("log %q, want %s", &text, want)
	}
	for _, secret := range []string{s3test.AdminKeyID, s3test.AdminSecret} {
		if strings.Contains(text.String(), secret) {
			t.Error("the log tells credentials")
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	mototest.Isolate(b)
	for b.Loop() {
		if _, err := awsconf.Load(b.Context(), awsconf.Options{EndpointURL: "https://s3.example.com"}); err != nil {
			b.Fatal(err)
		}
	}
}

package awsconf_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/trailtest"
	"github.com/coffer-secrets/coffer/store"
)

var day = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

// trail looks at a server, with so many attempts of a request that follow one another at once.
func trail(t *testing.T, url string, attempts int, o awsconf.Options) *awsconf.Trail {
	t.Helper()
	mototest.Isolate(t)
	t.Setenv("AWS_ENDPOINT_URL_CLOUDTRAIL", url)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": trailtest.Credentials().AccessKeyID, "AWS_SECRET_ACCESS_KEY": trailtest.Credentials().SecretAccessKey,
		"AWS_SESSION_TOKEN": trailtest.Credentials().SessionToken,
	} {
		t.Setenv(name, value)
	}
	cfg := load(t, o)
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = attempts
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	}
	return awsconf.NewTrail(cfg, 1)
}

func decrypts(t *testing.T, trail *awsconf.Trail, since, until time.Time) (all []awsconf.Decrypt, senseless int) {
	t.Helper()
	senseless, err := trail.Decrypts(t.Context(), since, until, func(d awsconf.Decrypt) { all = append(all, d) })
	if err != nil {
		t.Fatal(err)
	}
	return all, senseless
}

func TestTheEventsOfATrail(t *testing.T) {
	server := trailtest.New(t)
	server.Pages(4)
	server.Spoil(day)
	var log bytes.Buffer
	tr := trail(t, server.URL, 1, awsconf.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	all, senseless := decrypts(t, tr, day, day.Add(24*time.Hour))
	if len(all) != 15 || senseless != 1 || server.Requests() != 5 {
		t.Fatalf("%d events, %d without sense, %d requests; want 15, 1 and 5", len(all), senseless, server.Requests())
	}
	// The latest first.
	first, index := all[0], all[14]
	if first.Context["PARAMETER_ARN"] != "arn:aws:ssm:us-east-1:111122223333:parameter/team/other" || !first.Time.After(index.Time) {
		t.Errorf("first: %+v", first)
	}
	want := awsconf.Decrypt{
		ID: "b1b32a6c-0000-4000-8000-000000000001", Time: day.Add(10 * time.Hour), Who: "arn:aws:sts::111122223333:assumed-role/ci/build-7",
		Context:  map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/team/__kms_alias_app__latest.json"},
		SourceIP: "fas.s3.amazonaws.com", UserAgent: "fas.s3.amazonaws.com",
	}
	if index.ID != want.ID || index.Who != want.Who || !index.Time.Equal(want.Time) || index.Context["aws:s3:arn"] != want.Context["aws:s3:arn"] ||
		index.SourceIP != want.SourceIP || index.UserAgent != want.UserAgent || index.Error != "" {
		t.Errorf("index: %+v, want %+v", index, want)
	}
	hidden, refused := 0, 0
	for _, d := range all {
		switch {
		case d.Context == nil && d.Error == "AccessDenied":
			refused++
		case d.Context == nil:
			hidden++
		case d.Who == "":
			t.Errorf("nobody: %+v", d)
		}
	}
	if hidden != 1 || refused != 1 {
		t.Errorf("%d hidden, %d refused; want one each", hidden, refused)
	}
	if some, _ := decrypts(t, tr, day.Add(10*time.Hour), day.Add(10*time.Hour+10*time.Minute)); len(some) != 3 {
		t.Errorf("ten minutes: %d events, want 3", len(some))
	}
	if !strings.Contains(log.String(), "operation=CloudTrail.LookupEvents status=200") || strings.Contains(log.String(), trailtest.Credentials().SessionToken) {
		t.Errorf("log: %s", log.String())
	}
}

func TestAThrottledTrailIsAskedAgain(t *testing.T) {
	for code, status := range map[string]int{"ThrottlingException": 400, "": 503} {
		server := trailtest.New(t)
		server.Refuse(func(n int) (int, string) {
			if n%3 == 0 {
				return 0, ""
			}
			return status, code
		})
		if all, _ := decrypts(t, trail(t, server.URL, 3, awsconf.Options{}), day, day.Add(24*time.Hour)); len(all) != 15 || server.Requests() != 3 {
			t.Errorf("%q: %d events, %d requests", code, len(all), server.Requests())
		}
		server.Refuse(func(int) (int, string) { return status, code })
		_, err := trail(t, server.URL, 4, awsconf.Options{}).Decrypts(t.Context(), day, day, nil)
		if !errors.Is(err, store.ErrUnavailable) || server.Requests() != 3+4 {
			t.Errorf("%q: error %v after %d requests; want unavailable after 4", code, err, server.Requests()-3)
		}
	}
}

func TestRefusalsOfATrail(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		code   string
		want   error
	}{
		"denied":        {400, "AccessDeniedException", store.ErrDenied},
		"expired":       {400, "ExpiredTokenException", store.ErrConfiguration},
		"unknown key":   {400, "UnrecognizedClientException", store.ErrConfiguration},
		"bad signature": {400, "com.amazon.coral.service#InvalidSignatureException", store.ErrConfiguration},
		"bad range":     {400, "InvalidTimeRangeException", store.ErrInvalid},
		"no such":       {400, "UnknownOperationException", store.ErrUnsupported},
		"no CloudTrail": {404, "", store.ErrUnsupported},
		"no JSON":       {501, "", store.ErrUnsupported},
		"internal":      {500, "InternalFailure", store.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			server := trailtest.New(t)
			server.Refuse(func(int) (int, string) { return test.status, test.code })
			_, err := trail(t, server.URL, 1, awsconf.Options{}).Decrypts(t.Context(), day, day, nil)
			var refusal *store.StorageError
			if !errors.Is(err, test.want) || !errors.As(err, &refusal) || refusal.Op != "cloudtrail:LookupEvents" || refusal.Status != test.status {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if strings.Contains(refusal.Code, "#") || strings.Contains(err.Error(), trailtest.Credentials().SecretAccessKey) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestATrailThatGoesInCirclesIsNotFollowed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"Events":[],"NextToken":"again"}`))
	}))
	defer server.Close()
	if _, err := trail(t, server.URL, 1, awsconf.Options{}).Decrypts(t.Context(), day, day, nil); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error %v, want unavailable", err)
	}
}

func TestATrailThatIsNotThere(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	if _, err := trail(t, server.URL, 1, awsconf.Options{}).Decrypts(t.Context(), day, day, nil); !errors.Is(err, store.ErrUnsupported) {
		t.Errorf("a page of HTML: error %v, want unsupported", err)
	}
	server.Close()
	tr := trail(t, server.URL, 2, awsconf.Options{})
	if _, err := tr.Decrypts(t.Context(), day, day, nil); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("nobody there: error %v, want unavailable", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tr.Decrypts(ctx, day, day, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	none := awsconf.NewTrail(load(t, awsconf.Options{}), 1)
	if _, err := none.Decrypts(t.Context(), day, day, nil); !errors.Is(err, store.ErrConfiguration) {
		t.Errorf("without credentials: error %v, want configuration", err)
	}
}

// addressed answers every request itself and remembers where the last one went.
type addressed struct{ url string }

func (a *addressed) Do(r *http.Request) (*http.Response, error) {
	a.url = r.URL.String()
	return nil, errors.New("not sent")
}

func TestTheAddressOfCloudTrail(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"AWS":       {map[string]string{"AWS_REGION": "eu-west-1"}, "https://cloudtrail.eu-west-1.amazonaws.com/"},
		"China":     {map[string]string{"AWS_REGION": "cn-north-1"}, "https://cloudtrail.cn-north-1.amazonaws.com.cn/"},
		"GovCloud":  {map[string]string{"AWS_REGION": "us-gov-west-1"}, "https://cloudtrail.us-gov-west-1.amazonaws.com/"},
		"FIPS":      {map[string]string{"AWS_REGION": "us-east-2", "AWS_USE_FIPS_ENDPOINT": "true"}, "https://cloudtrail-fips.us-east-2.amazonaws.com/"},
		"all":       {map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:9/x"}, "http://127.0.0.1:9/x"},
		"by itself": {map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ENDPOINT_URL_CLOUDTRAIL": "http://127.0.0.1:8"}, "http://127.0.0.1:8/"},
	} {
		t.Run(name, func(t *testing.T) {
			mototest.Isolate(t)
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			cfg, client := load(t, awsconf.Options{Retries: 1}), &addressed{}
			cfg.HTTPClient = client
			tr := awsconf.NewTrail(cfg, 1)
			if _, err := tr.Decrypts(t.Context(), day, day, nil); !errors.Is(err, store.ErrUnavailable) || client.url != test.want {
				t.Errorf("it went to %s, error %v; want %s", client.url, err, test.want)
			}
		})
	}
}

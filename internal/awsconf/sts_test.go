package awsconf_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
)

// jwt is a token that says this of itself. Nobody here verifies its signature.
func jwt(audience string, expires time.Time) string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return part(`{"alg":"none"}`) + "." +
		part(fmt.Sprintf(`{"iss":"https://ci.example.com","aud":%q,"exp":%d}`, audience, expires.Unix())) + "." + part("canary-of-the-token")
}

var goodToken = jwt("coffer", time.Unix(1<<33, 0))

// identities trusts goodToken alone, and says of others what AWS does.
func identities(token string) string {
	switch token {
	case goodToken:
		return ""
	case expiredToken:
		return "ExpiredTokenException"
	}
	return "InvalidIdentityToken"
}

var expiredToken = jwt("coffer", time.Unix(1, 0))

// visitors starts a server whose role "app" anybody trusted may take.
func visitors(t *testing.T, o s3test.Options) (server *s3test.Server, role string) {
	t.Helper()
	o.Trust = identities
	server = simulator(t, o)
	return server, server.SetRole("app", s3test.Policy{})
}

func tokenFile(t *testing.T, token string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	replaceToken(t, file, token)
	return file
}

// replaceToken does what Kubernetes and CI systems do: a new file takes the place of the old.
func replaceToken(t *testing.T, file, token string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// webIdentity leaves the environment with a token's file and a role, and nothing else.
func webIdentity(t *testing.T, file, role string) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", file)
	t.Setenv("AWS_ROLE_ARN", role)
}

// s3Only is an address where nobody listens, and no STS.
const s3Only = "http://127.0.0.1:1"

// stsSettings are the places that name the STS to ask. Each sets it to url and returns what else the run is given.
var stsSettings = map[string]func(t *testing.T, home, url string) (o awsconf.Options, profile string){
	"variable of STS": func(t *testing.T, _, url string) (awsconf.Options, string) {
		t.Setenv("AWS_ENDPOINT_URL_STS", url)
		return awsconf.Options{EndpointURL: s3Only}, ""
	},
	"services of the profile": func(_ *testing.T, _, url string) (awsconf.Options, string) {
		return awsconf.Options{EndpointURL: s3Only}, "services = s\n[services s]\nsts =\n  endpoint_url = " + url + "\n"
	},
	"services of the profile before AWS_ENDPOINT_URL": func(t *testing.T, _, url string) (awsconf.Options, string) {
		t.Setenv("AWS_ENDPOINT_URL", s3Only)
		return awsconf.Options{}, "services = s\n[services s]\nsts =\n  endpoint_url = " + url + "\n"
	},
	"AWS_ENDPOINT_URL": func(t *testing.T, _, url string) (awsconf.Options, string) {
		t.Setenv("AWS_ENDPOINT_URL", url)
		return awsconf.Options{EndpointURL: s3Only}, ""
	},
	"AWS_ENDPOINT_URL before the profile": func(t *testing.T, _, url string) (awsconf.Options, string) {
		t.Setenv("AWS_ENDPOINT_URL", url)
		return awsconf.Options{}, "endpoint_url = " + s3Only + "\n"
	},
	"profile": func(_ *testing.T, _, url string) (awsconf.Options, string) {
		return awsconf.Options{EndpointURL: s3Only}, "endpoint_url = " + url + "\n"
	},
	"option": func(_ *testing.T, _, url string) (awsconf.Options, string) {
		return awsconf.Options{EndpointURL: url}, ""
	},
	"option, with the configured ones ignored": func(t *testing.T, _, url string) (awsconf.Options, string) {
		t.Setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
		t.Setenv("AWS_ENDPOINT_URL_STS", s3Only)
		return awsconf.Options{EndpointURL: url}, "endpoint_url = " + s3Only + "\n"
	},
}

// stsCredentials are the credentials that need an STS, each with the calls that it takes.
var stsCredentials = map[string]struct {
	profile func(role, file string) string
	calls   []string
}{
	"web identity of the environment": {nil, []string{"AssumeRoleWithWebIdentity"}},
	"web identity of the profile": {
		func(role, file string) string {
			return "role_arn = " + role + "\nweb_identity_token_file = " + file + "\n"
		},
		[]string{"AssumeRoleWithWebIdentity"},
	},
	"role of a profile with keys": {
		func(role, _ string) string { return "role_arn = " + role + "\nsource_profile = keys\n" },
		[]string{"AssumeRole"},
	},
	"role of a role of a web identity": {
		func(role, _ string) string { return "role_arn = " + role + "\nsource_profile = web\n" },
		[]string{"AssumeRoleWithWebIdentity", "AssumeRole"},
	},
	"role of the environment's keys": {
		func(role, _ string) string { return "role_arn = " + role + "\ncredential_source = Environment\n" },
		[]string{"AssumeRole"},
	},
}

func TestSTSThatBelongsToTheEndpointIsAsked(t *testing.T) {
	for where, set := range stsSettings {
		for whose, credentials := range stsCredentials {
			t.Run(where+"/"+whose, func(t *testing.T) {
				server, role := visitors(t, s3test.Options{})
				home := mototest.Isolate(t)
				file := tokenFile(t, goodToken)
				o, settings := set(t, home, server.URL)
				profile := "[profile it]\nregion = us-east-1\n"
				if credentials.profile == nil {
					webIdentity(t, file, role)
					t.Setenv("AWS_PROFILE", "it")
				} else {
					profile += credentials.profile(role, file)
					o.Profile = "it"
					t.Setenv("AWS_ACCESS_KEY_ID", s3test.AdminKeyID)
					t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.AdminSecret)
				}
				writeConfig(t, home, profile+settings+
					"[profile keys]\naws_access_key_id = "+s3test.AdminKeyID+"\naws_secret_access_key = "+s3test.AdminSecret+"\n"+
					"[profile web]\nrole_arn = "+role+"\nweb_identity_token_file = "+file+"\n")
				cfg := load(t, o)
				if _, err := cfg.Credentials.Retrieve(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := operations(server); !slices.Equal(got, credentials.calls) {
					t.Errorf("the STS in force was asked for %v, want %v", got, credentials.calls)
				}
				if got := aws.ToString(awsconf.STS(cfg).Options().BaseEndpoint); got != server.URL {
					t.Errorf("identities are asked for at %s, sessions at %s", got, server.URL)
				}
			})
		}
	}
}

func operations(server *s3test.Server) []string {
	var names []string
	for _, r := range server.Log() {
		names = append(names, r.Op)
	}
	return names
}

func TestPlacesTellWhereTheyComeFrom(t *testing.T) {
	home := mototest.Isolate(t)
	writeConfig(t, home, "[default]\nservices = s\nendpoint_url = https://profile.example.com\n[services s]\nkms =\n  endpoint_url = https://kms.example.com\n")
	for _, test := range []struct {
		name, variable, value, option string
		service                       string
		want                          awsconf.Place
	}{
		{"profile", "", "", "", "S3", awsconf.Place{URL: "https://profile.example.com", From: "profile default"}},
		{"services", "", "", "", "KMS", awsconf.Place{URL: "https://kms.example.com", From: "profile default (services s)"}},
		{"profile", "", "", "", "STS", awsconf.Place{URL: "https://profile.example.com", From: "profile default"}},
		{"variable", "AWS_ENDPOINT_URL", "https://all.example.com", "", "STS", awsconf.Place{URL: "https://all.example.com", From: "$AWS_ENDPOINT_URL"}},
		{"variable", "AWS_ENDPOINT_URL", "https://all.example.com", "", "S3", awsconf.Place{URL: "https://all.example.com", From: "$AWS_ENDPOINT_URL"}},
		{"own variable", "AWS_ENDPOINT_URL_STS", "https://sts.example.com", "", "STS", awsconf.Place{URL: "https://sts.example.com", From: "$AWS_ENDPOINT_URL_STS"}},
		{"option", "", "", "https://option.example.com", "S3", awsconf.Place{URL: "https://option.example.com", From: awsconf.FromOption}},
		{"ignored", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", "", "STS", awsconf.Place{URL: "https://sts.us-east-1.amazonaws.com", From: awsconf.FromAWS}},
		{"ignored", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", "", "S3", awsconf.Place{URL: "https://s3.us-east-1.amazonaws.com", From: awsconf.FromAWS}},
		{"S3's address of AWS", "AWS_ENDPOINT_URL", "https://b.vpce-1.s3.us-east-1.vpce.amazonaws.com", "", "STS", awsconf.Place{URL: "https://profile.example.com", From: "profile default"}},
	} {
		t.Run(test.name+"/"+test.service, func(t *testing.T) {
			if test.variable != "" {
				t.Setenv(test.variable, test.value)
			}
			cfg := load(t, awsconf.Options{EndpointURL: test.option})
			if got := awsconf.PlaceOf(t.Context(), cfg, test.service); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

// A token is not sent to AWS when the store is elsewhere and nobody says where its STS is.
func TestTokenGoesToNoStranger(t *testing.T) {
	server, role := visitors(t, s3test.Options{})
	webIdentity(t, tokenFile(t, goodToken), role)
	t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
	cfg := load(t, awsconf.Options{})

	_, err := awsconf.S3(cfg).ListBuckets(t.Context(), nil)
	wantCredentialsError(t, err, "no STS is configured for it", "AWS_ENDPOINT_URL_STS")
	if n := len(server.Log()); n != 0 {
		t.Errorf("%d requests", n)
	}
	if place := awsconf.PlaceOf(t.Context(), cfg, "STS"); place.URL != "" {
		t.Errorf("the STS in force is %+v", place)
	}

	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "") // nor is the token of a session
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.AdminKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.AdminSecret)
	caller, err := awsconf.Identity(t.Context(), load(t, awsconf.Options{}))
	if err != nil || caller.Name != s3test.AdminKeyID || !strings.Contains(caller.Note, "no STS is configured") {
		t.Errorf("%+v, error %v", caller, err)
	}
}

// Another service's endpoint is not in force: a parameter store of AWS has AWS's STS.
func TestSTSIsAWSsWhereTheServiceIs(t *testing.T) {
	mototest.Isolate(t)
	t.Setenv("AWS_ENDPOINT_URL_S3", "https://minio.example.com")
	cfg := load(t, awsconf.Options{Service: "SSM"})
	want := awsconf.Place{URL: "https://sts.us-east-1.amazonaws.com", From: awsconf.FromAWS}
	if got := awsconf.PlaceOf(t.Context(), cfg, "STS"); got != want || awsconf.NoSTS(cfg) != nil {
		t.Errorf("%+v, %v, want %+v", got, awsconf.NoSTS(cfg), want)
	}
}

func wantCredentialsError(t *testing.T, err error, reason, hint string) {
	t.Helper()
	var e *store.CredentialsError
	if !errors.As(err, &e) || !errors.Is(err, store.ErrCredentials) || !errors.Is(err, store.ErrConfiguration) {
		t.Fatalf("error %v, want a *store.CredentialsError", err)
	}
	if !strings.Contains(e.Reason, reason) || !strings.Contains(e.Hint(), hint) {
		t.Errorf("%q, and %q: want %q, and %q", e.Reason, e.Hint(), reason, hint)
	}
	if strings.Contains(err.Error()+e.Hint(), "canary") || strings.Contains(err.Error(), goodToken) {
		t.Error("the error tells the token")
	}
}

func TestEachFailureOfAWebIdentityHasItsSentence(t *testing.T) {
	nobody := httptest.NewServer(http.NotFoundHandler())
	nobody.Close()
	page := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(page.Close)
	for name, test := range map[string]struct {
		token, url   string
		missing      bool
		reason, hint string
	}{
		"expired":        {token: expiredToken, reason: "expired at 1970-01-01T00:00:01Z", hint: "must renew the token"},
		"wrong audience": {token: jwt("another", time.Unix(1<<33, 0)), reason: "(InvalidIdentityToken)", hint: `the audience "another"`},
		"no token":       {token: "canary", reason: "does not hold a web identity token", hint: "check what writes the file"},
		"empty":          {token: "", reason: "is empty", hint: "AWS_WEB_IDENTITY_TOKEN_FILE"},
		"missing file":   {missing: true, reason: "can't read the web identity token: open ", hint: "AWS_WEB_IDENTITY_TOKEN_FILE"},
		"unreachable":    {token: goodToken, url: nobody.URL, reason: "no answer from the STS at " + nobody.URL + ": connection refused", hint: "AWS_ENDPOINT_URL_STS"},
		"no STS there":   {token: goodToken, url: page.URL, reason: page.URL + " returned status 404", hint: "check that this is an STS"},
	} {
		t.Run(name, func(t *testing.T) {
			server, role := visitors(t, s3test.Options{})
			file := tokenFile(t, test.token)
			if test.missing {
				file += ".missing"
			}
			webIdentity(t, file, role)
			if test.url != "" {
				t.Setenv("AWS_ENDPOINT_URL_STS", test.url)
			}
			_, err := awsconf.S3(load(t, awsconf.Options{EndpointURL: server.URL, Retries: 1})).ListBuckets(t.Context(), nil)
			wantCredentialsError(t, err, test.reason, test.hint)
		})
	}
}

func TestRoleThatIsRefusedIsNamed(t *testing.T) {
	server, _ := visitors(t, s3test.Options{})
	home := mototest.Isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.AdminKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.AdminSecret)
	writeConfig(t, home, "[profile it]\nrole_arn = arn:aws:iam::111122223333:role/other\ncredential_source = Environment\n")
	_, err := awsconf.S3(load(t, awsconf.Options{EndpointURL: server.URL, Profile: "it"})).ListBuckets(t.Context(), nil)
	wantCredentialsError(t, err, "refuses the role arn:aws:iam::111122223333:role/other (AccessDenied)", "ask its administrator")
}

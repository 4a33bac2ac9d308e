package awsconf

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/signin"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"

	"github.com/coffer-secrets/coffer/store"
)

// PlainHTTPError is the [store.ErrConfiguration] of an endpoint to which secrets or
// credentials would travel unencrypted to another machine.
type PlainHTTPError struct {
	Service string // as the SDK calls it: "S3", "STS", "KMS", ...
	URL     string // without a password
}

func (e *PlainHTTPError) Error() string {
	return fmt.Sprintf("the %s endpoint %s is neither encrypted nor on this machine", e.Service, e.URL)
}

func (e *PlainHTTPError) Unwrap() error { return store.ErrConfiguration }

// Endpoint returns the URL of the S3 server that was configured by an option, the
// environment or the profile; "" when it is AWS's own for the region.
func Endpoint(cfg aws.Config) string { return aws.ToString(S3(cfg).Options().BaseEndpoint) }

// endpointOption is a configuration source that answers for S3 before the environment and
// the profile do. For the other services it leaves them the first word, so that STS or KMS
// can be elsewhere (AWS_ENDPOINT_URL_STS); Config.BaseEndpoint is their last.
type endpointOption string

// GetServiceBaseEndpoint makes it a source of the SDK.
func (e endpointOption) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	return string(e), service == "S3", nil
}

// checkEndpoints asks the SDK's own clients what they resolved, those included that only
// fetch credentials: whatever option, variable or profile it came from.
func checkEndpoints(cfg aws.Config, allowHTTP bool) error {
	resolved := []struct {
		service string
		url     *string
	}{
		{"S3", S3(cfg).Options().BaseEndpoint},
		{"STS", STS(cfg).Options().BaseEndpoint},
		{"KMS", KMS(cfg).Options().BaseEndpoint},
		{"SSM", ssm.NewFromConfig(cfg).Options().BaseEndpoint},
		{"Secrets Manager", secretsmanager.NewFromConfig(cfg).Options().BaseEndpoint},
		{"SSO", sso.NewFromConfig(cfg).Options().BaseEndpoint},
		{"SSO OIDC", ssooidc.NewFromConfig(cfg).Options().BaseEndpoint},
		{"Signin", signin.NewFromConfig(cfg).Options().BaseEndpoint},
	}
	for _, r := range resolved {
		if r.url == nil {
			continue
		}
		if err := checkEndpoint(r.service, *r.url, allowHTTP); err != nil {
			return err
		}
	}
	return nil
}

func checkEndpoint(service, address string, allowHTTP bool) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		// The text may hold a password: it is not repeated.
		return fmt.Errorf("the %s endpoint is not an http or https URL: %w", service, store.ErrConfiguration)
	case u.Scheme == "http" && !allowHTTP && !loopback(u.Hostname()):
		return &PlainHTTPError{Service: service, URL: u.Redacted()}
	}
	return nil
}

// loopback goes by the name alone: a look-up could be answered by somebody else.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ofAWS tells AWS's servers, such as VPC endpoints, from others.
func ofAWS(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	host := u.Hostname()
	return strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn")
}

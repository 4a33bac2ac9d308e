package awsconf

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/coffer-secrets/coffer/internal/partition"
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

// OtherServer returns the URL of the S3 server when it is not one of AWS's, their VPC
// endpoints included; else "".
func OtherServer(cfg aws.Config) string {
	if e := Endpoint(cfg); !ofAWS(e) {
		return e
	}
	return ""
}

// PlainHTTP tells whether requests to the S3 server travel without TLS.
func PlainHTTP(cfg aws.Config) bool {
	u, err := url.Parse(Endpoint(cfg))
	return err == nil && strings.EqualFold(u.Scheme, "http")
}

// endpointOption is a configuration source that answers for S3 before the environment and
// the profile do. For the other services it leaves them the first word, so that STS or KMS
// can be elsewhere (AWS_ENDPOINT_URL_STS); Config.BaseEndpoint is their last.
type endpointOption string

// GetServiceBaseEndpoint makes it a source of the SDK.
func (e endpointOption) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	return string(e), service == "S3", nil
}

// checkEndpoints looks at every endpoint that a secret or a credential could go to,
// whatever option, variable or profile it came from: what the SDK's own clients resolved,
// and by their names the services that have no client here.
func checkEndpoints(ctx context.Context, cfg aws.Config, allowHTTP bool) error {
	type endpoint struct {
		service string
		url     *string
	}
	endpoints := []endpoint{
		{"S3", S3(cfg).Options().BaseEndpoint},
		{"STS", STS(cfg).Options().BaseEndpoint},
		{"KMS", KMS(cfg).Options().BaseEndpoint},
	}
	for _, service := range []string{"SSM", "Secrets Manager", "CloudTrail", "SSO", "SSO OIDC", "Signin"} {
		endpoints = append(endpoints, endpoint{service, endpointByName(ctx, cfg, service)}, endpoint{service, cfg.BaseEndpoint})
	}
	for _, e := range endpoints {
		if e.url == nil {
			continue
		}
		if err := checkEndpoint(e.service, *e.url, allowHTTP); err != nil {
			return err
		}
	}
	return nil
}

// endpointByName is what the environment or the profile says for one service alone.
func endpointByName(ctx context.Context, cfg aws.Config, service string) *string {
	if ignored, found, err := config.GetIgnoreConfiguredEndpoints(ctx, cfg.ConfigSources); ignored && found && err == nil {
		return nil
	}
	for _, source := range cfg.ConfigSources {
		if s, ok := source.(interface {
			GetServiceBaseEndpoint(context.Context, string) (string, bool, error)
		}); ok {
			if address, found, err := s.GetServiceBaseEndpoint(ctx, service); found && err == nil {
				return &address
			}
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

// loopback looks at the name alone: a DNS server could give any answer.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// serviceOfAWS tells the servers of all of AWS's services from others.
func serviceOfAWS(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return err == nil && partition.IsAWS(u.Hostname())
}

// ofAWS tells AWS's S3, VPC endpoints included, from other servers.
func ofAWS(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return err == nil && partition.IsS3(u.Hostname())
}

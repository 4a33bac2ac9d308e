package awsconf

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/coffer-secrets/coffer/internal/foreign"
	"github.com/coffer-secrets/coffer/internal/partition"
	"github.com/coffer-secrets/coffer/store"
)

// PlainHTTPError is the [store.ErrConfiguration] for an endpoint to which secrets or credentials
// would be sent unencrypted to another machine.
type PlainHTTPError struct {
	Service string // by the SDK's name: "S3", "STS", "KMS", ...
	URL     string // without a password
}

func (e *PlainHTTPError) Error() string {
	return fmt.Sprintf("the %s endpoint %s is neither encrypted nor on this machine", e.Service, e.URL)
}

func (e *PlainHTTPError) Unwrap() error { return store.ErrConfiguration }

// Hint returns what the user can do about the error.
func (e *PlainHTTPError) Hint() string {
	return "use https://, or --allow-http (allow_http in the configuration) if you accept that everybody on the way can read the secrets"
}

// Endpoint returns the URL of the S3 server from an option, the environment or the profile. It is
// "" for AWS's own endpoint of the region.
func Endpoint(cfg aws.Config) string { return aws.ToString(S3(cfg).Options().BaseEndpoint) }

// OtherServer returns the URL of the S3 server if it isn't AWS's, and "" otherwise. VPC endpoints
// are AWS's.
func OtherServer(cfg aws.Config) string {
	if e := Endpoint(cfg); !ofAWS(e) {
		return e
	}
	return ""
}

// OtherKMS returns the URL of the server of KMS if it isn't AWS's, and "" otherwise.
func OtherKMS(cfg aws.Config) string {
	endpoint := aws.ToString(KMS(cfg).Options().BaseEndpoint)
	if u, err := url.Parse(endpoint); endpoint == "" || err == nil && partition.IsAWS(u.Hostname()) {
		return ""
	}
	return endpoint
}

// PlainHTTP reports whether requests to the S3 server are sent without TLS.
func PlainHTTP(cfg aws.Config) bool {
	u, err := url.Parse(Endpoint(cfg))
	return err == nil && strings.EqualFold(u.Scheme, "http")
}

// endpointOption is a configuration source that takes precedence over the environment and the
// profile for S3. For other services the environment and the profile come first, so that STS or KMS
// can have another endpoint (AWS_ENDPOINT_URL_STS), and Config.BaseEndpoint last.
type endpointOption string

// GetServiceBaseEndpoint implements an interface by which the SDK reads its configuration sources.
func (e endpointOption) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	return string(e), service == "S3", nil
}

// checkEndpoints checks every endpoint that a secret or a credential could be sent to, from any
// option, variable or profile. For services with a client here it checks what the client resolved.
// Other services are looked up by name.
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
		if err := checkVariant(cfg, e.service); err != nil {
			return err
		}
	}
	return nil
}

// checkVariant returns an error if the user wants the FIPS or the dual-stack endpoint of a service that
// has a URL of its own: the SDK refuses every request then.
func checkVariant(cfg aws.Config, service string) error {
	for _, name := range []string{useFIPS, useDualStack} {
		if s := setting(cfg.ConfigSources, name); s.Value == "true" {
			return &SettingError{
				Reason: fmt.Sprintf("%s can't be combined with a custom endpoint URL for %s", s.where(), service),
				Way:    "unset one of them: only AWS has such endpoints",
			}
		}
	}
	return nil
}

// checkRegion refuses what can't be a part of a host name. The names of another server's regions are
// its own.
func checkRegion(name string) error {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"
	if strings.Trim(name, allowed) == "" {
		return nil
	}
	return &SettingError{
		Reason: fmt.Sprintf("%q can't be a region: a region has only letters, digits and hyphens", name),
		Way:    "set another with --region, COFFER_AWS_REGION or AWS_REGION",
	}
}

// endpointByName returns the endpoint that the environment or the profile sets for one service.
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
		return noEndpoint(service, address)
	case u.Scheme == "http" && !allowHTTP && !loopback(u.Hostname()):
		return &PlainHTTPError{Service: service, URL: u.Redacted()}
	}
	return nil
}

// noEndpoint returns the error for an endpoint that is no URL of a server. It repeats the endpoint
// without the user and the password, and says what was probably meant.
func noEndpoint(service, address string) error {
	scheme, rest, hasScheme := strings.Cut(address, "://")
	if !hasScheme {
		rest = address
	}
	shown := foreign.Text(rest[strings.LastIndexByte(rest, '@')+1:])
	e := &SettingError{Way: "an endpoint is https:// or http://, followed by a host"}
	if u, err := url.Parse("http://" + shown); !hasScheme && err == nil && u.Host == shown && strings.ContainsAny(shown, ".:") {
		e.Way = "write it as https://" + shown
		if loopback(u.Hostname()) {
			e.Way = "write it as http://" + shown
		}
	}
	if hasScheme {
		shown = foreign.Text(scheme) + "://" + shown
	}
	e.Reason = fmt.Sprintf("the %s endpoint %q is not an http or https URL", service, shown)
	return e
}

// loopback checks only the name: a DNS server could return any address.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// serviceOfAWS reports whether an endpoint belongs to any service of AWS.
func serviceOfAWS(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return err == nil && partition.IsAWS(u.Hostname())
}

// ofAWS reports whether an endpoint is AWS's S3, including VPC endpoints.
func ofAWS(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return err == nil && partition.IsS3(u.Hostname())
}

package awsconf

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/coffer-secrets/coffer/store"
)

// Place is the URL of a service, and where it is configured.
type Place struct {
	URL  string // AWS's own if none is configured; "" if it isn't known
	From string // [FromAWS], [FromOption], a variable, or "profile NAME"
}

// Values of From when the URL comes from neither a variable nor a profile.
const (
	FromAWS    = "AWS" // nothing is configured
	FromOption = "option"
)

const variableOfSTS = "AWS_ENDPOINT_URL_STS"

// NoSTSError is the [store.ErrCredentials] for a server that isn't AWS's and has no configured STS.
// AWS's STS isn't asked instead, since it would receive a token meant for another server.
type NoSTSError struct {
	Service string // the service whose endpoint is in force: "S3", ...
	URL     string // without a password
}

func (e *NoSTSError) Error() string {
	return fmt.Sprintf("the %s endpoint %s is not AWS's, and no STS is configured for it", e.Service, e.URL)
}

// Hint names the variable to set.
func (e *NoSTSError) Hint() string {
	return "set " + variableOfSTS + " to the server's STS, which often has the same URL; AWS_ENDPOINT_URL names all services of a server at once"
}

func (e *NoSTSError) Unwrap() error { return store.ErrCredentials }

// stsPlace is a configuration source that stores which STS is in force.
type stsPlace struct {
	Place
	missing *NoSTSError
}

// findSTS returns the STS that belongs to the endpoint in force of a service. A setting for STS
// alone comes first, then one for all services, and the option last. If a setting for all services
// is an AWS URL, such as S3's VPC endpoint, it isn't used for STS.
//
// The SDK prefers AWS_ENDPOINT_URL to a profile's services section, and its calls that create
// credentials use only the settings for STS alone (config 1.33.15, resolve_credentials.go: the
// clients are made before resolveBaseEndpoint).
func findSTS(ctx context.Context, cfg aws.Config, o Options) *stsPlace {
	for _, p := range []Place{
		placeInEnvironment(ctx, cfg, "STS"), placeInServices(ctx, cfg, "STS"),
		elsewhere(placeInEnvironment(ctx, cfg, "")), elsewhere(placeInProfile(ctx, cfg)),
		elsewhere(Place{o.EndpointURL, FromOption}),
	} {
		if p.URL != "" {
			return &stsPlace{Place: p}
		}
	}
	service := o.Service
	if service == "" {
		service = "S3"
	}
	if at := aws.ToString(configuredURL(cfg, service)); at != "" && !serviceOfAWS(at) {
		return &stsPlace{missing: &NoSTSError{Service: service, URL: redacted(at)}}
	}
	return &stsPlace{Place: Place{From: FromAWS}}
}

// elsewhere returns the place, or none if it is AWS's.
func elsewhere(p Place) Place {
	if serviceOfAWS(p.URL) {
		return Place{}
	}
	return p
}

func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "that is configured"
	}
	return u.Redacted()
}

// ignored reports whether AWS_IGNORE_CONFIGURED_ENDPOINT_URLS or the profile switches off the
// endpoints of the environment and the profile.
func ignored(ctx context.Context, cfg aws.Config) bool {
	value, found, err := config.GetIgnoreConfiguredEndpoints(ctx, cfg.ConfigSources)
	return value && found && err == nil
}

// placeInEnvironment returns the value of the service's variable, or for "" that of the variable
// for all services.
func placeInEnvironment(ctx context.Context, cfg aws.Config, service string) Place {
	for _, source := range cfg.ConfigSources {
		env, ok := source.(config.EnvConfig)
		if !ok || ignored(ctx, cfg) {
			continue
		}
		if service == "" {
			return Place{env.BaseEndpoint, "$AWS_ENDPOINT_URL"}
		}
		if value, found, err := env.GetServiceBaseEndpoint(ctx, service); found && err == nil {
			return Place{value, "$AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(service, " ", "_"))}
		}
	}
	return Place{}
}

// sharedConfig returns the profile in force.
func sharedConfig(cfg aws.Config) config.SharedConfig {
	for _, source := range cfg.ConfigSources {
		if profile, ok := source.(config.SharedConfig); ok {
			return profile
		}
	}
	return config.SharedConfig{}
}

func placeInServices(ctx context.Context, cfg aws.Config, service string) Place {
	profile := sharedConfig(cfg)
	if value, found, err := profile.GetServiceBaseEndpoint(ctx, service); found && err == nil && value != "" && !ignored(ctx, cfg) {
		return Place{value, "profile " + profile.Profile + " (services " + profile.ServicesSectionName + ")"}
	}
	return Place{}
}

func placeInProfile(ctx context.Context, cfg aws.Config) Place {
	profile := sharedConfig(cfg)
	if profile.BaseEndpoint == "" || ignored(ctx, cfg) {
		return Place{}
	}
	return Place{profile.BaseEndpoint, "profile " + profile.Profile}
}

// PlaceOf returns where the clients of a configuration find a service: "S3", "STS", "KMS", "SSM" or
// "Secrets Manager". If none is configured it is AWS's for the region.
func PlaceOf(ctx context.Context, cfg aws.Config, service string) Place {
	if known := stsOf(cfg); known != nil && service == "STS" {
		if known.missing != nil || known.URL != "" {
			return known.Place
		}
		return Place{urlOfAWS(ctx, cfg, service), FromAWS}
	}
	at := aws.ToString(configuredURL(cfg, service))
	if at == "" {
		return Place{urlOfAWS(ctx, cfg, service), FromAWS}
	}
	for _, p := range []Place{
		placeInOption(cfg, service), placeInEnvironment(ctx, cfg, service), placeInServices(ctx, cfg, service),
		placeInOption(cfg, ""), placeInEnvironment(ctx, cfg, ""), placeInProfile(ctx, cfg),
	} {
		if p.URL == at {
			return p
		}
	}
	return Place{at, FromOption}
}

// placeInOption returns the option's URL, which takes precedence over all others for S3.
func placeInOption(cfg aws.Config, service string) Place {
	for _, source := range cfg.ConfigSources {
		if o, ok := source.(endpointOption); ok && (service == "" || service == "S3") {
			return Place{string(o), FromOption}
		}
	}
	return Place{}
}

func configuredURL(cfg aws.Config, service string) *string {
	switch service {
	case "S3":
		return S3(cfg).Options().BaseEndpoint
	case "STS":
		return STS(cfg).Options().BaseEndpoint
	case "KMS":
		return KMS(cfg).Options().BaseEndpoint
	case "SSM":
		return SSM(cfg).Options().BaseEndpoint
	case "Secrets Manager":
		return SecretsManager(cfg).Options().BaseEndpoint
	}
	return nil
}

// urlOfAWS returns the URL that the SDK resolves for the region, or "" without a region.
func urlOfAWS(ctx context.Context, cfg aws.Config, service string) string {
	region := &cfg.Region
	if *region == "" {
		return ""
	}
	var at interface{ String() string }
	switch service {
	case "S3":
		if e, err := s3.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, s3.EndpointParameters{Region: region}.WithDefaults()); err == nil {
			at = &e.URI
		}
	case "STS":
		if e, err := sts.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, sts.EndpointParameters{Region: region}.WithDefaults()); err == nil {
			at = &e.URI
		}
	case "KMS":
		if e, err := kms.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, kms.EndpointParameters{Region: region}.WithDefaults()); err == nil {
			at = &e.URI
		}
	case "SSM":
		if e, err := ssm.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, ssm.EndpointParameters{Region: region}.WithDefaults()); err == nil {
			at = &e.URI
		}
	case "Secrets Manager":
		if e, err := secretsmanager.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, secretsmanager.EndpointParameters{Region: region}.WithDefaults()); err == nil {
			at = &e.URI
		}
	}
	if at == nil {
		return ""
	}
	return at.String()
}

// stsOf returns the STS that [Load] found, or nil if [Load] didn't make the configuration.
func stsOf(cfg aws.Config) *stsPlace {
	for _, source := range cfg.ConfigSources {
		if known, ok := source.(*stsPlace); ok {
			return known
		}
	}
	return nil
}

// NoSTS returns the [*NoSTSError] of a configuration whose server has no known STS, and nil
// otherwise.
func NoSTS(cfg aws.Config) error {
	if known := stsOf(cfg); known != nil && known.missing != nil {
		return known.missing
	}
	return nil
}

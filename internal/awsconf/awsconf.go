// Package awsconf is the one place that loads AWS configuration and makes clients from it:
// the SDK's default chain of credentials, SigV4, endpoints that are safe to talk to.
package awsconf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"

	"github.com/coffer-secrets/coffer/store"
)

const (
	connectTimeout  = 5 * time.Second
	headerTimeout   = 30 * time.Second
	parallel        = 64 // requests that find an idle connection to one host
	metadataTimeout = 2 * time.Second
	regionOfOthers  = "us-east-1" // what servers that know no regions expect
)

// ErrNoRegion is the [store.ErrConfiguration] of a caller whom nothing gives a region.
var ErrNoRegion = fmt.Errorf("no region is configured: %w", store.ErrConfiguration)

// Config is what the SDK's clients are made of.
type Config = aws.Config

// Options is what a caller says of its own; every zero leaves the matter to the SDK's chain
// (environment, profile, instance).
type Options struct {
	Region  string
	Profile string

	// EndpointURL is the S3 server, and that of every other service for which nothing else
	// names one.
	EndpointURL string

	// Service is the one whose endpoint is in force, as the SDK calls it: where that isn't
	// AWS's, AWS's STS isn't asked for sessions. "" is "S3".
	Service string

	Retries   int    // attempts of one request, the first included
	RetryMode string // "standard" or "adaptive"

	// Timeout is how long the caller waits without progress. An attempt without an answer is
	// given up after half of it, 30 seconds at most, so that there is time for another.
	Timeout time.Duration

	AllowHTTP bool // http:// to other machines too
	Offline   bool // asks no instance for its region: then none is no error

	Log *slog.Logger     // each request, at debug level; never a value or a credential
	Now func() time.Time // the clock; without it no milliseconds are logged
}

// Load resolves the configuration. It makes no request, but for the region of an instance
// that has no other. Errors are [store.ErrConfiguration]: a profile that does not exist, a
// file that does not parse, [ErrNoRegion], a [*PlainHTTPError].
func Load(ctx context.Context, o Options) (aws.Config, error) {
	options, err := loadOptions(o)
	if err != nil {
		return aws.Config{}, err
	}
	sessions := &assumer{now: o.clock()}
	cfg, err := config.LoadDefaultConfig(ctx, append(options, sessions.options()...)...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("loading the AWS configuration: %w: %w", err, store.ErrConfiguration)
	}
	if o.EndpointURL != "" {
		cfg.BaseEndpoint = aws.String(o.EndpointURL)
		cfg.ConfigSources = append([]any{endpointOption(o.EndpointURL)}, cfg.ConfigSources...)
	}
	sessions.at = findSTS(ctx, cfg, o)
	cfg.ConfigSources = append([]any{sessions.at}, cfg.ConfigSources...)
	if err := checkEndpoints(ctx, cfg, o.AllowHTTP); err != nil {
		return aws.Config{}, err
	}
	if cfg.Region == "" && !o.Offline {
		if cfg.Region, err = fallbackRegion(ctx, cfg); err != nil {
			return cfg, err
		}
	}
	own := newSession(cfg.Credentials, o.clock())
	cfg.Credentials = own
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), (&renewal{own}).insert)
	return cfg, nil
}

func (o Options) clock() func() time.Time {
	if o.Now != nil {
		return o.Now
	}
	return time.Now //nolint:forbidigo // the default of a library; the command line hands its own in
}

func loadOptions(o Options) ([]func(*config.LoadOptions) error, error) {
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(httpClient(o.Timeout)),
		config.WithLogger(sdkLogger(o.Log)),
	}
	stack := []func(*middleware.Stack) error{watchRequests(newContacts(), o.Retries)}
	if o.Log != nil {
		stack = append(stack, logRequests(o.Log, o.Now))
	}
	options = append(options, config.WithAPIOptions(stack))
	if o.Region != "" {
		options = append(options, config.WithRegion(o.Region))
	}
	if o.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(o.Profile))
	}
	if o.Retries != 0 {
		options = append(options, config.WithRetryMaxAttempts(o.Retries))
	}
	mode := aws.RetryModeStandard
	if o.RetryMode != "" {
		var err error
		if mode, err = aws.ParseRetryMode(o.RetryMode); err != nil {
			return nil, fmt.Errorf("retry mode %q is neither standard nor adaptive: %w", o.RetryMode, store.ErrConfiguration)
		}
		options = append(options, config.WithRetryMode(mode))
	}
	if o.Retries != 0 {
		options = append(options, config.WithRetryer(func() aws.Retryer { return newPatience(mode, o.Retries) }))
	}
	return options, nil
}

// httpClient stays a BuildableClient: the SDK shortens its time-outs for instance metadata
// and adds AWS_CA_BUNDLE to it.
func httpClient(timeout time.Duration) *awshttp.BuildableClient {
	header := headerTimeout
	if timeout > 0 {
		header = min(header, timeout/2)
	}
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = connectTimeout }).
		WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConns = 2 * parallel
			t.MaxIdleConnsPerHost = parallel
			t.ResponseHeaderTimeout = header
		})
}

// fallbackRegion is for servers that know no regions, and for instances whose only source
// is their metadata. Whoever has other credentials waits for no metadata.
func fallbackRegion(ctx context.Context, cfg aws.Config) (string, error) {
	if Endpoint(cfg) != "" {
		return regionOfOthers, nil
	}
	from, ok := cfg.Credentials.(aws.CredentialProviderSource)
	if !ok || !slices.Contains(from.ProviderSources(), aws.CredentialSourceIMDS) {
		return "", ErrNoRegion
	}
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	answer, err := imds.NewFromConfig(cfg).GetRegion(ctx, nil)
	if err != nil || answer.Region == "" {
		return "", errors.Join(ErrNoRegion, err)
	}
	return answer.Region, nil
}

// S3 returns a client that speaks to AWS, or as other servers understand: path-style
// addresses and no checksums that they did not ask for (facts.md, section 5).
func S3(cfg aws.Config) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.DisableLogOutputChecksumValidationSkipped = true
		o.APIOptions = append(o.APIOptions, checkAnswers)
		if o.BaseEndpoint == nil {
			return
		}
		o.UsePathStyle = true
		if !ofAWS(*o.BaseEndpoint) {
			o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
	})
}

// STS returns a client for identities, of the STS in force: see [NoSTS] before it is asked.
func STS(cfg aws.Config) *sts.Client {
	return sts.NewFromConfig(cfg, func(o *sts.Options) {
		if at := stsOf(cfg); at != nil {
			o.BaseEndpoint = nil
			if at.URL != "" {
				o.BaseEndpoint = &at.URL
			}
		}
	})
}

// KMS returns a client for keys and their aliases; [Keys] is what most callers want.
func KMS(cfg aws.Config) *kms.Client { return kms.NewFromConfig(cfg) }

// SSM returns a client for Parameter Store.
func SSM(cfg aws.Config) *ssm.Client { return ssm.NewFromConfig(cfg) }

// SecretsManager returns a client for Secrets Manager.
func SecretsManager(cfg aws.Config) *secretsmanager.Client { return secretsmanager.NewFromConfig(cfg) }

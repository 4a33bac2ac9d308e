// Package awsconf loads the AWS configuration and creates clients from it: the SDK's default
// credential chain, SigV4, and checks that no endpoint sends secrets unencrypted. No other package
// does.
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
	parallel        = 128 // idle connections kept to one host, for requests in parallel
	metadataTimeout = 2 * time.Second
	regionOfOthers  = "us-east-1" // the region that servers without regions expect
)

// ErrNoRegion is the [store.ErrConfiguration] for a caller without a configured region.
var ErrNoRegion = fmt.Errorf("no region is configured: %w", store.ErrConfiguration)

// Config is the configuration that the SDK's clients are created from.
type Config = aws.Config

// Options are the caller's own settings. A zero value leaves the setting to the SDK's chain
// (environment, profile, instance).
type Options struct {
	Region  string
	Profile string

	// EndpointURL is the URL of the S3 server, and of every other service that has no endpoint of
	// its own.
	EndpointURL string

	// Service is the service whose endpoint is in force, by the SDK's name. Where that endpoint
	// isn't AWS's, AWS's STS isn't asked for sessions. "" means "S3".
	Service string

	// Retries is the number of attempts of one request, including the first. 0 leaves it to the SDK's
	// settings (AWS_MAX_ATTEMPTS, the profile), and to [DefaultRetries] if there are none.
	Retries int
	// RetryMode is "standard" or "adaptive". "" leaves it to the SDK's settings (AWS_RETRY_MODE, the
	// profile), and to DefaultRetryMode if there are none. That is "standard" if it is "".
	RetryMode, DefaultRetryMode string

	// Timeout is how long the caller waits without progress. An attempt without a response ends
	// after half of it, and after 30 seconds at most, so that there is time for another attempt.
	Timeout time.Duration

	AllowHTTP bool // allows http:// to other machines
	Offline   bool // doesn't ask the instance for its region; a missing region is no error

	// AskCode asks a person for the code of an MFA device, with the prompt given. nil, or the error
	// [ErrNoTerminal], means that nobody can be asked.
	AskCode func(prompt string) (string, error)
	// Terminal says that a person is at standard input and standard error, where a credential_process may ask.
	Terminal bool
	// SessionCache is the directory in which the AWS CLI caches the sessions of roles: those with an
	// MFA device are shared with it. "" caches none.
	SessionCache string

	// Fetched, if set, is called with the secret parts of credentials that were fetched, so that no
	// message repeats them.
	Fetched func(secrets ...string)

	Log *slog.Logger     // logs each request at debug level, without values and credentials
	Now func() time.Time // the clock; if nil, no milliseconds are logged
}

// Load resolves the configuration. It makes no request, except to the metadata of an instance whose
// region isn't configured, and to STS for a role that needs the code of an MFA device. Errors are [store.ErrConfiguration]: a profile that doesn't exist, a
// file that can't be parsed, [ErrNoRegion], a [*PlainHTTPError].
func Load(ctx context.Context, o Options) (aws.Config, error) {
	retries := &retries{}
	sessions := &assumer{now: o.clock(), retries: retries, ask: o.AskCode, cache: sessionCache(o.SessionCache), log: o.Log}
	cfg, err := config.LoadDefaultConfig(ctx, append(loadOptions(o, retries), sessions.options()...)...)
	if err != nil {
		return aws.Config{}, explainLoad(err, o)
	}
	if err := retries.choose(o, cfg.ConfigSources); err != nil {
		return aws.Config{}, err
	}
	if o.EndpointURL != "" {
		cfg.BaseEndpoint = aws.String(o.EndpointURL)
		cfg.ConfigSources = append([]any{endpointOption(o.EndpointURL)}, cfg.ConfigSources...)
	}
	sessions.at, sessions.causes = findSTS(ctx, cfg, o), causesOf(cfg)
	sessions.source = ownProcess(sessions.causes, o.Terminal)
	cfg.Credentials = sessions.source(cfg.Credentials)
	cfg.ConfigSources = append([]any{sessions.at}, cfg.ConfigSources...)
	if err := checkEndpoints(ctx, cfg, o.AllowHTTP); err != nil {
		return aws.Config{}, err
	}
	if err := checkRegion(cfg.Region); err != nil {
		return aws.Config{}, err
	}
	if cfg.Region == "" && !o.Offline {
		if cfg.Region, err = fallbackRegion(ctx, cfg); err != nil {
			return cfg, err
		}
	}
	own := newSession(cfg.Credentials, o.clock(), sessions.causes)
	own.tell = o.Fetched
	cfg.Credentials = own
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), (&renewal{own}).insert)
	if !o.Offline && sessions.causes.needMFA() {
		// Now, while nothing else waits: a person is asked.
		if _, err := own.Retrieve(ctx); err != nil {
			return aws.Config{}, err
		}
	}
	return cfg, nil
}

func (o Options) clock() func() time.Time {
	if o.Now != nil {
		return o.Now
	}
	return time.Now //nolint:forbidigo // the default of a library; the command line hands its own in
}

func loadOptions(o Options, retries *retries) []func(*config.LoadOptions) error {
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(httpClient(o.Timeout)),
		config.WithLogger(sdkLogger(o.Log)),
		config.WithRetryer(retries.retryer),
	}
	stack := []func(*middleware.Stack) error{watchRequests(newContacts(), retries)}
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
	return options
}

// httpClient returns a BuildableClient: the SDK shortens its timeouts for instance metadata and
// adds AWS_CA_BUNDLE to it.
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
			t.OnProxyConnectResponse = answerOfProxy
		})
}

// fallbackRegion returns the region for servers without regions, and for instances that have only
// their metadata. With credentials from another source it doesn't wait for metadata.
func fallbackRegion(ctx context.Context, cfg aws.Config) (string, error) {
	if Endpoint(cfg) != "" {
		return regionOfOthers, nil
	}
	if !slices.Contains(sourcesOf(cfg.Credentials), aws.CredentialSourceIMDS) {
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

// S3 returns a client for AWS or for another server. For other servers it uses path-style addresses
// and, unless the user has set that for the SDK, sends only the checksums that are required (facts.md,
// section 5).
func S3(cfg aws.Config) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.DisableLogOutputChecksumValidationSkipped = true
		o.APIOptions = append(o.APIOptions, checkAnswers)
		if o.BaseEndpoint == nil {
			return
		}
		o.UsePathStyle = true
		if ofAWS(*o.BaseEndpoint) {
			return
		}
		if setting(cfg.ConfigSources, requestChecksums).Value == "" {
			o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		}
		if setting(cfg.ConfigSources, responseChecksums).Value == "" {
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
	})
}

// STS returns a client for the STS in force. Check [NoSTS] before using it.
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

// KMS returns a client for keys and aliases. Most callers want [Keys].
func KMS(cfg aws.Config) *kms.Client { return kms.NewFromConfig(cfg) }

// KMSForData returns a client that encrypts and decrypts with keys. It repeats a request whose response
// was cut off: each of these requests may be made twice.
func KMSForData(cfg aws.Config) *kms.Client {
	return kms.NewFromConfig(cfg, func(o *kms.Options) {
		if r, ok := o.Retryer.(aws.RetryerV2); ok {
			o.Retryer = repeatsCut{r}
		}
	})
}

// SSM returns a client for Parameter Store.
func SSM(cfg aws.Config) *ssm.Client { return ssm.NewFromConfig(cfg) }

// SecretsManager returns a client for Secrets Manager.
func SecretsManager(cfg aws.Config) *secretsmanager.Client { return secretsmanager.NewFromConfig(cfg) }

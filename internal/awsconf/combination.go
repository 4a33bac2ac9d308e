package awsconf

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/store"
)

// SettingError is the [store.ErrConfiguration] for a setting that no request can be made with.
type SettingError struct {
	Setting string // the variable, which stands for its counterparts too
	Reason  string
	Way     string // what the user can do about it
}

func (e *SettingError) Error() string { return e.Reason }

// Hint returns what the user can do about the error.
func (e *SettingError) Hint() string { return e.Way }

func (e *SettingError) Unwrap() error { return store.ErrConfiguration }

const charactersOfRegions = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"

// checkCombination finds settings that the rules of AWS's endpoints don't allow, before the first
// request. The SDK would refuse each request in words of its own.
func checkCombination(cfg aws.Config, service string) error {
	if strings.Trim(cfg.Region, charactersOfRegions) != "" {
		return &SettingError{"AWS_REGION", fmt.Sprintf("the region %q has characters that no region has", cfg.Region), "--region, COFFER_AWS_REGION or AWS_REGION names another"}
	}
	at := customEndpoint(cfg, service)
	if at == "" {
		return nil
	}
	for name, what := range map[string]string{"use_fips_endpoint": "FIPS endpoints", "use_dualstack_endpoint": "dual-stack endpoints"} {
		if s := setting(cfg.ConfigSources, name); s.Value == "true" {
			from := s.From
			if len(s.Variables) > 0 {
				from = s.Variables[0]
			}
			return &SettingError{
				from, fmt.Sprintf("%s (%s) asks for AWS's %s, and the endpoint is %s: the two cannot go together", name, from, what, redacted(at)),
				"take one of the two away: AWS_" + strings.ToUpper(name) + "=false, or no endpoint",
			}
		}
	}
	return nil
}

// customEndpoint returns an endpoint that a request of the program goes to and that isn't found by
// AWS's rules; "" if there is none.
func customEndpoint(cfg aws.Config, service string) string {
	var url *string
	switch service {
	case "", "S3":
		url = S3(cfg).Options().BaseEndpoint
		if url == nil {
			url = KMS(cfg).Options().BaseEndpoint
		}
	case "SSM":
		url = SSM(cfg).Options().BaseEndpoint
	case "Secrets Manager":
		url = SecretsManager(cfg).Options().BaseEndpoint
	}
	if url == nil {
		url = STS(cfg).Options().BaseEndpoint
	}
	return aws.ToString(url)
}

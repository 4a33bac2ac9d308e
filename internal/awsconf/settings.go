package awsconf

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/coffer-secrets/coffer/store"
)

// Names of the settings that have a default of ours.
const (
	SettingRegion      = "region"
	SettingProfile     = "profile"
	SettingMaxAttempts = "max_attempts"
	SettingRetryMode   = "retry_mode"

	useFIPS      = "use_fips_endpoint"
	useDualStack = "use_dualstack_endpoint"
	useARNRegion = "s3_use_arn_region"

	requestChecksums  = "request_checksum_calculation"
	responseChecksums = "response_checksum_validation"
	whenRequired      = "when_required"
	whenSupported     = "when_supported"
)

// Setting is a setting that the SDK reads from the environment or from its own files.
type Setting struct {
	Name  string // in the profile; that of the variable in lower case where the profile has none
	Value string

	// Where it comes from: Variables, of which the first that is set applies, or else From.
	Variables []string
	From      string // "profile NAME", or why it is the default
}

// sdkSetting is a row of the table of what the SDK reads: the field of [config.EnvConfig], and the one
// of [config.SharedConfig].
type sdkSetting struct {
	name, variables, env, profile string
}

// sdkSettings returns the table, without credentials and endpoints. A test compares it with the SDK.
func sdkSettings() []sdkSetting {
	return []sdkSetting{
		{SettingRegion, "AWS_REGION AWS_DEFAULT_REGION", "Region", "Region"},
		{SettingProfile, "AWS_PROFILE AWS_DEFAULT_PROFILE", "SharedConfigProfile", ""},
		{SettingMaxAttempts, "AWS_MAX_ATTEMPTS", "RetryMaxAttempts", "RetryMaxAttempts"},
		{SettingRetryMode, "AWS_RETRY_MODE", "RetryMode", "RetryMode"},
		{requestChecksums, "AWS_REQUEST_CHECKSUM_CALCULATION", "RequestChecksumCalculation", "RequestChecksumCalculation"},
		{responseChecksums, "AWS_RESPONSE_CHECKSUM_VALIDATION", "ResponseChecksumValidation", "ResponseChecksumValidation"},
		{useFIPS, "AWS_USE_FIPS_ENDPOINT", "UseFIPSEndpoint", "UseFIPSEndpoint"},
		{useDualStack, "AWS_USE_DUALSTACK_ENDPOINT", "UseDualStackEndpoint", "UseDualStackEndpoint"},
		{"ca_bundle", "AWS_CA_BUNDLE", "CustomCABundle", "CustomCABundle"},
		{"defaults_mode", "AWS_DEFAULTS_MODE", "DefaultsMode", "DefaultsMode"},
		{"ignore_configured_endpoint_urls", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "IgnoreConfiguredEndpoints", "IgnoreConfiguredEndpoints"},
		{"account_id_endpoint_mode", "AWS_ACCOUNT_ID_ENDPOINT_MODE", "AccountIDEndpointMode", "AccountIDEndpointMode"},
		{"auth_scheme_preference", "AWS_AUTH_SCHEME_PREFERENCE", "AuthSchemePreference", "AuthSchemePreference"},
		{"disable_request_compression", "AWS_DISABLE_REQUEST_COMPRESSION", "DisableRequestCompression", "DisableRequestCompression"},
		{"request_min_compression_size_bytes", "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES", "RequestMinCompressSizeBytes", "RequestMinCompressSizeBytes"},
		{"disable_clock_skew_correction", "AWS_DISABLE_CLOCK_SKEW_CORRECTION", "DisableClockSkewCorrection", "DisableClockSkewCorrection"},
		{"endpoint_discovery_enabled", "AWS_ENABLE_ENDPOINT_DISCOVERY", "EnableEndpointDiscovery", "EnableEndpointDiscovery"},
		{useARNRegion, "AWS_S3_USE_ARN_REGION", "S3UseARNRegion", "S3UseARNRegion"},
		{"s3_disable_multiregion_access_points", "AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS", "S3DisableMultiRegionAccessPoints", "S3DisableMultiRegionAccessPoints"},
		{"s3_disable_express_session_auth", "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH", "S3DisableExpressAuth", "S3DisableExpressAuth"},
		{"ec2_metadata_disabled", "AWS_EC2_METADATA_DISABLED", "EC2IMDSClientEnableState", ""},
		{"ec2_metadata_service_endpoint", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "EC2IMDSEndpoint", "EC2IMDSEndpoint"},
		{"ec2_metadata_service_endpoint_mode", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "EC2IMDSEndpointMode", "EC2IMDSEndpointMode"},
		{"ec2_metadata_v1_disabled", "AWS_EC2_METADATA_V1_DISABLED", "EC2IMDSv1Disabled", "EC2IMDSv1Disabled"},
		{"sdk_ua_app_id", "AWS_SDK_UA_APP_ID", "AppID", "AppID"},
		{"shared_credentials_file", "AWS_SHARED_CREDENTIALS_FILE", "SharedCredentialsFile", ""},
		{"config_file", "AWS_CONFIG_FILE", "SharedConfigFile", ""},
		{"restrict_file_permissions", "AWS_RESTRICT_FILE_PERMISSIONS", "RestrictFilePermissions", ""},
	}
}

// SDKSettings returns the settings that the SDK has read, and those that have a default of ours here. It
// leaves out credentials and endpoints ([PlaceOf]), and what is set nowhere.
func SDKSettings(cfg aws.Config) []Setting {
	var all []Setting
	for _, row := range sdkSettings() {
		if s := settingOf(cfg.ConfigSources, row); s.Value != "" {
			all = append(all, s)
			continue
		}
		switch row.name {
		case requestChecksums, responseChecksums:
			s := Setting{Name: row.name, Value: whenSupported, From: "default"}
			if OtherServer(cfg) != "" {
				s.Value, s.From = whenRequired, "default, because the server isn't AWS's"
			}
			all = append(all, s)
		}
	}
	return all
}

// UsesARNRegion reports whether the user lets the ARN of an access point choose the region.
func UsesARNRegion(cfg aws.Config) bool {
	return setting(cfg.ConfigSources, useARNRegion).Value == "true"
}

// settingOf returns a setting as the environment or the profile has it. Its Value is "" if it is in
// neither.
func settingOf(sources []any, row sdkSetting) Setting {
	s := Setting{Name: row.name}
	for _, source := range sources {
		switch source := source.(type) {
		case config.EnvConfig:
			if v := settingText(source, row.env); v != "" && s.Value == "" {
				s.Value, s.Variables = v, strings.Fields(row.variables)
			}
		case config.SharedConfig:
			if v := settingText(source, row.profile); v != "" && s.Value == "" {
				s.Value, s.From = v, "profile "+source.Profile
			}
		}
	}
	return s
}

// setting is settingOf by name.
func setting(sources []any, name string) Setting {
	for _, row := range sdkSettings() {
		if row.name == name {
			return settingOf(sources, row)
		}
	}
	return Setting{Name: name}
}

// settingText returns the field of a source as it is written in the environment; "" if it isn't set.
func settingText(source any, field string) string {
	v := reflect.ValueOf(source).FieldByName(field)
	if field == "" || !v.IsValid() || v.IsZero() {
		return ""
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch value := v.Interface().(type) {
	case aws.RequestChecksumCalculation:
		return checksumText(value == aws.RequestChecksumCalculationWhenRequired)
	case aws.ResponseChecksumValidation:
		return checksumText(value == aws.ResponseChecksumValidationWhenRequired)
	case aws.FIPSEndpointState:
		return strconv.FormatBool(value == aws.FIPSEndpointStateEnabled)
	case aws.DualStackEndpointState:
		return strconv.FormatBool(value == aws.DualStackEndpointStateEnabled)
	case imds.ClientEnableState:
		return strconv.FormatBool(value == imds.ClientDisabled)
	case imds.EndpointModeState:
		if value == imds.EndpointModeStateIPv6 {
			return "IPv6"
		}
		return "IPv4"
	case aws.EndpointDiscoveryEnableState:
		return discoveryText(value)
	case []string:
		return strings.Join(value, ",")
	}
	return fmt.Sprint(v.Interface())
}

func checksumText(required bool) string {
	if required {
		return whenRequired
	}
	return whenSupported
}

func discoveryText(state aws.EndpointDiscoveryEnableState) string {
	switch state {
	case aws.EndpointDiscoveryEnabled:
		return "true"
	case aws.EndpointDiscoveryDisabled:
		return "false"
	}
	return "auto"
}

// retries are how requests are repeated. [Load] fills them in once the configuration is read: the SDK
// makes the clients that get credentials before.
type retries struct {
	attempts int // of one request, including the first
	mode     aws.RetryMode
	byUs     bool // attempts is our default
}

// choose takes the options, else the variables and the profile of the SDK, else our defaults.
func (r *retries) choose(o Options, sources []any) error {
	r.attempts, r.byUs = o.Retries, false
	if r.attempts == 0 {
		if s := setting(sources, SettingMaxAttempts); s.Value != "" {
			n, err := strconv.Atoi(s.Value)
			if err != nil || n < 1 {
				return fmt.Errorf("%s: %s is not a number of attempts: %w", s.where(), s.Value, store.ErrConfiguration)
			}
			r.attempts = n
		}
	}
	if r.attempts == 0 {
		r.attempts, r.byUs = DefaultRetries, true
	}
	mode := o.RetryMode
	if mode == "" {
		mode = setting(sources, SettingRetryMode).Value
	}
	if mode == "" {
		mode = o.DefaultRetryMode
	}
	if mode == "" {
		mode = DefaultRetryMode
	}
	var err error
	if r.mode, err = aws.ParseRetryMode(mode); err != nil {
		return fmt.Errorf("retry mode %q is neither standard nor adaptive: %w", mode, store.ErrConfiguration)
	}
	return nil
}

// where names the variable or the profile that has a setting.
func (s Setting) where() string {
	if s.From != "" {
		return s.Name + " of " + s.From
	}
	return s.Variables[0]
}

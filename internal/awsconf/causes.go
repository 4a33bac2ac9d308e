package awsconf

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"

	"github.com/coffer-secrets/coffer/store"
)

// SettingError is the [store.ErrConfiguration] for a setting of the AWS SDK that can't be used.
type SettingError struct {
	Reason string
	Way    string // what the user can do about it
}

func (e *SettingError) Error() string { return e.Reason }

// Hint returns what the user can do about the error.
func (e *SettingError) Hint() string { return e.Way }

func (e *SettingError) Unwrap() error { return store.ErrConfiguration }

// explainLoad describes why the SDK can't load its configuration. It repeats no text of the SDK, which
// quotes lines of files that contain credentials.
func explainLoad(err error, o Options) error {
	var missing config.SharedConfigProfileNotExistError
	var role config.SharedConfigAssumeRoleError
	var file config.SharedConfigLoadError
	var arn config.CredentialRequiresARNError
	switch {
	case errors.As(err, &role) && errors.As(role.Err, &missing):
		return noProfile(missing.Profile, ", the source_profile for "+role.RoleARN)
	case errors.As(err, &missing):
		return noProfile(missing.Profile, "")
	case errors.As(err, &role):
		return &SettingError{fmt.Sprintf("the profile %s can't assume %s: its source_profile or credential_source has no credentials", role.Profile, role.RoleARN), "aws configure list --profile " + role.Profile + " shows its settings"}
	case errors.As(err, &file):
		return &SettingError{"can't read " + file.Filename + ": it is not readable, or not a valid AWS configuration file", "aws configure list shows whether the AWS CLI can read it"}
	case errors.As(err, &arn):
		return &SettingError{fmt.Sprintf("the profile %s has %s but no role_arn", arn.Profile, arn.Type), "add role_arn to the profile"}
	}
	if e := badSetting(err); e != nil {
		return e
	}
	profile := cmp.Or(o.Profile, environment().SharedConfigProfile, "default")
	return &SettingError{"the AWS SDK can't use the profile " + profile, "aws configure list --profile " + profile + " shows its settings"}
}

// noProfile says which profiles there are.
func noProfile(name, of string) error {
	e := &SettingError{Reason: fmt.Sprintf("there is no AWS profile %q", name) + of}
	if names := profiles(); len(names) > 0 {
		e.Way = "existing profiles: " + strings.Join(names[:min(len(names), 12)], ", ")
	} else {
		e.Way = "no profiles exist: create one with aws configure or aws configure sso"
	}
	return e
}

// badSetting returns the error for a setting whose value the SDK doesn't accept, or nil.
func badSetting(err error) error {
	text := err.Error()
	var path *fs.PathError
	bundle := cmp.Or(environment().CustomCABundle, "ca_bundle of the profile")
	switch {
	case strings.Contains(text, "CA bundle PEM file"):
		return &SettingError{"AWS_CA_BUNDLE: " + bundle + " contains no certificate", "it must have PEM certificates (-----BEGIN CERTIFICATE-----): openssl x509 -in FILE -noout -subject shows one"}
	case errors.As(err, &path) && (path.Path == bundle || environment().CustomCABundle == ""):
		return &SettingError{fmt.Sprintf("AWS_CA_BUNDLE: can't read %s: %v", path.Path, path.Err), "AWS_CA_BUNDLE, or ca_bundle of the profile, must name a file of certificates to trust; without it, Coffer trusts this machine's certificates"}
	}
	for _, row := range sdkSettings() {
		if row.name == SettingRegion || row.name == SettingProfile { // words of other errors, and never wrong
			continue
		}
		for _, name := range append(strings.Fields(row.variables), row.name) {
			if strings.Contains(text, name) {
				return &SettingError{name + ": the AWS SDK for Go doesn't know this value", cmp.Or(valuesOf(row.name), "see the AWS SDKs and Tools Reference Guide for its values")}
			}
		}
	}
	return nil
}

// valuesOf returns the values of a setting.
func valuesOf(name string) string {
	switch name {
	case SettingMaxAttempts:
		return "use a number, 1 or more"
	case SettingRetryMode:
		return "use standard or adaptive; only the AWS CLI and boto support legacy"
	case requestChecksums, responseChecksums:
		return "use when_supported or when_required"
	case "account_id_endpoint_mode":
		return "use preferred, required or disabled"
	case "defaults_mode":
		return "use legacy, standard, in-region, cross-region, mobile or auto"
	case useFIPS, useDualStack, "ignore_configured_endpoint_urls":
		return "use true or false"
	}
	return ""
}

// environment returns the SDK's settings of the environment, as far as they can be parsed.
func environment() config.EnvConfig {
	env, _ := config.NewEnvConfig()
	return env
}

// profiles lists the names of the profiles in AWS's files.
func profiles() []string {
	env := environment()
	var names []string
	for _, file := range []string{
		cmp.Or(env.SharedConfigFile, config.DefaultSharedConfigFilename()),
		cmp.Or(env.SharedCredentialsFile, config.DefaultSharedCredentialsFilename()),
	} {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			section, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "[")
			section, _, closed := strings.Cut(section, "]")
			kind, name, two := strings.Cut(strings.TrimSpace(section), " ")
			switch {
			case !ok || !closed || two && kind != "profile":
			case two:
				names = append(names, strings.Trim(strings.TrimSpace(name), `"'`))
			default:
				names = append(names, kind)
			}
		}
		_ = f.Close()
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// causes describes why the chain of the SDK finds no credentials.
type causes struct {
	profile config.SharedConfig // in force, with its sources
	from    []aws.CredentialSource
}

func causesOf(cfg aws.Config) causes {
	return causes{profile: sharedConfig(cfg), from: sourcesOf(cfg.Credentials)}
}

// explain returns a [*store.CredentialsError] for the failures of the chain. Errors that are already
// explained, and those of an endpoint that isn't reached, stay as they are. Of helper programs it repeats only
// what [process] has kept: [processcreds] quotes what they print, credentials included.
func (c causes) explain(ctx context.Context, err error) error {
	var done *store.CredentialsError
	var contact *ContactError
	var process *processcreds.ProviderError
	var token *ssocreds.InvalidTokenError
	var api smithy.APIError
	noRole := []string{"ForbiddenException", "ResourceNotFoundException"} // of SSO: the session is fine
	switch {
	case err == nil, answered(err) >= http.StatusInternalServerError, ctx.Err() != nil, errors.As(err, &done), errors.Is(err, errAsking):
		return err
	case c.has(aws.CredentialSourceIMDS): // the last of the chain, unreachable on most machines
		return c.none()
	case c.has(aws.CredentialSourceHTTP):
		what := "the credentials endpoint of this container returned no credentials"
		if errors.As(err, &contact) {
			what += ": " + contact.Error()
		}
		return &store.CredentialsError{
			Reason: what,
			Way:    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI contains its address: check that the task or pod has a role",

			Unreached: contact != nil,
		}
	case errors.As(err, &contact):
		return err
	case errors.As(err, &process):
		return c.process(err, process)
	case errors.As(err, &token), c.has(aws.CredentialSourceSSO, aws.CredentialSourceSSOLegacy) && !(errors.As(err, &api) && slices.Contains(noRole, api.ErrorCode())):
		name := c.profileWith(func(p config.SharedConfig) bool { return p.SSOSessionName != "" || p.SSOStartURL != "" })
		return &store.CredentialsError{Reason: "the profile " + name + " has no SSO session, or it has ended", Way: "aws sso login --profile " + name}
	case c.has(aws.CredentialSourceSSO, aws.CredentialSourceSSOLegacy):
		name := c.profileWith(func(p config.SharedConfig) bool { return p.SSOAccountID != "" })
		return &store.CredentialsError{
			Reason: fmt.Sprintf("SSO returned no credentials for the profile %s (%s)", name, api.ErrorCode()),
			Way:    "check that you are assigned its sso_account_id and sso_role_name, then run aws sso login --profile " + name,

			Refused: true,
		}
	case c.has(aws.CredentialSourceLogin, aws.CredentialSourceProfileLogin):
		name := c.profileWith(func(p config.SharedConfig) bool { return p.LoginSession != "" })
		return &store.CredentialsError{Reason: "the profile " + name + " has no login session, or it has ended", Way: "aws login --profile " + name}
	}
	return err
}

func (c causes) has(sources ...aws.CredentialSource) bool {
	return slices.ContainsFunc(sources, func(s aws.CredentialSource) bool { return slices.Contains(c.from, s) })
}

// profileOf returns the first profile of the chain that has something, or nil.
func (c causes) profileOf(has func(config.SharedConfig) bool) *config.SharedConfig {
	for p := &c.profile; p != nil; p = p.Source {
		if has(*p) {
			return p
		}
	}
	return nil
}

// profileWith returns the name of that profile.
func (c causes) profileWith(has func(config.SharedConfig) bool) string {
	if p := c.profileOf(has); p != nil {
		return p.Profile
	}
	return cmp.Or(c.profile.Profile, "default")
}

func (c causes) process(failure error, err *processcreds.ProviderError) error {
	name := c.profileWith(func(p config.SharedConfig) bool { return p.CredentialProcess != "" })
	what := "credential_process of the profile " + name
	var exit *exec.ExitError
	text := err.Error()
	switch {
	case errors.As(err, &exit):
		what += fmt.Sprintf(" failed (%s)", exit.ProcessState)
	case strings.Contains(text, "timed out"):
		what += " didn't finish within a minute"
	case strings.Contains(text, "parse failed"), strings.Contains(text, "wrong version"), strings.Contains(text, "missing"):
		what += " didn't print JSON of Version 1 with AccessKeyId and SecretAccessKey"
	default:
		what += " can't be started"
	}
	var said *processError
	if errors.As(failure, &said) {
		what += ": " + said.text
	}
	return &store.CredentialsError{Reason: what, Way: "run its command by hand: aws configure get credential_process --profile " + name + " prints it"}
}

// none is the error if nothing has credentials.
func (c causes) none() error {
	name := cmp.Or(c.profile.Profile, "default")
	names := profiles()
	e := &store.CredentialsError{Reason: "no AWS credentials found in the environment, a profile or an instance role"}
	if slices.Contains(names, name) {
		e.Reason = fmt.Sprintf("no AWS credentials found in the profile %s, the environment or an instance role", name)
	}
	e.Way = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN for a session)"
	if others := slices.DeleteFunc(names, func(n string) bool { return n == name }); len(others) > 0 {
		e.Way = "choose a profile with --profile or AWS_PROFILE (" + strings.Join(others[:min(len(others), 12)], ", ") + "); or " + e.Way
	} else {
		e.Way = "create a profile with aws configure or aws configure sso; or " + e.Way
	}
	return e
}

// tornFile reports whether the file of an "aws login" session was read while another process wrote it:
// the SDK replaces it in place.
func (c causes) tornFile(err error) bool {
	var syntax *json.SyntaxError
	return c.has(aws.CredentialSourceLogin, aws.CredentialSourceProfileLogin) && (errors.As(err, &syntax) || strings.Contains(err.Error(), "unexpected end of JSON input") || strings.Contains(err.Error(), "validate login token"))
}

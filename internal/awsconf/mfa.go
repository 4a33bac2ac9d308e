package awsconf

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
)

// assumeWithMFA assumes a role that needs a code of an MFA device: with the session that is cached, or
// else with a code that a person types.
func (r *role) assumeWithMFA(ctx context.Context, in *sts.AssumeRoleInput, o ...func(*sts.Options)) (*sts.AssumeRoleOutput, error) {
	of := r.profileOf(aws.ToString(in.RoleArn), aws.ToString(in.SerialNumber))
	key := cacheKey(of)
	// A second session is wanted because the first is about to end, or was refused.
	if out := r.cache.load(key, r.now()); out != nil && *out.Credentials.AccessKeyId != r.last {
		r.last = *out.Credentials.AccessKeyId
		return out, nil
	}
	// The SDK asks for 15 minutes, the AWS CLI for AWS's default: an hour.
	in.DurationSeconds = nil
	if of.RoleDurationSeconds != nil {
		in.DurationSeconds = aws.Int32(int32(*of.RoleDurationSeconds / time.Second)) //nolint:gosec // AWS allows 43,200 at most
	}
	code, err := r.code(ctx, of)
	if err != nil {
		return nil, err
	}
	in.TokenCode = &code
	out, err := r.send(ctx, in, o...)
	if err != nil {
		var refused *store.CredentialsError
		if errors.As(err, &refused) && strings.Contains(refused.Reason, " refuses ") {
			return nil, &store.CredentialsError{Reason: refused.Reason, Way: "a code works once, for about 30 seconds: wait for the next one and try again. The device is mfa_serial of the profile " + of.Profile}
		}
		return nil, err
	}
	if out.Credentials != nil {
		r.last = aws.ToString(out.Credentials.AccessKeyId)
		if err := r.cache.save(key, out); err != nil && r.log != nil {
			r.log.Debug("the session is not cached, so the next command asks for a code again", "error", err)
		}
	}
	return out, nil
}

// code asks for a code. A person may take longer to answer than a server.
func (r *role) code(ctx context.Context, of config.SharedConfig) (string, error) {
	if r.ask == nil {
		return "", needsCode(of)
	}
	defer waiting.Pause(ctx)()
	code, err := r.ask("MFA code of " + of.MFASerial + ": ")
	switch {
	case errors.Is(err, ErrNoTerminal):
		return "", needsCode(of)
	case err != nil:
		return "", fmt.Errorf("%w: %w", errAsking, err)
	}
	return code, nil
}

func needsCode(of config.SharedConfig) error {
	return &store.CredentialsError{
		Reason: fmt.Sprintf("the profile %s needs a code from the MFA device %s, and there is no terminal to ask for it", of.Profile, of.MFASerial),
		Way:    fmt.Sprintf("run aws sts get-caller-identity --profile %s, or any coffer command, at a terminal first: later commands use its session", of.Profile),
	}
}

// profileOf returns the profile that has a role and an MFA device, along the chain of source profiles.
func (a *assumer) profileOf(role, serial string) config.SharedConfig {
	if p := a.causes.profileOf(func(p config.SharedConfig) bool { return p.RoleARN == role && p.MFASerial == serial }); p != nil {
		return *p
	}
	return config.SharedConfig{RoleARN: role, MFASerial: serial}
}

// needMFA reports whether the credentials come from a profile with an MFA device.
func (c causes) needMFA() bool {
	if !c.has(aws.CredentialSourceSTSAssumeRole) {
		return false
	}
	return c.profileOf(func(p config.SharedConfig) bool { return p.RoleARN != "" && p.MFASerial != "" }) != nil
}

// ErrNoTerminal is the error of [Options.AskCode] if nobody can be asked.
var ErrNoTerminal = errors.New("no terminal")

var errAsking = errors.New("ask for the MFA code")

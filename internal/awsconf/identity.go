package awsconf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/coffer-secrets/coffer/internal/foreign"
	"github.com/coffer-secrets/coffer/store"
)

const identityTimeout = 3 * time.Second

// Caller is the owner of the credentials.
type Caller struct {
	Source  string    // the provider of the SDK's chain that returned the credentials
	Expires time.Time // when the session ends; zero if it doesn't
	Name    string    // an ARN, or the access key id if STS returns none
	Note    string    // why Name isn't an ARN; untrusted text that must be escaped; otherwise ""
}

// Credentials returns what the credentials tell about their owner, with the access key id as the name. The
// error is [store.ErrConfiguration] without credentials, or the context's.
func Credentials(ctx context.Context, cfg aws.Config) (Caller, error) {
	credentials, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return Caller{}, ctx.Err()
		}
		return Caller{}, fmt.Errorf("no credentials: %w: %w", err, store.ErrCredentials)
	}
	caller := Caller{Source: credentials.Source, Name: credentials.AccessKeyID}
	if foreign.LooksSecret(caller.Name) {
		caller.Name = "[hidden]" // the secret key, in the wrong place
	}
	if credentials.CanExpire {
		caller.Expires = credentials.Expires
	}
	return caller, nil
}

// Identity asks STS who the caller is, for at most three seconds after the credentials are there. A
// private network may not reach STS, and other servers may not have it (facts.md, sections 7 and
// 9). The error is that of [Credentials], or the context's.
func Identity(ctx context.Context, cfg aws.Config) (Caller, error) {
	caller, err := Credentials(ctx, cfg)
	if err != nil {
		return caller, err
	}
	if err := NoSTS(cfg); err != nil {
		caller.Note = err.Error()
		return caller, nil
	}
	limited, cancel := context.WithTimeout(ctx, identityTimeout)
	defer cancel()
	limited, miss := recordMiss(limited)
	answer, err := STS(cfg).GetCallerIdentity(limited, &sts.GetCallerIdentityInput{})
	switch {
	case err == nil && aws.ToString(answer.Arn) != "":
		caller.Name = *answer.Arn
		return caller, nil
	case ctx.Err() != nil:
		return Caller{}, ctx.Err()
	case err == nil:
		err = errors.New("the response has no ARN")
	}
	if caller.Note = NotReached("STS", miss.explain(limited, err)); caller.Note == "" {
		caller.Note = "STS reported no identity: " + answerOf(err)
	}
	return caller, nil
}

// Author returns a function that returns the caller's name, to be recorded with what they write. If
// the name isn't known the write continues: the reason is logged, and the name is "".
func Author(cfg aws.Config, log *slog.Logger) func(context.Context) string {
	return func(ctx context.Context) string {
		caller, err := Identity(ctx, cfg)
		switch {
		case err != nil:
			log.Debug("the author is unknown", "error", err)
		case caller.Note != "":
			log.Debug("STS didn't report who you are; showing the access key id instead", "reason", caller.Note)
		}
		return caller.Name
	}
}

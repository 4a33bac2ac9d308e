package awsconf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/coffer-secrets/coffer/store"
)

const identityTimeout = 3 * time.Second

// Caller is who the credentials belong to.
type Caller struct {
	Source  string    // which part of the SDK's chain the credentials come from
	Expires time.Time // of a session; else zero
	Name    string    // an ARN; the access key id where STS tells none
	Note    string    // why it is not an ARN: untrusted text, to be escaped; else ""
}

// Identity asks STS who the caller is, for at most three seconds after the credentials are
// there: a private network may have no way to it, another server no STS (facts.md, sections
// 7 and 9). The error is [store.ErrConfiguration] without credentials, or the context's.
func Identity(ctx context.Context, cfg aws.Config) (Caller, error) {
	credentials, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return Caller{}, ctx.Err()
		}
		return Caller{}, fmt.Errorf("no credentials: %w: %w", err, store.ErrCredentials)
	}
	caller := Caller{Source: credentials.Source, Name: credentials.AccessKeyID}
	if credentials.CanExpire {
		caller.Expires = credentials.Expires
	}
	if err := NoSTS(cfg); err != nil {
		caller.Note = err.Error()
		return caller, nil
	}
	limited, cancel := context.WithTimeout(ctx, identityTimeout)
	defer cancel()
	answer, err := STS(cfg).GetCallerIdentity(limited, &sts.GetCallerIdentityInput{})
	switch {
	case err == nil && aws.ToString(answer.Arn) != "":
		caller.Name = *answer.Arn
		return caller, nil
	case ctx.Err() != nil:
		return Caller{}, ctx.Err()
	case err == nil:
		err = errors.New("the answer has no ARN")
	}
	caller.Note = "STS told no identity: " + answerOf(err)
	return caller, nil
}

// Author returns a function that names the caller for what they write. Where that cannot
// be told, writing continues: the reason is logged, and the name is "".
func Author(cfg aws.Config, log *slog.Logger) func(context.Context) string {
	return func(ctx context.Context) string {
		caller, err := Identity(ctx, cfg)
		switch {
		case err != nil:
			log.Debug("the author is not known", "error", err)
		case caller.Note != "":
			log.Debug("STS does not tell who writes; the access key id stands in", "reason", caller.Note)
		}
		return caller.Name
	}
}

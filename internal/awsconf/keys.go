package awsconf

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/coffer-secrets/coffer/store"
)

// KeyInfo describes a KMS key.
type KeyInfo struct {
	ID      string
	ARN     string
	State   string // "Enabled", "Disabled", "PendingDeletion", ...
	Enabled bool
	Usage   string // "ENCRYPT_DECRYPT" for one that can seal objects
}

// AliasesError is the [store.ErrConfiguration] of a key that has several aliases, or none,
// where the one alias of it is wanted.
type AliasesError struct {
	Key     string
	Aliases []string
}

func (e *AliasesError) Error() string {
	if len(e.Aliases) == 0 {
		return fmt.Sprintf("key %s has no alias", e.Key)
	}
	return fmt.Sprintf("key %s has several aliases: %s", e.Key, strings.Join(e.Aliases, ", "))
}

func (e *AliasesError) Unwrap() error { return store.ErrConfiguration }

// Keys asks KMS about keys. Its errors wrap [store.ErrDenied], [store.ErrConfiguration] (no
// such key, no credentials), [store.ErrUnavailable], [store.ErrUnsupported] (a server
// without KMS) or the context's error.
type Keys struct {
	client kmsAPI
	other  bool // not a server of AWS
}

// kmsAPI is what is used of the client.
type kmsAPI interface {
	DescribeKey(context.Context, *kms.DescribeKeyInput, ...func(*kms.Options)) (*kms.DescribeKeyOutput, error)
	ListAliases(context.Context, *kms.ListAliasesInput, ...func(*kms.Options)) (*kms.ListAliasesOutput, error)
	CreateKey(context.Context, *kms.CreateKeyInput, ...func(*kms.Options)) (*kms.CreateKeyOutput, error)
	CreateAlias(context.Context, *kms.CreateAliasInput, ...func(*kms.Options)) (*kms.CreateAliasOutput, error)
}

// NewKeys returns Keys for one account and region.
func NewKeys(cfg aws.Config) *Keys {
	client := KMS(cfg)
	endpoint := aws.ToString(client.Options().BaseEndpoint)
	return &Keys{client: client, other: endpoint != "" && !ofAWS(endpoint)}
}

// Describe tells about the key that an alias name, alias ARN, key id or key ARN stands for now.
func (k *Keys) Describe(ctx context.Context, key string) (KeyInfo, error) {
	answer, err := k.client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(key)})
	if err != nil {
		return KeyInfo{}, k.fail(ctx, "describing key "+key, err)
	}
	m := answer.KeyMetadata
	if m == nil || aws.ToString(m.Arn) == "" {
		return KeyInfo{}, fmt.Errorf("describing key %s: the answer has no ARN: %w", key, store.ErrUnsupported)
	}
	return KeyInfo{
		ID:      aws.ToString(m.KeyId),
		ARN:     *m.Arn,
		State:   string(m.KeyState),
		Enabled: m.KeyState == types.KeyStateEnabled,
		Usage:   string(m.KeyUsage),
	}, nil
}

// AliasOf returns the one alias, as "alias/name", of the key with this id or ARN. An alias,
// or the ARN of one, is returned as a name without a request. Several aliases, or none, are
// an [*AliasesError].
func (k *Keys) AliasOf(ctx context.Context, key string) (string, error) {
	if strings.HasPrefix(key, "alias/") {
		return key, nil
	}
	if _, name, ok := strings.Cut(key, ":alias/"); ok && strings.HasPrefix(key, "arn:") {
		return "alias/" + name, nil
	}
	var names []string
	pages := kms.NewListAliasesPaginator(k.client, &kms.ListAliasesInput{KeyId: aws.String(key)}, func(o *kms.ListAliasesPaginatorOptions) {
		o.StopOnDuplicateToken = true
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", k.fail(ctx, "listing the aliases of key "+key, err)
		}
		for _, alias := range page.Aliases {
			names = append(names, aws.ToString(alias.AliasName))
		}
	}
	if len(names) != 1 {
		slices.Sort(names)
		return "", &AliasesError{Key: key, Aliases: names}
	}
	return names[0], nil
}

func (k *Keys) fail(ctx context.Context, doing string, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s: no answer in time: %w", doing, store.ErrUnavailable)
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	}
	kind := keySentinel(err)
	if text := Unanswered(err); text != "" && !identityFailed(err) {
		return fmt.Errorf("%s: %s: %w", doing, text, kind)
	}
	if k.other && !speaksKMS(err) {
		what := "this server does not answer as KMS does"
		if answered(err) == http.StatusForbidden { // it may speak of permissions in its own words, as moto does
			what = "you may lack the permission, or this server does not answer as KMS does"
		}
		return fmt.Errorf("%s: %s (%s): %w", doing, what, answerOf(err), store.ErrUnsupported)
	}
	if host := HostOf(err); host != "" {
		doing += " at " + host
	}
	return fmt.Errorf("%s: %w: %w", doing, err, kind)
}

// speaksKMS tells whether an answer is KMS's, or that of a server of S3 that took the request for
// one of its own: 405 MethodNotAllowed (Ceph 16.2), 403 AccessDenied. KMS's codes end in Exception.
// What got no answer, or the answer of a server in need, tells nothing.
func speaksKMS(err error) bool {
	var api smithy.APIError
	status := answered(err)
	return status < 400 || status >= 500 && status != http.StatusNotImplemented || status == http.StatusTooManyRequests ||
		identityFailed(err) || errors.As(err, &api) && strings.HasSuffix(api.ErrorCode(), "Exception")
}

// keySentinel looks at the code first and the status second. KMS words its codes in its own
// way (facts.md, section 4).
func keySentinel(err error) error {
	var contact *ContactError
	switch {
	case identityFailed(err), errors.Is(err, store.ErrCredentials):
		return store.ErrCredentials
	case errors.As(err, &contact) && contact.Code == "":
		return store.ErrUnavailable
	case contact != nil:
		return store.ErrConfiguration
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		switch code := api.ErrorCode(); {
		case code == "AccessDeniedException":
			return store.ErrDenied
		case code == "UnsupportedOperationException", code == "UnknownOperationException":
			return store.ErrUnsupported
		case strings.HasPrefix(code, "Throttling"), code == "TooManyRequestsException", code == "LimitExceededException",
			code == "KMSInternalException", code == "DependencyTimeoutException", code == "KeyUnavailableException":
			return store.ErrUnavailable
		}
	}
	var response *smithyhttp.ResponseError
	if !errors.As(err, &response) {
		return store.ErrConfiguration // never sent
	}
	switch status := response.HTTPStatusCode(); {
	case status == 0, status == http.StatusTooManyRequests, status >= 500 && status != http.StatusNotImplemented:
		return store.ErrUnavailable // 0: no answer
	case api == nil, api.ErrorCode() == "UnknownError", status != http.StatusBadRequest && status != http.StatusForbidden:
		return store.ErrUnsupported // a server that does not speak the language of KMS
	}
	return store.ErrConfiguration
}

// identityFailed tells an error of fetching credentials, which may itself be an answer of
// another service ("AccessDenied" from STS), from one of KMS.
func identityFailed(err error) bool {
	var operation *smithy.OperationError
	return errors.As(err, &operation) && strings.HasPrefix(operation.Err.Error(), "get identity: ")
}

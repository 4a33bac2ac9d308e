package awsconf

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/coffer-secrets/coffer/internal/partition"
	"github.com/coffer-secrets/coffer/store"
)

// KeyInfo describes a KMS key.
type KeyInfo struct {
	ID      string
	ARN     string
	State   string // "Enabled", "Disabled", "PendingDeletion", ...
	Enabled bool
	Usage   string // "ENCRYPT_DECRYPT" for a key that can encrypt objects
}

// AliasesError is the [store.ErrConfiguration] for a key that has no alias or several, where
// exactly one is needed.
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

// Keys makes requests to KMS. Its errors wrap [store.ErrDenied], [store.ErrConfiguration] (no such
// key, no credentials), [store.ErrUnavailable], [store.ErrUnsupported] (a server without KMS) or
// the context's error.
type Keys struct {
	client kmsAPI
	cfg    aws.Config
	other  bool // not a server of AWS
}

// kmsAPI is the part of the KMS client that Keys uses. It has functions, and not the methods of an interface,
// because the linker keeps all operations of a client that is in an interface (docs/design/kong-547.md).
type kmsAPI struct {
	DescribeKey func(context.Context, *kms.DescribeKeyInput, ...func(*kms.Options)) (*kms.DescribeKeyOutput, error)
	CreateKey   func(context.Context, *kms.CreateKeyInput, ...func(*kms.Options)) (*kms.CreateKeyOutput, error)
	CreateAlias func(context.Context, *kms.CreateAliasInput, ...func(*kms.Options)) (*kms.CreateAliasOutput, error)
	ListAliases listAliases
}

// listAliases is an operation as a paginator wants it.
type listAliases func(context.Context, *kms.ListAliasesInput, ...func(*kms.Options)) (*kms.ListAliasesOutput, error)

func (l listAliases) ListAliases(ctx context.Context, in *kms.ListAliasesInput, o ...func(*kms.Options)) (*kms.ListAliasesOutput, error) {
	return l(ctx, in, o...)
}

// NewKeys returns Keys for one account and region.
func NewKeys(cfg aws.Config) *Keys {
	client := KMS(cfg)
	endpoint := aws.ToString(client.Options().BaseEndpoint)
	api := kmsAPI{DescribeKey: client.DescribeKey, CreateKey: client.CreateKey, CreateAlias: client.CreateAlias, ListAliases: client.ListAliases}
	return &Keys{client: api, cfg: cfg, other: endpoint != "" && !ofAWS(endpoint)}
}

// Describe returns the key that an alias name, alias ARN, key id or key ARN currently refers to.
func (k *Keys) Describe(ctx context.Context, key string) (KeyInfo, error) {
	recorded, miss := recordMiss(ctx)
	answer, err := k.client.DescribeKey(recorded, &kms.DescribeKeyInput{KeyId: aws.String(key)})
	if err != nil {
		return KeyInfo{}, k.fail(ctx, "describing key "+key, miss.explain(ctx, err))
	}
	m := answer.KeyMetadata
	if m == nil || aws.ToString(m.Arn) == "" {
		return KeyInfo{}, fmt.Errorf("describing key %s: the response has no ARN: %w", key, store.ErrUnsupported)
	}
	return KeyInfo{
		ID:      aws.ToString(m.KeyId),
		ARN:     *m.Arn,
		State:   string(m.KeyState),
		Enabled: m.KeyState == types.KeyStateEnabled,
		Usage:   string(m.KeyUsage),
	}, nil
}

// AliasOf returns the only alias, as "alias/name", of the key with this id or ARN. If the key has no
// alias or several, the error is an [*AliasesError]. For an alias it makes no request. An alias's ARN is
// accepted only if it is of the region and account in use, for which it asks STS: the same name may mean
// another key elsewhere.
func (k *Keys) AliasOf(ctx context.Context, key string) (string, error) {
	if strings.HasPrefix(key, "alias/") {
		return key, nil
	}
	if strings.HasPrefix(key, "arn:") {
		if name, err := k.aliasInARN(ctx, key); name != "" || err != nil {
			return name, err
		}
	}
	var names []string
	pages := kms.NewListAliasesPaginator(k.client.ListAliases, &kms.ListAliasesInput{KeyId: aws.String(key)}, func(o *kms.ListAliasesPaginatorOptions) {
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

// aliasInARN returns the alias of an alias's ARN; "" for the ARN of a key. Its error is
// [store.ErrConfiguration] for an ARN of another partition, region or account.
func (k *Keys) aliasInARN(ctx context.Context, text string) (string, error) {
	parsed, err := arn.Parse(text)
	region := k.cfg.Region
	switch {
	case err != nil || parsed.Service != "kms":
		return "", fmt.Errorf("%w: %s is not the ARN of a KMS key or alias", store.ErrConfiguration, text)
	case parsed.Region != region || parsed.Partition != partition.Of(region).ID:
		return "", fmt.Errorf("%w: %s is a key of %s, and the region in use is %s", store.ErrConfiguration, text, parsed.Region, region)
	case !strings.HasPrefix(parsed.Resource, "alias/"):
		return "", nil
	}
	caller, err := Identity(ctx, k.cfg)
	if err != nil {
		return "", err
	}
	if account := accountOf(caller.Name); account != parsed.AccountID {
		where := "the account in use is " + account
		if account == "" {
			where = "the account in use is unknown: write the alias as " + parsed.Resource
		}
		return "", fmt.Errorf("%w: %s is an alias of account %s; %s", store.ErrConfiguration, text, parsed.AccountID, where)
	}
	return parsed.Resource, nil
}

// accountOf returns the account of a caller's ARN; "" if it is none.
func accountOf(caller string) string {
	parsed, err := arn.Parse(caller)
	if err != nil {
		return ""
	}
	return parsed.AccountID
}

func (k *Keys) fail(ctx context.Context, doing string, err error) error {
	var miss *ContactError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded) && errors.As(err, &miss):
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s: no answer in time: %w", doing, store.ErrUnavailable)
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	}
	kind := keySentinel(err)
	if text := Unanswered(err); text != "" && !IdentityFailed(err) {
		return fmt.Errorf("%s: %w: %w", doing, &toldError{text, err}, kind)
	}
	if k.other && !SpeaksKMS(err) {
		what := "this server doesn't support the KMS API"
		if answered(err) == http.StatusForbidden { // may be a denial in the server's own format, as moto's is
			what = "you may lack the permission, or this server doesn't support the KMS API"
		}
		return fmt.Errorf("%s: %s (%s): %w", doing, what, answerOf(err), store.ErrUnsupported)
	}
	if host := HostOf(err); host != "" {
		doing += " at " + host
	}
	return fmt.Errorf("%s: %w: %w", doing, told(err), kind)
}

// SpeaksKMS reports whether a response may be from KMS, and not from an S3 server that took the
// request for one of its own: 405 MethodNotAllowed (Ceph 16.2), 403 AccessDenied. KMS's codes end
// in Exception. No response, or a 5xx or 429, leaves it open and returns true.
func SpeaksKMS(err error) bool {
	var api smithy.APIError
	status := answered(err)
	return status < 400 || status >= 500 && status != http.StatusNotImplemented || status == http.StatusTooManyRequests ||
		IdentityFailed(err) || errors.As(err, &api) && strings.HasSuffix(api.ErrorCode(), "Exception")
}

// keySentinel checks the code first and the status second. KMS has its own error codes (facts.md,
// section 4).
func keySentinel(err error) error {
	var contact *ContactError
	switch {
	case IdentityFailed(err), errors.Is(err, store.ErrCredentials):
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
		return store.ErrUnavailable // 0: no response
	case api == nil, api.ErrorCode() == "UnknownError", status != http.StatusBadRequest && status != http.StatusForbidden:
		return store.ErrUnsupported // a server that doesn't speak KMS's protocol
	}
	return store.ErrConfiguration
}

// IdentityFailed reports whether fetching credentials failed, and not the request to KMS itself.
// That error may contain the response of another service ("AccessDenied" from STS).
func IdentityFailed(err error) bool {
	var operation *smithy.OperationError
	return errors.As(err, &operation) && strings.HasPrefix(operation.Err.Error(), "get identity: ")
}

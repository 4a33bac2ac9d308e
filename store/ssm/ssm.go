// Package ssm keeps secrets in the Parameter Store of AWS Systems Manager, as chamber does:
// parameter /SERVICE/KEY, a SecureString, with the version in its description.
//
// Parameter Store has no conditional write. [store.WriteOptions.IfVersion] is checked before the
// put, and the answer to the put shows whether another writer changed it meanwhile. Then the write is
// reported as a conflict, but its value stays, since it cannot be undone. Only IfVersion 0 is
// exact. If several writers change one key at the same time without a condition, all of them
// succeed, and two of their versions can have the same number; [Store.Read] returns the newer one.
//
// A deleted parameter leaves no data. If its key is written again, it starts at version 1. So
// IfVersion cannot notice a delete and new writes between the caller's read and its write if they
// end at the same number. IfVersion 0 is not affected.
package ssm

import (
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/coffer-secrets/coffer/store"
)

var _ store.Store = (*Store)(nil)

const (
	getBatch      = 10 // limit of GetParameters and DeleteParameters
	describeBatch = 50 // limit of a filter of DescribeParameters, and of its page
	historyPage   = 50
	requests      = 4 // concurrent requests; Parameter Store allows few puts per second
	reserved      = "_chamber"
	configName    = "/" + reserved + "/store-config"
	metadataKey   = "__chamber.service.metadata" // written by older versions of chamber
)

// Options configure a [Store].
type Options struct {
	// KeyAlias is the KMS key of every write: an alias, with or without "alias/", a key id or an
	// ARN. A secret under another alias is not overwritten.
	KeyAlias string

	// Advanced creates advanced parameters for values above 4 KiB. AWS charges for them, and they
	// cannot become standard parameters again. Without it the account's setting decides.
	Advanced bool

	// Notice, if not nil, receives a sentence about what a rekey or a delete cannot do. Dry runs
	// call it too.
	Notice func(text string)
}

// Store is a [store.Store] in Parameter Store. It has no mutable state.
type Store struct {
	api      api
	retryer  aws.Retryer // the client's
	keyAlias string
	advanced bool
	notice   func(string)
}

// New returns a Store that uses a client. The API allows few requests per second for a whole
// account: the client should retry in adaptive mode ([aws.RetryModeAdaptive]), which slows down
// when it is throttled. A request that is still throttled then is [store.ErrUnavailable]. The error
// wraps [store.ErrInvalid].
func New(client *awsssm.Client, o Options) (*Store, error) {
	alias, err := store.NormalizeAlias(o.KeyAlias)
	if err != nil {
		return nil, err
	}
	notice := o.Notice
	if notice == nil {
		notice = func(string) {}
	}
	return &Store{api: operationsOf(client), retryer: client.Options().Retryer, keyAlias: alias, advanced: o.Advanced, notice: notice}, nil
}

// parameter is one version of a secret with what Parameter Store reports about it.
type parameter struct {
	store.Secret
	number      int64  // Parameter Store's own version; the next put increments it
	keyID       string // as it was named in the put: an alias, a key id or an ARN
	tier        types.ParameterTier
	copied      bool  // a rekey put it again, and its date is that of the copy
	undescribed error // why the description is missing, so that Version is only the number
}

func parameterName(id store.ID) string { return "/" + id.Service + "/" + id.Key }

// secretID returns the ID of a parameter's name. ok is false if the name is not that of a secret.
func secretID(name *string) (id store.ID, ok bool) {
	path := strings.TrimPrefix(aws.ToString(name), "/")
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 {
		return store.ID{}, false
	}
	id, err := store.NewID(path[:slash], path[slash+1:])
	return id, err == nil && id.Service != reserved
}

// version returns the number that chamber or this package wrote into a description, or else
// Parameter Store's own version.
func version(description *string, number int64) int {
	if n, err := strconv.Atoi(aws.ToString(description)); err == nil && n > 0 {
		return n
	}
	return int(number)
}

// alias returns the alias of a key; "" if the key has another kind of name.
func alias(keyID *string) string {
	if id := aws.ToString(keyID); strings.HasPrefix(id, "alias/") {
		return id
	}
	return ""
}

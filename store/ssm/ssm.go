// Package ssm keeps secrets in the Parameter Store of AWS Systems Manager, as chamber does:
// parameter /SERVICE/KEY, a SecureString, with the version in its description.
//
// Parameter Store has no conditional write. [store.WriteOptions.IfVersion] is checked before
// the put, and the answer tells afterwards whether another writer came between: then the
// write is reported as a conflict, but its value stands, since it cannot be taken back. Only
// IfVersion 0 is exact. Writers of one key that race without a condition all succeed, and
// two of their versions can have the same number; [Store.Read] answers with the newer one.
//
// Nothing remains of a deleted parameter. A key that is written anew begins at version 1, so that
// IfVersion compares numbers of one life of a key alone: a delete and a write between the caller's
// read and its write go unnoticed where they end at the same number. IfVersion 0 is not concerned.
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
	getBatch      = 10 // names of one GetParameters or DeleteParameters
	describeBatch = 50 // names of one filter of DescribeParameters, and its page
	historyPage   = 50
	requests      = 4 // at the same time; Parameter Store allows few puts a second
	reserved      = "_chamber"
	configName    = "/" + reserved + "/store-config"
	metadataKey   = "__chamber.service.metadata" // an older chamber's own
)

// Options configure a [Store].
type Options struct {
	// KeyAlias is the KMS key of every write: an alias, with or without "alias/", a key id or
	// an ARN. A secret that exists under another alias is not written.
	KeyAlias string

	// Advanced makes advanced parameters of values above 4 KiB. AWS charges for them, and
	// none turns into a standard parameter again. Without it the account's setting decides.
	Advanced bool

	// Notice, when set, is told in a sentence what a rekey or a delete cannot do. It is called by
	// dry runs too.
	Notice func(text string)
}

// Store is a [store.Store] in Parameter Store. It has no state of its own.
type Store struct {
	api      api
	retryer  aws.Retryer // of the client
	keyAlias string
	advanced bool
	notice   func(string)
}

// New makes a Store of a client. The API allows few requests a second for a whole account:
// a client should retry in the adaptive mode ([aws.RetryModeAdaptive]), which slows down
// when it is throttled; what is still throttled then is a [store.ErrUnavailable]. The error
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
	return &Store{api: client, retryer: client.Options().Retryer, keyAlias: alias, advanced: o.Advanced, notice: notice}, nil
}

// parameter is one version of a secret with what Parameter Store says of it.
type parameter struct {
	store.Secret
	number      int64  // Parameter Store's own version; the next put raises it by one
	keyID       string // as it was given to the put: an alias, a key id or an ARN
	tier        types.ParameterTier
	undescribed error // why there was no description, so that Version is only the number
}

func parameterName(id store.ID) string { return "/" + id.Service + "/" + id.Key }

// secretID returns the ID that a parameter's name stands for; ok is false for names that
// are no secrets.
func secretID(name *string) (id store.ID, ok bool) {
	path := strings.TrimPrefix(aws.ToString(name), "/")
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 {
		return store.ID{}, false
	}
	id, err := store.NewID(path[:slash], path[slash+1:])
	return id, err == nil && id.Service != reserved
}

// version returns the number that chamber or we wrote into a description. Where there is
// none, Parameter Store's own version counts.
func version(description *string, number int64) int {
	if n, err := strconv.Atoi(aws.ToString(description)); err == nil && n > 0 {
		return n
	}
	return int(number)
}

// alias returns the alias of a key; "" where it was named otherwise.
func alias(keyID *string) string {
	if id := aws.ToString(keyID); strings.HasPrefix(id, "alias/") {
		return id
	}
	return ""
}

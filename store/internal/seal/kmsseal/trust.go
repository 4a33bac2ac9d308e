package kmsseal

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/coffer-secrets/coffer/store"
)

// request returns the name by which kms:Decrypt may be asked for a key, by the rule of the package's
// comment. The error is a [*store.SealError] for a key that may not be asked.
func (s *Sealer) request(ctx context.Context, object, key string) (name string, err error) {
	refused := func(want string) error {
		return &store.SealError{Object: object, Method: Method, KeyID: key, Want: want}
	}
	if len(s.o.Pinned) > 0 {
		if i := slices.IndexFunc(s.o.Pinned, func(pinned string) bool { return SameKey(pinned, key) }); i >= 0 {
			return s.here(key), nil
		}
		return "", refused(strings.Join(s.o.Pinned, " or "))
	}
	for _, named := range s.o.KeyNames {
		if named == key {
			return key, nil
		}
	}
	parsed, id, ok := parse(key)
	switch {
	case !ok && s.region == "": // a server with names of its own, and the only one that is asked
		return key, nil
	case !ok:
		return "", refused("the ARN of a key of KMS")
	case s.region != "" && parsed.Region != s.region && !isMultiRegion(id):
		return "", refused("a key of " + s.region)
	}
	if account := s.accountOf(ctx); account != "" && parsed.AccountID != account {
		return "", refused(fmt.Sprintf("a key of account %s, or one that key_arns pins", account))
	}
	return id, nil
}

// opens reports whether what is sealed under a key will be opened. A key that the configuration names by
// an ARN may be of another account: if the account of the caller isn't known, it must be pinned, or named by its own ARN.
func (s *Sealer) opens(ctx context.Context, name, key string) bool {
	if _, err := s.request(ctx, "", key); err != nil {
		return false
	}
	return len(s.o.Pinned) > 0 || !strings.HasPrefix(name, "arn:") || name == key || s.accountOf(ctx) != ""
}

// here returns the ARN of a pinned key in the region of the requests: its own, or that of the replica.
func (s *Sealer) here(key string) string {
	parsed, id, ok := parse(key)
	if !ok || s.region == "" || !isMultiRegion(id) {
		return key
	}
	parsed.Region = s.region
	return parsed.String()
}

// accountOf returns the account of the caller; "" if it isn't known.
func (s *Sealer) accountOf(ctx context.Context) string {
	if known := s.account.Load(); known != nil {
		return *known
	}
	account := s.caller(ctx)
	if account != "" {
		s.account.Store(&account)
	}
	return account
}

// learn takes the account of the caller from an answer. KMS looks up a name that is no ARN in the
// account of the caller.
func (s *Sealer) learn(name, answered string) {
	if parsed, _, ok := parse(answered); ok && !strings.HasPrefix(name, "arn:") {
		s.account.Store(&parsed.AccountID)
	}
}

// parse parses the ARN of a key.
func parse(key string) (parsed arn.ARN, id string, ok bool) {
	parsed, err := arn.Parse(key)
	id, isKey := strings.CutPrefix(parsed.Resource, "key/")
	return parsed, id, err == nil && parsed.Service == "kms" && isKey && isID(id) && parsed.AccountID != ""
}

// isID reports whether a text can be the bare id of a key, and not another name of one: an ARN or an alias.
func isID(text string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return text != "" && strings.Trim(text, letters) == ""
}

// isMultiRegion reports whether a key has replicas in other regions, by its id.
func isMultiRegion(id string) bool { return strings.HasPrefix(id, "mrk-") }

// SameKey reports whether two ARNs are of the same key, or of two replicas of it.
func SameKey(a, b string) bool {
	if a == b {
		return true
	}
	first, id, ok := parse(a)
	second, other, also := parse(b)
	return ok && also && id == other && isMultiRegion(id) && first.Partition == second.Partition && first.AccountID == second.AccountID
}

package s3envelope

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
)

const (
	actionEncrypt = "kms:Encrypt"
	actionDecrypt = "kms:Decrypt"
)

// Try implements [admin.Prober]. The bucket tries the actions of S3; KMS is asked here, with the
// encryption context of the index, as the bucket knows nothing of it.
func (s *secrets) Try(ctx context.Context, service string, actions []string) ([]admin.Trial, error) {
	trials, err := s.Store.Try(ctx, service, actions)
	if err != nil {
		return nil, err
	}
	ofKMS := map[string]admin.Trial{}
	name := indexOf(service, s.Alias)
	var sealed []byte
	if slices.Contains(actions, actionEncrypt) {
		var refused error
		sealed, _, refused = s.sealer.Seal(ctx, s.Alias, name, []byte("{}"))
		ofKMS[actionEncrypt] = s3bucket.TrialResult(actionEncrypt, refused)
	}
	if slices.Contains(actions, actionDecrypt) {
		ofKMS[actionDecrypt] = s.tryDecrypt(ctx, service, name, sealed)
	}
	for i, action := range actions {
		if action == "kms:DescribeKey" {
			ofKMS[action] = s.TryDescribe(ctx, s.Alias)
		}
		if t, ok := ofKMS[action]; ok {
			trials[i] = t
		}
	}
	return trials, ctx.Err()
}

// tryDecrypt opens what was just sealed, or else the index.
func (s *secrets) tryDecrypt(ctx context.Context, service, name string, sealed []byte) admin.Trial {
	var err error
	if sealed != nil {
		_, _, err = s.sealer.Open(ctx, name, sealed)
	} else {
		_, err = s.Bucket.Get(ctx, name)
	}
	if errors.Is(err, bucket.ErrNotFound) || isOfS3(err) {
		reason := "nothing of " + service + " is stored under " + s.Alias + " yet"
		if !errors.Is(err, bucket.ErrNotFound) {
			reason = "the index under " + s.Alias + " can't be read"
		}
		return admin.Trial{Action: actionDecrypt, Verdict: admin.Unknown, Reason: reason}
	}
	return s3bucket.TrialResult(actionDecrypt, err)
}

// isOfS3 reports whether S3 refused to hand out an object, rather than KMS to open it.
func isOfS3(err error) bool {
	var e *bucket.Error
	return errors.As(err, &e) && e.Status != 0 && !strings.HasPrefix(e.Code, "KMS.")
}

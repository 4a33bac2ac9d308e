package s3age

import (
	"context"
	"errors"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

var _ admin.KeyProber = (*secrets)(nil)

// TryKey implements [admin.KeyProber]. A put is tried with a condition that fails, and with what is there, and only
// on a server that respects conditions: no test may replace a key.
func (s *secrets) TryKey(ctx context.Context, alias string, actions []string) ([]admin.Trial, error) {
	name := teamkeys.ObjectName(alias)
	there, err := s.keys.Bucket.Get(ctx, name)
	out := make([]admin.Trial, len(actions))
	for i, action := range actions {
		switch {
		case errors.Is(err, bucket.ErrNotFound):
			out[i] = admin.Trial{Action: action, Verdict: admin.Unknown, Reason: alias + " has no key yet"}
		case action == "s3:GetObject":
			out[i] = s3bucket.TrialResult(action, err)
		case err != nil:
			out[i] = admin.Trial{Action: action, Verdict: admin.Unknown, Reason: "not tried: " + name + " can't be read"}
		default:
			out[i] = s.tryPut(ctx, name, action, there.Body)
		}
	}
	return out, ctx.Err()
}

func (s *secrets) tryPut(ctx context.Context, name, action string, body []byte) admin.Trial {
	known, err := s.Conditions(ctx, store.Scratch, false)
	if err != nil || !known.Known || !known.Puts {
		return admin.Trial{Action: action, Verdict: admin.Unknown, Reason: "not tried: nothing tells whether this server respects conditions, and the test could replace the key"}
	}
	_, err = s.keys.Bucket.Put(ctx, name, body, bucket.PutOptions{If: bucket.IfAbsent()})
	if errors.Is(err, bucket.ErrChanged) {
		err = nil
	}
	return s3bucket.TrialResult(action, err)
}

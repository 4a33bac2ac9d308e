package engine

import (
	"context"
	"errors"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// confirmDenied repeats a request that was allowed, if the load c was denied something and the
// storage may answer "access denied" for an expired session ([Options.DeniedWhenExpired]). If the
// repeated request is denied too, the session has expired, and it returns a credentials error.
func (e *Engine) confirmDenied(ctx context.Context, v *View, c *store.Contents) error {
	if !e.DeniedWhenExpired || len(c.Denied)+len(c.Hidden) == 0 && !c.Unlisted {
		return nil
	}
	var err error
	if !c.Unlisted {
		err = e.listOnce(ctx, v)
	} else if readable := v.Readable(); len(readable) > 0 {
		_, err = e.Bucket.Head(ctx, v.Service+"/"+readable[0].File)
	}
	return sessionEnded(err)
}

// sessionEnded turns the denial of a request that was allowed before into a credentials error.
// It returns any other error unchanged.
func sessionEnded(err error) error {
	var refused *bucket.Error
	if errors.As(err, &refused) && errors.Is(err, bucket.ErrDenied) {
		ended := *refused
		ended.Err, ended.Reason = bucket.ErrCredentials, "it was allowed a moment ago, so the session has ended"
		return &ended
	}
	return err
}

// listOnce fetches the first page of the listing from which the view was made.
func (e *Engine) listOnce(ctx context.Context, v *View) error {
	prefix := v.Service + "/"
	if v.denied != nil {
		prefix += index.Prefix(e.Plain())
	}
	for _, err := range e.Bucket.List(ctx, prefix) {
		return err
	}
	return nil
}

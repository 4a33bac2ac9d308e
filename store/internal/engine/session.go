package engine

import (
	"context"
	"errors"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// confirmDenied asks once more for what was allowed, where a load was denied something by a
// storage that calls a session that has ended denied too ([Options.DeniedWhenExpired]):
// denied as well now, it is the session, and not what the caller may read.
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

// sessionEnded makes the end of the session of a denial of what was allowed before.
func sessionEnded(err error) error {
	var refused *bucket.Error
	if errors.As(err, &refused) && errors.Is(err, bucket.ErrDenied) {
		ended := *refused
		ended.Err, ended.Reason = bucket.ErrCredentials, "it was allowed a moment ago, so that the session has ended"
		return &ended
	}
	return err
}

// listOnce fetches the first page of what the view was listed by.
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

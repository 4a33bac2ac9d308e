package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
	"github.com/coffer-secrets/coffer/store/storetest"
)

const author = "arn:aws:sts::123456789012:assumed-role/test/run"

// open returns an engine on a bucket, as one alias sees it.
func open(b bucket.Bucket, alias string) *engine.Engine {
	return engine.New(engine.Options{
		Bucket: b, Alias: alias, Now: time.Now,
		Author: func(context.Context) string { return author },
	})
}

func TestStore(t *testing.T) {
	for name, o := range map[string]membucket.Options{
		"unique ETags":          {},
		"MD5 ETags":             {ETags: membucket.MD5ETags},
		"no conditional delete": {NoConditionalDelete: true},
	} {
		for _, alias := range []string{"alias/app", ""} {
			t.Run(name+" "+alias, func(t *testing.T) {
				caps := storetest.Capabilities{}
				if o.NoConditionalDelete {
					caps.Skips = storetest.Tombstones()
				}
				storetest.Run(t, func(*testing.T) store.Store { return open(membucket.New(o), alias) }, caps)
			})
		}
	}
}

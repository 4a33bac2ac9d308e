package s3kms_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3kms"
)

// untagging takes the ETag away from answers to puts, as something between here and the
// server might.
type untagging struct {
	under  aws.HTTPClient
	object string // how its name ends; "" takes all
	taken  *atomic.Int64
}

func (c untagging) Do(r *http.Request) (*http.Response, error) {
	answer, err := c.under.Do(r)
	if err == nil && r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, c.object) && !strings.Contains(r.URL.Path, "/__probe/") {
		answer.Header.Del("Etag")
		c.taken.Add(1)
	}
	return answer, err
}

// An answer to a put that names no ETag leaves open whether it was made: it is looked up, so
// that nothing is stored that nobody knows of.
func TestAPutWithoutAnETagIsLookedUp(t *testing.T) {
	for name, object := range map[string]string{"of the secret": "/db_url.json", "of the index": "__latest.json", "of all": ""} {
		t.Run(name, func(t *testing.T) {
			server, cfg := newServer(t, s3test.Options{})
			whole := open(t, cfg, s3kms.Options{Bucket: "b", KeyAlias: "alias/app"})
			if _, err := whole.Write(t.Context(), store.ID{Service: "api", Key: "other"}, store.NewValue("1"), store.WriteOptions{}); err != nil {
				t.Fatal(err)
			}
			var taken atomic.Int64
			cfg.HTTPClient = untagging{cfg.HTTPClient, object, &taken}
			s, id := open(t, cfg, s3kms.Options{Bucket: "b", KeyAlias: "alias/app"}), store.ID{Service: "api", Key: "db_url"}
			for version, outcome := range []store.Outcome{store.Created, store.Updated} {
				r, err := s.Write(t.Context(), id, store.NewValue(strings.Repeat("v", version+1)), store.WriteOptions{})
				if err != nil || r.Outcome != outcome || r.Meta.Version != version+1 {
					t.Errorf("write: %+v, %v; want it %s as version %d", r, err, outcome, version+1)
				}
			}
			if taken.Load() == 0 {
				t.Error("no answer lost its ETag")
			}
			stored, _ := server.Bucket("b").Object("api/__kms_alias_app__latest.json")
			idx, err := index.Parse("alias/app", stored.Body)
			if err != nil {
				t.Fatal(err)
			}
			object, _ := server.Bucket("b").Object("api/db_url.json")
			if entry, ok := idx.Verified("db_url", strings.Trim(object.ETag, `"`)); !ok || entry.Version != 2 {
				t.Errorf("the index does not vouch for the secret: %+v", entry)
			}
			if c, err := whole.Load(t.Context(), "api"); err != nil || len(c.Secrets) != 2 || len(c.Notices) != 0 {
				t.Errorf("load: %d secrets, %q, %v", len(c.Secrets), c.Notices, err)
			}
		})
	}
}

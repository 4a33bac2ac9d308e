//go:build unix

package cmd_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/wire"
)

// chamberWound is what one of chamber's races or half done commands leaves behind.
type chamberWound struct {
	backend string
	wound   func(*chamberBucket)
	gone    string // a key that the wound took away for good
}

func chamberWounds() map[string]chamberWound {
	return map[string]chamberWound{
		"nothing but chamber's own index":  {backend: "s3-kms", wound: func(*chamberBucket) {}},
		"an index that lost keys":          {backend: "s3-kms", wound: editIndex(apiApp, func(x chamberEntries) { delete(x, "db_url"); delete(x, "pem") })},
		"an index wiped to one entry":      {backend: "s3-kms", wound: editIndex(apiApp, keepOnly("empty"))},
		"an index that is gone":            {backend: "s3-kms", wound: func(c *chamberBucket) { c.bucket.Delete(apiApp) }},
		"a stale entry":                    {backend: "s3-kms", wound: editIndex(apiApp, setEntry("db_password", 2, "second", "alias/app"))},
		"an entry newer than its object":   {backend: "s3-kms", wound: editIndex(apiApp, setEntry("db_password", 4, "lost", "alias/app"))},
		"a key in another alias's index":   {backend: "s3-kms", wound: editIndex(apiApp, setEntry("admin_token", 1, "stale", "alias/app"))},
		"a ghost after a half done delete": {backend: "s3-kms", wound: func(c *chamberBucket) { c.bucket.Delete("api/db_url.json") }, gone: "db_url"},
		"fields that chamber dropped":      {backend: "s3-kms", wound: dropFields},

		"s3: an index that lost keys":          {backend: "s3", wound: editPlainIndex(func(x map[string]string) { delete(x, "token") })},
		"s3: an index that is gone":            {backend: "s3", wound: func(c *chamberBucket) { c.bucket.Delete("api/__latest.json") }},
		"s3: a stale entry":                    {backend: "s3", wound: editPlainIndex(func(x map[string]string) { x["token"] = "t1" })},
		"s3: a ghost after a half done delete": {backend: "s3", wound: func(c *chamberBucket) { c.bucket.Delete("api/token.json") }, gone: "token"},
		"s3: fields that chamber dropped":      {backend: "s3", wound: dropFields},
	}
}

// healthy is what service api held when chamber left it, without what a wound took away.
func (w chamberWound) healthy(t *testing.T) map[string]string {
	t.Helper()
	var want map[string]string
	expected := chamberData + "/expect/api.json"
	if w.backend == "s3" {
		expected = chamberData + "/expect/s3_api.json"
	}
	parse(t, readFile(t, expected), &want)
	delete(want, w.gone)
	return want
}

// Reads are right at once, and the next write of any secret repairs the index.
func TestChamberWoundsHeal(t *testing.T) {
	for name, test := range chamberWounds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, want := newChamberBucket(t, test.backend), test.healthy(t)
			test.wound(c)

			var got map[string]string
			parse(t, []byte(c.out("export api")), &got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("coffer export (-want +got):\n%s", diff)
			}
			if test.gone != "" {
				if got := c.run("read api "+test.gone, ""); got.exit != 3 {
					t.Errorf("read of what is gone: exit code %d", got.exit)
				}
			}

			c.do("write api another -", "one")
			want["another"] = "one"
			if diff := cmp.Diff(want, c.reader().export("api")); diff != "" {
				t.Errorf("after the next write, chamber export (-want +got):\n%s", diff)
			}
			c.exactIndexes("api")
		})
	}
}

func TestTheNextWriteRepairsTheIndexOfAnUpperCaseKey(t *testing.T) {
	c := newChamberBucket(t, "s3-kms")
	editIndex("imported/__kms_alias_app__latest.json", keepOnly("plain"))(c)
	c.do("write imported other -", "y")
	if diff := cmp.Diff(map[string]string{"DB_HOST": "upper-case-key", "plain": "x", "other": "y"}, c.reader().export("imported")); diff != "" {
		t.Errorf("chamber export (-want +got):\n%s", diff)
	}
	c.exactIndexes("imported")
}

// chamber needs six requests for each secret of an import, one after the other.
func TestImportOfAHundredKeysPutsTheIndexTwiceAtMost(t *testing.T) {
	for _, backend := range []string{"s3-kms", "s3"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			c := newChamberBucket(t, backend)
			upstream, err := url.Parse(c.URL)
			if err != nil {
				t.Fatal(err)
			}
			proxy := wire.New(upstream, wireRTT)
			front := httptest.NewServer(proxy)
			t.Cleanup(front.Close)
			c.env = append(c.env, "COFFER_ENDPOINT_URL="+front.URL)
			values := map[string]string{}
			for i := range 100 {
				values[fmt.Sprintf("key_%03d", i)] = fmt.Sprintf("value %d", i)
			}
			file, err := json.Marshal(values)
			if err != nil {
				t.Fatal(err)
			}
			c.do("write warm x -", "x") // and learn what the server keeps, once a week
			services := []string{"bulk", "more", "most"}
			requests, depth := fewest(proxy, 108, 8, func() {
				c.putsTheIndexTwiceAtMost(services[0], string(file))
				services = services[1:]
			})
			if t.Logf("%d requests, depth %d", requests, depth); depth > 8 {
				t.Errorf("%d requests had to wait for one another, want at most 8", depth)
			}
			if diff := cmp.Diff(values, c.reader().export("bulk")); diff != "" {
				t.Errorf("chamber export (-want +got):\n%s", diff)
			}
		})
	}
}

// putsTheIndexTwiceAtMost imports a new service.
func (c *chamberBucket) putsTheIndexTwiceAtMost(service, file string) {
	c.Helper()
	c.Reset()
	c.do("import "+service+" -", file)
	puts := 0
	for _, e := range c.Log() {
		if e.Op == "PutObject" && strings.HasPrefix(path.Base(e.Key), "__") {
			puts++
		}
	}
	if puts < 1 || puts > 2 {
		c.Errorf("the index was put %d times, want at most 2", puts)
	}
}

//go:build unix

package cmd_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/internal/testing/wire"
)

const (
	chamberData = "testdata/chamber"
	apiApp      = "api/__kms_alias_app__latest.json"
	apiOps      = "api/__kms_alias_ops__latest.json"
)

// chamberBucket is a bench whose bucket chamber has filled, with the environment that chamber needs.
type chamberBucket struct {
	*bench
	backend string
}

func newChamberBucket(t *testing.T, backend string, quirks ...s3test.Quirks) *chamberBucket {
	t.Helper()
	var o s3test.Options
	if len(quirks) > 0 {
		o.Quirks = quirks[0]
	}
	c := &chamberBucket{newBench(t, o), backend}
	c.KMS.CreateKey("alias/team/one")
	c.env = append(c.env,
		"COFFER_S3_BUCKET=", "COFFER_KMS_KEY_ALIAS=",
		"CHAMBER_SECRET_BACKEND="+strings.ToUpper(backend), "CHAMBER_S3_BUCKET=b", "CHAMBER_KMS_KEY_ALIAS=app",
	)
	root := filepath.Join(chamberData, backend)
	for _, name := range files(t, root) {
		c.plant(name, readFile(t, filepath.Join(root, name)), c.aliasOf(t, root, name))
	}
	return c
}

// plant stores bytes as chamber would, under an alias in s3-kms.
func (c *chamberBucket) plant(name string, body []byte, alias string) {
	if c.backend == "s3" {
		c.bucket.Plant(name, body, s3test.AES256, "")
	} else {
		c.bucket.Plant(name, body, s3test.AWSKMS, alias)
	}
}

// aliasOf finds in the indexes of a fixture under which alias chamber had stored a file.
func (c *chamberBucket) aliasOf(t *testing.T, root, name string) string {
	t.Helper()
	if c.backend == "s3" {
		return ""
	}
	indexes, err := filepath.Glob(filepath.Join(root, path.Dir(name), "__kms*"))
	if err != nil {
		t.Fatal(err)
	}
	key := strings.TrimSuffix(path.Base(name), ".json")
	for _, file := range indexes {
		var x chamberIndex
		parse(t, readFile(t, file), &x)
		for entry, e := range x.Latest {
			if entry == key || filepath.Base(file) == path.Base(name) {
				return e.KMSAlias
			}
		}
	}
	t.Fatalf("no index of chamber's knows %s", name)
	return ""
}

// files lists the files below a folder, as slash-separated names.
func files(t *testing.T, root string) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func parse(t *testing.T, body []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatal(err)
	}
}

// out is the standard output of a run that must succeed.
func (b *bench) out(line string) string {
	b.Helper()
	got := b.run(line, "")
	if got.exit != 0 {
		b.Fatalf("coffer %s: exit code %d\n%s", line, got.exit, got.stderr)
	}
	return got.stdout
}

// table is out without the spaces that align it.
func (b *bench) table(line string) string {
	b.Helper()
	var rows []string
	for row := range strings.Lines(b.out(line)) {
		rows = append(rows, strings.Join(strings.Fields(row), " "))
	}
	return strings.Join(rows, "\n")
}

func TestExportAndEnvPrintWhatChamberPrinted(t *testing.T) {
	kms, plain := newChamberBucket(t, "s3-kms"), newChamberBucket(t, "s3")
	for _, name := range files(t, chamberData+"/expect") {
		t.Run(name, func(t *testing.T) {
			c := kms
			service, format := strings.TrimSuffix(name, path.Ext(name)), path.Ext(name)
			if rest, ok := strings.CutPrefix(service, "s3_"); ok {
				c, service = plain, rest
			}
			line := "export -f json "
			if format == ".env" {
				line = "env "
			}
			got := c.out(line + strings.ReplaceAll(service, "_", "/"))
			if diff := cmp.Diff(string(readFile(t, chamberData+"/expect/"+name)), got); diff != "" {
				t.Errorf("coffer %s (-chamber +coffer):\n%s", line, diff)
			}
		})
	}
}

func TestEveryVersionThatChamberWroteIsRead(t *testing.T) {
	for _, backend := range []string{"s3-kms", "s3"} {
		c := newChamberBucket(t, backend)
		for _, o := range c.bucket.Objects() {
			if strings.HasPrefix(path.Base(o.Name), "__") {
				continue
			}
			t.Run(backend+"/"+o.Name, func(t *testing.T) {
				var secret chamberSecret
				parse(t, o.Body, &secret)
				service, key := path.Dir(o.Name), strings.TrimSuffix(path.Base(o.Name), ".json")
				var history []chamberVersion
				for n := range len(secret.Values) {
					want := secret.Values[n+1]
					var got chamberVersion
					parse(t, []byte(c.out(fmt.Sprintf("read --json --version %d %s %s", n+1, service, key))), &got)
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("version %d (-chamber +coffer):\n%s", n+1, diff)
					}
					want.Value = "" // history tells none
					history = append(history, want)
				}
				newest := secret.Values[len(secret.Values)].Value
				if got := c.out("read -q " + service + " " + key); got != newest+"\n" {
					t.Errorf("read -q gives %q, want %q", got, newest)
				}
				var got []chamberVersion
				parse(t, []byte(c.out("history --json "+service+" "+key)), &got)
				if diff := cmp.Diff(history, got); diff != "" {
					t.Errorf("history (-chamber +coffer):\n%s", diff)
				}
			})
		}
	}
}

func TestListAndFindShowWhatChamberWrote(t *testing.T) {
	c := newChamberBucket(t, "s3-kms")
	user := "arn:aws:sts::123456789012:user/moto"
	for line, want := range map[string]string{
		"list shared":      "Key Version Last modified User Key alias\nregion 1 2026-11-21T21:44:34Z " + user + " alias/team/one",
		"list -e imported": "Key Version Last modified User Key alias Value\nDB_HOST 1 2026-11-21T21:44:34Z " + user + " alias/app upper-case-key\nplain 1 2026-11-21T21:44:34Z " + user + " alias/app x",
		"history api db_password": "Event Version Date User\nCreated 1 2026-11-21T21:44:33Z " + user +
			"\nUpdated 2 2026-11-21T21:44:33Z " + user + "\nUpdated 3 2026-11-21T21:44:33Z " + user,
		"list-services":          "Service\napi\napi/worker\nimported\nmany-versions\nshared",
		"list-services api":      "Service\napi\napi/worker",
		"list-services -s share": "Service\nshared/region",
		"find queue":             "Service Key\napi/worker queue",
		"find db_host":           "Service Key\nimported DB_HOST",
		"find -v eu-west-1":      "Service Key\nshared region",
		"find v12 --by-value":    "Service Key\nmany-versions k",
	} {
		if diff := cmp.Diff(want, c.table(line)); diff != "" {
			t.Errorf("coffer %s (-want +got):\n%s", line, diff)
		}
	}
	var list []struct {
		Key     string `json:"key"`
		Version int    `json:"version"`
	}
	parse(t, []byte(c.out("list --json api")), &list)
	got := map[string]int{}
	for _, s := range list {
		got[s.Key] = s.Version
	}
	want := map[string]int{"admin_token": 1, "dash-key": 1, "db_password": 3, "db_url": 1, "dot.key": 1, "empty": 1, "pem": 1, "unicode": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("coffer list api (-want +got):\n%s", diff)
	}
}

// chamber's import stores keys as they are written, and its read asks for lower case.
func TestAnUpperCaseKeyIsFoundUnderAnyCase(t *testing.T) {
	c := newChamberBucket(t, "s3-kms")
	for _, key := range []string{"DB_HOST", "db_host", "Db_Host"} {
		if got := c.out("read -q imported " + key); got != "upper-case-key\n" {
			t.Errorf("read imported %s: %q", key, got)
		}
	}
	c.do("write imported db_host -", "changed")
	if _, twin := c.bucket.Object("imported/db_host.json"); twin {
		t.Error("the write made a second key, in lower case")
	}
	if got := c.reader().exec("imported")["DB_HOST"]; got != "changed" {
		t.Errorf("chamber exec has DB_HOST=%q", got)
	}
	if got := c.run("delete --exact-key imported db_host", ""); got.exit != 3 {
		t.Errorf("delete --exact-key of a key in another case: exit code %d", got.exit)
	}
	c.do("delete --exact-key imported DB_HOST", "")
	if got := c.reader().exec("imported"); !cmp.Equal(got, map[string]string{"PLAIN": "x"}) {
		t.Errorf("after the delete chamber exec has %v", got)
	}
}

func TestChamberReadsWhatCofferWrites(t *testing.T) {
	for _, backend := range []string{"s3-kms", "s3"} {
		for deletes, quirks := range map[string]s3test.Quirks{"really": {}, "with a tombstone": {DeleteIgnoresMatch: true}} {
			t.Run(backend+"/deletes "+deletes, func(t *testing.T) {
				c := newChamberBucket(t, backend, quirks)
				want := c.reader().export("api") // what chamber sees before
				expect := func(after string) {
					t.Helper()
					if diff := cmp.Diff(want, c.reader().export("api")); diff != "" {
						t.Errorf("after %s, chamber export (-want +got):\n%s", after, diff)
					}
					if diff := cmp.Diff(want, c.reader().list("api")); diff != "" {
						t.Errorf("after %s, chamber list (-want +got):\n%s", after, diff)
					}
				}
				expect("nothing")

				c.do("write api db_url -", "changed <&> \"")
				want["db_url"] = "changed <&> \""
				expect("a write")
				if v := c.reader().secret("api", "db_url"); v.Version != 2 || v.CreatedBy == "" || v.Created == "" {
					t.Errorf("chamber read has version %d of %q, %q", v.Version, v.CreatedBy, v.Created)
				}

				c.do("write api New.Key-1 -", "new")
				want["new.key-1"] = "new"
				expect("a new key")

				c.do("import api -", `{"imported_1":"a\nb","db_url":"imported","PORT":8080}`)
				want["imported_1"], want["db_url"], want["port"] = "a\nb", "imported", "8080"
				expect("an import")

				c.do("delete api db_url new.key-1", "")
				delete(want, "db_url")
				delete(want, "new.key-1")
				expect("a delete")
				if v := c.reader().secret("api", "db_url"); v != nil {
					t.Errorf("chamber read still has version %d of a deleted secret", v.Version)
				}

				c.do("write api db_url -", "once more")
				want["db_url"] = "once more"
				expect("a write of what was deleted")
				if backend == "s3-kms" {
					c.do("write api admin_token - --kms-key-alias alias/ops", "ops 2")
					want["admin_token"] = "ops 2"
					expect("a write under the other alias")
				}
			})
		}
	}
}

// The two programs in turn, as in a team that moves slowly: each sees what the other wrote.
func TestChamberAndCofferShareABucket(t *testing.T) {
	for _, backend := range []string{"s3-kms", "s3"} {
		t.Run(backend, func(t *testing.T) {
			c := newChamberBucket(t, backend)
			writer := chamberWriter{c.reader(), "alias/app"}
			want := c.reader().export("api")
			for round := range 3 {
				turn := fmt.Sprintf("round %d", round)
				c.do("write api by_coffer -", turn)
				writer.write("api", "by_chamber", turn)
				writer.write("api", "by_coffer", turn+", by chamber")
				c.do("write api by_chamber -", turn+", by coffer")
				c.do("write api deleted_by_chamber -", turn)
				writer.delete("api", "deleted_by_chamber")
				writer.write("api", "deleted_by_coffer", turn)
				c.do("delete api deleted_by_coffer", "")
				want["by_coffer"], want["by_chamber"] = turn+", by chamber", turn+", by coffer"

				if diff := cmp.Diff(want, c.reader().export("api")); diff != "" {
					t.Errorf("%s, chamber export (-want +got):\n%s", turn, diff)
				}
				var got map[string]string
				parse(t, []byte(c.out("export api")), &got)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s, coffer export (-want +got):\n%s", turn, diff)
				}
			}
			if v := c.reader().secret("api", "by_coffer"); v.Version != 6 {
				t.Errorf("six writes by two programs made version %d", v.Version)
			}
		})
	}
}

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
			// With a round trip as to a far region: without one, who waited for whom is chance.
			proxy := wire.New(upstream, 100*time.Millisecond)
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
			proxy.Reset()
			c.Reset()
			c.do("import bulk -", string(file))

			indexPuts := 0
			for _, e := range c.Log() {
				if e.Op == "PutObject" && strings.HasPrefix(path.Base(e.Key), "__") {
					indexPuts++
				}
			}
			crossed := proxy.Summary()
			t.Logf("%d requests, depth %d, %d puts of the index", crossed.Requests, crossed.Depth, indexPuts)
			if indexPuts < 1 || indexPuts > 2 {
				t.Errorf("the index was put %d times, want at most 2", indexPuts)
			}
			if crossed.Depth > 8 {
				t.Errorf("%d requests had to wait for one another, want at most 8", crossed.Depth)
			}
			if diff := cmp.Diff(values, c.reader().export("bulk")); diff != "" {
				t.Errorf("chamber export (-want +got):\n%s", diff)
			}
		})
	}
}

// docs/chamber.md gives the policy that makes chamber read-only: s3test's switch is its effect.
func TestAPolicyOfConditionalPutsStopsChamberAlone(t *testing.T) {
	for _, backend := range []string{"s3-kms", "s3"} {
		t.Run(backend, func(t *testing.T) {
			c := newChamberBucket(t, backend)
			c.bucket.ConditionalPutsOnly(true)
			before, _ := c.bucket.Object("api/db_url.json")
			client := s3.New(s3.Options{
				BaseEndpoint: aws.String(c.URL), Region: "us-east-1", UsePathStyle: true,
				Credentials: credentials.NewStaticCredentialsProvider(dev.AccessKeyID, dev.SecretKey, dev.SessionToken),
			})
			_, err := client.PutObject(t.Context(), &s3.PutObjectInput{ // as chamber puts
				Bucket: aws.String("b"), Key: aws.String("api/db_url.json"), Body: strings.NewReader("{}"),
			})
			if err == nil || !strings.Contains(err.Error(), "403") || !strings.Contains(err.Error(), "AccessDenied") {
				t.Errorf("a put as chamber makes it: %v", err)
			}
			if now, _ := c.bucket.Object("api/db_url.json"); now.ETag != before.ETag {
				t.Error("the object has changed")
			}

			c.do("write api db_url -", "changed")
			c.do("write api new -", "made")
			c.do("import api -", `{"new":"imported"}`)
			c.do("delete api new", "")
			if got := c.reader().export("api"); got["db_url"] != "changed" || got["new"] != "" {
				t.Errorf("chamber export has db_url=%q new=%q", got["db_url"], got["new"])
			}
		})
	}
}

func TestAPolicyOfTheDocsIsJSON(t *testing.T) {
	_, rest, found := strings.Cut(string(readFile(t, "../docs/chamber.md")), "```json\n")
	text, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("docs/chamber.md has no policy")
	}
	var policy struct {
		Statement []struct {
			Effect, Action string
			NotResource    []string
			Condition      map[string]map[string]string
		}
	}
	parse(t, []byte(text), &policy)
	var denied []string
	for _, s := range policy.Statement {
		if s.Effect != "Deny" || s.Condition["Null"]["s3:if-match"] != "true" {
			t.Errorf("%+v denies something else than what is unconditional", s)
		}
		denied = append(denied, s.Action)
		// What is deleted without a condition: shares, and what a place is tried with.
		if want := []string{"arn:aws:s3:::BUCKET/__share/*", "arn:aws:s3:::BUCKET/*/__probe/*"}; s.Action == "s3:DeleteObject" && !slices.Equal(s.NotResource, want) {
			t.Errorf("the policy stops coffer's own deletes: it spares %q, not %q", s.NotResource, want)
		}
	}
	if !slices.Equal(denied, []string{"s3:PutObject", "s3:DeleteObject"}) {
		t.Errorf("the policy denies %v", denied)
	}
}

// onMoto gives the environment of a run against the moto of this test binary, in a region of its own.
func onMoto(t *testing.T, region, backend string) *bench {
	t.Helper()
	address := mototest.Start(t)
	return &bench{T: t, env: append(ownEnvironment(t.TempDir()),
		"PATH="+os.Getenv("PATH"), "AWS_ACCESS_KEY_ID=moto", "AWS_SECRET_ACCESS_KEY=moto",
		"COFFER_ENDPOINT_URL="+address, "CHAMBER_AWS_REGION="+region, "CHAMBER_SECRET_BACKEND="+strings.ToUpper(backend),
	)}
}

func TestParametersThatChamberLeft(t *testing.T) {
	const region = "eu-south-2"
	b := onMoto(t, region, "ssm")
	b.env = append(b.env, "COFFER_ENDPOINT_URL=", "CHAMBER_AWS_SSM_ENDPOINT="+mototest.Start(t))
	client := ssm.New(ssm.Options{
		BaseEndpoint: aws.String(mototest.Start(t)), Region: region, Credentials: credentials.NewStaticCredentialsProvider("moto", "moto", ""),
	})
	var described struct {
		Parameters []struct {
			Name    string
			Version int64
		}
	}
	parse(t, readFile(t, chamberData+"/ssm-describe-parameters.json"), &described)
	var held struct {
		Parameters []struct{ Name, Value string }
	}
	parse(t, readFile(t, chamberData+"/ssm-get-parameters-by-path.json"), &held)
	value := map[string]string{"/api/worker/queue": "of the nested service"} // the fixture does not tell it
	want := map[string]string{}
	for _, p := range held.Parameters {
		value[p.Name] = p.Value
		want[path.Base(p.Name)] = p.Value
	}
	for _, p := range described.Parameters {
		for n := int64(1); n <= p.Version; n++ {
			text := value[p.Name]
			if n < p.Version {
				text = fmt.Sprintf("v%d", n)
			}
			_, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{
				Name: aws.String(p.Name), Value: aws.String(text), Description: aws.String(fmt.Sprint(n)), Overwrite: aws.Bool(true),
				Type: types.ParameterTypeSecureString, KeyId: aws.String("alias/parameter_store_key"),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	var got map[string]string
	parse(t, []byte(b.out("export api")), &got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("coffer export api (-chamber +coffer):\n%s", diff)
	}
	if got := b.out("env api/worker"); got != "export QUEUE='of the nested service'\n" {
		t.Errorf("coffer env api/worker: %q", got)
	}
	if got := b.out("read -q -v 1 api db_url"); got != "v1\n" {
		t.Errorf("coffer read -v 1: %q", got)
	}

	// chamber's rules: values by path, the version in the description, in decimal.
	b.do("write api db_url -", "v3")
	b.do("import api -", `{"DASH-KEY":"dashed 2","port":8080}`)
	b.do("delete api port", "")
	page, err := client.GetParametersByPath(t.Context(), &ssm.GetParametersByPathInput{Path: aws.String("/api"), WithDecryption: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	now := map[string]string{}
	for _, p := range page.Parameters {
		now[*p.Name] = *p.Value
	}
	if diff := cmp.Diff(map[string]string{"/api/db_url": "v3", "/api/dash-key": "dashed 2"}, now); diff != "" {
		t.Errorf("chamber exec (-want +got):\n%s", diff)
	}
	out, err := client.DescribeParameters(t.Context(), &ssm.DescribeParametersInput{
		ParameterFilters: []types.ParameterStringFilter{{Key: aws.String("Name"), Option: aws.String("Equals"), Values: []string{"/api/db_url"}}},
	})
	if err != nil || len(out.Parameters) != 1 {
		t.Fatal(len(out.Parameters), err)
	}
	if d := aws.ToString(out.Parameters[0].Description); d != "3" {
		t.Errorf("the description of the third version is %q", d)
	}
}

func TestAScriptWrittenForChamber(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"s3-kms", "s3"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			c := newChamberBucket(t, backend)
			dir := t.TempDir()
			script, err := filepath.Abs("testdata/chamber-script.sh")
			if err != nil {
				t.Fatal(err)
			}
			run := exec.CommandContext(t.Context(), "bash", script)
			run.Dir, run.Env = dir, c.env
			out, err := run.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if !strings.HasSuffix(string(out), "\nall as chamber has it\n") {
				t.Errorf("the script did not come to its end:\n%s", out)
			}
			if diff := cmp.Diff(map[string]string{"survivor": "from stdin"}, c.reader().export("app/web")); diff != "" {
				t.Errorf("chamber export of what the script left (-want +got):\n%s", diff)
			}
		})
	}
}

//go:build unix

package cmd_test

import (
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

const (
	chamberData = "testdata/chamber"
	apiApp      = "api/__kms_alias_app__latest.json"
	apiOps      = "api/__kms_alias_ops__latest.json"
)

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
		"list shared":      "Key Version LastModified User KeyAlias\nregion 1 2026-11-21T21:44:34Z " + user + " alias/team/one",
		"list -e imported": "Key Version LastModified User Value\nDB_HOST 1 2026-11-21T21:44:34Z " + user + " upper-case-key\nplain 1 2026-11-21T21:44:34Z " + user + " x",
		"history api db_password": "Event Version Date User\nCreated 1 2026-11-21T21:44:33Z " + user +
			"\nUpdated 2 2026-11-21T21:44:33Z " + user + "\nUpdated 3 2026-11-21T21:44:33Z " + user,
		"list-services":          "Service\napi\napi/worker\nimported\nmany-versions\nshared",
		"list-services api":      "Service\napi\napi/worker",
		"list-services -s share": "Service\n/shared/region",
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

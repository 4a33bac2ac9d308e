//go:build unix

package cmd_test

import (
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

func TestTagsOfASecretOnS3(t *testing.T) {
	for _, backend := range []string{"s3-kms", "s3"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{})
			b.env = append(b.env, "COFFER_BACKEND="+backend)
			if backend == "s3" {
				b.env = append(b.env, "COFFER_KMS_KEY_ALIAS=")
			}
			tagged := func(after, want string) {
				t.Helper()
				if got := b.table("tag read api key"); got != want {
					t.Errorf("after %s the tags are %q, want %q", after, got, want)
				}
			}
			b.do("write api key - --tags team=core,env=prod", canary)
			tagged("a write with tags", "Key Value\nenv prod\nteam core")
			b.do("write api key -", canary+" 2")
			tagged("a new version", "Key Value\nenv prod\nteam core")
			b.do("write api key - -t env=test", canary+" 3")
			tagged("a new version with a tag", "Key Value\nenv test\nteam core")
			b.do("import api -", "key: "+canary+" 4")
			tagged("an import", "Key Value\nenv test\nteam core")
			if got := b.table("tag write api KEY owner=ann=b"); got != "Key Value\nowner ann=b" {
				t.Errorf("tag write prints %q", got)
			}
			tagged("tag write", "Key Value\nenv test\nowner ann=b\nteam core")
			b.do("tag delete api key owner nothing", "")
			tagged("tag delete", "Key Value\nenv test\nteam core")
			b.do("tag write api key only=this --delete-other-tags", "")
			tagged("tag write --delete-other-tags", "Key Value\nonly this")
			b.wantSent("tag write api key a=b only=that --delete-other-tags", "", map[string]int{"PutObjectTagging": 1, "GetObjectTagging": 0, "DeleteObjectTagging": 0})
			tagged("replaced tags", "Key Value\na b\nonly that")
			b.wantSent("tag delete api key a only", "", map[string]int{"PutObjectTagging": 0, "DeleteObjectTagging": 1})
			tagged("a delete of the last tags", "Key Value")
			b.wantSent("write api key - --skip-unchanged -t only=this", canary+" 4", map[string]int{"PutObject": 0, "PutObjectTagging": 1})
			tagged("a write of the same value with a tag", "Key Value\nonly this")
			b.wantSent("write api key - --skip-unchanged -t only=this", canary+" 4", map[string]int{"PutObject": 0, "PutObjectTagging": 0})
			if got := b.out("tag read api key --json"); got != "{\n  \"only\": \"this\"\n}\n" {
				t.Errorf("tag read --json prints %q", got)
			}
			if got := b.out("read api key -q"); got != canary+" 4\n" {
				t.Errorf("the value is %q", got)
			}
			if got := b.run("export api", ""); got.stdout != `{"key":"`+canary+` 4"}`+"\n" || got.stderr != "" {
				t.Errorf("%+v", got)
			}
			b.wantTagsRefused()
			b.do("delete api key", "")
			if got := b.run("tag read api key", ""); got.exit != 3 {
				t.Errorf("the tags of a deleted secret: %+v", got)
			}
		})
	}
}

// wantSent runs a command line and counts the requests that it sends by operation.
func (b *bench) wantSent(line, stdin string, want map[string]int) {
	b.Helper()
	before := map[string]int{}
	for op := range want {
		before[op] = b.asked(op)
	}
	b.do(line, stdin)
	for op, n := range want {
		if got := b.asked(op) - before[op]; got != n {
			b.Errorf("coffer %s sends %d of %s, want %d", line, got, op, n)
		}
	}
}

// wantTagsRefused tries tags that cannot be, and tags of what is not there.
func (b *bench) wantTagsRefused() {
	b.Helper()
	for line, want := range map[string]int{
		"tag read api none":          3,
		"tag write api none a=b":     3,
		"tag delete api none a":      3,
		"tag write api key a":        2,
		"tag write api key =b":       2,
		"tag read api __key":         2,
		"write api new - --tags one": 2,
	} {
		if got := b.run(line, canary); got.exit != want || strings.Contains(got.stderr, canary) {
			b.Errorf("coffer %s: exit code %d, want %d\n%s", line, got.exit, want, got.stderr)
		}
	}
}

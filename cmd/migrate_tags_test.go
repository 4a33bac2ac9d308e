//go:build unix

package cmd_test

import (
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// TestMigrateNamesSecretsWhoseTagsStay, also before it writes, and only those that it writes.
func TestMigrateNamesSecretsWhoseTagsStay(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.contexts("")
	source := b.in("bucket")
	source.do("write api plain -", canary)
	source.do("write api tagged - --tags team=core,env=prod", canary)
	const said = "coffer: tags don't move; coffer tag write sets those of api/tagged at the destination\n"
	line := "migrate api --from-context bucket --to-context desk"
	if got := b.run(line+" --dry-run --json", ""); !strings.HasSuffix(got.stderr, said) || strings.Count(got.stdout, `"tags": 2`) != 1 || strings.Count(got.stdout, `"tags"`) != 1 {
		t.Errorf("%+v", got)
	}
	b.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Op != "GetObjectTagging" {
			return nil
		}
		return &s3test.Fault{Kind: s3test.Answer, Status: 403, Code: "AccessDenied"}
	})
	if got := b.run(line+" --dry-run", ""); !strings.HasSuffix(got.stderr, "coffer: whether 2 secrets had tags, which don't move, is unknown: they couldn't be read\n") || got.exit != 0 {
		t.Errorf("%+v", got)
	}
	b.Fault(nil)
	if got := b.run(line, ""); !strings.HasSuffix(got.stderr, said) || got.exit != 0 {
		t.Errorf("%+v", got)
	}
	b.wantSent(line, "", map[string]int{"GetObjectTagging": 0})
}

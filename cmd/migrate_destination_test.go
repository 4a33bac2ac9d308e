//go:build unix

package cmd_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// A destination without its bucket, its key or an identity: said before anything is copied, with a command that makes it,
// after which the same line migrates.
func TestMigrateSaysFirstWhatItsDestinationLacks(t *testing.T) {
	const line = "migrate api --from-backend s3-kms --from-bucket b --to-bucket new --to-backend "
	for name, test := range map[string]struct {
		line   string
		made   bool // the bucket
		exit   int
		stderr string
	}{
		"s3-age without a bucket":      {line + "s3-age", false, 7, `the bucket "new" doesn't exist`},
		"s3-envelope without a bucket": {line + "s3-envelope", false, 7, `the bucket "new" doesn't exist`},
		"s3-kms without a bucket":      {line + "s3-kms", false, 7, `the bucket "new" doesn't exist`},
		"s3 without a bucket":          {line + "s3", false, 7, `the bucket "new" doesn't exist`},
		"s3-age without an identity":   {line + "s3-age", true, 7, "no age identity"},
		"s3-envelope without a key":    {line + "s3-envelope --kms-key-alias alias/none", true, 3, "alias/none doesn't exist"},
		"s3-kms without a key":         {line + "s3-kms --kms-key-alias alias/none", true, 3, "alias/none doesn't exist"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{})
			b.env = append(b.env, "AWS_ENDPOINT_URL_KMS="+b.URL)
			b.do("write api a -", canary)
			if test.made {
				b.Bucket("new")
			}
			var said outcome
			for _, line := range []string{test.line + " --dry-run", test.line} {
				said = b.run(line, "")
				if said.exit != test.exit || !strings.Contains(said.stderr, test.stderr) || strings.Count(said.stderr, "coffer: ") != 1 {
					t.Errorf("%s: %+v", line, said)
				}
			}
			if test.made && len(b.Bucket("new").Objects()) > 0 {
				t.Error("something was copied")
			}
			setup := regexp.MustCompile(`coffer (init -b .*?) (?:creates|makes)`).FindStringSubmatch(said.stderr)
			if setup == nil {
				t.Fatalf("no command: %+v", said)
			}
			b.do(setup[1]+strings.TrimPrefix(initBare, "init"), "")
			b.do(test.line, "")
		})
	}
}

// The first write makes the key of a team, and migrate says so before it, once.
func TestMigrateSaysThatItMakesTheKeyOfATeam(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api a -", canary)
	ann.Bucket("new")
	for _, flag := range []string{" --dry-run", "", ""} {
		got := ann.run("migrate api --to-backend s3-age --to-bucket new --kms-key-alias alias/new"+flag, "")
		said := strings.Contains(got.stderr, "alias/new has no key in s3-age new yet: the first write creates it, as does coffer init -b s3-age --bucket new --kms-key-alias alias/new")
		_, made := ann.Bucket("new").Object("__keys/alias/new.age")
		if got.exit != 0 || made != (flag == "") {
			t.Errorf("%+v, made %v", got, made)
		}
		if first := flag != "" || !strings.Contains(got.stderr, "unchanged"); said != first {
			t.Errorf("%+v", got)
		}
	}
}

// Without membership in the destination's alias, migrate and its dry run name the membership. They don't blame the source.
func TestMigrateSaysThatItsWriterIsNoMember(t *testing.T) {
	ann := newTeam(t)
	bob := ann.colleague("bob")
	bob.withSSHKey()
	bob.do("write api a - -b local --kms-key-alias alias/default", canary)
	for _, flag := range []string{" --dry-run", ""} {
		got := bob.run("migrate api --from-backend local"+flag, "")
		if got.exit != 5 || got.stdout != "" || !strings.Contains(got.stderr, "you are not a member of alias/app") || !strings.Contains(got.stderr, "keys grant alias/app ") {
			t.Errorf("%+v", got)
		}
	}
}

// What the destination has already stays under its alias, and migrate says so where another was asked for.
func TestMigrateSaysWhatStaysUnderAnotherAlias(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.do("write api a - -b local --kms-key-alias alias/default", canary)
	const line = "migrate api --from-backend local"
	b.do(line, "")
	for flag, want := range map[string]bool{"": false, " --kms-key-alias alias/app": false, " --kms-key-alias alias/ops": true} {
		got := b.run(line+flag, "")
		if said := strings.Contains(got.stderr, "api: 1 secret left under another alias than alias/ops"); got.exit != 0 || said != want {
			t.Errorf("%q: %+v", flag, got)
		}
	}
}

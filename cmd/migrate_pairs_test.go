//go:build unix

package cmd_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// holders are the backends that can hold secrets, and what one of them can't keep of what another has
// (docs/backends.md).
var holders = []struct {
	name string
	// refuses names the keys that it can't hold: Parameter Store strips spaces around a value.
	refuses string
	// renewed is the number of a secret that was deleted and written again: Parameter Store forgets the old one.
	renewed int
	// noWriter: moto doesn't tell who wrote a parameter.
	noWriter bool
}{
	{name: "s3-kms", renewed: 2},
	{name: "ssm", renewed: 1, refuses: "padded", noWriter: true},
	{name: "s3-age", renewed: 2},
	{name: "local", renewed: 2},
	{name: "secretsmanager", renewed: 2},
	{name: "s3-envelope", renewed: 2},
	{name: "s3", renewed: 2},
}

// inHistory is a version as history --expand shows it.
type inHistory struct {
	Version   int
	Value     string
	CreatedBy string `json:"created_by"`
	Created   time.Time
}

// migrationPlaces gives a bench a context for each holder, with its name.
func migrationPlaces(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, s3test.Options{})
	dir, moto := b.TempDir(), mototest.Start(t)
	text := "contexts:\n"
	for _, h := range holders {
		switch h.name {
		case "local":
			text += fmt.Sprintf("  local: {backend: local, dir: %q, key_dir: %q}\n", filepath.Join(dir, "desk"), filepath.Join(dir, "keys"))
		case "ssm", "secretsmanager":
			text += fmt.Sprintf("  %s: {backend: %[1]s, region: eu-south-1, endpoint_url: %q}\n", h.name, moto)
		default:
			b.Bucket("of-" + h.name)
			text += fmt.Sprintf("  %s: {backend: %[1]s, bucket: of-%[1]s, kms_key_alias: alias/app, region: us-east-1, endpoint_url: %q}\n", h.name, b.URL)
		}
	}
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	b.env = append(b.env, "COFFER_CONFIG="+b.file(text+"identity: "+b.file(identity.String()+"\n")+"\n"), "AWS_ENDPOINT_URL_KMS="+b.URL)
	return b
}

// versionsOf is every version of a secret of a context, as history shows it.
func (b *bench) versionsOf(context, service, key string) (all []inHistory) {
	b.Helper()
	parse(b.T, []byte(b.in(context).out("history --expand --json "+service+" "+key)), &all)
	return all
}

// seedPair writes the secrets of service of-NAME: many has four versions, one of them the same as another.
func (b *bench) seedPair(holder, refuses string, renewed int) {
	b.Helper()
	in, service := b.in(holder), "of-"+holder
	for _, value := range []string{"1", "2", "1", "3 \u2713\nüber zwei Zeilen"} {
		in.do("write "+service+" many -", canary+value)
	}
	in.do("write "+service+" renewed -", canary+"gone")
	in.do("delete "+service+" renewed", "")
	in.do("write "+service+" renewed -", canary+"again")
	if refuses == "" {
		in.do("write "+service+" padded -", " "+canary+"\t ")
	}
	if all := b.versionsOf(holder, service, "renewed"); len(all) != 1 || all[0].Version != renewed {
		b.Errorf("%s: a secret that was written again has the versions %+v; want number %d alone", holder, all, renewed)
	}
}

// TestMigrateBetweenEachPairOfBackends migrates a service from each backend to each other one: the values are the
// same, in the same order; versions are numbered from 1; writer and date are those of the migration. What the
// destination can't hold is refused by name before anything is written. make test has two sources for each destination.
func TestMigrateBetweenEachPairOfBackends(t *testing.T) {
	t.Parallel()
	b := migrationPlaces(t)
	before := time.Now().Add(-time.Minute)
	for i, from := range holders {
		t.Run("seed "+from.name, func(t *testing.T) {
			b := *b
			b.T = t
			b.seedPair(from.name, from.refuses, from.renewed)
		})
		for step := 1; step < len(holders); step++ {
			if step != 1 && step != 3 && !proof.Whole() {
				continue
			}
			to := holders[(i+step)%len(holders)]
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				b := *b
				b.T = t
				line := fmt.Sprintf("migrate of-%s --from-context %[1]s --to-context %s", from.name, to.name)
				kept := []string{"many", "renewed"}
				switch {
				case from.refuses != "":
				case to.refuses != "":
					got := b.run(line, "")
					if got.exit != 2 || !strings.Contains(got.stderr, to.refuses) || !strings.Contains(got.stderr, "--except") || strings.Contains(got.stderr, canary) {
						t.Errorf("%+v", got)
					}
					if got := b.in(to.name).run("list of-"+from.name, ""); got.exit != 3 {
						t.Errorf("something was written: %+v", got)
					}
					line += " --except " + to.refuses
				default:
					kept = append(kept, "padded")
				}
				got := b.run(line, "")
				if want := fmt.Sprintf("coffer: of-%s: %d created; %d versions written and verified\n", from.name, len(kept), 3+len(kept)); got.exit != 0 || !strings.Contains(got.stderr, want) || strings.Contains(got.stderr, canary) {
					t.Errorf("%+v; want %q", got, want)
				}
				for _, key := range kept {
					b.wantSamePast(from.name, to.name, key, before, to.noWriter)
				}
				if got := b.run(line, ""); got.exit != 0 || !strings.Contains(got.stderr, fmt.Sprintf("of-%s: %d unchanged\n", from.name, len(kept))) {
					t.Errorf("again: %+v", got)
				}
			})
		}
	}
	b.wantSealed()
}

// wantSamePast compares what history shows of a secret at the source and at the destination.
func (b *bench) wantSamePast(from, to, key string, before time.Time, noWriter bool) {
	b.Helper()
	var want, got []inHistory
	for i, v := range b.versionsOf(from, "of-"+from, key) {
		want = append(want, inHistory{Version: i + 1, Value: v.Value})
	}
	for _, v := range b.versionsOf(to, "of-"+from, key) {
		if v.CreatedBy == "" && !noWriter || v.Created.Before(before) {
			b.Errorf("%s: version %d is of %q, %v", key, v.Version, v.CreatedBy, v.Created)
		}
		got = append(got, inHistory{Version: v.Version, Value: v.Value})
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		b.Errorf("%s (-source +destination):\n%s", key, diff)
	}
}

// wantSealed: no file of a backend that encrypts here has a value.
func (b *bench) wantSealed() {
	b.Helper()
	for _, name := range []string{"of-s3-age", "of-s3-envelope"} {
		for _, o := range b.Bucket(name).Objects() {
			if strings.Contains(string(o.Body), canary) {
				b.Errorf("%s: %s has a value", name, o.Name)
			}
		}
	}
}

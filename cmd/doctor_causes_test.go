//go:build unix

package cmd_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// otherBackends are the backends that keep secrets in a bucket, each with what a person sets to use it.
func otherBackends() map[string][]string {
	return map[string][]string{"s3-kms": nil, "s3": nil, "s3-envelope": nil, "s3-age": nil}
}

// using returns the bench of the same person with another backend.
func (b *bench) using(backend string) *bench {
	other := *b
	other.env = append(slices.Clone(b.env), "COFFER_BACKEND="+backend, "AWS_ENDPOINT_URL_KMS="+b.URL)
	if backend == "s3" {
		other.env = slices.DeleteFunc(other.env, func(v string) bool { return strings.HasPrefix(v, "COFFER_KMS_KEY_ALIAS=") })
	}
	return &other
}

// typesEachFix types every command that doctor has named, as often as it names one, and fails the test if one deletes anything.
func (b *bench) typesEachFix(t *testing.T, all []found) {
	t.Helper()
	before := len(b.bucket.Objects())
	for _, f := range all {
		for _, word := range []string{"delete-object", " rm ", " mv "} {
			if strings.Contains(f.Fix, word) {
				t.Errorf("%s of %s deletes: %s", f.Check, f.About, f.Fix)
			}
		}
		if line, ok := strings.CutPrefix(f.Fix, "coffer "); ok {
			b.run(line, "")
		}
	}
	if after := len(b.bucket.Objects()); after < before {
		t.Errorf("%d objects of %d are left", after, before)
	}
}

// A bucket of one backend, read as that of another: one finding names the one that works, and so does exec.
func TestDoctorNamesTheBackendOfABucket(t *testing.T) {
	for owner := range otherBackends() {
		for reader := range otherBackends() {
			if owner == reader || owner == "s3-kms" && reader == "s3" { // s3 reads what S3 decrypts, whatever its key
				continue
			}
			t.Run(owner+" read as "+reader, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, s3test.Options{}).colleague("ann")
				if slices.Contains([]string{owner, reader}, "s3-age") {
					theirs := b.using("s3-age")
					theirs.env = append(theirs.env, "COFFER_S3_BUCKET=other")
					b.Bucket("other")
					theirs.do("init --yes --without public-access --without policy --without versions --without lifecycle", "")
				}
				mine, theirs := b.using(owner), b.using(reader)
				for _, line := range []string{"write api a -", "write api b -", "write web a -"} {
					mine.do(line, canary)
				}
				for args, services := range map[string]int{"api": 1, "": 2} {
					all := slices.DeleteFunc(theirs.doctor(args, 1), func(f found) bool { return f.Severity == "note" || f.About == "b" })
					if len(all) != 1 || all[0].Check != "other-backend" || all[0].Severity != "error" || !strings.HasPrefix(all[0].Fix, "coffer doctor api -b "+owner) {
						t.Fatalf("doctor %s: %+v", args, all)
					}
					if services > 1 && !strings.Contains(all[0].Text, "web") {
						t.Errorf("doctor %s: %+v", args, all)
					}
					theirs.typesEachFix(t, theirs.doctor(args, 1))
					if got := theirs.typed(all[0].Fix); got.exit != 0 {
						t.Errorf("%s: %+v", all[0].Fix, got)
					}
				}
				theirs.run("doctor --fix", "")
				for _, line := range []string{"exec api -- true", "read api a"} {
					got := theirs.run(line, "")
					said := "; expected: " // a backend that believes objects in clear isn't named
					if owner == "s3-age" || owner == "s3-envelope" {
						said = "is an object of the backend " + owner
					}
					if got.exit != 8 || strings.Contains(got.stderr, "-b "+owner) != strings.Contains(said, "backend") || strings.Contains(got.stderr, canary) || strings.Count(got.stderr, said) != 1 {
						t.Errorf("%s: %+v", line, got)
					}
				}
				for _, key := range []string{"api a", "api b", "web a"} {
					if got := mine.run("read "+key, ""); got.exit != 0 || !strings.Contains(got.stdout, canary) {
						t.Errorf("afterwards: %s: %+v", key, got)
					}
				}
			})
		}
	}
}

// A wrong digit in a pin keeps every object from being read. The objects are as they were, so none is named for deletion.
func TestDoctorNamesAWrongPinOnce(t *testing.T) {
	wrongARN := "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000000"
	for backend, pin := range map[string]struct{ config, check string }{
		"s3-kms":      {"key_arns: [" + wrongARN + "]\n", "other-key"},
		"s3-envelope": {"key_arns: [" + wrongARN + "]\n", "other-key"},
		"s3-age":      {"key_ids: {alias/app: " + strings.Repeat("0", 32) + "}\n", "untrusted-key"},
	} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			b := newTeam(t).using(backend)
			b.do("write api a -", canary)
			b.do("write api b -", canary)
			pinned := *b
			pinned.env = append(slices.Clone(b.env), "COFFER_CONFIG="+b.file(pin.config))
			exit := map[string]int{"untrusted-key": 8}[pin.check]
			all := pinned.doctor("api", max(exit, 1))
			if len(all) != 1 || all[0].Check != pin.check || all[0].Severity != "error" || all[0].Fix != "coffer config" {
				t.Errorf("%+v", all)
			}
			pinned.typesEachFix(t, all)
			if got := pinned.run("exec api -- true", ""); got.exit != 8 || strings.Count(got.stderr, "coffer: ") != 1 {
				t.Errorf("exec: %+v", got)
			}
			if all := b.doctor("api", 0); len(all) > 0 {
				t.Errorf("without the pin: %+v", all)
			}
			b.do("exec api -- true", "")
		})
	}
}

// Where the key object of a team is missing, damaged, or older than the secrets, it is the one thing that is wrong.
func TestDoctorNamesTheKeyObjectOnce(t *testing.T) {
	for name, spoil := range map[string]struct {
		check string
		do    func(ann *bench, old []byte) (reader *bench)
	}{
		"missing": {"lost-key", func(ann *bench, _ []byte) *bench { ann.bucket.Delete(appKey); return ann }},
		"damaged": {"corrupt-key", func(ann *bench, _ []byte) *bench { ann.bucket.Plant(appKey, []byte("{}"), "", ""); return ann }},
		"older":   {"key-rollback", func(ann *bench, old []byte) *bench { ann.bucket.Plant(appKey, old, "", ""); return ann }},
		"older, for one who remembers nothing": {"key-rollback", func(ann *bench, old []byte) *bench {
			ann.bucket.Plant(appKey, old, "", "")
			fresh := ann.colleague("fresh")
			fresh.env = append(fresh.env, "COFFER_CONFIG="+ann.file("identity: "+ann.variable("XDG_CONFIG_HOME")+"/coffer/identity.txt\n"))
			return fresh
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ann := newTeam(t)
			ann.do("write api a -", canary)
			ann.do("write api b -", canary)
			ann.do("keys grant alias/app "+ann.colleague("bob").withSSHKey()+" --name bob", "")
			old := ann.object(appKey)
			ann.do("keys revoke alias/app bob", "")
			key := ann.object(appKey)
			reader := spoil.do(ann, old)
			var all []found
			got := reader.run("doctor --json api", "")
			if err := json.Unmarshal([]byte(got.stdout), &all); err != nil || got.exit == 0 {
				t.Fatalf("%v: %+v", err, got)
			}
			if len(all) != 1 || all[0].Check != spoil.check || all[0].Severity != "error" || !strings.Contains(all[0].Fix, "--prefix "+appKey) {
				t.Errorf("%+v", all)
			}
			reader.typesEachFix(t, all)
			if got := reader.run("exec api -- true", ""); got.exit == 0 || strings.Count(got.stderr, "coffer: ") != 1 || strings.Contains(got.stderr, "policy check") {
				t.Errorf("exec: %+v", got)
			}
			ann.bucket.Plant(appKey, key, "", "")
			ann.do("exec api -- true", "")
			if all := ann.doctor("api", 0); len(all) > 0 {
				t.Errorf("after the key was put back: %+v", all)
			}
		})
	}
}

// One secret alone is damaged. Only where the bucket has an older version that opens, doctor names the command that deletes
// what covers it, and then that version is back.
func TestDoctorDeletesOnlyWhatHasAnOlderVersion(t *testing.T) {
	for _, backend := range []string{"s3-kms", "s3", "s3-envelope", "s3-age"} {
		for _, versions := range []bool{false, true} {
			t.Run(backend+map[bool]string{true: " with versions"}[versions], func(t *testing.T) {
				t.Parallel()
				b := newTeam(t).using(backend)
				if versions {
					b.bucket.KeepVersions(true)
				}
				b.do("write api a -", canary)
				b.do("write api b -", canary)
				method := map[string]string{"s3-kms": s3test.AWSKMS, "s3": s3test.AES256}[backend]
				check := map[string]string{"s3-kms": "corrupt-secret", "s3": "corrupt-secret"}[backend]
				if check == "" {
					check = "unsealed"
				}
				b.bucket.Plant("api/a.json", []byte("no secret"), method, map[string]string{"s3-kms": "alias/app"}[backend])
				f := finding(t, b.doctor("api", 1), check)
				if !versions {
					b.typesEachFix(t, []found{f})
					if !strings.Contains(f.Fix, "aws s3 cp ") || !strings.Contains(f.Text, "No older version of it that opens was seen") {
						t.Errorf("%+v", f)
					}
					return
				}
				aws, restore, ok := strings.Cut(f.Fix, " && coffer ")
				if !ok || !strings.HasPrefix(aws, "aws s3api delete-object ") || !strings.HasSuffix(aws, " --key api/a.json") {
					t.Fatalf("%+v", f)
				}
				b.bucket.Delete("api/a.json") // as aws does
				b.do(restore, "")
				if got := b.run("read -n api a", ""); got.exit != 0 || !strings.Contains(got.stdout, canary) {
					t.Errorf("after %s: %+v", f.Fix, got)
				}
				if all := b.doctor("api", 0); len(ofCheck(all, check)) > 0 {
					t.Errorf("%+v", all)
				}
			})
		}
	}
}

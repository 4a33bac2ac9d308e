//go:build unix

package cmd_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// sealedStore is a store whose objects are encrypted on this machine, with its files or objects.
type sealedStore struct {
	*bench
	get func(name string) []byte
	put func(name string, body []byte)
}

func sealedStores(t *testing.T) map[string]func(*testing.T) sealedStore {
	t.Helper()
	inBucket := func(b *bench) sealedStore {
		return sealedStore{b, b.object, func(name string, body []byte) { b.bucket.Plant(name, body, "", "") }}
	}
	return map[string]func(*testing.T) sealedStore{
		"s3-age": func(t *testing.T) sealedStore { return inBucket(newTeam(t)) },
		"s3-envelope": func(t *testing.T) sealedStore {
			b := newBench(t, s3test.Options{Quirks: s3test.Quirks{NoKMS: true}})
			b.env = append(b.env, "COFFER_BACKEND=s3-envelope", "AWS_ENDPOINT_URL_KMS="+b.URL)
			return inBucket(b)
		},
		"local": func(t *testing.T) sealedStore {
			b, home := newLocalBench(t)
			path := func(name string) string { return filepath.Join(home, "data", "coffer", filepath.FromSlash(name)) }
			b.env = append(b.env, "COFFER_KMS_KEY_ALIAS=alias/app")
			return sealedStore{b, func(name string) []byte {
				body, err := os.ReadFile(path(name))
				if err != nil {
					t.Fatal(err)
				}
				return body
			}, func(name string, body []byte) {
				if err := os.WriteFile(path(name), body, 0o600); err != nil {
					t.Fatal(err)
				}
			}}
		},
	}
}

// What somebody has put there in clear, and what was copied from another name, is found on each backend that
// encrypts on this machine, and no text speaks of chamber, which reads nothing there.
func TestDoctorFindsWhatWasPutThereUnsealedOrCopied(t *testing.T) {
	const a, b = "api/a.json", "api/b.json"
	const plain = `{"service":"api","key":"/api/a","kms_alias":"alias/app","values":{"1":{"created":"2026-01-01T00:00:00Z","created_by":"x","version":1,"value":"forged"}}}`
	const plainIndex = `{"latest":{"a":{"version":1,"value":"forged","KMSAlias":"alias/app"}}}`
	const ofWeb = "web/__kms_alias_app__latest.json"
	for backend, open := range sealedStores(t) {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			for _, line := range []string{"write api a -", "write api b -", "write web a -"} {
				s.do(line, canary)
			}
			keep := map[string][]byte{}
			for _, name := range []string{a, b, apiApp} {
				keep[name] = s.get(name)
			}
			for name, c := range map[string]struct {
				object string
				body   []byte
				check  string
			}{
				"a secret in clear":       {a, []byte(plain), "unsealed"},
				"a secret of another key": {a, s.get(b), "copied"},
				"an index in clear":       {apiApp, []byte(plainIndex), "unsealed"},
				"an index of another":     {apiApp, s.get(ofWeb), "copied"},
				"a secret as an index":    {apiApp, s.get(a), "copied"},
			} {
				s.put(c.object, c.body)
				s.wantFound(t, backend, name, c.object, c.check)
				for name, body := range keep {
					s.put(name, body)
				}
				if all := s.doctor("api", 0); len(all) > 0 {
					t.Errorf("%s: after it was put back: %+v", name, all)
				}
			}
		})
	}
}

// wantFound checks what doctor and exec say of an object that was replaced. usual is the check of backends that bind
// the name of an object.
func (s sealedStore) wantFound(t *testing.T, backend, name, object, usual string) {
	t.Helper()
	check, severity, exit := usual, "error", 8
	switch {
	case backend != "local":
	case object == "api/a.json": // an age file doesn't say who has made it, and the file in clear is none
		check = "corrupt-secret"
	case usual == "unsealed":
		check = "corrupt-index"
	default: // an age file binds no name: no entry is used that the secret doesn't confirm
		check, severity, exit = "orphan", "warning", 0
	}
	all := s.doctor("api", 1)
	if !slices.ContainsFunc(all, func(f found) bool {
		return f.Check == check && f.Severity == severity && strings.HasPrefix(object, f.About)
	}) {
		t.Errorf("%s: %+v; want %s", name, all, check)
	}
	for _, f := range all {
		if strings.Contains(f.Text, "chamber") || strings.Contains(f.Text, canary) || strings.Contains(f.Text, "forged") {
			t.Errorf("%s: %+v", name, f)
		}
	}
	got := s.run("exec api -- printenv A", "")
	if got.exit != exit || exit != 0 && strings.Contains(got.stdout+got.stderr, canary) || exit == 0 && got.stdout != canary+"\n" {
		t.Errorf("%s: exec: %+v", name, got)
	}
}

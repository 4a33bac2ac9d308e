//go:build unix

package cmd_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// makeKnown ends the first use of every bucket that a person has used.
func (b *bench) makeKnown() {
	b.Helper()
	files, err := filepath.Glob(filepath.Join(b.variable("XDG_STATE_HOME"), "coffer", "*", "*", "first-use"))
	if err != nil || len(files) == 0 {
		b.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
}

// TestASecretUnderAnAliasThatSomebodyMadeUpIsNotUsed: whoever can write the bucket can name any alias in an object, and
// make the reader a member of it.
func TestASecretUnderAnAliasThatSomebodyMadeUpIsNotUsed(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url -", canary)
	ann.makeKnown()
	mallory := ann.colleague("mallory")
	mallory.env = append(mallory.env, "COFFER_S3_BUCKET=theirs", "COFFER_KMS_KEY_ALIAS=alias/evil")
	mallory.Bucket("theirs")
	mallory.do("init --yes --without public-access --without policy --without versions --without lifecycle", "")
	mallory.do("keys grant alias/evil "+ann.recipient()+" --name ann", "")
	for range 3 {
		mallory.do("write api db_url -", "forged")
	}
	for _, name := range []string{"__keys/alias/evil.age", "api/db_url.json"} {
		o, _ := mallory.Bucket("theirs").Object(name)
		ann.bucket.Plant(o.Name, o.Body, "", "")
	}
	var trust string
	for _, line := range []string{"exec api -- echo ran", "read api db_url", "export api", "write api db_url -", "delete api db_url", "keys members alias/evil"} {
		got := ann.run(line, "new")
		trust = regexp.MustCompile(`coffer (keys trust alias/evil [0-9a-f]{32})`).FindString(got.stderr)
		if got.exit != 7 || strings.Contains(got.stdout, "ran") || strings.Contains(got.stdout, "forged") || trust == "" {
			t.Errorf("%s: %+v", line, got)
		}
	}
	if got := ann.typed(trust); got.exit != 0 {
		t.Errorf("%s: %+v", trust, got)
	}
}

//go:build unix

package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const hybridLength = 1959 // characters of a post-quantum recipient

// What a newcomer is told names a file or a command, never 1,959 characters; each way works when it is typed, and
// has the name of the newcomer.
func TestANewcomersPublicKeyIsAFile(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url -", canary)
	dir := filepath.Join(ann.variable("XDG_CONFIG_HOME"), "coffer")
	info, err := os.Stat(filepath.Join(dir, "identity.pub"))
	if err != nil || info.Mode().Perm()&^0o644 != 0 {
		t.Fatalf("%v, %v", info, err)
	}
	private, err := os.ReadFile(filepath.Join(dir, "identity.txt"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(filepath.Join(dir, "identity.pub"))
	if err != nil || strings.Contains(string(public), "SECRET") || !strings.Contains(string(private), strings.Fields(string(public))[2]) {
		t.Errorf("%v, %s", err, public)
	}
	for name, lose := range map[string]func(dir string) error{
		"with the file":     func(string) error { return nil },
		"without the file":  func(dir string) error { return os.Remove(filepath.Join(dir, "identity.pub")) },
		"with another file": func(dir string) error { return os.WriteFile(filepath.Join(dir, "identity.pub"), public, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			bob := ann.colleague(strings.ReplaceAll(name, " ", "-"))
			bob.do("init --yes", "")
			if err := lose(filepath.Join(bob.variable("XDG_CONFIG_HOME"), "coffer")); err != nil {
				t.Fatal(err)
			}
			got := bob.run("exec api -- true", "")
			if got.exit != 5 || len(got.stderr) > 1000 || !strings.Contains(got.stderr, "who runs: coffer keys grant alias/app ") {
				t.Fatalf("exec: %+v", got)
			}
			said, grant, _ := strings.Cut(got.stderr, "who runs: coffer ")
			grant = strings.TrimSuffix(strings.TrimSpace(grant), " --name YOU")
			words := strings.Fields(grant)
			file := words[len(words)-1]
			if name == "with the file" {
				path := filepath.Join(bob.variable("XDG_CONFIG_HOME"), "coffer", file)
				if !strings.Contains(said, path) {
					t.Errorf("no file: %s", said)
				}
				file = path
			} else {
				text := bob.out("whoami --recipient")
				if !strings.Contains(said, "coffer whoami --recipient > "+file) || len(text) != hybridLength+1 {
					t.Errorf("whoami --recipient: %q; said: %s", text, said)
				}
				file = ann.scratch("YOU.pub", text)
			}
			words[len(words)-1] = file
			ann.do(strings.Join(words, " "), "")
			bob.do("exec api -- true", "")
		})
	}
	ann.showsShortRecipients(filepath.Join(dir, "identity.pub"))
}

// showsShortRecipients checks the tables of a team of four.
func (b *bench) showsShortRecipients(file string) {
	b.Helper()
	if got := b.out("keys members alias/app"); !strings.Contains(got, "with-the-file@") || len(got) > 1000 || strings.Count(got, "age1pq1") != 4 {
		b.Errorf("members: %s", got)
	}
	if got := b.out("keys members alias/app --json"); strings.Count(got, "age1pq1") != 4 || len(got) < 4*hybridLength {
		b.Errorf("members --json: %s", got)
	}
	if got := b.out("whoami"); len(got) > 1000 || !strings.Contains(got, "public_key\t"+file) {
		b.Errorf("whoami: %s", got)
	}
}

// The file of a public key that is there is not replaced, and init of a newcomer writes the one that is missing.
func TestInitWritesTheFileOfAPublicKeyOnce(t *testing.T) {
	ann := newTeam(t)
	bob := ann.colleague("bob")
	file := filepath.Join(bob.variable("XDG_CONFIG_HOME"), "coffer", "identity.pub")
	err := os.MkdirAll(filepath.Dir(file), 0o700)
	if err == nil {
		err = os.WriteFile(file, []byte("of somebody else\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := bob.run("init --yes", ""); got.exit != 0 || !strings.Contains(got.stderr, "coffer whoami --recipient") {
		t.Errorf("%+v", got)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "of somebody else\n" {
		t.Errorf("%v, %q", err, text)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got := bob.run("init --yes", ""); got.exit != 0 || !strings.Contains(got.stderr, "send your public key, "+file) {
		t.Errorf("%+v", got)
	}
}

func TestWhoamiPrintsARecipientOnlyWhereThereAreMembers(t *testing.T) {
	b := onLocal(t)
	if got := b.run("whoami --recipient", ""); got.exit != 2 || !strings.Contains(got.stderr, "has no members") {
		t.Errorf("%+v", got)
	}
}

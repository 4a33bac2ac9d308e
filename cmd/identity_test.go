//go:build unix

package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Each command that needs an identity says how to get one.
func TestWithoutAnIdentityEachCommandShowsTheWayToOne(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url -", canary)
	bob := ann.colleague("bob")
	for _, line := range []string{
		"exec api -- true", "read api db_url", "list api", "write api x -", "keys api", "keys members alias/app", "doctor api", "whoami",
		"export api", "history api db_url", "find x --by-value", "delete api db_url", "copy api other",
	} {
		got := bob.run(line, canary)
		for _, want := range []string{"coffer init makes one", "--identity ~/.ssh/id_ed25519", "COFFER_IDENTITY", "identity in the configuration file", "COFFER_AGE_IDENTITY"} {
			if !strings.Contains(got.stderr, want) {
				t.Errorf("coffer %s lacks %q: exit code %d\n%s", line, want, got.exit, got.stderr)
			}
		}
	}
	for variables, want := range map[string]string{
		"CI=true":                    "in CI, COFFER_AGE_IDENTITY has the identity of the job itself",
		"COFFER_IDENTITY=/none/here": "check the path in $COFFER_IDENTITY; coffer init",
	} {
		other := bob.colleague("bob")
		other.env = append(other.env, variables)
		if got := other.run("exec api -- true", ""); got.exit != 7 || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: exit code %d\n%s", variables, got.exit, got.stderr)
		}
	}
}

// The file of an identity has a variable, which the one with the identity itself, and the flag, come before.
func TestTheIdentityFileHasAVariable(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url -", canary)
	bob := ann.colleague("bob")
	public := bob.withSSHKey()
	ann.do("keys grant alias/app "+public, "")
	private := strings.TrimSuffix(public, ".pub")
	variable, flag := ann.colleague("bob"), ann.colleague("bob")
	variable.env = append(variable.env, "COFFER_IDENTITY="+private)
	flag.env = append(flag.env, "COFFER_IDENTITY=/none/here")
	for b, args := range map[*bench]string{variable: "", flag: " --identity " + private} {
		if got := b.run("exec api"+args+" -- printenv DB_URL", ""); got.exit != 0 || got.stdout != canary+"\n" {
			t.Errorf("exit code %d\n%s", got.exit, got.stderr)
		}
	}
	if got := variable.run("config", ""); !strings.Contains(got.stdout, private+"\t$COFFER_IDENTITY") {
		t.Errorf("config:\n%s", got.stdout)
	}
	if got := variable.run("exec api -- printenv COFFER_IDENTITY", ""); got.exit != 1 {
		t.Errorf("the program got it: exit code %d, %s", got.exit, got.stdout)
	}
	identity, err := os.ReadFile(filepath.Join(ann.directoryOf(), "config", "coffer", "identity.txt"))
	if err != nil {
		t.Fatal(err)
	}
	secret := string(identity[strings.Index(string(identity), "AGE-SECRET-KEY-"):])
	wrong := ann.colleague("bob")
	wrong.env = append(wrong.env, "COFFER_IDENTITY="+secret)
	for _, line := range []string{"exec api -- true", "whoami", "config", "init --yes"} {
		got := wrong.run(line, "")
		if said := got.stdout + got.stderr; strings.Contains(said, secret[15:60]) || line != "config" && got.exit != 7 ||
			!strings.Contains(got.stderr, "$COFFER_IDENTITY has the identity itself, and should name its file") {
			t.Errorf("%s with the identity in the wrong variable: exit code %d\n%s", line, got.exit, said)
		}
	}
}

// The public key is told from the private one, whoever can read it.
func TestThePublicKeyIsNoIdentity(t *testing.T) {
	ann := newTeam(t)
	public := ann.withSSHKey()
	for _, mode := range []os.FileMode{0o644, 0o600} {
		if err := os.Chmod(public, mode); err != nil {
			t.Fatal(err)
		}
		got := ann.run("whoami --identity "+public, "")
		if !strings.Contains(got.stderr, public+" is the public key: name the private one, "+strings.TrimSuffix(public, ".pub")) {
			t.Errorf("mode %o: exit code %d\n%s", mode, got.exit, got.stderr)
		}
	}
}

// Without a terminal nobody can be asked for a passphrase: the error names what works there, and whoami and init
// print what they know.
func TestAPassphraseWithoutATerminalHasAWayOut(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url -", canary)
	bob := ann.colleague("bob")
	public := bob.withSSHKey()
	ann.do("keys grant alias/app "+public, "")
	private := strings.TrimSuffix(public, ".pub")
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-p", "-P", "", "-N", "a passphrase", "-f", private).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const want = "run it at a terminal. Where there is none, use an identity of its own without a passphrase: in COFFER_AGE_IDENTITY"
	key, err := os.ReadFile(public)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"exec api -- true", "write api x -", "keys members alias/app", "init --yes", "whoami"} {
		got := bob.run(line, canary)
		if !strings.Contains(got.stderr, want) || line != "whoami" && got.exit == 0 {
			t.Errorf("coffer %s: exit code %d\n%s%s", line, got.exit, got.stdout, got.stderr)
		}
		if known := got.stdout + got.stderr; (line == "whoami" || strings.HasPrefix(line, "init")) && !strings.Contains(known, strings.Fields(string(key))[1]) && !strings.Contains(known, public) {
			t.Errorf("coffer %s doesn't print the recipient:\n%s", line, known)
		}
	}
}

package cmd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"
)

const passphrase = "correct-horse"

// protectedIdentity is a kind of identity file with a passphrase: its file, and the recipient to grant.
type protectedIdentity func(b *bench) (file, recipient string)

func protectedIdentities() map[string]protectedIdentity {
	return map[string]protectedIdentity{
		"age -p":  agePassphrase,
		"ed25519": sshPassphrase("-t", "ed25519"),
		"RSA":     sshPassphrase("-t", "rsa", "-b", "2048"),
		"old PEM": sshPassphrase("-t", "rsa", "-b", "2048", "-m", "PEM"),
	}
}

// agePassphrase is what age -p writes: scrypt, with the file's own work factor.
func agePassphrase(b *bench) (file, recipient string) {
	b.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		b.Fatal(err)
	}
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		b.Fatal(err)
	}
	to.SetWorkFactor(10)
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, to)
	if err == nil {
		_, err = w.Write([]byte(id.String() + "\n"))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	return b.scratch("identity.age", sealed.String()), id.Recipient().String()
}

func sshPassphrase(kind ...string) protectedIdentity {
	return func(b *bench) (file, recipient string) {
		b.Helper()
		file = filepath.Join(b.TempDir(), "id")
		args := append(kind, "-q", "-N", passphrase, "-C", "bob@laptop", "-f", file)
		if out, err := exec.CommandContext(b.Context(), "ssh-keygen", args...).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		return file, file + ".pub"
	}
}

// A passphrase is asked for once, without echo, and stands nowhere afterwards. A wrong one, an empty one, the end of input
// and Ctrl-C end the command, and give the echo back. Without a terminal nobody waits.
func TestAPassphraseOfAnIdentityIsAskedFor(t *testing.T) {
	for name, protected := range protectedIdentities() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ann := newTeam(t)
			ann.do("write api db_url -", canary)
			bob := ann.colleague("bob")
			file, recipient := protected(bob)
			ann.do("keys grant alias/app "+recipient+" --name bob", "")
			bob.env = append(bob.env, "COFFER_CONFIG="+ann.file("identity: "+file+"\n"), "TERM=xterm")
			prompt := "Passphrase of " + file + ": "

			ask := func(line, keys string) (int, string) {
				p := sit(t, bob, line)
				p.sees(prompt)
				if p.echoes() {
					t.Error("the terminal echoes the passphrase")
				}
				p.types(keys)
				return p.leaves()
			}
			if exit, screen := ask("exec api -- printenv DB_URL", passphrase+"\r"); exit != 0 || !strings.Contains(screen, canary) ||
				strings.Contains(screen, passphrase) || strings.Count(screen, prompt) != 1 {
				t.Errorf("the right passphrase: exit %d\n%s", exit, screen)
			}
			for keys, want := range map[string]struct {
				exit int
				text string
			}{
				"wrong-horse\r": {7, "the passphrase of " + file + " is wrong"},
				"\r":            {7, "the passphrase of " + file},
				"\x04":          {7, "the passphrase of " + file},
				"\x03":          {130, "interrupted"},
			} {
				for _, line := range []string{"exec api -- printenv DB_URL", "write api other value"} {
					exit, screen := ask(line, keys)
					if exit != want.exit || !strings.Contains(screen, want.text) || strings.Contains(screen, canary) || strings.Contains(screen, "wrong-horse") {
						t.Errorf("%q: %s: exit %d, want %d\n%s", keys, line, exit, want.exit, screen)
					}
				}
			}
			for _, line := range []string{"exec api -- true", "keys members alias/app", "doctor api", "whoami"} {
				c := bob.command(line) // in a session of its own there is no terminal
				withoutTerminal(c)
				out, _ := c.CombinedOutput()
				if c.ProcessState.ExitCode() == 0 && line != "whoami" && line != "doctor api" || !strings.Contains(string(out), "there is no terminal") {
					t.Errorf("no terminal: %s: exit %d\n%s", line, c.ProcessState.ExitCode(), out)
				}
			}
			if _, there := ann.bucket.Object("api/other.json"); there {
				t.Error("something was written")
			}
		})
	}
}

// A key of the older formats has its public part in the .pub file alone.
func TestAnOldSSHKeyWithoutItsPublicPartSaysWhatToDo(t *testing.T) {
	ann := newTeam(t)
	ann.do("write api db_url -", canary)
	file, public := sshPassphrase("-t", "rsa", "-b", "2048", "-m", "PEM")(ann)
	ann.do("keys grant alias/app "+public+" --name bob", "")
	if err := os.Remove(public); err != nil {
		t.Fatal(err)
	}
	got := ann.run("exec --identity "+file+" api -- true", "")
	_, fix, ok := strings.Cut(got.stderr, "convert the key: ")
	if got.exit != 7 || !ok {
		t.Fatalf("%+v", got)
	}
	ann.sh(strings.TrimSpace(fix) + " -P " + passphrase + " -N " + passphrase)
	c := ann.command("exec --identity " + file + " api -- true")
	withoutTerminal(c)
	if out, _ := c.CombinedOutput(); !strings.Contains(string(out), "there is no terminal") {
		t.Errorf("after %s: %s", fix, out)
	}
}

// withoutTerminal runs a command in a session of its own, which has no terminal.
func withoutTerminal(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

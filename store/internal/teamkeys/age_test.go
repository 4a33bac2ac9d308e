package teamkeys_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"

	"github.com/coffer-secrets/coffer/internal/testing/need"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/seal/agekeys"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

// agePrograms returns the programs of age: that of its module, and another one of the system's.
func agePrograms(t *testing.T) (all []string) {
	t.Helper()
	if dir := os.Getenv("COFFER_TEST_AGE"); dir != "" {
		if path := filepath.Join(dir, "bin", "age"); exec.Command(path, "--version").Run() == nil {
			all = append(all, path)
		}
	}
	if path, err := exec.LookPath("age"); err == nil {
		all = append(all, path)
	}
	if len(all) == 0 {
		need.Missing(t, "age", "make age installs it; so does apt-get install age")
	}
	return all
}

// member is somebody with an identity file.
type member struct{ name, recipient, file string }

func writtenTo(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func hybridMember(t *testing.T) member {
	t.Helper()
	i, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return member{"hybrid", i.Recipient().String(), writtenTo(t, "hybrid.txt", i.String())}
}

func sshMember(t *testing.T) member {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return member{"ssh", string(ssh.MarshalAuthorizedKey(key)), writtenTo(t, "id_ed25519", string(pem.EncodeToMemory(block)))}
}

// Members of all kinds are in one header. Seen with this test on 2026-11-28: age 1.3.2 opens such a file
// with each of the three identities; age 1.1.1 of Debian 12 with those of X25519 and SSH, which pass
// over the post-quantum stanza that it doesn't know. It refuses an identity file with a
// post-quantum identity ("unknown identity type").
func TestAgeOpensAKeyObjectOfMixedMembers(t *testing.T) {
	ann := newPerson(t, "ann")
	b, team := created(t, ann)
	classic := member{"ann", ann.recipient, writtenTo(t, "ann.txt", ann.identity.(*age.X25519Identity).String())}
	hybrid, ssh := hybridMember(t), sshMember(t)
	options := with(ann.options(b), func(o *teamkeys.Options) {
		o.Recipient = func(text string) (teamkeys.Recipient, error) { return agekeys.ParseRecipient(text, agekeys.UI{}) }
	})
	for _, m := range []member{hybrid, ssh} {
		if _, err := teamkeys.New(options).Grant(t.Context(), alias, teamkeys.Grant{Name: m.name, Recipient: m.recipient}); err != nil {
			t.Fatal(err)
		}
	}
	object := writtenTo(t, "app.age", string(b.Objects()[teamkeys.ObjectName(alias)].Body))
	for _, program := range agePrograms(t) {
		version, err := exec.Command(program, "--version").Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []member{classic, hybrid, ssh} {
			out, err := exec.Command(program, "-d", "-i", m.file, object).CombinedOutput()
			old := strings.HasPrefix(string(version), "1.1.") || strings.HasPrefix(string(version), "1.2.")
			switch opened := err == nil && bytes.Contains(out, []byte(team.Keys[0].ID)); {
			case old && m.name == "hybrid":
				if opened || !bytes.Contains(out, []byte("unknown identity type")) {
					t.Errorf("age %s, %s: %s", version, m.name, out)
				}
			case !opened:
				t.Errorf("age %s, %s: %v: %s", version, m.name, err, out)
			}
		}
		t.Logf("%s: age %s", program, bytes.TrimSpace(version))
	}
}

// Each member opens the key with Coffer, whatever the kinds of the others.
func TestMembersOfAllKindsHaveOneKey(t *testing.T) {
	ann := newPerson(t, "ann")
	b, _ := created(t, ann)
	want, err := ann.keys(b).Current(t.Context(), alias)
	if err != nil {
		t.Fatal(err)
	}
	parse := func(o *teamkeys.Options) {
		o.Recipient = func(text string) (teamkeys.Recipient, error) { return agekeys.ParseRecipient(text, agekeys.UI{}) }
	}
	all := []member{hybridMember(t), sshMember(t)}
	for _, m := range all {
		if _, err := teamkeys.New(with(ann.options(b), parse)).Grant(t.Context(), alias, teamkeys.Grant{Name: m.name, Recipient: m.recipient}); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range all {
		o := with(ann.options(b), parse)
		o.State = &state{}
		o.Identities = agekeys.New(agekeys.Options{File: m.file}).Identities
		k := teamkeys.New(o)
		if got, err := k.Current(t.Context(), alias); err != nil || got != want {
			t.Errorf("%s: %v, %v", m.name, got, err)
		}
		// They can change the team, too, and are found to be themselves.
		_, _, err := k.Next(t.Context(), alias, m.name)
		wantError(t, err, store.ErrInvalid, m.name+" is you")
	}
	team, revoked, err := teamkeys.New(with(ann.options(b), parse)).Next(t.Context(), alias, "ssh")
	if got := names(team.Members); err != nil || !revoked || !slices.Equal(got, []string{"ann", "hybrid"}) {
		t.Errorf("members %v, error %v", got, err)
	}
}

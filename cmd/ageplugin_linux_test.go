package cmd_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// TestAgeAsksForThePassphraseOfTheIdentity: the plugin has neither the terminal's streams nor its
// standard error, so age asks.
func TestAgeAsksForThePassphraseOfTheIdentity(t *testing.T) {
	t.Parallel()
	d := newAgeDesk(t, "s3-age")
	protected := func() string {
		to, err := age.NewScryptRecipient(canary)
		if err != nil {
			t.Fatal(err)
		}
		to.SetWorkFactor(10)
		var text strings.Builder
		a := armor.NewWriter(&text)
		w, err := age.Encrypt(a, to)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(d.ownIdentity())); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		return text.String()
	}
	d.identity(protected())
	d.fails("api/db_url.json", "identity.txt", "no terminal")

	for typed, want := range map[string]string{canary: "of app", "wrong": "the passphrase"} {
		c := exec.CommandContext(t.Context(), filepath.Join(realAge(t), "bin", "age"), "-d", "-j", "coffer", d.file("api/db_url.json"))
		c.Env = d.env
		p := sitAt(t, c)
		p.sees("identity.txt")
		p.types(typed + "\n")
		if exit, screen := p.leaves(); (exit == 0) != (typed == canary) || !strings.Contains(screen, want) {
			t.Errorf("%s is typed: exit code %d, screen:\n%s", typed, exit, screen)
		}
	}
}

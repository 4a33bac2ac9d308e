package app

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/coffer-secrets/coffer/internal/foreign"
	"github.com/coffer-secrets/coffer/internal/plainfile"
	"github.com/coffer-secrets/coffer/internal/term"
	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/s3age"
)

// identityVariable has the age identity itself, in CI.
const identityVariable = "COFFER_AGE_IDENTITY"

// identityFileVariable has the path of the identity file.
const identityFileVariable = "COFFER_IDENTITY"

// identity sets whose age identity is used: the file of the flag, the one in COFFER_AGE_IDENTITY, the file of
// COFFER_IDENTITY or of the configuration, or the default file. The error is that of an identity where the path
// of its file belongs.
func (a *App) identity(s *Settings) error {
	own := a.Getenv(identityVariable)
	s.Identity = a.resolve("--identity", a.Globals.Identity, []string{identityFileVariable}, s.File.from(&s.File.Identity), s.File.Identity, "")
	s.home = a.home()
	if isIdentity(s.Identity.Value) {
		a.Conceal(s.Identity.Value)
		s.Identity.Value = foreign.Hidden
		return fmt.Errorf("%w: %s has the identity itself, and should name its file; %s may have the identity itself",
			store.ErrConfiguration, s.Identity.From, identityVariable)
	}
	switch {
	case s.Identity.From == "--identity":
	case own != "":
		s.Identity, s.AgeIdentity = Setting{foreign.Hidden, "$" + identityVariable}, own
	case s.Identity.Value == "":
		if config := a.baseDirectory("XDG_CONFIG_HOME", ".config"); config != "" {
			s.Identity.Value = filepath.Join(config, "coffer", "identity.txt")
		}
	}
	return nil
}

// isIdentity reports whether a text is an identity, not the path of one.
func isIdentity(text string) bool {
	text = strings.TrimSpace(text)
	return strings.HasPrefix(text, "AGE-SECRET-KEY-") || strings.HasPrefix(text, "AGE-PLUGIN-") || strings.HasPrefix(text, "-----BEGIN ")
}

// IdentityFile returns the path of the identity file; "" if the identity comes from the environment.
func (s *Settings) IdentityFile() string {
	if s.AgeIdentity != "" {
		return ""
	}
	if rest, ok := strings.CutPrefix(s.Identity.Value, "~/"); ok && s.home != "" { // as people write it in a file
		return filepath.Join(s.home, rest)
	}
	return s.Identity.Value
}

// stateDirectory returns where is remembered what was seen of a bucket; "" in CI, where each job begins with
// nothing, and without a home directory.
func (a *App) stateDirectory(s *Settings) string {
	dir := a.stateHome()
	if dir == "" || s.AgeIdentity != "" || a.inCI() {
		return ""
	}
	return filepath.Join(dir, "keys")
}

// inCI reports whether this is a job of CI, as every CI system says by the variable CI.
func (a *App) inCI() bool {
	switch strings.ToLower(a.Getenv("CI")) {
	case "", "0", "false", "no":
		return false
	}
	return true
}

// prompts returns how a passphrase of an identity is asked for, and what a plugin asks.
func (a *App) prompts(s *Settings) (s3age.Prompts, error) {
	wait, err := a.setTimeout(s)
	p := s3age.Prompts{Notice: func(text string) { a.Note("%s", text) }, Wait: wait}
	if a.Watch != nil {
		p.Done = a.Watch.Context().Done()
	}
	if a.asker != nil {
		a.askBy(&p)
		return p, err
	}
	if a.Unattended || !a.canAsk() {
		return p, err
	}
	p.Secret, p.Line = a.askWhilePaused, a.askWhilePaused
	p.Confirm = func(prompt, yes, no string) (bool, error) {
		question := prompt + " (y: " + yes
		if no != "" {
			question += ", n: " + no
		}
		answer, err := p.Line(question + ") ")
		return strings.HasPrefix(strings.ToLower(answer), "y"), err
	}
	return p, err
}

// canAsk reports whether there is a terminal: standard input and standard error, or that of the process.
func (a *App) canAsk() bool {
	if a.Interactive() {
		return true
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer func() { _ = tty.Close() }()
	return term.IsTerminal(tty)
}

// askWhilePaused asks without echo, and stops the clock of the command meanwhile.
func (a *App) askWhilePaused(prompt string) (string, error) {
	if a.Watch != nil {
		defer waiting.Pause(a.Watch.Context())()
	}
	answer, err := a.askSecret(prompt)
	if errors.Is(err, term.ErrInterrupted) {
		err = &ExitError{ExitInterrupted, err}
	}
	return answer, err
}

// memberName returns the name of the caller as the first member of an alias: the user and the machine.
func (a *App) memberName() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		return a.UserName()
	}
	return a.UserName() + "@" + host
}

// CreateIdentity makes an identity file, and beside it the file of its public key. It never replaces one. public is "" if
// that file could not be written: then a note says why.
func (a *App) CreateIdentity(path string) (public string, err error) {
	recipient, err := s3age.CreateIdentity(path, a.Now())
	if err != nil {
		return "", err
	}
	return a.writePublic(path, recipient), nil
}

// publicName returns the path of the public key of a new identity: identity.pub beside identity.txt.
func publicName(path string) string { return strings.TrimSuffix(path, ".txt") + ".pub" }

// writePublic writes the file of a public key, which has the name of its member too. It never replaces one.
func (a *App) writePublic(identity, recipient string) (path string) {
	path = publicName(identity)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // a public key
	if err == nil {
		_, err = fmt.Fprintf(f, "# %s\n%s\n", a.memberName(), recipient)
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}
	if err != nil {
		a.NoteWarning("the public key was not written to a file: %v; coffer whoami --recipient prints it", err)
		return ""
	}
	return path
}

// PublicFile returns the file that has the public key of the caller: beside the identity file, identity.pub or
// id_ed25519.pub; "" if there is none.
func PublicFile(own admin.Self) string {
	const limit = 64 << 10
	if len(own.Recipients) == 0 || !isFile(own.Identity) {
		return ""
	}
	for _, path := range []string{publicName(own.Identity), own.Identity + ".pub"} {
		if text, err := plainfile.Read(path, limit); err == nil && strings.Contains(string(text), own.Recipients[0]) {
			return path
		}
	}
	return ""
}

// isFile reports whether an identity comes from a file, not from a variable.
func isFile(identity string) bool { return identity != "" && !strings.HasPrefix(identity, "$") }

// Publish writes the file of the caller's public key if there is none, and the key is too long to be typed.
func (a *App) Publish(own admin.Self) {
	if len(own.Recipients) > 0 && len(own.Recipients[0]) > longestTyped && isFile(own.Identity) && PublicFile(own) == "" {
		a.writePublic(own.Identity, own.Recipients[0])
	}
}

// longestTyped is the length of a recipient that people copy into a command: a post-quantum one has 1,959 characters,
// an ed25519 key 80.
const longestTyped = 100

// ShortRecipient returns a recipient for a table or a sentence: the beginning of a long one, which finds its file
// (grep), or the fingerprint that ssh-keygen -l prints.
func ShortRecipient(recipient string) string {
	const shown = 32
	if len(recipient) <= longestTyped {
		return recipient
	}
	if kind, rest, ok := strings.Cut(recipient, " "); ok {
		encoded, _, _ := strings.Cut(rest, " ")
		if blob, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			sum := sha256.Sum256(blob)
			return kind + " SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
		}
	}
	return recipient[:shown] + "..."
}

// IsNoIdentity reports whether an error is that the caller has no age identity.
func IsNoIdentity(err error) bool { return errors.Is(err, s3age.ErrNoIdentity) }

// IsNotAsked reports whether an error is that an identity must ask, and nobody can be asked.
func IsNotAsked(err error) bool {
	var refused *store.StorageError
	return errors.Is(err, s3age.ErrNotAsked) || errors.As(err, &refused) && refused.Code == store.CodeNotAsked
}

// identityHint returns what to do without an age identity, or with one whose passphrase nobody can be asked for;
// "" for any other error.
func (a *App) identityHint(err error) string {
	switch {
	case IsNotAsked(err):
		return "run it at a terminal. Where there is none, use an identity of its own without a passphrase: in " + identityVariable + ", or in the file that --identity or " +
			identityFileVariable + " names"
	case !IsNoIdentity(err):
		return ""
	case a.InForce != nil && !a.InForce.Identity.isDefault():
		return "check the path in " + a.InForce.Identity.From + "; coffer init makes an age identity there"
	case a.inCI():
		return "in CI, " + identityVariable + " has the identity of the job itself, without a file; a member gives it the key with coffer keys grant"
	}
	return "coffer init makes one. To use an SSH key: --identity ~/.ssh/id_ed25519, " + identityFileVariable + " or identity in the configuration file. In CI, " + identityVariable +
		" has the identity itself"
}

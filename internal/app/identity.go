package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/coffer-secrets/coffer/internal/foreign"
	"github.com/coffer-secrets/coffer/internal/term"
	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store/s3age"
)

// identityVariable has the age identity itself, in CI.
const identityVariable = "COFFER_AGE_IDENTITY"

// identity sets whose age identity is used: the file of the flag, the variable's, the file of the
// configuration, or the default file.
func (a *App) identity(s *Settings) {
	own := a.Getenv(identityVariable)
	s.Identity = a.resolve("--identity", a.Globals.Identity, nil, s.File.from(&s.File.Identity), s.File.Identity, "")
	switch {
	case s.Identity.From == "--identity":
	case own != "":
		s.Identity, s.AgeIdentity = Setting{foreign.Hidden, "$" + identityVariable}, own
	case s.Identity.Value == "":
		if config := a.baseDirectory("XDG_CONFIG_HOME", ".config"); config != "" {
			s.Identity.Value = filepath.Join(config, "coffer", "identity.txt")
		}
	}
	s.home = a.home()
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
	base := a.baseDirectory("XDG_STATE_HOME", ".local", "state")
	if base == "" || s.AgeIdentity != "" || a.inCI() {
		return ""
	}
	return filepath.Join(base, "coffer", "keys")
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

// CreateIdentity makes an identity file. It never replaces one.
func (a *App) CreateIdentity(path string) error {
	_, err := s3age.CreateIdentity(path, a.Now())
	return err
}

// IsNoIdentity reports whether an error is that the caller has no age identity.
func IsNoIdentity(err error) bool { return errors.Is(err, s3age.ErrNoIdentity) }

// Package ageplugin makes the program a plugin of age, when it is started under the name
// age-plugin-coffer: "age -d -j coffer FILE" decrypts a file of a backend whose file keys are wrapped
// with a key of Coffer's.
//
// age starts the plugin in the temporary directory, drops what it writes to standard error, and speaks
// with it on the other two streams. So all that a person should know goes through age: messages,
// questions and errors. The protocol itself is filippo.io/age/plugin's.
package ageplugin

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"github.com/coffer-secrets/coffer/internal/render"
)

// name is what age calls the plugin, and program the file that it looks for in the PATH.
const (
	name    = "coffer"
	program = "age-plugin-" + name
)

// Named reports whether a program was started as the plugin. arg0 is the first word of its command
// line: a name or a path, with .exe or without.
func Named(arg0 string) bool {
	const extension = ".exe"
	base := filepath.Base(arg0)
	if end := len(base) - len(extension); end > 0 && strings.EqualFold(base[end:], extension) {
		base = base[:end]
	}
	return strings.EqualFold(base, program) // Windows and macOS keep the case, and ignore it
}

// Streams are those of the process.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// UI is the person at age's terminal. Its methods may be called at any time until the key of the file
// is returned; afterwards nothing is shown, and nobody is asked. They may be called concurrently.
type UI interface {
	// Message shows a message: one that begins with a small letter and has no full stop at its end.
	Message(text string)

	// Secret asks for a line without echo, and Line with it. It is an error if age has no terminal.
	Secret(prompt string) (string, error)
	Line(prompt string) (string, error)

	// Confirm asks to choose between two words; no is "" if there is one only.
	Confirm(prompt, yes, no string) (bool, error)
}

// Stanza is the part of a file's header that has the key of the file, wrapped.
type Stanza struct {
	Type string
	Args []string
	Body []byte
}

// Keys are the keys of the person who started age.
type Keys interface {
	// Types are the types of stanza that Unwrap takes.
	Types() []string

	// Unwrap returns the file key in a stanza, and what the file is, for a message. The stanza may have
	// been written by anybody. The error is a text for a person, and what to do about it.
	Unwrap(ui UI, s Stanza) (fileKey []byte, what string, err error)
}

// Exit codes.
const (
	exitDone  = 0
	exitOther = 1
	exitUsage = 2
)

// usage is for a person who starts the plugin by hand.
const usage = program + ` decrypts files of coffer for age, which starts it:

  age -d -j ` + name + ` FILE

Without age: coffer read SERVICE KEY. More: coffer --help, docs/recovery.md
`

// Run answers age, and returns the exit code. args are the words after the name of the program.
func Run(args []string, s Streams, keys Keys) int {
	p, err := plugin.New(name)
	if err != nil { // the name is a constant
		fmt.Fprintln(s.Stderr, program+": "+err.Error())
		return exitUsage
	}
	p.SetIO(s.Stdin, s.Stdout, s.Stderr)
	switch {
	case slices.Equal(args, []string{"--age-plugin=identity-v1"}):
		p.HandleIdentity(func(data []byte) (age.Identity, error) {
			if len(data) > 0 {
				return nil, fmt.Errorf("an identity of %s has no data: use age -d -j %[1]s FILE", name)
			}
			return &identity{keys: keys, plugin: p}, nil
		})
		return p.IdentityV1()
	case slices.Equal(args, []string{"--age-plugin=recipient-v1"}):
		p.HandleRecipient(refuseToEncrypt)
		p.HandleIdentityAsRecipient(refuseToEncrypt)
		return p.RecipientV1()
	case slices.Equal(args, []string{"--help"}), slices.Equal(args, []string{"-h"}):
		if _, err := io.WriteString(s.Stdout, usage); err != nil {
			fmt.Fprintln(s.Stderr, program+": "+err.Error())
			return exitOther
		}
		return exitDone
	}
	fmt.Fprint(s.Stderr, usage)
	return exitUsage
}

// refuseToEncrypt: what is encrypted by hand would be no secret that coffer finds.
func refuseToEncrypt([]byte) (age.Recipient, error) {
	return nil, fmt.Errorf("%s only decrypts: coffer write stores a secret, and age -r RECIPIENT encrypts a file", program)
}

// identity implements [age.Identity] with keys.
type identity struct {
	keys   Keys
	plugin *plugin.Plugin
}

// Unwrap implements [age.Identity]. A file without a stanza of ours is another identity's: age goes on,
// and reports that none fits if there is no other.
func (i *identity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	ui := &ui{plugin: i.plugin}
	defer ui.close()
	types := i.keys.Types()
	at := slices.IndexFunc(stanzas, func(s *age.Stanza) bool { return slices.Contains(types, s.Type) })
	switch {
	case at < 0:
		ui.Message(notOurs(stanzas))
		return nil, age.ErrIncorrectIdentity
	case len(stanzas) > 1: // no file of coffer's has
		return nil, fmt.Errorf("the header has %d stanzas, and coffer writes one: the file is damaged, or coffer didn't write it", len(stanzas))
	}
	s := stanzas[at]
	key, what, err := i.keys.Unwrap(ui, Stanza{Type: s.Type, Args: s.Args, Body: s.Body})
	if err != nil {
		return nil, errors.New(err.Error()) // one that wraps age.ErrIncorrectIdentity wouldn't be told
	}
	ui.Message(what)
	return key, nil
}

// notOurs says why a file can't be decrypted. age shows the message only if no other identity fits either,
// since it asks plugins last.
func notOurs(stanzas []*age.Stanza) string {
	for _, s := range stanzas {
		switch s.Type {
		case "X25519", "mlkem768x25519", "ssh-ed25519", "ssh-rsa":
			return "the file has no key of coffer's: it is encrypted to keys of age or ssh, as those of the local backend and the key objects are. Use age -d -i IDENTITY"
		}
	}
	return "the file has no key of coffer's"
}

// ui implements [UI] with the client of a plugin, one request at a time.
type ui struct {
	mu     sync.Mutex
	plugin *plugin.Plugin // nil: closed
}

func (u *ui) Message(text string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.plugin != nil && text != "" {
		_ = u.plugin.DisplayMessage(render.Escape(text)) // a client that can't show it is no reason to fail
	}
}

func (u *ui) Secret(prompt string) (string, error) { return u.line(prompt, true) }

func (u *ui) Line(prompt string) (string, error) { return u.line(prompt, false) }

func (u *ui) line(prompt string, secret bool) (value string, err error) {
	err = u.ask(func(p *plugin.Plugin) error {
		value, err = p.RequestValue(render.Escape(prompt), secret)
		return err
	})
	return value, err
}

func (u *ui) Confirm(prompt, yes, no string) (chosen bool, err error) {
	err = u.ask(func(p *plugin.Plugin) error {
		chosen, err = p.Confirm(render.Escape(prompt), render.Escape(yes), render.Escape(no))
		return err
	})
	return chosen, err
}

// ask asks one question. Its error is about age, which says nothing about the reason.
func (u *ui) ask(question func(*plugin.Plugin) error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.plugin == nil {
		return errors.New("the file is decrypted already")
	}
	if question(u.plugin) != nil {
		return errors.New("age could not ask for it: it has no terminal, or the question was dismissed")
	}
	return nil
}

func (u *ui) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.plugin = nil
}

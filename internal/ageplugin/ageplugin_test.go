//go:build unix

package ageplugin_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"github.com/coffer-secrets/coffer/internal/ageplugin"
)

const (
	canary = "canary-7f3a9c"
	wraps  = "test-wrap" // the type of stanza of these tests
)

// TestMain makes the test binary the plugin too, when it is started under its name.
func TestMain(m *testing.M) {
	if ageplugin.Named(os.Args[0]) {
		os.Exit(ageplugin.Run(os.Args[1:], ageplugin.Streams{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}, keys{}))
	}
	os.Exit(m.Run())
}

// keys open a stanza by its first argument, which says what happens.
type keys struct{}

func (keys) Types() []string { return []string{wraps} }

func (keys) Unwrap(ui ageplugin.UI, s ageplugin.Stanza) ([]byte, string, error) {
	if len(s.Args) == 0 {
		return nil, "", errors.New("the stanza says nothing")
	}
	switch s.Args[0] {
	case "opens":
		return flipped(s.Body), "it is api/db\x1b[2J", nil
	case "asks":
		answer, err := ui.Secret("passphrase of key.txt")
		if err == nil && answer != canary {
			err = errors.New("the passphrase is wrong")
		}
		return flipped(s.Body), "", err
	case "chooses":
		device, err := ui.Line("which device")
		if err != nil {
			return nil, "", err
		}
		ok, err := ui.Confirm("touch "+device, "done", "stop")
		if err == nil && !ok {
			err = errors.New("it was stopped")
		}
		return flipped(s.Body), "", err
	case "another":
		return nil, "", fmt.Errorf("no identity of yours opens it: %w", age.ErrIncorrectIdentity)
	}
	return nil, "", fmt.Errorf("the key of %s isn't here", s.Args[0])
}

func flipped(key []byte) []byte {
	out := slices.Clone(key)
	for i := range out {
		out[i] ^= 0xff
	}
	return out
}

// recipient wraps a file key so that keys unwrap it.
type recipient struct {
	arg   string
	times int
}

func (r recipient) Wrap(key []byte) ([]*age.Stanza, error) {
	return slices.Repeat([]*age.Stanza{{Type: wraps, Args: []string{r.arg}, Body: flipped(key)}}, max(1, r.times)), nil
}

func sealedTo(t *testing.T, recipients ...age.Recipient) *bytes.Buffer {
	t.Helper()
	var file bytes.Buffer
	w, err := age.Encrypt(&file, recipients...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, canary); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &file
}

// client is age with a terminal at which somebody types answer; with none if it is "".
type client struct {
	answer   string
	messages []string
	prompts  []string
}

// install makes the plugin a program in the PATH, as a person does with ln -s.
func install(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "age-plugin-coffer")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

func (c *client) identity(t *testing.T) *plugin.Identity {
	t.Helper()
	id, err := plugin.NewIdentityWithoutData("coffer", &plugin.ClientUI{
		DisplayMessage: func(_, message string) error {
			c.messages = append(c.messages, message)
			return nil
		},
		RequestValue: func(_, prompt string, secret bool) (string, error) {
			c.prompts = append(c.prompts, fmt.Sprint(prompt, secret))
			if c.answer == "" {
				return "", errors.New("no terminal")
			}
			return c.answer, nil
		},
		Confirm: func(_, prompt, yes, no string) (bool, error) {
			c.prompts = append(c.prompts, fmt.Sprint(prompt, ": ", yes, " or ", no))
			return c.answer != "usb-0", nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (c *client) decrypt(t *testing.T, file io.Reader, others ...age.Identity) (string, error) {
	t.Helper()
	r, err := age.Decrypt(file, append(others, c.identity(t))...)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), err
}

func TestAgeDecryptsAndSaysWhatTheFileIs(t *testing.T) {
	install(t)
	var c client
	text, err := c.decrypt(t, sealedTo(t, recipient{arg: "opens"}))
	if err != nil || text != canary {
		t.Errorf("got %q, %v", text, err)
	}
	if want := []string{`it is api/db\x1b[2J`}; !slices.Equal(c.messages, want) {
		t.Errorf("age shows %q, want %q", c.messages, want)
	}
}

func TestAPassphraseIsAskedForByAge(t *testing.T) {
	install(t)
	for _, tt := range []struct{ answer, want string }{
		{canary, ""},
		{"another", "coffer plugin: the passphrase is wrong"},
		{"", "coffer plugin: age could not ask for it: it has no terminal, or the question was dismissed"},
	} {
		c := client{answer: tt.answer}
		text, err := c.decrypt(t, sealedTo(t, recipient{arg: "asks"}))
		if tt.want == "" && (err != nil || text != canary) || tt.want != "" && (err == nil || err.Error() != tt.want) {
			t.Errorf("answer %q: got %q, %v; want %q", tt.answer, text, err, tt.want)
		}
		if want := []string{"passphrase of key.txttrue"}; !slices.Equal(c.prompts, want) {
			t.Errorf("prompts %q, want %q", c.prompts, want)
		}
	}
}

// TestAQuestionOfAPluginIsAskedByAge: the person's own key may be on a device, with a plugin of its own.
func TestAQuestionOfAPluginIsAskedByAge(t *testing.T) {
	install(t)
	for answer, want := range map[string]string{"usb-1": "", "usb-0": "coffer plugin: it was stopped"} {
		c := client{answer: answer}
		text, err := c.decrypt(t, sealedTo(t, recipient{arg: "chooses"}))
		if want == "" && (err != nil || text != canary) || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("answer %q: got %q, %v; want %q", answer, text, err, want)
		}
		if want := []string{"which devicefalse", "touch " + answer + ": done or stop"}; !slices.Equal(c.prompts, want) {
			t.Errorf("prompts %q, want %q", c.prompts, want)
		}
	}
}

func TestAnErrorReachesThePersonThroughAge(t *testing.T) {
	install(t)
	for arg, want := range map[string]string{
		"alias/app": "coffer plugin: the key of alias/app isn't here",
		"another":   "coffer plugin: no identity of yours opens it: " + age.ErrIncorrectIdentity.Error(),
	} {
		var c client
		_, err := c.decrypt(t, sealedTo(t, recipient{arg: arg}))
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", arg, err, want)
		}
	}
}

func TestAFileWithSeveralStanzasIsNotOurs(t *testing.T) {
	install(t)
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]*bytes.Buffer{
		"two of ours":           sealedTo(t, recipient{arg: "opens", times: 2}),
		"one of age's and ours": sealedTo(t, other.Recipient(), recipient{arg: "opens"}),
	} {
		var c client
		text, err := c.decrypt(t, file)
		if err == nil || !strings.Contains(err.Error(), "the header has 2 stanzas, and coffer writes one") {
			t.Errorf("%s: got %q, %v", name, text, err)
		}
	}
}

// TestAnotherIdentityOpensWhatIsNotOurs: a file without a stanza of Coffer's ends nothing.
func TestAnotherIdentityOpensWhatIsNotOurs(t *testing.T) {
	install(t)
	own, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var c client
	if text, err := c.decrypt(t, sealedTo(t, own.Recipient()), own); err != nil || text != canary || len(c.messages) > 0 {
		t.Errorf("beside its own identity: %q, %v, messages %q", text, err, c.messages)
	}
	_, err = c.decrypt(t, sealedTo(t, own.Recipient()))
	var none *age.NoIdentityMatchError
	if !errors.As(err, &none) || len(c.messages) != 1 || !strings.Contains(c.messages[0], "age -d -i IDENTITY") {
		t.Errorf("alone: %v, messages %q", err, c.messages)
	}
	c = client{}
	stranger := strange{}
	_, err = c.decrypt(t, sealedTo(t, stranger))
	if !errors.As(err, &none) || !slices.Equal(c.messages, []string{"the file has no key of coffer's"}) {
		t.Errorf("of another plugin: %v, messages %q", err, c.messages)
	}
}

type strange struct{}

func (strange) Wrap(key []byte) ([]*age.Stanza, error) {
	return []*age.Stanza{{Type: "piv-p256", Args: []string{"x"}, Body: key}}, nil
}

// keeper keeps the way to the person beyond the answer.
type keeper struct {
	keys
	ui ageplugin.UI
}

func (k *keeper) Unwrap(ui ageplugin.UI, s ageplugin.Stanza) ([]byte, string, error) {
	k.ui = ui
	return flipped(s.Body), "", nil
}

// TestNothingIsSaidAfterTheAnswer: what is sent then would be taken for a part of the protocol.
func TestNothingIsSaidAfterTheAnswer(t *testing.T) {
	// A plugin sends a stanza that nobody knows, or not, at random.
	const replies = "-> unsupported\n\n-> ok\n\n"
	for range 20 {
		var out bytes.Buffer
		k := &keeper{}
		sent := "-> add-identity " + plugin.EncodeIdentity("coffer", nil) + "\n\n-> recipient-stanza 0 test-wrap x\nAAAA\n-> done\n\n" + replies
		ageplugin.Run([]string{"--age-plugin=identity-v1"}, ageplugin.Streams{Stdin: strings.NewReader(sent), Stdout: &out, Stderr: io.Discard}, k)
		before := out.String()
		k.ui.Message("still here")
		_, secret := k.ui.Secret("a secret")
		_, line := k.ui.Line("a line")
		_, confirmed := k.ui.Confirm("go on", "yes", "no")
		if !strings.Contains(before, "-> file-key") {
			continue // the client of this test didn't guess what was asked
		}
		if out.String() != before || secret == nil || line == nil || confirmed == nil {
			t.Fatalf("%q is said, %v, %v, %v", strings.TrimPrefix(out.String(), before), secret, line, confirmed)
		}
		return
	}
	t.Error("the plugin never answers")
}

func TestThePluginDoesNotEncrypt(t *testing.T) {
	install(t)
	var c client
	for name, r := range map[string]age.Recipient{
		"an identity": c.identity(t).Recipient(),
		"a recipient": must(plugin.NewRecipient(plugin.EncodeRecipient("coffer", []byte("x")), &plugin.ClientUI{})),
	} {
		_, err := age.Encrypt(io.Discard, r)
		if err == nil || !strings.Contains(err.Error(), "age-plugin-coffer only decrypts: coffer write stores a secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func must(r *plugin.Recipient, err error) *plugin.Recipient {
	if err != nil {
		panic(err)
	}
	return r
}

func TestAnIdentityWithDataIsRefused(t *testing.T) {
	install(t)
	id, err := plugin.NewIdentity(plugin.EncodeIdentity("coffer", []byte("x")), &plugin.ClientUI{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = age.Decrypt(sealedTo(t, recipient{arg: "opens"}), id)
	if err == nil || err.Error() != "coffer plugin: an identity of coffer has no data: use age -d -j coffer FILE" {
		t.Errorf("got %v", err)
	}
}

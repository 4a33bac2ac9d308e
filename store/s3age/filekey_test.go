package s3age_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
	"github.com/coffer-secrets/coffer/store/s3age"
)

const fileCanary = "canary-of-a-file"

// copies are files of a bucket that a member has: key objects, and an object of each alias.
type copies struct {
	identity string
	keys     *teamkeys.Keys
	objects  *membucket.Bucket
}

func newCopies(t *testing.T) *copies {
	t.Helper()
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	c := &copies{identity: id.String(), objects: membucket.New(membucket.Options{})}
	c.keys = teamkeys.New(teamkeys.Options{
		Bucket: c.objects, TrustOnFirstUse: true,
		Identities: func() ([]age.Identity, error) { return []age.Identity{id}, nil },
		Recipient:  teamkeys.ParseRecipient,
	})
	for _, alias := range []string{"alias/app", "alias/team/ops"} {
		member := teamkeys.Member{Name: "ann", Recipient: id.Recipient().String()}
		if _, _, err := c.keys.Create(t.Context(), alias, []teamkeys.Member{member}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *copies) seal(t *testing.T, alias, name string) []byte {
	t.Helper()
	sealed, _, err := teamseal.New(c.keys, "").Seal(t.Context(), alias, name, []byte(fileCanary))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// object returns a key object as it is in the bucket.
func (c *copies) object(name string) ([]byte, error) {
	o, err := c.objects.Get(context.Background(), name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return o.Body, nil
}

// opener decrypts a file by the stanza of its header alone, as a plugin of age does.
type opener struct {
	keyObject func(string) ([]byte, error)
	o         s3age.Options
	about     string
	err       error
}

func (o *opener) Unwrap(stanzas []*age.Stanza) (key []byte, err error) {
	key, o.about, o.err = s3age.CopiedFileKey(context.Background(), o.keyObject, o.o, stanzas[0].Args, stanzas[0].Body)
	return key, o.err
}

func (o *opener) open(file []byte) (string, error) {
	r, err := age.Decrypt(bytes.NewReader(file), o)
	if o.err != nil {
		return "", o.err
	}
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), err
}

func (c *copies) opener() *opener {
	return &opener{keyObject: c.object, o: s3age.Options{Identity: c.identity, IdentityFrom: "the test"}}
}

func TestAFileOpensWithACopyOfItsKeyObject(t *testing.T) {
	c := newCopies(t)
	for name, alias := range map[string]string{
		"api/db_url.json": "alias/app", "a/b/c/DB_URL.json": "alias/team/ops", "api/__kms_alias_app__latest.json": "alias/app",
	} {
		var notices []string
		o := c.opener()
		o.o.Notice = func(text string) { notices = append(notices, text) }
		text, err := o.open(c.seal(t, alias, name))
		if want := name + ", encrypted under " + alias; err != nil || text != fileCanary || o.about != want {
			t.Errorf("%s: %q, %q, %v; want about %q", name, text, o.about, err, want)
		}
		if len(notices) != 1 || !strings.Contains(notices[0], "is trusted on first use") {
			t.Errorf("%s: notices %q", name, notices)
		}
	}
}

func TestAFileOpensWithTheKeyFromBeforeARevoke(t *testing.T) {
	c := newCopies(t)
	old := c.seal(t, "alias/app", "api/a.json")
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.keys.Grant(t.Context(), "alias/app", teamkeys.Grant{Name: "bob", Recipient: other.Recipient().String()}); err != nil {
		t.Fatal(err)
	}
	leavers := newOpenerOf(c, other.String())
	if text, err := leavers.open(old); err != nil || text != fileCanary {
		t.Fatalf("before: %q, %v", text, err)
	}
	if _, _, err := c.keys.Next(t.Context(), "alias/app", "bob"); err != nil {
		t.Fatal(err)
	}
	if text, err := c.opener().open(old); err != nil || text != fileCanary {
		t.Errorf("who stays: %q, %v", text, err)
	}
	if text, err := leavers.open(c.seal(t, "alias/app", "api/a.json")); !errors.Is(err, store.ErrDenied) {
		t.Errorf("who left: %q, %v", text, err)
	}
}

func newOpenerOf(c *copies, identity string) *opener {
	o := c.opener()
	o.o.Identity = identity
	return o
}

// TestAPinnedKeyIsRequiredOfACopy: who made the copy may have been given a forged key object.
func TestAPinnedKeyIsRequiredOfACopy(t *testing.T) {
	c := newCopies(t)
	id, err := c.keys.ID(t.Context(), "alias/app")
	if err != nil {
		t.Fatal(err)
	}
	for pin, want := range map[string]error{id: nil, strings.Repeat("0", 32): store.ErrCorrupt} {
		o := c.opener()
		o.o.KeyIDs = map[string]string{"alias/app": pin}
		if text, err := o.open(c.seal(t, "alias/app", "api/a.json")); !errors.Is(err, want) || (want == nil) != (text == fileCanary) {
			t.Errorf("pinned %s: %q, %v", pin, text, err)
		}
	}
}

func TestWhatDoesNotOpenSaysWhy(t *testing.T) {
	c := newCopies(t)
	file := c.seal(t, "alias/app", "api/a.json")
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*opener)
		is     error
		says   string
	}{
		"a stranger":    {func(o *opener) { o.o.Identity = stranger.String() }, store.ErrDenied, "you are not a member of alias/app"},
		"no identity":   {func(o *opener) { o.o.Identity, o.o.IdentityFile = "", t.TempDir()+"/none.txt" }, store.ErrConfiguration, "none.txt"},
		"no key object": {func(o *opener) { o.keyObject = func(string) ([]byte, error) { return c.object("none") } }, fs.ErrNotExist, "none"},
		"another alias": {func(o *opener) {
			o.keyObject = func(string) ([]byte, error) { return c.object("__keys/alias/team/ops.age") }
		}, store.ErrCorrupt, `it is the key object of "alias/team/ops"`},
		"a damaged key object": {func(o *opener) {
			o.keyObject = func(name string) ([]byte, error) {
				body, err := c.object(name)
				return body[:len(body)-1], err
			}
		}, store.ErrCorrupt, "incomplete"},
	} {
		o := c.opener()
		tt.change(o)
		text, err := o.open(file)
		if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) || text != "" {
			t.Errorf("%s: %q, %v; want %v, %q", name, text, err, tt.is, tt.says)
		}
	}
}

// TestAStanzaOfAnotherIsRefused: whoever wrote the file, nothing is read but key objects, and nothing
// opens but what a key of the alias has sealed under its name.
func TestAStanzaOfAnotherIsRefused(t *testing.T) {
	c := newCopies(t)
	var stanza *age.Stanza
	grab := grabber(func(s *age.Stanza) { stanza = s })
	if _, err := age.Decrypt(bytes.NewReader(c.seal(t, "alias/app", "api/a.json")), grab); err == nil {
		t.Fatal("it opens without a key")
	}
	replaced := func(at int, text string) []string {
		args := slices.Clone(stanza.Args)
		args[at] = text
		return args
	}
	for name, args := range map[string][]string{
		"another name":      replaced(3, "api%2Fb.json"),
		"another alias":     replaced(0, "alias%2Fteam%2Fops"),
		"out of the bucket": replaced(0, "alias%2F..%2F..%2Fetc%2Fpasswd"),
		"an absolute alias": replaced(0, "%2Fetc%2Fpasswd"),
		"another salt":      replaced(2, strings.Repeat("A", 43)),
		"a short salt":      replaced(2, "AAAA"),
		"another id":        replaced(1, strings.Repeat("0", 32)),
		"no id":             replaced(1, "x"),
		"a line break":      replaced(3, "api%2Fa.json\n"),
		"few arguments":     stanza.Args[:3],
		"none":              nil,
		"many":              append(slices.Clone(stanza.Args), "x"),
	} {
		read := 0
		key, about, err := s3age.CopiedFileKey(t.Context(), func(object string) ([]byte, error) {
			read++
			if !strings.HasPrefix(object, "__keys/alias/") || strings.Contains(object, "..") {
				t.Errorf("%s: %s is read", name, object)
			}
			return c.object(object)
		}, c.opener().o, args, stanza.Body)
		if key != nil || about != "" || !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: %x, %q, %v", name, key, about, err)
		}
		if read > 10 {
			t.Errorf("%s: %d reads", name, read)
		}
	}
	for _, body := range [][]byte{nil, stanza.Body[:31], append(slices.Clone(stanza.Body), 0), make([]byte, 32)} {
		if key, _, err := s3age.CopiedFileKey(t.Context(), c.object, c.opener().o, stanza.Args, body); key != nil || !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("a body of %d bytes: %x, %v", len(body), key, err)
		}
	}
}

type grabber func(*age.Stanza)

func (g grabber) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	g(stanzas[0])
	return nil, age.ErrIncorrectIdentity
}

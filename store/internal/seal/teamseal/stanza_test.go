package teamseal_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
)

// stanzaOf returns the stanza of a sealed object as its bytes have it.
func stanzaOf(t testing.TB, file []byte) *age.Stanza {
	t.Helper()
	_, rest, _ := bytes.Cut(file, []byte("\n"))
	head, body, _ := bytes.Cut(rest, []byte("\n"))
	text, _, _ := bytes.Cut(body, []byte("\n"))
	wrapped, err := base64.RawStdEncoding.DecodeString(string(text))
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(head))
	return &age.Stanza{Type: words[1], Args: words[2:], Body: wrapped}
}

func changed(s *age.Stanza, change func(*age.Stanza)) *age.Stanza {
	c := &age.Stanza{Type: s.Type, Args: slices.Clone(s.Args), Body: slices.Clone(s.Body)}
	change(c)
	return c
}

// The wrap of the file key itself is bound to all that the stanza says: the MAC of age's header is not
// what the promise depends on.
func TestAStanzaOpensOnlyAsItWasMade(t *testing.T) {
	keys := &fixedKeys{current: teamseal.NewKey("alias/app")}
	whole := stanzaOf(t, mustSeal(t, teamseal.New(keys, app), app, name, canary))
	opens := func(s *age.Stanza) bool {
		parsed, err := teamseal.ParseStanza(s)
		if err != nil {
			return false
		}
		_, err = parsed.Unwrap(keys.current)
		return err == nil
	}
	if !opens(whole) {
		t.Fatal("it doesn't open")
	}
	otherSalt := base64.RawStdEncoding.EncodeToString(make([]byte, 32))
	for what, change := range map[string]func(*age.Stanza){
		"another alias":            func(s *age.Stanza) { s.Args[0] = "alias%2Fops" },
		"another key id":           func(s *age.Stanza) { s.Args[1] = strings.Repeat("0", 32) },
		"another salt":             func(s *age.Stanza) { s.Args[2] = otherSalt },
		"another name":             func(s *age.Stanza) { s.Args[3] = "api%2Fother.json" },
		"alias and name moved":     func(s *age.Stanza) { s.Args[0], s.Args[3] = "alias%2Fap", "papi%2Fdb_url.json" },
		"another spelling":         func(s *age.Stanza) { s.Args[3] = "api/db_url.json" },
		"an id in upper case":      func(s *age.Stanza) { s.Args[1] = strings.ToUpper(strings.Repeat("a", 32)) },
		"a short id":               func(s *age.Stanza) { s.Args[1] = s.Args[1][:31] },
		"a short salt":             func(s *age.Stanza) { s.Args[2] = s.Args[2][:42] },
		"a salt with a line break": func(s *age.Stanza) { s.Args[2] = s.Args[2][:9] + "\r" + s.Args[2][9:] },
		"no name":                  func(s *age.Stanza) { s.Args = s.Args[:3] },
		"an argument more":         func(s *age.Stanza) { s.Args = append(s.Args, "x") },
		"another type":             func(s *age.Stanza) { s.Type = "X25519" },
		"a short body":             func(s *age.Stanza) { s.Body = s.Body[:31] },
		"a long body":              func(s *age.Stanza) { s.Body = append(s.Body, 0) },
		"no body":                  func(s *age.Stanza) { s.Body = nil },
		"a changed body":           func(s *age.Stanza) { s.Body[0] ^= 1 },
	} {
		if opens(changed(whole, change)) {
			t.Errorf("%s: it opens", what)
		}
	}
}

// beside is a recipient with a stanza more.
type beside struct {
	age.Recipient
	more []*age.Stanza
	last bool
}

func (b beside) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	own, err := b.Recipient.Wrap(fileKey)
	if b.last {
		return append(own, b.more...), err
	}
	return append(slices.Clone(b.more), own...), err
}

// Whoever holds the key could make a file that others open too, or that names two objects.
func TestAFileWithAnotherStanzaBesideIsRefused(t *testing.T) {
	keys := &fixedKeys{current: teamseal.NewKey("alias/app")}
	s := teamseal.New(keys, app)
	other := stanzaOf(t, mustSeal(t, s, app, "api/other.json", canary))
	for _, more := range []*age.Stanza{other, {Type: "X-grease", Body: []byte("x")}} {
		for _, last := range []bool{false, true} {
			var file bytes.Buffer
			w, err := age.Encrypt(&file, beside{teamseal.RecipientOf(keys.current, name), []*age.Stanza{more}, last})
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write([]byte(canary))
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if body, _, err := s.Open(t.Context(), name, file.Bytes()); !errors.Is(err, bucket.ErrTorn) {
				t.Errorf("%s, last %v: %q, %v", more.Type, last, body, err)
			}
		}
	}
}

func TestInspectTellsTheKeyFromABeginning(t *testing.T) {
	keys := &fixedKeys{current: teamseal.NewKey("alias/app")}
	s := teamseal.New(keys, app)
	file := mustSeal(t, s, app, name, canary)
	sealed := bucket.Seal{Method: teamseal.Method, KeyID: keys.current.ID}
	for what, test := range map[string]struct {
		header []byte
		want   bucket.Seal
	}{
		"the whole file":          {file, sealed},
		"the header's beginning":  {file[:150], sealed},
		"a part of the key":       {file[:60], bucket.Seal{Method: teamseal.Method}},
		"an intro":                {file[:22], bucket.Seal{}},
		"for a person":            {[]byte("age-encryption.org/v1\n-> X25519 abc\n"), bucket.Seal{Method: teamseal.Method}},
		"a secret in clear":       {[]byte("{}"), bucket.Seal{}},
		"nothing":                 {nil, bucket.Seal{}},
		"an id that is none":      {[]byte("age-encryption.org/v1\n-> coffer-alias a b c d\n"), bucket.Seal{Method: teamseal.Method}},
		"an alias that is no one": {bytes.Replace(file, []byte("alias%2Fapp"), []byte("alias/app%2"), 1), bucket.Seal{Method: teamseal.Method}},
	} {
		if got := s.Inspect(test.header); got != test.want {
			t.Errorf("%s: %+v, want %+v", what, got, test.want)
		}
	}
}

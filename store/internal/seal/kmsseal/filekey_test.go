package kmsseal

import (
	"bytes"
	"slices"
	"testing"

	"filippo.io/age"
)

// stanzaOf returns the stanza of a sealed object.
func stanzaOf(t *testing.T, sealed []byte) (stanza *age.Stanza) {
	t.Helper()
	grab := grabber(func(s *age.Stanza) { stanza = s })
	if _, err := age.Decrypt(bytes.NewReader(sealed), grab); err == nil || stanza == nil {
		t.Fatal("the object has no stanza, or opens without a key")
	}
	return stanza
}

type grabber func(*age.Stanza)

func (g grabber) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	g(stanzas[0])
	return nil, age.ErrIncorrectIdentity
}

func TestAFileKeyComesWithTheNameThatKMSVouchesFor(t *testing.T) {
	s, m := inAccount("111122223333", Options{})
	stanza := stanzaOf(t, seal1(t, s, "alias/app", name))
	before := m.requests()
	key, of, arn, err := s.FileKey(t.Context(), stanza.Args, stanza.Body)
	if err != nil || len(key) != fileKeySize || of != name || arn != own {
		t.Errorf("%d bytes, %q, %q, %v", len(key), of, arn, err)
	}
	if m.requests() != before+1 {
		t.Errorf("%d requests", m.requests()-before)
	}
}

func TestAFileKeyOfAnotherNameOrKeyIsRefused(t *testing.T) {
	for what, c := range map[string]struct {
		at       int
		arg      string
		requests int
	}{
		"another secret":              {1, "api%2Fdb_user.json", 1},
		"another service":             {1, "web%2Fdb_password.json", 1},
		"an index":                    {1, "api%2F__kms_alias_app__latest.json", 1},
		"the name, unescaped":         {1, name, 0},
		"the name, escaped otherwise": {1, "api%2fdb_password.json", 0},
		"a broken escape":             {1, "api%2", 0},
		"a stranger's key":            {0, foreign, 0},
		"another key of the account":  {0, old, 1},
	} {
		s, m := inAccount("111122223333", Options{})
		stanza := stanzaOf(t, seal1(t, s, "alias/app", name))
		before := m.requests()
		args := slices.Clone(stanza.Args)
		args[c.at] = c.arg
		if key, _, _, err := s.FileKey(t.Context(), args, stanza.Body); key != nil || !refusal(err) {
			t.Errorf("%s: %x, %v", what, key, err)
		}
		if m.requests()-before != c.requests {
			t.Errorf("%s: %d requests, want %d", what, m.requests()-before, c.requests)
		}
	}
	s, m := inAccount("111122223333", Options{})
	stanza := stanzaOf(t, seal1(t, s, "alias/app", name))
	before := m.requests()
	for _, args := range [][]string{nil, stanza.Args[:1], append(slices.Clone(stanza.Args), "x"), {"", ""}} {
		if key, _, _, err := s.FileKey(t.Context(), args, stanza.Body); key != nil || !refusal(err) {
			t.Errorf("arguments %q: %x, %v", args, key, err)
		}
	}
	if key, _, _, err := s.FileKey(t.Context(), stanza.Args, nil); key != nil || !refusal(err) {
		t.Errorf("no body: %x, %v", key, err)
	}
	if m.requests() != before {
		t.Errorf("a stanza of another form cost %d requests", m.requests()-before)
	}
}

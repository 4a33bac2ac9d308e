package kmsseal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// refusal reports whether an error can't be taken for a missing or a hidden object.
func refusal(err error) bool {
	var forged *store.SealError
	return errors.As(err, &forged) || errors.Is(err, bucket.ErrTorn) || errors.Is(err, bucket.ErrKey)
}

func refuses(t *testing.T, s *Sealer, name string, sealed []byte, what string, args ...any) {
	t.Helper()
	body, _, err := s.Open(t.Context(), name, sealed)
	if body != nil || !refusal(err) || strings.Contains(err.Error(), "canary") {
		t.Errorf(what+": opened %q, error %v", append(args, body, err)...)
	}
}

func TestAFlippedBitOpensNothing(t *testing.T) {
	s, _ := inAccount("", Options{})
	sealed := seal1(t, s, "alias/app", name)
	for i := range len(sealed) * 8 {
		changed := bytes.Clone(sealed)
		changed[i/8] ^= 1 << (i % 8)
		refuses(t, s, name, changed, "bit %d of byte %d", i%8, i/8)
	}
}

func TestATruncatedObjectOpensNothing(t *testing.T) {
	s, _ := inAccount("", Options{})
	sealed, _, err := s.Seal(t.Context(), "alias/app", name, bytes.Repeat([]byte("canary"), 200_000)) // of several chunks
	if err != nil {
		t.Fatal(err)
	}
	const chunk = 64<<10 + 16
	header := len(sealed) - 200_000*len("canary")%chunk
	lengths := []int{len(sealed) - 1, len(sealed) - 17, header}
	for n := range 600 {
		lengths = append(lengths, n)
	}
	for n := len(sealed) % chunk; n < len(sealed); n += chunk {
		lengths = append(lengths, n) // about where chunks end
	}
	end := bytes.Index(sealed, []byte("\n--- "))
	end += bytes.IndexByte(sealed[end+1:], '\n') + 2 + 16 // the header and the nonce
	for n := end; n < len(sealed); n += chunk {
		lengths = append(lengths, n) // exactly where they end
	}
	for _, n := range lengths {
		refuses(t, s, name, sealed[:n], "the first %d bytes of %d", n, len(sealed))
	}
	refuses(t, s, name, append(bytes.Clone(sealed), 0), "one byte more")
}

// An object under another name isn't opened, and the error says where it is from. KMS isn't asked.
func TestAnObjectThatWasCopiedToAnotherNameIsRefused(t *testing.T) {
	s, m := inAccount("", Options{})
	sealed := seal1(t, s, "alias/app", name)
	before := m.requests()
	for _, other := range []string{"api/db_user.json", "web/db_password.json", "api/x/db_password.json", "db_password.json", "api/__kms_alias_app__latest.json", ""} {
		_, _, err := s.Open(t.Context(), other, sealed)
		if !errors.Is(err, bucket.ErrTorn) || !strings.Contains(err.Error(), `a copy of "`+name+`"`) {
			t.Errorf("%s: error %v", other, err)
		}
	}
	if m.requests() != before {
		t.Errorf("%d requests to KMS", m.requests()-before)
	}
}

// A reader of one secret knows its file key, and so can make a valid header around the wrapped key of
// that secret, with any name in it. The encryption context is what stops them.
func TestTheWrappedKeyOfOneObjectOpensNoOther(t *testing.T) {
	index := func(alias string) string { return "api/" + index.FileName(alias) }
	for what, c := range map[string]struct{ from, to string }{
		"another key":                        {name, "api/db_user.json"},
		"another service":                    {name, "web/db_password.json"},
		"a secret as an index":               {name, index("alias/app")},
		"the index of another service":       {index("alias/app"), "web/__kms_alias_app__latest.json"},
		"another alias of the same KMS key":  {index("alias/app"), index("alias/team")},
		"a name with another place of the /": {"a/b/c.json", "a/b%2Fc.json"},
	} {
		s, m := inAccount("", Options{})
		sealed := seal1(t, s, "alias/app", c.from)
		forged := rename(t, m, sealed, c.from, c.to)
		if _, _, err := s.Open(t.Context(), c.from, rename(t, m, sealed, c.from, c.from)); err != nil {
			t.Fatalf("the header that this test makes isn't valid: %v", err)
		}
		refuses(t, s, c.to, forged, what)
	}
}

// rename changes the name in the header of an object, as somebody can who knows its file key.
func rename(t *testing.T, m *memory, sealed []byte, from, to string) []byte {
	t.Helper()
	stanza := []byte(" " + url.PathEscape(from) + "\n")
	head, payload, _ := bytes.Cut(sealed, []byte("\n--- "))
	_, payload, _ = bytes.Cut(payload, []byte("\n"))
	lines := strings.Split(string(head), "\n")
	blob, err := base64.RawStdEncoding.DecodeString(strings.Join(lines[2:], ""))
	if err != nil {
		t.Fatal(err)
	}
	key := strings.Fields(lines[1])[2]
	answer, err := m.Decrypt(t.Context(), &kms.DecryptInput{KeyId: &key, CiphertextBlob: blob, EncryptionContext: Context(from)})
	if err != nil {
		t.Fatal(err)
	}
	head = bytes.Replace(append(head, "\n---"...), stanza, []byte(" "+url.PathEscape(to)+"\n"), 1)
	macKey, err := hkdf.Key(sha256.New, answer.Plaintext, nil, "header", 32)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, macKey)
	mac.Write(head)
	out := append(head, " "+base64.RawStdEncoding.EncodeToString(mac.Sum(nil))+"\n"...)
	return append(out, payload...)
}

// forge seals an object under a stranger's key, which everybody may use.
func forge(t *testing.T, key string) []byte {
	t.Helper()
	if _, _, ok := parse(key); !ok {
		s, _ := inAccount("", Options{})
		return bytes.Replace(seal1(t, s, "alias/app", name), []byte(own), []byte(key), 1)
	}
	stranger := newSealer(&memory{}, "", Options{KeyNames: map[string]string{"alias/app": key}, Pinned: []string{key}}, nil)
	return seal1(t, stranger, "alias/app", name)
}

func TestAStanzaThatNamesAStrangersKeyCostsNoRequestToThatKey(t *testing.T) {
	const (
		far       = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000001"
		elsewhere = "arn:aws-cn:kms:eu-west-1:111122223333:key/00000000-0000-4000-8000-000000000001"
	)
	for what, c := range map[string]struct {
		account  string
		o        Options
		key      string
		requests int
	}{
		"of another account":                           {account: "111122223333", key: foreign},
		"of another account, by an alias":              {account: "111122223333", key: foreignAlias},
		"of another region":                            {key: far},
		"of another partition":                         {key: elsewhere, requests: 1}, // by its bare id likewise
		"whose id is no id":                            {key: "arn:aws:kms:eu-west-1:111122223333:key/arn:aws:kms:eu-west-1:999999999999:key"},
		"that is no ARN":                               {key: "alias/app"},
		"of another account, with a pin":               {o: Options{Pinned: []string{own}}, key: foreign},
		"of the own account, with another pin":         {o: Options{Pinned: []string{own}}, key: old},
		"of another account, where another is named":   {account: "111122223333", o: Options{KeyNames: map[string]string{"alias/x": far}}, key: foreign},
		"of an account that can't be compared":         {key: foreign, requests: 1}, // by its bare id, in the caller's own account
		"with the id of the own, of an unknown one":    {key: strings.Replace(own, "1111", "9999", 1), requests: 1},
		"with the id of the own, of a known other one": {account: "111122223333", key: strings.Replace(own, "1111", "9999", 1)},
	} {
		s, m := inAccount(c.account, c.o)
		refuses(t, s, name, forge(t, c.key), "%s", what)
		for _, asked := range m.asked {
			if strings.HasPrefix(asked, "arn:") || strings.HasPrefix(asked, "alias/") {
				t.Errorf("%s: KMS was asked for %s", what, asked)
			}
		}
		if m.requests() != c.requests {
			t.Errorf("%s: %d requests, want %d", what, m.requests(), c.requests)
		}
	}
}

// The account is known after the first answer, whatever the credentials say.
func TestTheAccountIsLearnedFromAnAnswer(t *testing.T) {
	s, m := inAccount("", Options{})
	seal1(t, s, "alias/app", name)
	before := m.requests()
	refuses(t, s, name, forge(t, foreign), "a key of another account")
	if m.requests() != before {
		t.Errorf("KMS was asked for %q", m.asked[before:])
	}
}

func TestAnAnswerOfAnotherKeyIsRefused(t *testing.T) {
	s, m := inAccount("", Options{})
	sealed := seal1(t, s, "alias/app", name)
	m.answers = old
	refuses(t, s, name, sealed, "the answer names another key")
}

// A second stanza would let somebody else choose who may open an object.
func TestAHeaderOfOthersIsRefused(t *testing.T) {
	s, m := inAccount("", Options{})
	sealed := seal1(t, s, "alias/app", name)
	before := m.requests()
	for what, header := range map[string]string{
		"two stanzas":      strings.Replace(string(sealed), "\n---", "\n-> X25519 AAAA\nAAAA\n---", 1),
		"another type":     strings.Replace(string(sealed), "aws-kms", "aws-kmz", 1),
		"one argument":     strings.Replace(string(sealed), " "+url.PathEscape(name), "", 1),
		"three arguments":  strings.Replace(string(sealed), url.PathEscape(name), url.PathEscape(name)+" x", 1),
		"no body":          "age-encryption.org/v1\n-> aws-kms " + own + " " + url.PathEscape(name) + "\n\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
		"a name as typed":  strings.Replace(string(sealed), url.PathEscape(name), name, 1),
		"an unsealed file": secret,
		"an empty file":    "",
	} {
		refuses(t, s, name, []byte(header), "%s", what)
	}
	if m.requests() != before {
		t.Errorf("KMS was asked for %q", m.asked[before:])
	}
}

//go:build unix

package cmd_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3age"
)

// teamAge is s3-age, on a server that encrypts nothing itself. Key objects are made here, and objects
// opened, by what docs/design says of them.
type teamAge struct{}

// ageTeam is the team of a bench.
type ageTeam struct {
	people  map[string]*age.X25519Identity // dev, and who has the key of one alias alone, by the alias
	secrets map[string][]byte              // alias keys by id
	now     map[string][]string            // the ids of an alias, the newest first
}

// What the library seals is what docs/design says, byte for byte: this test opens it, and makes the key
// objects, without any code of the program. Who has one key alone is told how much is hidden.
func TestWhatIsSealedIsAsItsFormatSays(t *testing.T) {
	for name, on := range map[string]storage{"s3-envelope": storages["s3-envelope"].storage, "s3-age": teamAge{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stageOn(t, on, s3test.Options{})
			s.wantSound()
			s.wantExact()
			s.act = act{moves: "alias/ops"}
			s.wantVisible(s.state())
		})
	}
}

func (teamAge) server(o *s3test.Options) { o.Quirks.NoKMS = true }

func (teamAge) seals() bool { return true }

func (teamAge) choose(b *bench) {
	b.Helper()
	b.team = &ageTeam{people: map[string]*age.X25519Identity{}, secrets: map[string][]byte{}, now: map[string][]string{}}
	for _, name := range []string{"dev", "alias/app", "alias/ops"} {
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			b.Fatal(err)
		}
		b.team.people[name] = identity
	}
	for _, alias := range []string{"alias/app", "alias/ops"} {
		b.team.now[alias] = []string{b.team.newKey(alias)}
		b.plantKeys(alias)
	}
	b.env = append(b.env, "COFFER_BACKEND=s3-age")
	// Not in the environment: without a place to remember keys, as in CI, they must be pinned.
	file := filepath.Join(strings.TrimPrefix(b.env[0], "HOME="), identityFile)
	err := os.MkdirAll(filepath.Dir(file), 0o700)
	if err == nil {
		err = os.WriteFile(file, []byte(b.team.people["dev"].String()+"\n"), 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// identityFile is dev's, below the home of a bench.
var identityFile = filepath.Join("config", "coffer", "identity.txt")

// newKey makes a key of an alias, and returns its id.
func (t *ageTeam) newKey(alias string) string {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	mac := hmac.New(sha256.New, secret)
	mac.Write(withLength([]byte("coffer alias key id"), alias))
	id := hex.EncodeToString(mac.Sum(nil)[:16])
	t.secrets[id] = secret
	return id
}

func withLength(to []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint64(to, uint64(len(text))), text...)
}

// plantKeys puts the key object of an alias into the bucket.
func (b *bench) plantKeys(alias string) {
	b.Helper()
	var keys, members []map[string]any
	for i, id := range b.team.now[alias] {
		keys = append(keys, map[string]any{"id": id, "key": b.team.secrets[id], "number": len(b.team.now[alias]) - i})
	}
	var to []age.Recipient
	for _, name := range []string{"dev", alias} {
		r := b.team.people[name].Recipient()
		to = append(to, r)
		members = append(members, map[string]any{"name": filepath.Base(name), "recipient": r.String()})
	}
	body, err := json.Marshal(map[string]any{"coffer": 1, "alias": alias, "number": len(keys), "keys": keys, "members": members})
	var sealed bytes.Buffer
	if err == nil {
		w, failed := age.Encrypt(&sealed, to...)
		if err = failed; err == nil {
			_, _ = w.Write(body) // Close tells
			err = w.Close()
		}
	}
	if err != nil {
		b.Fatal(err)
	}
	b.bucket.Plant("__keys/"+alias+".age", sealed.Bytes(), "", "")
}

func (teamAge) read(b *bench, o s3test.Object) (body []byte, key string) {
	b.Helper()
	body, key, err := openStanza(o, "coffer-alias", 4, func(s *age.Stanza) ([]byte, string, error) {
		id := s.Args[1]
		if b.team.secrets[id] == nil { // the program has made it
			b.learn(strings.Replace(s.Args[0], "%2F", "/", 1))
		}
		fileKey, err := unwrapWithAliasKey(s, b.team.secrets[id])
		return fileKey, id, err
	})
	if err != nil {
		b.Errorf("%s: %v", o.Name, err)
	}
	return body, key
}

// unwrapWithAliasKey returns the key of a file that a stanza has, as docs/design says.
func unwrapWithAliasKey(s *age.Stanza, secret []byte) ([]byte, error) {
	if s.Type != "coffer-alias" || len(s.Args) != 4 || secret == nil {
		return nil, fmt.Errorf("%w: %q", errStanza, s.Args)
	}
	salt, err := base64.RawStdEncoding.DecodeString(s.Args[2])
	if err != nil {
		return nil, err
	}
	wrap, err := hkdf.Key(sha256.New, secret, salt, "coffer alias key wrap", chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.New(wrap)
	if err != nil {
		return nil, err
	}
	var bound []byte // alias, id and name
	for _, i := range []int{0, 1, 3} {
		text, err := url.PathUnescape(s.Args[i])
		if err != nil {
			return nil, err
		}
		bound = withLength(bound, text)
	}
	return aead.Open(nil, make([]byte, aead.NonceSize()), s.Body, bound)
}

func (teamAge) key(b *bench, alias string) string { return b.team.now[alias][0] }

func (teamAge) next(s *stage) string { return s.team.newKey("alias/app") }

func (teamAge) renew(s *stage) {
	s.team.now["alias/app"] = []string{s.keys["next"], s.keys["alias/app"]}
	s.plantKeys("alias/app")
}

func (teamAge) restore(s *stage) {
	s.team.now["alias/app"] = []string{s.keys["alias/app"]}
	_ = os.RemoveAll(filepath.Join(s.home, "state")) // which remembers the newest key
}

func (teamAge) open(s *stage, v visit) (store.Store, error) {
	who := "dev"
	if v.only != "" {
		who = v.only
	}
	v.only = "" // the server decrypts nothing that could be denied
	return s3age.New(s.visitor(v), s3age.Options{
		Bucket: "b", KeyAlias: v.alias, Identity: s.team.people[who].String(), IdentityFrom: "the test",
		TrustOnFirstUse: true, CacheDir: s.cache(), Now: v.clock,
	})
}

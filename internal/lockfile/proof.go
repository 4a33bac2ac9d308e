package lockfile

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// Proof returns what identifies a version in a lock file:
//
//   - a fingerprint, the HMAC-SHA-256 of its name, number and value, with the salt of the version as the key.
//     The salt is random, and only who can read the value has it;
//   - of a version without a salt its date, as it is recorded: nothing of the value. Another value under the
//     same number and date isn't noticed, unless the storage itself sets dates and replaces no version;
//   - "" if it has neither.
func Proof(s store.Secret) string {
	switch {
	case s.Salt != store.Salt{}:
		return fingerprint + base64.RawURLEncoding.EncodeToString(sum(s))
	case !s.Created.IsZero():
		return date + stamp(s.Created)
	}
	return ""
}

// Fingerprinted reports whether a proof is a fingerprint, and not a date.
func Fingerprinted(proof string) bool { return strings.HasPrefix(proof, fingerprint) }

// Agrees reports whether a version is the one that is locked.
func (e Entry) Agrees(s store.Secret) bool {
	if s.ID != e.ID || s.Version != e.Version {
		return false
	}
	if Fingerprinted(e.Proof) {
		return hmac.Equal([]byte(Proof(s)), []byte(e.Proof))
	}
	return !s.Created.IsZero() && date+stamp(s.Created) == e.Proof
}

// sum returns the HMAC of a version. Each field has its length before it, so that no two versions are the same bytes.
func sum(s store.Secret) []byte {
	mac := hmac.New(sha256.New, []byte(s.Salt.Reveal()))
	for _, field := range []string{header, s.Salt.Reveal(), s.ID.Service, s.ID.Key, fmt.Sprint(s.Version), s.Value.Reveal()} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(field)))
		mac.Write(n[:])
		mac.Write([]byte(field))
	}
	return mac.Sum(nil)
}

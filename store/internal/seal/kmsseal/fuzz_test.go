package kmsseal

import (
	"bytes"
	_ "embed" // an object that was sealed once
	"net/url"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// sealedOnce was sealed by the first version of this package with the keys of [memory], as [name].
//
//go:embed testdata/sealed.age
var sealedOnce []byte

func TestWhatWasSealedByTheFirstVersionOpens(t *testing.T) {
	s, _ := inAccount("", Options{})
	body, at, err := s.Open(t.Context(), name, sealedOnce)
	if err != nil || string(body) != secret || at != (bucket.Seal{Method: Method, KeyID: own}) {
		t.Errorf("%q, %v, %v", body, at, err)
	}
}

// FuzzOpen: of all bytes, only those that were sealed open.
func FuzzOpen(f *testing.F) {
	f.Add(sealedOnce)
	for _, n := range []int{0, 1, 22, 60, 200, len(sealedOnce) - 1} {
		f.Add(sealedOnce[:n])
	}
	f.Add([]byte(secret))
	f.Add([]byte("age-encryption.org/v1\n-> aws-kms " + own + " api%2Fdb_password.json\nAAAA\n--- AAAA\n"))
	f.Add(bytes.Replace(sealedOnce, []byte(own), []byte(foreign), 1))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		s, m := inAccount("111122223333", Options{})
		body, at, err := s.Open(t.Context(), name, sealed)
		same := bytes.Equal(sealed, sealedOnce)
		if same != (err == nil) || !same && (body != nil || at != bucket.Seal{} || !refusal(err)) {
			t.Errorf("opened %q, %v, %v", body, at, err)
		}
		for _, asked := range m.asked {
			if strings.HasPrefix(asked, "arn:") {
				t.Errorf("KMS was asked for %q", asked)
			}
		}
		s.Inspect(sealed)
	})
}

// FuzzStanza: no stanza makes KMS be asked for a key by a name that leads out of the account of the caller, or with
// another context than that of the object.
func FuzzStanza(f *testing.F) {
	f.Add(StanzaType, own, url.PathEscape(name), []byte("blob"))
	f.Add(StanzaType, foreign, url.PathEscape(name), []byte("blob"))
	f.Add(StanzaType, replica, "api%2f", []byte(nil))
	f.Add("X25519", "", "%zz", []byte{0})
	f.Add(StanzaType, "arn::kms:eu-west-1:111122223333:key/:", url.PathEscape(name), []byte("0"))
	f.Add(StanzaType, foreignAlias, "", []byte("x"))
	f.Add(StanzaType, "arn:aws:kms:eu-west-1:111122223333:key/"+foreign, url.PathEscape(name), []byte("x"))
	f.Fuzz(func(t *testing.T, kind, key, of string, blob []byte) {
		s, m := inAccount("111122223333", Options{})
		id := &identity{ctx: t.Context(), s: s, name: name}
		if fileKey, err := id.Unwrap([]*age.Stanza{{Type: kind, Args: []string{key, of}, Body: blob}}); fileKey != nil || err == nil || id.err == nil {
			t.Errorf("a file key from %q, %v", key, err)
		}
		for i, asked := range m.asked {
			if strings.ContainsAny(asked, ":/") || m.context[i]["coffer:service"] != "api" || m.context[i]["coffer:key"] != "db_password" || of != url.PathEscape(name) {
				t.Errorf("%q costs a request for %q with %v", key, asked, m.context[i])
			}
		}
		if _, _, err := s.Open(t.Context(), of, append([]byte(intro+"-> "+kind+" "+key+" "+of+"\n"), blob...)); err == nil {
			t.Error("it opened")
		}
		s.Inspect([]byte(intro + "-> " + kind + " " + key + " " + of + "\n"))
		_, _, _, _ = s.FileKey(t.Context(), []string{key, of}, blob)
	})
}

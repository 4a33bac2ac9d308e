package teamkeys

import (
	"filippo.io/age"

	"github.com/coffer-secrets/coffer/internal/strictjson"
)

// Reparse parses a document, and returns it as it is written and the ids of its keys.
func Reparse(alias string, body []byte) (written []byte, ids []string, err error) {
	r, err := parse(alias, body)
	if err != nil {
		return nil, nil, err
	}
	for id := range r.keys {
		ids = append(ids, id)
	}
	written, err = strictjson.Marshal(r.doc)
	return written, ids, err
}

// Unseal decrypts a key object.
func Unseal(alias string, sealed []byte, identities ...age.Identity) ([]byte, error) {
	return unseal(alias, sealed, identities)
}

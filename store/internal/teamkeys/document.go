package teamkeys

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
)

// Limits of a key object.
const (
	MaxMembers = 1000    // age writes more than 1,024 recipients and doesn't read them (age 1.3.2)
	maxFormer  = 1000    // members that were revoked last
	maxKeys    = 10_000  // earlier keys and the current one
	maxEarlier = 200     // ids of earlier keys that a state has
	maxObject  = 8 << 20 // bytes; 1,000 members with post-quantum recipients make 3.7 MB
	maxName    = 100     // bytes of a member's name
)

const format = 1

// document is the content of a key object. The first of Keys is the current one, the others are
// earlier ones, newest first. The oldest has the number 1.
type document struct {
	Format  int             `json:"coffer"`
	Alias   string          `json:"alias"`
	Number  int             `json:"number"` // that of the first key
	Keys    []documentKey   `json:"keys"`
	Members []documentUser  `json:"members"`
	Former  []documentUser  `json:"former,omitempty"` // revoked, newest first
	Extra   strictjson.Rest `json:",embed"`
}

type documentKey struct {
	ID      string          `json:"id"`
	Secret  []byte          `json:"key"`
	Number  int             `json:"number"`
	Created string          `json:"created,omitzero"`
	By      string          `json:"by,omitzero"`
	Extra   strictjson.Rest `json:",embed"`
}

type documentUser struct {
	Name      string          `json:"name"`
	Recipient string          `json:"recipient"`
	Since     string          `json:"since,omitzero"`
	Until     string          `json:"until,omitzero"` // of a former member
	By        string          `json:"by,omitzero"`    // who granted or, of a former member, revoked
	Extra     strictjson.Rest `json:",embed"`
}

// ring is a key object that was opened and checked.
type ring struct {
	doc  document
	tag  bucket.Tag
	mine bool                    // this client has just put it
	keys map[string]teamseal.Key // by id

	pin    string // the pinned id; "" without a pin
	before Seen   // what was seen before this command
}

func (r *ring) has(id string) bool { _, ok := r.keys[id]; return ok }

func (r *ring) key(id string) teamseal.Key { return r.keys[id] }

// current returns the first key of the document.
func (r *ring) current() documentKey { return r.doc.Keys[0] }

func (r *ring) seen() Seen {
	s := Seen{ID: r.current().ID, Number: r.doc.Number}
	for _, k := range r.doc.Keys[1:min(len(r.doc.Keys), 1+maxEarlier)] {
		s.Earlier = append(s.Earlier, k.ID)
	}
	return s
}

// newRing checks a document. An error doesn't quote it.
func newRing(alias string, doc document) (*ring, error) {
	switch {
	case doc.Format > format:
		return nil, errors.New("it was written by a newer version of Coffer")
	case doc.Format != format:
		return nil, errors.New("it is not a key object")
	case doc.Alias != alias:
		return nil, fmt.Errorf("it is the key object of %q", doc.Alias)
	case len(doc.Keys) == 0 || len(doc.Keys) > maxKeys:
		return nil, fmt.Errorf("it has %d keys", len(doc.Keys))
	}
	r := &ring{doc: doc, keys: map[string]teamseal.Key{}}
	for i, k := range doc.Keys {
		key := teamseal.Key{Alias: alias, ID: k.ID}
		if copy(key.Secret[:], k.Secret) != teamseal.KeySize || len(k.Secret) != teamseal.KeySize {
			return nil, errors.New("a key has the wrong length")
		}
		// The id is what clients trust, so it must be that of the key.
		if k.ID != teamseal.KeyID(alias, key.Secret) {
			return nil, errors.New("a key has the id of another one")
		}
		if k.Number != len(doc.Keys)-i || i == 0 && k.Number != doc.Number || r.has(k.ID) {
			return nil, errors.New("the numbers of its keys are wrong")
		}
		r.keys[k.ID] = key
	}
	return r, checkUsers(doc)
}

func checkUsers(doc document) error {
	if len(doc.Members) == 0 || len(doc.Members) > MaxMembers || len(doc.Former) > maxFormer {
		return fmt.Errorf("it has %d members", len(doc.Members))
	}
	names, recipients := map[string]bool{}, map[string]bool{}
	for _, m := range doc.Members {
		folded := strings.ToLower(m.Name)
		if CheckName(m.Name) != nil || names[folded] || recipients[m.Recipient] || m.Recipient == "" {
			return errors.New("two of its members have one name or recipient, or one has none")
		}
		names[folded], recipients[m.Recipient] = true, true
	}
	return nil
}

// parse returns the document of an alias from the plaintext of its key object.
func parse(alias string, body []byte) (*ring, error) {
	var doc document
	err := strictjson.Unmarshal(body, &doc)
	var r *ring
	if err == nil {
		r, err = newRing(alias, doc)
	}
	if err != nil {
		return nil, damaged(alias, err.Error())
	}
	return r, nil
}

// clone returns a copy of a document that can be changed.
func (d document) clone() document {
	d.Keys, d.Members, d.Former = slices.Clone(d.Keys), slices.Clone(d.Members), slices.Clone(d.Former)
	return d
}

// put puts a key in front of the others.
func (d *document) put(k teamseal.Key, now time.Time, by string) {
	d.Number = len(d.Keys) + 1
	d.Keys = slices.Insert(d.Keys, 0, documentKey{
		ID: k.ID, Secret: k.Secret[:], Number: d.Number, Created: strictjson.FormatTime(now), By: by,
	})
}

// user returns the member with a name, or nil.
func user(users []documentUser, name string) *documentUser {
	i := slices.IndexFunc(users, func(u documentUser) bool { return u.Name == name })
	if i < 0 {
		return nil
	}
	return &users[i]
}

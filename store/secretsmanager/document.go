package secretsmanager

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store"
)

// document is one version of an AWS secret: the whole content of a service.
type document struct {
	versionID string    // of Secrets Manager; "" if the service has no value yet
	written   time.Time // when this version was created
	members   map[string]strictjson.Rest
	entries   map[string]entry
	changed   []string // keys that were set or removed since the document was read
}

// entry is the metadata of one key. An entry without a member is that of a deleted key: it keeps
// the version number, so that numbers are not used again. chamber continues its numbers too. The
// entry of [metadataKey], which no secret can have, replaces entries of deleted keys that were
// removed to save space: every new key is numbered above its version.
type entry struct {
	Created   string          `json:"created,omitempty"` // omitempty: chamber cannot read ""
	CreatedBy string          `json:"created_by,omitempty"`
	Version   int             `json:"version"`
	First     int             `json:"first,omitzero"` // the first version since the key was last created; chamber drops it
	Salt      string          `json:"salt,omitzero"`  // of this version; chamber drops it, of every key
	Extra     strictjson.Rest `json:",embed"`
}

func newDocument() *document {
	return &document{members: map[string]strictjson.Rest{}, entries: map[string]entry{}}
}

// parseDocument parses the text of a secret. object is its name for errors, which are
// [*store.CorruptError] and never quote the text. An empty text is an empty document.
func parseDocument(object, text string) (*document, error) {
	d := newDocument()
	if text == "" {
		return d, nil
	}
	if err := strictjson.Unmarshal([]byte(text), &d.members); err != nil {
		return nil, corrupt(object, err)
	}
	if d.members == nil {
		return nil, &store.CorruptError{Object: object, Offset: 0, Reason: "it is not a JSON object"}
	}
	raw, ok := d.members[metadataKey]
	if !ok {
		return d, nil
	}
	delete(d.members, metadataKey)
	object = metadataKey + " of " + object
	var metadata string
	if err := strictjson.Unmarshal(raw, &metadata); err != nil {
		return nil, &store.CorruptError{Object: object, Offset: -1, Reason: "it is not a JSON string"}
	}
	if err := strictjson.Unmarshal([]byte(metadata), &d.entries); err != nil {
		return nil, corrupt(object, err)
	}
	if d.entries == nil {
		d.entries = map[string]entry{}
	}
	return d, nil
}

func corrupt(object string, err error) error {
	broken := &store.CorruptError{Object: object, Offset: -1, Reason: "it cannot be read"}
	var place *strictjson.Error
	if errors.As(err, &place) {
		broken.Offset, broken.Reason = place.Offset, place.Reason
	}
	return broken
}

// encode returns the text of the secret. If it is too large, encode removes the entries of deleted
// keys. If it is still too large, the error is [store.ErrInvalid].
func (d *document) encode() (string, error) {
	text, err := d.text()
	if err == nil && len(text) > MaxService && d.forget() {
		text, err = d.text()
	}
	if err == nil && len(text) > MaxService {
		err = fmt.Errorf("%w: the whole service would have %d bytes; Secrets Manager's limit is %d in a secret", store.ErrInvalid, len(text), MaxService)
	}
	return text, err
}

// forget replaces the entries of all deleted keys by their highest version. It reports whether
// there were any.
func (d *document) forget() (room bool) {
	all := d.entries[metadataKey]
	for key, e := range d.entries {
		if _, live := d.members[key]; live || key == metadataKey {
			continue
		}
		all.Version, room = max(all.Version, e.Version), true
		delete(d.entries, key)
	}
	if room {
		d.entries[metadataKey] = all
	}
	return room
}

func (d *document) text() (string, error) {
	metadata, err := strictjson.Marshal(d.entries)
	if err != nil {
		return "", fmt.Errorf("%w: the metadata cannot be written", store.ErrInvalid)
	}
	quoted, err := strictjson.Marshal(string(metadata))
	if err != nil {
		return "", fmt.Errorf("%w: the metadata cannot be written", store.ErrInvalid)
	}
	members := maps.Clone(d.members)
	members[metadataKey] = quoted
	text, err := strictjson.Marshal(members)
	if err != nil {
		return "", fmt.Errorf("%w: the service cannot be written as JSON", store.ErrInvalid)
	}
	return string(text), nil
}

// keys returns the sorted member names that can be keys of secrets, and the other names.
func (d *document) keys() (keys, others []string) {
	for _, name := range slices.Sorted(maps.Keys(d.members)) {
		if store.CheckKey(name) != nil {
			others = append(others, name)
			continue
		}
		keys = append(keys, name)
	}
	return keys, others
}

// lookup finds the key of a name, as [store.Lookup] does.
func (d *document) lookup(name string) (string, error) {
	keys, _ := d.keys()
	return store.Lookup(name, keys)
}

// version returns the version of a key; 0 if it doesn't exist. A member without metadata, written
// by another tool, has version 1.
func (d *document) version(key string) int {
	if _, ok := d.members[key]; !ok {
		return 0
	}
	return max(d.entries[key].Version, 1)
}

// secret returns the secret of a key that the document contains.
func (d *document) secret(id store.ID) store.Secret {
	e := d.entries[id.Key]
	return store.Secret{
		Meta: store.Meta{
			ID: id, Version: d.version(id.Key),
			Created: strictjson.ParseTime(e.Created), CreatedBy: e.CreatedBy,
		},
		Value: valueOf(d.members[id.Key]), Salt: store.NewSalt(e.Salt),
	}
}

// valueOf returns the text of a JSON string, or the JSON text of any other value.
func valueOf(raw strictjson.Rest) store.Value {
	var text string
	if bytes.HasPrefix(raw, []byte{'"'}) && strictjson.Unmarshal(raw, &text) == nil {
		return store.NewValue(text)
	}
	return store.NewValue(string(raw))
}

// set stores the next version of a key.
func (d *document) set(key string, v store.Value, created, author string) error {
	raw, err := strictjson.Marshal(v.Reveal())
	if err != nil {
		return fmt.Errorf("%w: the value cannot be written as JSON", store.ErrInvalid)
	}
	e := d.entries[key]
	next := max(e.Version, d.version(key)) + 1
	if d.version(key) == 0 {
		next = max(next, d.entries[metadataKey].Version+1)
		if next > 1 {
			e.First = next
		}
	}
	e.Version, e.Created, e.CreatedBy, e.Salt = next, created, author, rand.Text()
	d.members[key], d.entries[key] = raw, e
	d.changed = append(d.changed, key)
	return nil
}

// remove removes a key and keeps its version number.
func (d *document) remove(key string) {
	d.entries[key] = entry{Version: d.version(key)}
	delete(d.members, key)
	d.changed = append(d.changed, key)
}

// contains reports whether a document contains the changes of another: it is the same, or was made
// from it.
func (d *document) contains(other *document) bool {
	for _, key := range other.changed {
		have, want := d.entries[key], other.entries[key]
		if have.Version != want.Version || have.Created != want.Created || have.CreatedBy != want.CreatedBy {
			return false
		}
		if valueOf(d.members[key]) != valueOf(other.members[key]) || d.version(key) != other.version(key) {
			return false
		}
	}
	return true
}

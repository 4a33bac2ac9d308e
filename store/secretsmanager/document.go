package secretsmanager

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store"
)

// document is one version of an AWS secret: all that a service holds.
type document struct {
	versionID string    // of Secrets Manager; "" where the service has no value yet
	written   time.Time // when this version was made
	members   map[string]strictjson.Rest
	entries   map[string]entry
	changed   []string // keys that were set or removed since it was read
}

// entry is the metadata of one key. One without a member is what remains of a deleted key,
// so that its version numbers do not come again; chamber counts on from it too. The entry of
// [metadataKey], which no secret can have, stands for those that had to make room: every key that
// comes anew is numbered above it.
type entry struct {
	Created   string          `json:"created,omitempty"` // chamber cannot read ""
	CreatedBy string          `json:"created_by,omitempty"`
	Version   int             `json:"version"`
	First     int             `json:"first,omitzero"` // of this life of the key; chamber drops it
	Extra     strictjson.Rest `json:",embed"`
}

func newDocument() *document {
	return &document{members: map[string]strictjson.Rest{}, entries: map[string]entry{}}
}

// parseDocument reads the text of a secret; object names it in errors, which are
// [*store.CorruptError] and never quote it. The empty text is an empty document.
func parseDocument(object, text string) (*document, error) {
	d := newDocument()
	if text == "" {
		return d, nil
	}
	if err := strictjson.Unmarshal([]byte(text), &d.members); err != nil {
		return nil, corrupt(object, err)
	}
	if d.members == nil {
		return nil, &store.CorruptError{Object: object, Offset: 0, Reason: "it is no JSON object"}
	}
	raw, ok := d.members[metadataKey]
	if !ok {
		return d, nil
	}
	delete(d.members, metadataKey)
	object = metadataKey + " of " + object
	var metadata string
	if err := strictjson.Unmarshal(raw, &metadata); err != nil {
		return nil, &store.CorruptError{Object: object, Offset: -1, Reason: "it is no JSON string"}
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

// encode returns the text of the secret. What remains of deleted keys makes room when it would be
// too large otherwise. The error says that it is too large all the same.
func (d *document) encode() (string, error) {
	text, err := d.text()
	if err == nil && len(text) > MaxService && d.forget() {
		text, err = d.text()
	}
	if err == nil && len(text) > MaxService {
		err = fmt.Errorf("%w: the whole service would have %d bytes; Secrets Manager keeps at most %d in a secret", store.ErrInvalid, len(text), MaxService)
	}
	return text, err
}

// forget puts the highest number of all deleted keys in the place of what remains of each.
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

// keys returns the members that can be secrets, sorted, and the names of those that cannot.
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

// lookup finds the key that a name stands for, as [store.Lookup] does.
func (d *document) lookup(name string) (string, error) {
	keys, _ := d.keys()
	return store.Lookup(name, keys)
}

// version returns the version of a key; 0 where there is none. A member that another tool
// wrote, without metadata, is at its first.
func (d *document) version(key string) int {
	if _, ok := d.members[key]; !ok {
		return 0
	}
	return max(d.entries[key].Version, 1)
}

// secret returns a key that the document holds.
func (d *document) secret(id store.ID) store.Secret {
	e := d.entries[id.Key]
	return store.Secret{
		Meta: store.Meta{
			ID: id, Version: d.version(id.Key),
			Created: strictjson.ParseTime(e.Created), CreatedBy: e.CreatedBy,
		},
		Value: valueOf(d.members[id.Key]),
	}
}

// valueOf returns a string's text, or the JSON text of anything else.
func valueOf(raw strictjson.Rest) store.Value {
	var text string
	if bytes.HasPrefix(raw, []byte{'"'}) && strictjson.Unmarshal(raw, &text) == nil {
		return store.NewValue(text)
	}
	return store.NewValue(string(raw))
}

// set gives a key its next version.
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
	e.Version, e.Created, e.CreatedBy = next, created, author
	d.members[key], d.entries[key] = raw, e
	d.changed = append(d.changed, key)
	return nil
}

// remove takes a key out and leaves its version number.
func (d *document) remove(key string) {
	d.entries[key] = entry{Version: d.version(key)}
	delete(d.members, key)
	d.changed = append(d.changed, key)
}

// contains reports whether a document holds the changes of another: it is that one, or was
// made from it.
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

package index

import (
	"strings"

	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store"
)

// The bytes. `latest` is chamber's: a map of entries in the index of an alias, a map of
// bare values in the plain one, where what we add stands beside it under `meta`.
type fileJSON[T any] struct {
	Latest map[string]T         `json:"latest"`
	Meta   map[string]entryJSON `json:"meta,omitempty"`
	Other  map[string]string    `json:"other,omitempty"`
	Gone   map[string]string    `json:"gone,omitempty"`
	Last   map[string]int       `json:"last,omitempty"`
	Floor  int                  `json:"floor,omitzero"`
	Seen   map[string]int       `json:"seen,omitempty"`
	Seq    int64                `json:"seq,omitzero"`
	Nonce  string               `json:"nonce,omitzero"`
	Extra  strictjson.Rest      `json:",embed"`
}

type entryJSON struct {
	Version   int             `json:"version"`
	Value     *string         `json:"value,omitzero"` // absent in `meta`
	KMSAlias  string          `json:"KMSAlias,omitzero"`
	Tag       string          `json:"etag,omitzero"`
	Moving    bool            `json:"moving,omitzero"`
	Created   string          `json:"created,omitzero"`
	CreatedBy string          `json:"created_by,omitzero"`
	Extra     strictjson.Rest `json:",embed"`
}

// Parse reads the index of an alias; "" reads the plain shape. Names are exact, and a name
// that stands twice is an error: a decoder that takes the last would let two readers see two
// values. The error is a [*ParseError].
func Parse(alias string, body []byte) (*Index, error) {
	if len(body) > MaxSize {
		return nil, &strictjson.Error{Offset: MaxSize, Reason: "an index has at most 16 MiB"}
	}
	if alias == "" {
		return parsePlain(body)
	}
	var f fileJSON[entryJSON]
	if err := strictjson.Unmarshal(body, &f); err != nil {
		return nil, err
	}
	x := fromFile(alias, f)
	for key, e := range f.Latest {
		x.Entries[key] = e.entry()
	}
	return x, nil
}

func parsePlain(body []byte) (*Index, error) {
	var f fileJSON[*string]
	if err := strictjson.Unmarshal(body, &f); err != nil {
		return nil, err
	}
	x := fromFile("", f)
	for key, value := range f.Latest {
		meta := f.Meta[key] // an entry of another program has none: version 0, no tag
		meta.Value = value
		x.Entries[key] = meta.entry()
	}
	return x, nil
}

func fromFile[T any](alias string, f fileJSON[T]) *Index {
	x := New(alias)
	x.Seq, x.Nonce, x.extra, x.Floor = f.Seq, f.Nonce, f.Extra, max(0, f.Floor)
	for key, tag := range f.Other {
		x.Other[key] = unquote(tag)
	}
	for key, tag := range f.Gone {
		x.Gone[key] = unquote(tag)
	}
	for key, n := range f.Last {
		x.Learn(key, n)
	}
	for key, n := range f.Seen {
		x.Seen[key] = n
	}
	return x
}

func (e entryJSON) entry() Entry {
	out := Entry{
		Version: e.Version, Alias: e.KMSAlias, Tag: unquote(e.Tag), Moving: e.Moving,
		Created: strictjson.ParseTime(e.Created), CreatedBy: e.CreatedBy, extra: e.Extra,
	}
	if e.Value == nil {
		out.Tag = "" // it vouches for nothing: the object must be read
		return out
	}
	out.Value = store.NewValue(*e.Value)
	return out
}

// Encode returns the bytes of the index: compact, names sorted.
func (x *Index) Encode() ([]byte, error) {
	if x.Alias == "" {
		f := fileJSON[string]{
			Latest: map[string]string{}, Meta: map[string]entryJSON{},
			Other: x.Other, Gone: x.Gone, Last: x.Last, Floor: x.Floor, Seen: x.Seen, Seq: x.Seq, Nonce: x.Nonce, Extra: x.extra,
		}
		for key, e := range x.Entries {
			f.Latest[key] = e.Value.Reveal()
			f.Meta[key] = e.file(nil)
		}
		return strictjson.Marshal(f)
	}
	f := fileJSON[entryJSON]{
		Latest: map[string]entryJSON{},
		Other:  x.Other, Gone: x.Gone, Last: x.Last, Floor: x.Floor, Seen: x.Seen, Seq: x.Seq, Nonce: x.Nonce, Extra: x.extra,
	}
	for key, e := range x.Entries {
		value := e.Value.Reveal()
		f.Latest[key] = e.file(&value)
	}
	return strictjson.Marshal(f)
}

func (e Entry) file(value *string) entryJSON {
	return entryJSON{
		Version: e.Version, Value: value, KMSAlias: e.Alias, Tag: e.Tag, Moving: e.Moving,
		Created: strictjson.FormatTime(e.Created), CreatedBy: e.CreatedBy, Extra: e.extra,
	}
}

// unquote takes an ETag's quotes off: drivers compare bare tags.
func unquote(tag string) string { return strings.Trim(strings.TrimPrefix(tag, "W/"), `"`) }

// ParseError tells where an index is not what it should be: a byte offset and a reason,
// never what stands there.
type ParseError = strictjson.Error

package index

import (
	"errors"
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store"
)

// fileJSON is an index as it is stored. `latest` is chamber's member: a map of entries in the index
// of an alias, a map of bare values in the plain index. There, what Coffer adds to an entry is in `meta`.
type fileJSON[T any] struct {
	Latest  map[string]T         `json:"latest"`
	Meta    map[string]entryJSON `json:"meta,omitempty"`
	Other   map[string]string    `json:"other,omitempty"`
	Gone    map[string]string    `json:"gone,omitempty"`
	Last    map[string]int       `json:"last,omitempty"`
	Floor   int                  `json:"floor,omitzero"`
	Seen    map[string]int       `json:"seen,omitempty"`
	NoCache bool                 `json:"no_cache,omitzero"`
	Seq     int64                `json:"seq,omitzero"`
	Nonce   string               `json:"nonce,omitzero"`
	Extra   strictjson.Rest      `json:",embed"`
}

type entryJSON struct {
	Version   int             `json:"version"`
	Value     *string         `json:"value,omitzero"` // absent in `meta`
	KMSAlias  string          `json:"KMSAlias,omitzero"`
	Tag       string          `json:"etag,omitzero"`
	Moving    bool            `json:"moving,omitzero"`
	Created   string          `json:"created,omitzero"`
	CreatedBy string          `json:"created_by,omitzero"`
	Salt      string          `json:"salt,omitzero"`
	Extra     strictjson.Rest `json:",embed"`
}

// Parse parses the index of an alias, or the plain index if alias is "". Member names are case-sensitive,
// and a duplicate name is an error: decoders differ in which of the two they take, so that two
// readers could see two values. The error is a [*ParseError].
func Parse(alias string, body []byte) (*Index, error) {
	if len(body) > MaxSize {
		return nil, &ParseError{Offset: MaxSize, Reason: "an index has at most 16 MiB"}
	}
	if alias == "" {
		return parsePlain(body)
	}
	var f fileJSON[entryJSON]
	if err := strictjson.Unmarshal(body, &f); err != nil {
		return nil, parseError(err)
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
		return nil, parseError(err)
	}
	x := fromFile("", f)
	for key, value := range f.Latest {
		meta := f.Meta[key] // zero for an entry of another program: version 0, no tag
		meta.Value = value
		x.Entries[key] = meta.entry()
	}
	return x, nil
}

func fromFile[T any](alias string, f fileJSON[T]) *Index {
	x := New(alias)
	x.Seq, x.Nonce, x.extra, x.Floor, x.NoCache = f.Seq, f.Nonce, f.Extra, max(0, f.Floor), f.NoCache
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
		Created: strictjson.ParseTime(e.Created), CreatedBy: e.CreatedBy, Salt: store.NewSalt(e.Salt), extra: e.Extra,
	}
	if e.Value == nil {
		out.Tag = "" // without a value it can't vouch: the object must be read
		return out
	}
	out.Value = store.NewValue(*e.Value)
	return out
}

// Encode returns the index as compact JSON with sorted names.
func (x *Index) Encode() ([]byte, error) {
	if x.Alias == "" {
		f := fileJSON[string]{
			Latest: map[string]string{}, Meta: map[string]entryJSON{},
			Other: x.Other, Gone: x.Gone, Last: x.Last, Floor: x.Floor, Seen: x.Seen, NoCache: x.NoCache, Seq: x.Seq, Nonce: x.Nonce, Extra: x.extra,
		}
		for key, e := range x.Entries {
			f.Latest[key] = e.Value.Reveal()
			f.Meta[key] = e.file(nil)
		}
		return strictjson.Marshal(f)
	}
	f := fileJSON[entryJSON]{
		Latest: map[string]entryJSON{},
		Other:  x.Other, Gone: x.Gone, Last: x.Last, Floor: x.Floor, Seen: x.Seen, NoCache: x.NoCache, Seq: x.Seq, Nonce: x.Nonce, Extra: x.extra,
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
		Created: strictjson.FormatTime(e.Created), CreatedBy: e.CreatedBy, Salt: e.Salt.Reveal(), Extra: e.extra,
	}
}

// unquote removes the quotes and the weak prefix of an ETag, because drivers compare bare tags.
func unquote(tag string) string { return strings.Trim(strings.TrimPrefix(tag, "W/"), `"`) }

// ParseError reports why and at which byte offset an index is invalid. It never
// contains a part of the index, which could be a secret.
type ParseError struct {
	Offset int64 // bytes from the start
	Reason string
}

func (e *ParseError) Error() string { return fmt.Sprintf("byte %d: %s", e.Offset, e.Reason) }

// parseError converts the error of a document.
func parseError(err error) error {
	var invalid *strictjson.Error
	if errors.As(err, &invalid) {
		return &ParseError{Offset: invalid.Offset, Reason: invalid.Reason}
	}
	return err
}

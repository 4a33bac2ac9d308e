package engine

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// Document is the content of a secret object: every version that is kept.
type Document struct {
	service, key string
	tag          bucket.Tag // of the object that it was parsed from
	Versions     map[int]Version
	Alias        string // "" if another program wrote it
	nonce        string
	Deleted      bool // a tombstone, on servers without conditional delete
	Last         int  // in a tombstone: the highest version that the secret had
	extra        strictjson.Rest
}

// Version is one version of a secret.
type Version struct {
	Value     store.Value
	created   string // as stored, so that another program's format is kept
	createdBy string
	salt      store.Salt // of the version alone; chamber drops it
	extra     strictjson.Rest
}

type objectJSON struct {
	Service string                 `json:"service"`
	Key     string                 `json:"key"` // "/service/key"
	Values  map[string]versionJSON `json:"values"`
	Alias   string                 `json:"kms_alias,omitzero"`
	Nonce   string                 `json:"nonce,omitzero"`
	Deleted bool                   `json:"deleted,omitzero"`
	Last    int                    `json:"last,omitzero"`
	Extra   strictjson.Rest        `json:",embed"`
}

type versionJSON struct {
	Created   string          `json:"created"`
	CreatedBy string          `json:"created_by"`
	Version   int             `json:"version"`
	Value     *string         `json:"value"`
	Salt      string          `json:"salt,omitzero"`
	Extra     strictjson.Rest `json:",embed"`
}

// parseObject parses the object of a secret. It returns a [*store.CorruptError] also if the object
// contains the name of another secret, because it was moved here then.
func parseObject(service, key string, body []byte) (*Document, error) {
	name := ObjectName(service, key)
	var f objectJSON
	if err := strictjson.Unmarshal(body, &f); err != nil {
		return nil, corrupt(name, err)
	}
	if f.Service != service || f.Key != "/"+service+"/"+key {
		return nil, &store.CorruptError{Object: name, Offset: -1, Reason: "its content belongs to another secret: " + strconv.Quote(f.Key)}
	}
	o := &Document{
		service: service, key: key, Alias: f.Alias, nonce: f.Nonce, Deleted: f.Deleted, Last: f.Last, extra: f.Extra,
		Versions: make(map[int]Version, len(f.Values)),
	}
	for number, v := range f.Values {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || strconv.Itoa(n) != number {
			return nil, &store.CorruptError{Object: name, Offset: -1, Reason: "version " + strconv.Quote(number) + " is not a positive number"}
		}
		if v.Value == nil {
			return nil, &store.CorruptError{Object: name, Offset: -1, Reason: "version " + number + " has no value"}
		}
		o.Versions[n] = Version{Value: store.NewValue(*v.Value), created: v.Created, createdBy: v.CreatedBy, salt: store.NewSalt(v.Salt), extra: v.Extra}
	}
	return o, nil
}

// encode returns the document as JSON.
func (o *Document) encode() ([]byte, error) {
	f := objectJSON{
		Service: o.service, Key: "/" + o.service + "/" + o.key, Values: make(map[string]versionJSON, len(o.Versions)),
		Alias: o.Alias, Nonce: o.nonce, Deleted: o.Deleted, Last: o.Last, Extra: o.extra,
	}
	for n, v := range o.Versions {
		value := v.Value.Reveal()
		f.Values[strconv.Itoa(n)] = versionJSON{Created: v.created, CreatedBy: v.createdBy, Version: n, Value: &value, Salt: v.salt.Reveal(), Extra: v.extra}
	}
	return strictjson.Marshal(f)
}

// highest returns the highest version that the secret is known to have had, even if the object
// is a tombstone.
func (o *Document) highest() int {
	if o == nil {
		return 0
	}
	return max(o.Newest(), o.Last)
}

// Newest returns the highest version in the document, or 0 if there is none.
func (o *Document) Newest() int {
	if o == nil {
		return 0
	}
	top := 0
	for n := range o.Versions {
		top = max(top, n)
	}
	return top
}

// Absent reports whether the secret does not exist: o is nil, a tombstone, or without versions.
func (o *Document) Absent() bool { return o == nil || o.Deleted || len(o.Versions) == 0 }

// add returns a copy with version n as the newest. Versions older than the newest by more than
// 100 are dropped, as chamber does.
func (o *Document) add(n int, v Version) *Document {
	next := *o
	next.Deleted, next.Last = false, 0
	next.Versions = map[int]Version{n: v}
	for old, v := range o.Versions {
		if old >= n-MaxVersions {
			next.Versions[old] = v
		}
	}
	return &next
}

// has returns the number of the version that is the same write as v, if that number is higher than
// above. It recognizes a put whose answer was lost, even if another client wrote on top since.
func (o *Document) has(v Version, above int) (int, bool) {
	if o == nil {
		return 0, false
	}
	for n, w := range o.Versions {
		if n > above && w.created == v.created && w.createdBy == v.createdBy && w.Value == v.Value {
			return n, true
		}
	}
	return 0, false
}

// overwrote reports whether o has replaced before and lost its version n, though n is not old
// enough to be dropped: a program that writes without conditions has overwritten it. It is false
// for a secret that was deleted and created again, which has none of before's versions.
func (o *Document) overwrote(before *Document, n int) bool {
	if _, ok := o.has(before.Versions[n], 0); ok || o.Newest()-MaxVersions > n {
		return false
	}
	if o.nonce == "" {
		return true
	}
	for number, v := range before.Versions {
		w := o.Versions[number]
		if number != n && w.created == v.created && w.createdBy == v.createdBy && w.Value == v.Value {
			return true
		}
	}
	return false
}

// Meta returns the metadata of version n. alias is used as its key alias if the document records none.
func (o *Document) Meta(n int, alias string) store.Meta {
	v := o.Versions[n]
	if o.Alias != "" {
		alias = o.Alias
	}
	return store.Meta{
		ID: store.ID{Service: o.service, Key: o.key}, Version: n,
		Created: strictjson.ParseTime(v.created), CreatedBy: v.createdBy, KeyAlias: alias,
	}
}

// Secret returns version n. alias is as in [Document.Meta].
func (o *Document) Secret(n int, alias string) store.Secret {
	v, meta := o.Versions[n], o.Meta(n, alias)
	if n == o.Newest() {
		meta.Revision = string(o.tag)
	}
	return store.Secret{Meta: meta, Value: v.Value, Salt: v.salt}
}

// prepare makes a document ready to be put under our alias: with a nonce of its own, and with a salt for each
// version that has none, because another program wrote it.
func (e *Engine) prepare(o *Document) {
	o.Alias, o.nonce = e.Alias, e.Nonce()
	o.Versions = maps.Clone(o.Versions) // another document may have the same map
	for _, n := range slices.Sorted(maps.Keys(o.Versions)) {
		if v := o.Versions[n]; v.salt == (store.Salt{}) {
			v.salt = store.NewSalt(e.Nonce())
			o.Versions[n] = v
		}
	}
}

func (e *Engine) newVersion(v store.Value, now time.Time, author string) Version {
	return Version{Value: v, created: strictjson.FormatTime(now), createdBy: author, salt: store.NewSalt(e.Nonce())}
}

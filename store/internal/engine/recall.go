package engine

import (
	"cmp"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/verified"
)

// recall adds the secrets whose objects were read before in the state that the listing shows, and held the value that
// an index has from a program that does not verify (R3a). It returns the other keys, whose objects must be read.
func (e *Engine) recall(v *View, c *store.Contents, unknown []string) (rest []string) {
	readable := v.Readable()
	for _, key := range unknown {
		entry, ok := v.unverified(key)
		var f verified.Fact
		if ok {
			f, ok = v.memory.Recall(key, v.Objects[key], entry.Value)
		}
		// An entry of the plain index of chamber has no version.
		if !ok || entry.Version != f.Version && (entry.Version != 0 || !e.Plain()) || e.checkRollback(v.Service, key, f.Version, readable) != nil {
			rest = append(rest, key)
			continue
		}
		entry.Version, entry.Created, entry.CreatedBy, entry.Tag = f.Version, f.Created, f.CreatedBy, string(v.Objects[key].Tag)
		entry.Alias, entry.Salt = cmp.Or(f.Alias, aliasIn(key, readable)), store.Salt{}
		c.Secrets = append(c.Secrets, SecretOf(v.Service, key, entry))
	}
	return rest
}

// remember keeps what an object was just read to hold, if that is what an index has from a program that does not
// verify, and the object is still in the state that the listing shows.
func (v *View) remember(key string, o *Document) {
	if v.memory == nil || o.Absent() {
		return
	}
	entry, ok := v.unverified(key)
	if !ok || o.tag != v.Objects[key].Tag {
		return
	}
	n := o.Newest()
	if newest := o.Versions[n]; entry.Value == newest.Value {
		m := o.Meta(n, "")
		v.memory.Remember(key, v.Objects[key], verified.Fact{Version: n, Created: m.Created, CreatedBy: m.CreatedBy, Alias: o.Alias}, newest.Value)
	}
}

// unverified returns the entry of a key that another program has made. ok is false if an index knows more about the
// object, or another one has a different value, or its owner forbids readers to keep anything of it.
func (v *View) unverified(key string) (entry index.Entry, ok bool) {
	tag := string(v.Objects[key].Tag)
	for _, s := range v.Readable() {
		if _, vouched := s.Index.Verified(key, tag); vouched || s.Index.Gone[key] == tag {
			return index.Entry{}, false
		}
		e, found := s.Index.Entries[key]
		if !found || e.Tag != "" {
			continue
		}
		if s.Index.NoCache || e.Moving || ok && !e.Says(entry) {
			return index.Entry{}, false
		}
		entry, ok = e, true
	}
	return entry, ok && tag != ""
}

// hasTags returns the tags in the listing.
func (v *View) hasTags() map[string]bool {
	tags := make(map[string]bool, len(v.Objects))
	for _, info := range v.Objects {
		tags[string(info.Tag)] = true
	}
	return tags
}

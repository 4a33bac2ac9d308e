package engine

import (
	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
)

// settleUnchanged settles the changes whose secrets have the value already, as far as the indexes vouch for that
// (W1a). Their objects are not read. A change that it leaves is decided by its object.
func (w *writing) settleUnchanged(changes []*change) {
	if !w.o.SkipUnchanged || w.o.IfVersion != nil || len(w.o.Tags) > 0 || len(changes) < 2 { // of a single secret, W1 has read the object
		return
	}
	equal := map[string]*change{}
	tags := map[string]string{}
	for _, c := range changes {
		if tag := string(w.v.Objects[c.key].Tag); c.err == nil && w.hasValue(c, tag) {
			equal[c.key], tags[c.key] = c, tag
		}
	}
	if len(equal) == 0 || w.others() != nil { // an error of the other indexes is reported when an object needs them
		return
	}
	readable := w.v.Readable()
	verified, _ := index.Merge(tags, indexesOf(readable)...)
	for key, entry := range verified {
		if w.e.checkRollback(w.v.Service, key, entry.Version, readable) == nil {
			c := equal[key]
			c.meta, c.outcome = SecretOf(w.v.Service, key, entry).Meta, store.Unchanged
			c.meta.Revision = ""
		}
	}
}

// hasValue reports whether our index vouches for the state of an object that the listing shows, and for the value of
// a change. An entry that a rekey has announced does not: the object may be under another alias.
func (w *writing) hasValue(c *change, tag string) bool {
	if w.own.Index == nil {
		return false
	}
	entry, ok := w.own.Index.Verified(c.key, tag)
	return ok && !entry.Moving && entry.Value == c.value
}

package membucket

import (
	"bytes"
	"maps"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// DenyKeys denies this client the use of the keys: Get of an object encrypted with one of them, and
// Put that would encrypt with one, are [bucket.ErrDenied]. Keys are named as in [bucket.Seal].
func (b *Bucket) DenyKeys(keyIDs ...string) {
	b.objects.Lock()
	defer b.objects.Unlock()
	for _, id := range keyIDs {
		b.denied[id] = true
	}
}

// AllowKeys undoes [Bucket.DenyKeys].
func (b *Bucket) AllowKeys(keyIDs ...string) {
	b.objects.Lock()
	defer b.objects.Unlock()
	for _, id := range keyIDs {
		delete(b.denied, id)
	}
}

// DisableKeys disables the keys for all clients: Get and Put with one of them are [bucket.ErrKey],
// code "KMS.DisabledException". A denial takes precedence.
func (b *Bucket) DisableKeys(keyIDs ...string) {
	b.objects.Lock()
	defer b.objects.Unlock()
	for _, id := range keyIDs {
		b.objects.faulty[id] = true
	}
}

// EnableKeys undoes [Bucket.DisableKeys].
func (b *Bucket) EnableKeys(keyIDs ...string) {
	b.objects.Lock()
	defer b.objects.Unlock()
	for _, id := range keyIDs {
		delete(b.objects.faulty, id)
	}
}

// DenyListing denies this client the permission to list, except for prefixes that begin with one of
// except. Then a missing object is [bucket.ErrDenied] rather than [bucket.ErrNotFound] for Get and
// Head, unless its name begins with one of except.
func (b *Bucket) DenyListing(except ...string) {
	b.objects.Lock()
	defer b.objects.Unlock()
	b.listingDenied, b.listable = true, except
}

// AllowListing undoes [Bucket.DenyListing].
func (b *Bucket) AllowListing() {
	b.objects.Lock()
	defer b.objects.Unlock()
	b.listingDenied, b.listable = false, nil
}

// KeyID returns the key with which a put under alias is encrypted now.
func (b *Bucket) KeyID(alias string) string {
	b.objects.Lock()
	defer b.objects.Unlock()
	return b.seal(alias).KeyID
}

// Objects returns copies of all objects by name, whatever the grants.
func (b *Bucket) Objects() map[string]bucket.Object {
	b.objects.Lock()
	defer b.objects.Unlock()
	all := maps.Clone(b.objects.byName)
	for name, o := range all {
		o.Body = bytes.Clone(o.Body)
		all[name] = o
	}
	return all
}

// Kept returns copies of all versions of all objects, without delete markers, whatever the grants.
// The newest version of each object comes first.
func (b *Bucket) Kept() map[string][]bucket.Object {
	b.objects.Lock()
	defer b.objects.Unlock()
	all := map[string][]bucket.Object{}
	for name, versions := range b.objects.versions {
		for _, v := range versions {
			if !v.mark {
				o := v.Object
				o.Body = bytes.Clone(o.Body)
				all[name] = append(all[name], o)
			}
		}
	}
	return all
}

// Plant stores an object with the given seal, whatever the grants and the state of the object, and
// returns its new state.
func (b *Bucket) Plant(name string, body []byte, seal bucket.Seal) bucket.Info {
	b.objects.Lock()
	defer b.objects.Unlock()
	return b.store(name, body, seal)
}

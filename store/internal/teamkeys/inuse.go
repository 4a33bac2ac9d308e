package teamkeys

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
)

const (
	readers = 16 // beginnings that are read at once
	shown   = 5  // names of objects that are kept for each key
)

// InUse returns the keys under which the objects of the bucket claim to be, from the beginnings of at most most of them:
// nothing is opened but the key objects, so one who isn't a member of any alias gets an answer too. Of more objects it
// reads some from everywhere in the listing. Errors: those of listing the bucket.
func (k *Keys) InUse(ctx context.Context, most int) (admin.KeysInUse, error) {
	storage, ok := k.Bucket.(bucket.HeaderReader)
	if !ok {
		return admin.KeysInUse{}, nil
	}
	var names []string
	for info, err := range k.Bucket.Walk(ctx, "") {
		if err != nil {
			return admin.KeysInUse{}, err
		}
		if strings.HasSuffix(info.Name, ".json") && strings.Contains(info.Name, "/") && !strings.HasPrefix(info.Name, seal.KeysPrefix) {
			names = append(names, info.Name)
		}
	}
	out := admin.KeysInUse{Objects: len(names), Looked: min(len(names), most)}
	found := map[[2]string]*admin.KeyInUse{}
	var mu sync.Mutex
	err := pace.Each(ctx, readers, out.Looked, func(ctx context.Context, i int) error {
		name := names[i*(len(names)-1)/max(1, out.Looked-1)]
		_, header, err := storage.ReadHeader(ctx, name, seal.HeaderSize)
		if err != nil && !errors.Is(err, bucket.ErrNotFound) && !errors.Is(err, bucket.ErrDenied) {
			return err
		}
		alias, id, ok := teamseal.KeyOf(header)
		if !ok || !isAlias(alias) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		key := [2]string{alias, id}
		if found[key] == nil {
			found[key] = &admin.KeyInUse{KeyAlias: alias, KeyID: id}
		}
		found[key].Names = append(found[key].Names, name)
		return nil
	})
	if err != nil {
		return admin.KeysInUse{}, err
	}
	for _, one := range found {
		slices.Sort(one.Names)
		one.Objects, one.Names = len(one.Names), one.Names[:min(len(one.Names), shown)]
		if r, err := k.known(ctx, one.KeyAlias, k.willDo); err == nil {
			one.Opened, one.Held = true, r.has(one.KeyID)
		}
		out.Keys = append(out.Keys, *one)
	}
	slices.SortFunc(out.Keys, func(x, y admin.KeyInUse) int {
		return cmp.Or(strings.Compare(x.KeyAlias, y.KeyAlias), y.Objects-x.Objects, strings.Compare(x.KeyID, y.KeyID))
	})
	return out, nil
}

// CheckHeld returns a [bucket.Error] about an index of an alias that claims to be under a key which the alias doesn't have.
// Then the key object was probably put back to an older state, and a key that is made now would be on top of that. A
// revoke encrypts each index again, so other objects aren't looked at.
func (k *Keys) CheckHeld(ctx context.Context, alias string) error {
	storage, ok := k.Bucket.(bucket.HeaderReader)
	if !ok {
		return nil
	}
	var names []string
	for info, err := range k.Bucket.Walk(ctx, "") {
		if err != nil {
			return err
		}
		if path.Base(info.Name) == index.FileName(alias) {
			names = append(names, info.Name)
		}
	}
	return pace.Each(ctx, readers, len(names), func(ctx context.Context, i int) error {
		_, header, err := storage.ReadHeader(ctx, names[i], seal.HeaderSize)
		if errors.Is(err, bucket.ErrNotFound) || errors.Is(err, bucket.ErrDenied) {
			return nil // gone, or for whoever encrypts the service again to report
		}
		if err != nil {
			return err
		}
		of, id, ok := teamseal.KeyOf(header)
		if !ok || of != alias {
			return nil // what it is shows when it is opened
		}
		_, err = k.Find(ctx, alias, id) // which reads the key object again: it may just have been replaced
		var fault seal.Fault
		if errors.As(err, &fault) && fault.Code == store.CodeUnknownTeamKey {
			return &bucket.Error{Op: "get", Name: names[i], Code: fault.Code, Reason: fault.Reason, Err: fault.Err}
		}
		return err
	})
}

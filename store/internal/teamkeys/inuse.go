package teamkeys

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/coffer-secrets/coffer/internal/pace"
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

package inspect

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

const (
	tombstoneAge = 24 * time.Hour // minimum age of a tombstone to be collected
	unneededAge  = time.Hour      // minimum age of an unneeded index to be deleted: by then no writer is still using what it has read
)

// fault is a finding with its repair: at most one of index, tombstone and unneeded is set.
type fault struct {
	admin.Finding
	index     *target     // to be updated
	tombstone *seenSecret // to be collected
	unneeded  *seenIndex  // to be deleted
	inheritor *target     // to be updated beside index, to keep the number of a lost version
	err       error       // why the object can't be used; nil for other faults
}

// target is an index that can be updated.
type target struct {
	alias   string
	rebuild bool // see [engine.ReconcileOptions]
}

func (in *inspection) add(f fault) {
	f.ID.Service = in.v.Service
	if f.Object == "" && f.ID.Key != "" {
		f.Object = engine.ObjectName(in.v.Service, f.ID.Key)
	}
	f.Repairable = f.index != nil || f.tombstone != nil || f.unneeded != nil
	in.faults = append(in.faults, &f)
}

func (in *inspection) found(check string) bool {
	return slices.ContainsFunc(in.faults, func(f *fault) bool { return f.Check == check })
}

// check finds the faults in what was read. Its only requests are for the keys of aliases.
func (in *inspection) check(ctx context.Context) {
	own := in.v.Indexes[index.FileName(in.e.Alias)]
	for _, s := range in.secrets {
		if s.vouchedBy != nil {
			s.alias = s.vouchedBy.AliasOf(s.key)
		} else if s.object != nil {
			s.alias = cmp.Or(s.object.Alias, in.e.Owner(ctx, in.v, s.object, s.info, own, ""))
		}
	}
	in.checkRollbacks() // first, because an index that is evidence of a rollback must not be repaired
	for _, s := range in.indexes {
		in.checkIndex(ctx, s)
	}
	for _, s := range in.secrets {
		in.checkSecret(s)
	}
	in.checkKeys(ctx)
	in.checkNames()
	in.join()
	in.findOlder(ctx)
	sort.SliceStable(in.faults, func(i, j int) bool {
		a, b := in.faults[i], in.faults[j]
		return cmp.Or(a.Severity.Rank()-b.Severity.Rank(), strings.Compare(a.Object, b.Object), strings.Compare(a.ID.Key, b.ID.Key)) < 0
	})
}

// checkRollbacks finds objects with a lower version than an index has seen (R5).
func (in *inspection) checkRollbacks() {
	for _, s := range in.secrets {
		newest := s.object.Newest()
		if s.vouchedBy != nil {
			newest = s.vouchedBy.Index.Entries[s.key].Version
		}
		if s.deleted || newest == 0 {
			continue
		}
		for _, x := range in.v.Readable() {
			n := x.Index.Newest(s.key)
			if n <= newest {
				continue
			}
			f := fault{Finding: admin.Finding{
				Check: admin.CheckRollback, Severity: admin.Serious, ID: store.ID{Key: s.key}, KeyAlias: x.Index.Alias,
				Text: fmt.Sprintf("has version %d, but %s/%s was made from version %d: somebody restored an older state, or another program "+
					"deleted it and created it again. No command reads the service until you accept that", newest, in.v.Service, x.File, n),
			}}
			if in.e.AllowRollback {
				f.index = in.target(x.Index.Alias)
				f.inheritor = in.target(s.alias) // the next version is numbered by it
			} else {
				in.targets[x.File] = nil
			}
			in.add(f)
		}
	}
}

// target returns the index of an alias if it can be updated: it is missing, does not parse, or was
// read and has entries of that alias only. Otherwise target returns nil.
func (in *inspection) target(alias string) *target {
	if (alias == "") != in.e.Plain() {
		return nil
	}
	file := index.FileName(alias)
	t, known := in.targets[file]
	if known && t != nil && t.alias != alias { // two aliases have the same file name
		return nil
	}
	if known {
		return t
	}
	t = &target{alias: alias}
	for _, s := range in.indexes {
		if s.File != file {
			continue
		}
		t.rebuild = s.Corrupt != nil
		if s.Index == nil && !t.rebuild || s.Writable() != nil && !t.rebuild || s.Index != nil && len(s.Index.Entries) > 0 && s.Index.Alias != alias {
			t = nil
		}
		break
	}
	in.targets[file] = t
	return t
}

// aliasFor returns the alias of an index. ok is false if it could only be guessed from the file name.
func (in *inspection) aliasFor(s *seenIndex) (alias string, ok bool) {
	if s.File == index.FileName(in.e.Alias) {
		return in.e.Alias, true
	}
	if s.Index != nil {
		for _, e := range s.Index.Entries {
			if e.Alias != "" && e.Alias == s.Index.Alias {
				return e.Alias, true
			}
		}
	}
	for _, secret := range in.secrets {
		if secret.alias != "" && index.FileName(secret.alias) == s.File {
			return secret.alias, true
		}
	}
	return "", false
}

// targetOf returns the target that repairs an index, or nil if it can't be updated.
func (in *inspection) targetOf(s *seenIndex) *target {
	alias, ok := in.aliasFor(s)
	if !ok {
		return nil
	}
	return in.target(alias)
}

// checkNames finds keys that differ only in case, and foreign objects.
func (in *inspection) checkNames() {
	twins := map[string][]string{}
	for _, s := range in.secrets {
		if !s.deleted {
			lower := strings.ToLower(s.key)
			twins[lower] = append(twins[lower], s.key)
		}
	}
	for _, s := range in.secrets {
		keys := twins[strings.ToLower(s.key)]
		if len(keys) > 1 && keys[0] == s.key {
			in.add(fault{Finding: admin.Finding{
				Check: admin.CheckCaseTwins, Severity: admin.Warning, ID: store.ID{Key: s.key},
				Text: fmt.Sprintf("differs only in case from %s: %sin an environment both are one variable", few(keys[1:]),
					in.ofChamber("chamber finds only the lower-case one, and ", "")),
			}})
		}
	}
	var foreign []string
	for _, name := range in.v.Foreign {
		foreign = append(foreign, strings.TrimPrefix(name, in.v.Service+"/"))
	}
	if len(foreign) > 0 {
		in.add(fault{Finding: admin.Finding{
			Check: admin.CheckForeign, Severity: admin.Remark,
			Text: "contains objects that are neither secrets nor indexes of this backend: " + few(foreign),
		}})
	}
}

// few joins names, at most five of them.
func few(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

func counted(n int, thing string) string {
	switch {
	case n == 1:
		return "1 " + thing
	case strings.HasSuffix(thing, "x"):
		return fmt.Sprintf("%d %ses", n, thing)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// ofChamber returns text if chamber can read and write what is stored here, else instead.
func (in *inspection) ofChamber(text, instead string) string {
	if in.e.Chamber {
		return text
	}
	return instead
}

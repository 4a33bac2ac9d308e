package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// deniedIndexes returns the indexes that the caller may not read.
func (e *Engine) deniedIndexes(v *View) []store.DeniedIndex {
	var out []store.DeniedIndex
	for _, file := range slices.Sorted(maps.Keys(v.Indexes)) {
		s := v.Indexes[file]
		if s.Denied == nil {
			continue
		}
		d := store.DeniedIndex{Object: v.Service + "/" + file, KeyAlias: index.Label(file)}
		if file == index.FileName(e.Alias) {
			d.KeyAlias = e.Alias
		}
		var refused *bucket.Error
		if errors.As(s.Denied, &refused) {
			d.Code, d.Reason = refused.Code, refused.Reason
		}
		out = append(out, d)
	}
	return out
}

// notices returns notices about indexes that cause extra requests. The objects of the keys in unknown are read.
func (e *Engine) notices(v *View, unknown []string) []string {
	var out []string
	for _, file := range slices.Sorted(maps.Keys(v.Indexes)) {
		s := v.Indexes[file]
		if s.Corrupt != nil {
			out = append(out, fmt.Sprintf("%v; its secrets were read one at a time. coffer doctor --fix %s repairs it", s.Corrupt, v.Service))
		}
		if s.Index == nil {
			continue
		}
		n := 0
		for _, key := range unknown {
			if entry, ok := s.Index.Entries[key]; ok && entry.Tag == "" {
				n++
			}
		}
		if n > 0 && n > len(v.Objects)/2 {
			out = append(out, fmt.Sprintf("%s/%s was written by another program and can't be verified: its %d secrets were read one by one. The next write or coffer doctor --fix %s repairs it",
				v.Service, file, n, v.Service))
		}
	}
	return out
}

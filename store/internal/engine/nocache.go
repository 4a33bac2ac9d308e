package engine

import (
	"context"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

var _ admin.CacheForbidder = (*Engine)(nil)

// ForbidCache implements [admin.CacheForbidder]. The mark is a member of the index, which each put of the
// index keeps. It is put like any other change of an index (X1 to X4).
func (e *Engine) ForbidCache(ctx context.Context, service, alias string, forbid bool) (changed bool, err error) {
	own, err := e.ReadIndex(ctx, service, index.FileName(alias))
	if err == nil && own.Missing {
		err = &store.NotFoundError{What: "index"}
	}
	if err == nil {
		err = own.Writable()
	}
	if err != nil {
		return false, wrap("set the cache rule", service, "", err)
	}
	r := &reconciliation{
		e: e, v: &View{Service: service, Indexes: map[string]*IndexState{}}, alias: alias, own: own, noCache: &forbid, damaged: true,
	}
	before := own.Index.NoCache
	return before != forbid, wrap("set the cache rule", service, "", r.run(ctx))
}

// rules returns the revisions of indexes, by object, and the aliases that may not be cached.
func rules(service string, readable []*IndexState) (revisions map[string]string, noCache []string) {
	revisions = map[string]string{}
	for _, s := range readable {
		revisions[service+"/"+s.File] = string(s.Tag)
		if s.Index.NoCache {
			noCache = append(noCache, s.Index.Alias)
		}
	}
	return revisions, noCache
}

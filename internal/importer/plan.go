// Package importer plans an import: it compares the secrets of a file with those of a service.
package importer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
)

// DropExisting removes the values whose keys the service has, in any case.
func DropExisting(values map[string]store.Value, contents app.Contents) {
	keys := contents.Keys()
	for name := range values {
		if _, err := store.Lookup(name, keys); !errors.Is(err, store.ErrNotFound) {
			delete(values, name)
		}
	}
}

// Stale returns the keys of the service that the file doesn't have, in any case. It leaves out
// secrets that are hidden, damaged or under another key alias, as an import would not have written them, and
// prints how many.
func Stale(a *app.App, values map[string]store.Value, contents app.Contents) ([]string, error) {
	if len(values) == 0 {
		return nil, app.WithHint(app.Usage("the file has no secrets: --prune would delete the whole service"), "coffer delete "+contents.Service+" --service does that")
	}
	inFile := make(map[string]bool, len(values))
	for name := range values {
		inFile[strings.ToLower(name)] = true
	}
	alias := a.InForce.AliasOfWrites()
	var out []string
	others := len(contents.Hidden) + len(contents.Damaged)
	for _, s := range contents.Secrets {
		switch {
		case inFile[strings.ToLower(s.ID.Key)]:
		case alias != "" && s.KeyAlias != "" && s.KeyAlias != alias:
			others++
		default:
			out = append(out, s.ID.Key)
		}
	}
	if others > 0 {
		a.Note("%s: --prune keeps %s: hidden from you, damaged, or under another key alias", contents.Service, app.Count(others, "secret"))
	}
	return out, nil
}

// Plan returns what an import would do. stale are the keys that it would delete.
func Plan(service string, values map[string]store.Value, contents app.Contents, stale []string, preserveCase bool) ([]store.Result, error) {
	stored := map[string]string{} // key to store -> name in the file
	keys, newest := contents.Keys(), map[string]store.Secret{}
	for _, s := range contents.Secrets {
		newest[s.ID.Key] = s
	}
	var results []store.Result
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		id, err := store.NewID(service, name)
		if err == nil {
			err = value.Check()
		}
		if !preserveCase {
			id.Key = strings.ToLower(id.Key)
		}
		if other, ok := stored[id.Key]; ok && err == nil {
			err = fmt.Errorf("%w: %q and %q would be stored as one key", store.ErrInvalid, other, name)
		}
		if err != nil {
			return nil, &store.Error{Op: "import", ID: store.ID{Service: service, Key: name}, Err: err}
		}
		stored[id.Key] = name
		r := store.Result{Meta: store.Meta{ID: id}, Outcome: store.Created}
		switch key, err := store.Lookup(name, keys); {
		case errors.Is(err, store.ErrAmbiguousName):
			r.Outcome, r.Err = store.Failed, &store.Error{Op: "import", ID: id, Err: err}
		case errors.Is(err, store.ErrNotFound):
			if err := store.CheckNewKey(id.Key); err != nil {
				r.Outcome, r.Err = store.Failed, &store.Error{Op: "import", ID: id, Err: err}
			}
		case err == nil:
			if _, err := contents.Existing(id); errors.Is(err, store.ErrCorrupt) {
				r.Outcome, r.Err = store.Failed, err
				break
			}
			r.Meta, r.Outcome = newest[key].Meta, store.Updated
			r.Meta.ID = store.ID{Service: service, Key: key}
			if newest[key].Value == value {
				r.Outcome = store.Unchanged
			}
		}
		results = append(results, r)
	}
	for _, key := range stale {
		results = append(results, store.Result{Meta: newest[key].Meta, Outcome: store.Deleted})
	}
	return results, nil
}

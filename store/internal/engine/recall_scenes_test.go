package engine_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
)

// afterRemembering is what can happen between two loads of a service that chamber wrote, with the secrets k0 and theirs.
var afterRemembering = map[string]struct {
	do   func(w *world, dir string)
	want map[string]string // what changes
	gets []string          // of the objects that are read; nil: both
}{
	"the object changed": {
		do:   func(w *world, _ string) { w.chamberPuts(app, "theirs", "one", canary+"three", "four") },
		want: map[string]string{"theirs": "four"}, gets: []string{"theirs"},
	},
	"the index lies": {
		do: func(w *world, _ string) { w.plantEntries(map[string]string{"k0": canary + "k0", "theirs": "a lie"}, 2) }, gets: []string{"theirs"},
	},
	"the index has another version": {
		do: func(w *world, _ string) {
			w.plantEntries(map[string]string{"k0": canary + "k0", "theirs": canary + "three"}, 1)
		},
	},
	"the same bytes were put again": {
		do: func(w *world, _ string) {
			o := w.stored()["api/theirs.json"]
			w.mem.Plant(o.Name, o.Body, o.Seal)
		}, gets: []string{"theirs"},
	},
	"the object was deleted": {
		do: func(w *world, _ string) { w.erase("api/theirs.json") }, want: map[string]string{"theirs": ""}, gets: []string{},
	},
	"two indexes disagree about it": {
		do: func(w *world, _ string) {
			tag := w.object("theirs").tag
			for _, alias := range []string{ops, web} {
				x := index.New(alias)
				x.Entries["theirs"] = index.Entry{Version: 2, Value: store.NewValue("a lie of " + alias), Alias: alias, Tag: tag}
				w.plantIndex(alias, x)
			}
		},
		gets: []string{"theirs"},
	},
	"another index has another value": {
		do: func(w *world, _ string) {
			w.client(ops).put("o", "o")
			w.chamberIndexes(ops, map[string]string{"theirs": "a lie", "o": "o"})
		},
		want: map[string]string{"o": "o"}, gets: []string{"o", "theirs"},
	},
	"the owner forbids it": {
		do: func(w *world, _ string) {
			x := w.index(app)
			x.NoCache = true
			w.plantIndex(app, x)
		},
	},
	"the cache was changed": {do: func(w *world, dir string) {
		editFiles(w, filepath.Join(dir, "cache"), func(body string) string { return strings.ReplaceAll(body, `"version":2`, `"version":1`) })
	}},
	"the hashes are of the other secret": {do: func(w *world, dir string) {
		editFiles(w, filepath.Join(dir, "cache"), func(body string) string {
			one, other := w.object("k0").tag, w.object("theirs").tag
			return strings.NewReplacer(strconv.Quote(one), strconv.Quote(other), strconv.Quote(other), strconv.Quote(one)).Replace(body)
		})
	}},
	"the cache is cut off": {do: func(w *world, dir string) {
		editFiles(w, filepath.Join(dir, "cache"), func(body string) string { return body[:len(body)/2] })
	}},
	"the cache is of another format": {do: func(w *world, dir string) {
		editFiles(w, filepath.Join(dir, "cache"), func(body string) string { return strings.Replace(body, `"format":1`, `"format":2`, 1) })
	}},
	"the key is another": {do: func(w *world, dir string) {
		editFiles(w, filepath.Join(dir, "state"), func(string) string { return strings.Repeat("x", 32) })
	}},
	"the key is damaged": {do: func(w *world, dir string) {
		editFiles(w, filepath.Join(dir, "state"), func(string) string { return "x" })
	}},
}

func editFiles(w *world, dir string, edit func(string) string) {
	w.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		w.Fatalf("%d files in %s, error %v", len(files), dir, err)
	}
	body, err := os.ReadFile(files[0])
	if err != nil {
		w.Fatal(err)
	}
	changed := edit(string(body))
	if changed == string(body) {
		w.Fatal("nothing was changed")
	}
	if err := os.WriteFile(files[0], []byte(changed), 0o600); err != nil {
		w.Fatal(err)
	}
}

// plantEntries puts chamber's index with entries of one version.
func (w *world) plantEntries(values map[string]string, version int) {
	w.Helper()
	latest := map[string]any{}
	for key, v := range values {
		latest[key] = map[string]any{"version": version, "value": v, "KMSAlias": app}
	}
	w.plant(indexName(app), map[string]any{"latest": latest}, w.kms(app))
}

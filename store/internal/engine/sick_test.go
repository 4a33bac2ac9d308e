package engine_test

import (
	"context"
	"errors"
	"maps"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// sick is a way in which a service can be wrong.
type sick struct {
	options membucket.Options
	setup   func(w *world)
	by      func(w *world) *client // who looks; nil: one with all grants and alias/app
	found   []string
	left    []string // after mending; nil: nothing
	values  map[string]string
}

func sicknesses() map[string]sick {
	all := map[string]sick{}
	for _, some := range []map[string]sick{sickEntries, sickTombstonesAndNames, sickKeys, sickIndexes, sickVersions} {
		maps.Copy(all, some)
	}
	return all
}

// without is a client that may not use some keys.
func without(keys ...string) func(w *world) *client {
	return func(w *world) *client {
		c := w.client(app)
		c.mem.DenyKeys(keys...)
		return c
	}
}

// withKey is a client to whom KMS names a key behind alias/app.
func withKey(id func(w *world) string) func(w *world) *client {
	return func(w *world) *client {
		return w.client(app, func(o *engine.Options) {
			o.KeyID = func(_ context.Context, alias string) string {
				if alias == app {
					return id(w)
				}
				return ""
			}
		})
	}
}

// behind writes a secret whose index is not put.
func behind(w *world, key, value string) {
	c := w.client(app)
	c.fails("put", appIndex, 1, bucket.ErrDenied)
	if _, err := c.write(key, value, store.WriteOptions{}); !errors.Is(err, store.ErrIndexBehind) {
		w.Fatalf("write: %v", err)
	}
}

// sickEntries have index entries that differ from their secrets.
var sickEntries = map[string]sick{
	"nothing": {
		setup: func(w *world) { w.client(app).put("a", "1"); w.client(ops).put("o", "2") },
	},
	"drift": {
		setup:  func(w *world) { w.client(app).put("a", "1"); behind(w, "a", canary) },
		found:  []string{"warning drift a, mendable"},
		values: map[string]string{"a": canary},
	},
	"orphan": {
		setup: func(w *world) { w.client(app).put("a", "1"); behind(w, "b", canary) },
		found: []string{"warning orphan, mendable"}, values: map[string]string{"a": "1", "b": canary},
	},
	"an orphan without a note of its alias, under a key that nobody knows": {
		setup: func(w *world) { w.chamberPuts(app, "a", canary) },
		found: []string{"warning orphan", "note no-alias"}, left: []string{"warning orphan", "note no-alias"},
	},
	"an orphan without a note of its alias, under the key of the alias": {
		setup: func(w *world) { w.chamberPuts(app, "a", canary) },
		by:    withKey(func(w *world) string { return w.mem.KeyID(app) }),
		found: []string{"warning orphan, mendable", "note no-alias"},
	},
	"an index that is gone": {
		setup: func(w *world) {
			w.client(app).put("a", "1")
			w.client(ops).put("o", canary)
			w.erase(indexName(ops))
		},
		found: []string{"warning orphan, mendable"},
	},
	"ghost": {
		setup:  func(w *world) { w.client(app).put("a", "1"); w.client(app).put("b", canary); w.erase("api/b.json") },
		found:  []string{"error ghost b, mendable"},
		values: map[string]string{"a": "1"},
	},
	"stray": {
		setup: func(w *world) {
			w.client(ops).put("o", "1")
			w.chamberIndexes(app, map[string]string{"o": canary})
		},
		found: []string{"error stray o, mendable"},
	},
	"chamber has written": {
		setup: func(w *world) {
			w.chamberPuts(app, "a", "1")
			w.chamberPuts(app, "b", "1", "2")
			w.chamberIndexes(app, map[string]string{"a": "1", "b": "1"})
		},
		found: []string{"warning unverifiable " + appIndex + ", mendable", "warning drift b, mendable", "note no-alias"},
	},
}

// sickTombstonesAndNames have tombstones, or names that meet.
var sickTombstonesAndNames = map[string]sick{
	"an old tombstone": {
		options: membucket.Options{},
		setup:   func(w *world) { w.client(app).put("a", "1"); w.tombstone("b") },
		found:   []string{"note tombstone b, mendable"},
		values:  map[string]string{"a": "1"},
	},
	"an old tombstone where nothing is deleted under a condition": {
		options: membucket.Options{NoConditionalDelete: true},
		setup: func(w *world) {
			w.client(app).put("a", "1")
			w.client(app).put("b", canary)
			if err := w.client(app).remove("b"); err != nil {
				w.Fatal(err)
			}
		},
		found: []string{"note tombstone b, mendable"}, left: []string{"note tombstone b, mendable"},
	},
	"an old tombstone, and nobody else writes": {
		options: membucket.Options{NoConditionalDelete: true},
		setup:   func(w *world) { w.client(app).put("a", "1"); w.tombstone("b") },
		by: func(w *world) *client {
			return w.client(app, func(o *engine.Options) { o.SingleWriter = true })
		},
		found: []string{"note tombstone b, mendable"},
	},
	"a young tombstone": {
		setup: func(w *world) { w.client(app).put("a", "1"); w.tombstone("b"); w.now = justNow },
		found: []string{"note tombstone b"}, left: []string{"note tombstone b"},
	},
	"two aliases in one file": {
		setup: func(w *world) {
			w.client("alias/team/one").put("a", "1")
			w.plant("api/__kms_alias_team_one__latest.json", map[string]any{"latest": map[string]any{
				"a": map[string]any{"version": 1, "value": "1", "KMSAlias": "alias/team/one"},
				"b": map[string]any{"version": 1, "value": canary, "KMSAlias": "alias/team_one"},
			}}, w.kms("alias/team/one"))
			w.client(app).put("c", "1")
		},
		found: []string{
			"error name-clash __kms_alias_team_one__latest.json", "error ghost b", "warning unverifiable __kms_alias_team_one__latest.json",
		},
		left: []string{
			"error name-clash __kms_alias_team_one__latest.json", "error ghost b", "warning unverifiable __kms_alias_team_one__latest.json",
		},
	},
	"names that differ in case": {
		setup: func(w *world) {
			w.client(app).put("a", "1")
			_, err := w.client(app).write("b", "1", store.WriteOptions{})
			w.chamberPuts(app, "B", canary)
			if err != nil {
				w.Fatal(err)
			}
		},
		found: []string{"warning orphan, mendable", "warning case-twins B", "note no-alias"},
		left:  []string{"warning case-twins B"},
	},
}

// sickKeys have objects under keys that are not theirs.
var sickKeys = map[string]sick{
	"under another key than the alias stands for": {
		setup: func(w *world) { w.client(app).put("a", "1"); w.client(app).put("b", "2") },
		by:    withKey(func(*world) string { return "arn:aws:kms:us-east-1:1:key/new" }),
		found: []string{"warning other-key", "warning other-key " + appIndex},
		left:  []string{"warning other-key", "warning other-key " + appIndex},
	},
	"under another key than the index": {
		setup: func(w *world) {
			w.client(app).put("a", "1")
			w.client(app).put("b", "2")
			o := w.stored()["api/a.json"]
			w.mem.Plant(o.Name, o.Body, bucket.Seal{Method: "aws:kms", KeyID: "another"})
		},
		found: []string{"warning other-key", "warning drift a, mendable"}, left: []string{"warning other-key"},
	},
	"not encrypted": {
		setup: func(w *world) {
			w.client(app).put("a", "1")
			o := w.stored()["api/a.json"]
			w.mem.Plant(o.Name, o.Body, bucket.Seal{})
		},
		found: []string{"error unsealed a"}, left: []string{"error unsealed a"},
	},
	"an index that is not encrypted": {
		setup: func(w *world) {
			w.client(app).put("a", "1")
			o := w.stored()[indexName(app)]
			w.mem.Plant(o.Name, o.Body, bucket.Seal{Method: "AES256"})
		},
		found: []string{"error unsealed " + appIndex}, left: []string{"error unsealed " + appIndex},
	},
	"under a key that is not pinned": {
		setup: func(w *world) { w.client(app).put("a", "1"); w.client(ops).put("o", "1") },
		by: func(w *world) *client {
			return w.client(app, func(o *engine.Options) {
				o.Vouch = func(object string, s bucket.Seal) error {
					if pinned := w.mem.KeyID(app); s.KeyID != pinned {
						return &store.SealError{Object: object, Method: s.Method, KeyID: s.KeyID, Want: pinned}
					}
					return nil
				}
			})
		},
		found: []string{"error other-key " + opsIndex, "error other-key o"}, left: []string{"error other-key " + opsIndex, "error other-key o"},
	},
}

// sickIndexes have indexes that nothing needs or nobody can open.
var sickIndexes = map[string]sick{
	"an index that nothing needs": {
		setup: func(w *world) { w.client(app).put("a", "1"); w.chamberIndexes(web, nil) },
		found: []string{"warning left-index " + webIndex + ", mendable"},
	},
	"an index that nothing needs, where nothing is deleted under a condition": {
		options: membucket.Options{NoConditionalDelete: true},
		setup:   func(w *world) { w.client(app).put("a", "1"); w.chamberIndexes(web, nil) },
		found:   []string{"warning left-index " + webIndex + ", mendable"},
	},
	"an index that is all that is left": {
		setup: func(w *world) { w.chamberIndexes(app, nil) },
		found: []string{"note left-index " + appIndex + ", mendable"},
	},
	"an index that was just emptied": {
		setup: func(w *world) {
			w.client(app).put("a", "1")
			w.chamberIndexes(web, nil)
			w.now = justNow
		},
		found: []string{"note left-index " + webIndex}, left: []string{"note left-index " + webIndex},
	},
	"an index under a disabled key, and nothing else": {
		setup: func(w *world) {
			w.client(app).put("a", "1")
			w.chamberIndexes(web, map[string]string{"old": canary})
			w.mem.DisableKeys(w.mem.KeyID(web))
		},
		found:  []string{"error left-index " + webIndex + ", mendable"},
		values: map[string]string{"a": "1"},
	},
	"an index and a secret under a disabled key": {
		setup: func(w *world) {
			w.client(app).put("a", "1")
			w.client(web).put("w", "1")
			w.mem.DisableKeys(w.mem.KeyID(web))
		},
		found: []string{"error disabled-key " + webIndex, "error disabled-key w"}, left: []string{"error disabled-key " + webIndex, "error disabled-key w"},
	},
}

// sickVersions have secrets that are hidden, corrupt, older than they were, or that lack versions.
var sickVersions = map[string]sick{
	"hidden": {
		setup:  func(w *world) { w.client(app).put("a", "1"); w.client(ops).put("o", canary) },
		by:     without(membucket.KeyID(ops)),
		found:  []string{"note hidden", "note denied-index " + opsIndex},
		left:   []string{"note hidden", "note denied-index " + opsIndex},
		values: map[string]string{"a": "1"},
	},
	"hidden, and an old value of it in an index": {
		setup: func(w *world) {
			w.client(app).put("a", "1")
			w.client(app).put("o", canary)
			w.chamberPuts(ops, "o", "moved by hand")
		},
		by:    without(membucket.KeyID(ops)),
		found: []string{"error stray o, mendable", "note hidden"}, left: []string{"note hidden"},
	},
	"an index that is not valid JSON": {
		setup: func(w *world) {
			w.client(app).put("a", "1")
			w.mem.Plant(indexName(app), []byte(`{"latest":{"a":`+canary), w.kms(app))
		},
		found:  []string{"error corrupt-index " + appIndex + ", mendable"},
		values: map[string]string{"a": "1"},
	},
	"a secret whose object names another one": {
		setup: func(w *world) {
			w.client(app).put("a", "1")
			w.mem.Plant("api/b.json", []byte(`{"service":"api","key":"/api/other","values":{}}`), w.kms(app))
		},
		found: []string{"error corrupt-secret b"}, left: []string{"error corrupt-secret b"},
	},
	"rollback": {
		setup: rolledBack,
		found: []string{"error rollback a"}, left: []string{"error rollback a"},
	},
	"rollback, accepted": {
		setup: rolledBack,
		by: func(w *world) *client {
			return w.client(app, func(o *engine.Options) { o.AllowRollback = true })
		},
		found:  []string{"error rollback a, mendable"},
		values: map[string]string{"a": "1"},
	},
	"a version that was written over": {
		setup: func(w *world) {
			w.client(app).put("a", "1")
			w.client(app).put("a", canary)
			w.chamberPuts(app, "a", "1", "of chamber")
		},
		found: []string{"warning drift a, mendable", "note no-alias", "note lost-version a"},
	},
	"a version that is missing": {
		setup: func(w *world) {
			w.client(app).put("a", "1")
			w.plant("api/a.json", map[string]any{"service": service, "key": "/api/a", "kms_alias": app, "values": map[string]any{
				"1": map[string]any{"version": 1, "value": "1"}, "3": map[string]any{"version": 3, "value": "3"},
			}}, w.kms(app))
		},
		found: []string{"warning drift a, mendable", "note lost-version a"},
	},
	"a rekey that died": {
		setup: func(w *world) {
			w.client(app).put("a", "1")
			w.client(ops).put("o", "1")
			c := w.client(ops)
			c.fails("put", "a.json", every, bucket.ErrDenied)
			if _, err := c.Rekey(w.Context(), service, admin.RekeyOptions{}); err == nil {
				w.Fatal("the rekey was to die")
			}
		},
		found: []string{"warning moving a"}, left: []string{"warning moving a"},
	},
	"what is not ours": {
		setup: func(w *world) {
			w.client(app).put("a", "1")
			w.plant("api/notes.txt", "", bucket.Seal{})
			w.plant("api/__latest.json", map[string]any{}, w.kms(app))
			w.plant("api/__probe/x", "", bucket.Seal{})
		},
		found: []string{"note foreign"}, left: []string{"note foreign"},
	},
}

// tombstone puts one, as a delete does where nothing is deleted under a condition.
func (w *world) tombstone(key string) {
	w.plant("api/"+key+".json", map[string]any{
		"service": service, "key": "/api/" + key, "values": map[string]any{}, "kms_alias": app, "deleted": true,
	}, w.kms(app))
}

// rolledBack puts an old state of a secret back.
func rolledBack(w *world) {
	w.client(app).put("a", "1")
	old := w.stored()["api/a.json"]
	w.client(app).put("a", canary)
	w.mem.Plant(old.Name, old.Body, old.Seal)
}

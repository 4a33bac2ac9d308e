package engine_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// document is a secret object as any JSON decoder reads it.
type document struct {
	Service string
	Key     string
	Values  map[string]struct {
		Created   string `json:"created"`
		CreatedBy string `json:"created_by"`
		Version   int    `json:"version"`
		Value     string `json:"value"`
	}
	Alias   string `json:"kms_alias"`
	Nonce   string `json:"nonce"`
	Deleted bool   `json:"deleted"`

	tag  string
	seal bucket.Seal
}

func (d *document) newest() (version int, value string) {
	for n := range d.Values {
		if n, _ := strconv.Atoi(n); n > version {
			version = n
		}
	}
	return version, d.Values[strconv.Itoa(version)].Value
}

// documents returns the secret objects by key.
func (w *world) documents() map[string]*document {
	w.Helper()
	all := map[string]*document{}
	for name, o := range w.stored() {
		key, ok := strings.CutSuffix(strings.TrimPrefix(name, service+"/"), ".json")
		if !ok || strings.HasPrefix(key, "__") {
			continue
		}
		d := &document{tag: string(o.Tag), seal: o.Seal}
		if err := json.Unmarshal(o.Body, d); err != nil {
			w.Fatalf("%s: %v", o.Name, err)
		}
		all[key] = d
	}
	return all
}

// object returns what is stored under a key; nil: nothing.
func (w *world) object(key string) *document {
	w.Helper()
	return w.documents()[key]
}

// index returns the stored index of an alias; nil: none.
func (w *world) index(alias string) *index.Index {
	w.Helper()
	o, ok := w.stored()[indexName(alias)]
	if !ok {
		return nil
	}
	x, err := index.Parse(alias, o.Body)
	if err != nil {
		w.Fatalf("%s: %v", o.Name, err)
	}
	return x
}

func indexName(alias string) string { return service + "/" + index.FileName(alias) }

// wantIndex checks that an index holds these values, each verified by its object.
func (w *world) wantIndex(alias string, want map[string]string) {
	w.Helper()
	x := w.index(alias)
	if x == nil {
		w.Fatalf("there is no index of %s", alias)
	}
	got, documents := map[string]string{}, w.documents()
	for key, e := range x.Entries {
		got[key] = e.Value.Reveal()
		d := documents[key]
		if d == nil {
			w.Errorf("index of %s: %s is a ghost", alias, key)
			continue
		}
		if version, _ := d.newest(); e.Tag != d.tag || e.Version != version {
			w.Errorf("index of %s: %s is version %d, tag %s; its object is version %d, tag %s", alias, key, e.Version, e.Tag, version, d.tag)
		}
	}
	if !maps.Equal(got, want) {
		w.Errorf("index of %s: %v; want %v", alias, got, want)
	}
}

// chamberPuts stores an object as chamber does: no conditions, no fields of ours.
func (w *world) chamberPuts(alias, key string, versions ...string) {
	w.Helper()
	values := map[string]any{}
	for i, v := range versions {
		values[strconv.Itoa(i+1)] = map[string]any{"created": w.Now(), "created_by": "chamber", "version": i + 1, "value": v}
	}
	w.plant(service+"/"+key+".json", map[string]any{"service": service, "key": "/" + service + "/" + key, "values": values}, w.kms(alias))
}

// chamberIndexes puts an index as chamber does.
func (w *world) chamberIndexes(alias string, entries map[string]string) {
	w.Helper()
	latest := map[string]any{}
	for key, v := range entries {
		latest[key] = map[string]any{"version": 1, "value": v, "KMSAlias": alias}
	}
	w.plant(indexName(alias), map[string]any{"latest": latest}, w.kms(alias))
}

func (w *world) plant(name string, document any, seal bucket.Seal) bucket.Info {
	w.Helper()
	body, err := json.Marshal(document)
	if err != nil {
		w.Fatal(err)
	}
	if w.sealer != nil {
		for _, alias := range []string{app, ops, web} {
			if seal == w.kms(alias) {
				body, seal = w.sealed(alias, name, body)
				break
			}
		}
	}
	return w.mem.Plant(name, body, seal)
}

// erase removes an object behind everybody's back.
func (w *world) erase(name string) {
	w.Helper()
	if err := w.mem.Delete(w.Context(), name, bucket.If{}); err != nil {
		w.Fatal(err)
	}
}

// plantFixture stores a service as chamber left it.
func (w *world) plantFixture(dir string, alias func(file string) string) {
	w.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", filepath.FromSlash(dir), "*.json"))
	if err != nil || len(files) == 0 {
		w.Fatalf("%d fixtures in %s, error %v", len(files), dir, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			w.Fatal(err)
		}
		base := filepath.Base(file)
		w.mem.Plant(strings.SplitN(dir, "/", 2)[1]+"/"+base, body, w.kms(alias(base)))
	}
}

//go:build unix

package cmd_test

import (
	"encoding/json"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// The documents as chamber declares them: it drops every field that does not stand here.
type (
	chamberSecret struct {
		Service string                 `json:"service"`
		Key     string                 `json:"key"`
		Values  map[int]chamberVersion `json:"values"`
	}
	chamberVersion struct {
		Created   string `json:"created"`
		CreatedBy string `json:"created_by"`
		Version   int    `json:"version"`
		Value     string `json:"value"`
	}
	chamberEntries = map[string]chamberEntry
	chamberEntry   struct {
		Version  int    `json:"version"`
		Value    string `json:"value"`
		KMSAlias string `json:"KMSAlias"`
	}
	chamberIndex struct {
		Latest chamberEntries `json:"latest"`
	}
	chamberPlainIndex struct {
		Latest map[string]string `json:"latest"`
	}
)

// chamberReader follows chamber's rules over the objects of a bucket: export, env and exec
// believe the indexes alone, read the secret object alone, list both.
type chamberReader struct {
	t *testing.T
	c *chamberBucket
}

func (c *chamberBucket) reader() chamberReader { return chamberReader{c.T, c} }

// merged is the union of all indexes of a service; of two entries the higher version wins.
func (r chamberReader) merged(service string) chamberEntries {
	r.t.Helper()
	all := chamberEntries{}
	if r.c.backend == "s3" {
		var x chamberPlainIndex
		if o, ok := r.c.bucket.Object(service + "/__latest.json"); ok {
			parse(r.t, o.Body, &x)
		}
		for key, value := range x.Latest {
			all[key] = chamberEntry{Value: value}
		}
		return all
	}
	for _, o := range r.c.bucket.Objects() {
		if !strings.HasPrefix(o.Name, service+"/__kms") {
			continue
		}
		var x chamberIndex
		parse(r.t, o.Body, &x)
		for key, e := range x.Latest {
			if e.Version >= all[key].Version {
				all[key] = e
			}
		}
	}
	return all
}

// export is what chamber export prints.
func (r chamberReader) export(service string) map[string]string {
	r.t.Helper()
	values := map[string]string{}
	for key, e := range r.merged(service) {
		values[key] = e.Value
	}
	return values
}

// exec is what chamber exec puts into the environment.
func (r chamberReader) exec(service string) map[string]string {
	r.t.Helper()
	env := map[string]string{}
	for key, value := range r.export(service) {
		env[strings.ReplaceAll(strings.ToUpper(key), "-", "_")] = value
	}
	return env
}

// secret is the newest version that chamber read finds; nil stands for "not found".
func (r chamberReader) secret(service, key string) *chamberVersion {
	r.t.Helper()
	var s chamberSecret
	if o, ok := r.c.bucket.Object(service + "/" + key + ".json"); ok {
		parse(r.t, o.Body, &s)
	}
	v, ok := s.Values[s.newest()]
	if !ok {
		return nil
	}
	return &v
}

// list is what chamber list --expand prints: the keys of the indexes, each with its object.
func (r chamberReader) list(service string) map[string]string {
	r.t.Helper()
	values := map[string]string{}
	for key := range r.merged(service) {
		v := r.secret(service, key)
		if v == nil {
			r.t.Errorf("chamber list fails: the index has %s, which has no object", key)
			continue
		}
		values[key] = v.Value
	}
	return values
}

func (s chamberSecret) newest() int {
	newest := 0
	for n := range s.Values {
		newest = max(newest, n)
	}
	return newest
}

// chamberWriter changes a bucket as chamber does: without conditions, the object first, then
// the index of its alias made anew of the entries of all indexes that name that alias.
type chamberWriter struct {
	chamberReader
	alias string
}

func (w chamberWriter) write(service, key, value string) {
	w.t.Helper()
	s := chamberSecret{Service: service, Key: "/" + service + "/" + key, Values: map[int]chamberVersion{}}
	if o, ok := w.c.bucket.Object(service + "/" + key + ".json"); ok {
		parse(w.t, o.Body, &s)
	}
	n := s.newest() + 1
	s.Values[n] = chamberVersion{Created: time.Now().UTC().Format(time.RFC3339Nano), CreatedBy: "chamber", Version: n, Value: value}
	index := w.merged(service)
	w.c.plant(service+"/"+key+".json", encode(w.t, s), w.alias)
	index[key] = chamberEntry{Version: n, Value: value, KMSAlias: w.alias}
	w.putIndex(service, index)
}

func (w chamberWriter) delete(service, key string) {
	w.t.Helper()
	index := w.merged(service)
	delete(index, key)
	w.c.bucket.Delete(service + "/" + key + ".json")
	w.putIndex(service, index)
}

func (w chamberWriter) putIndex(service string, entries chamberEntries) {
	w.t.Helper()
	if w.c.backend == "s3" {
		x := chamberPlainIndex{map[string]string{}}
		for key, e := range entries {
			x.Latest[key] = e.Value
		}
		w.c.plant(service+"/__latest.json", encode(w.t, x), "")
		return
	}
	for key, e := range entries {
		if e.KMSAlias != w.alias {
			delete(entries, key)
		}
	}
	w.c.plant(service+"/__kms_"+strings.ReplaceAll(w.alias, "/", "_")+"__latest.json", encode(w.t, chamberIndex{entries}), w.alias)
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// The wounds.

func editIndex(name string, edit func(chamberEntries)) func(*chamberBucket) {
	return func(c *chamberBucket) {
		o, _ := c.bucket.Object(name)
		var x chamberIndex
		parse(c.T, o.Body, &x)
		edit(x.Latest)
		c.plant(name, encode(c.T, x), "alias/app")
	}
}

func editPlainIndex(edit func(map[string]string)) func(*chamberBucket) {
	return func(c *chamberBucket) {
		o, _ := c.bucket.Object("api/__latest.json")
		var x chamberPlainIndex
		parse(c.T, o.Body, &x)
		edit(x.Latest)
		c.plant("api/__latest.json", encode(c.T, x), "")
	}
}

func keepOnly(key string) func(chamberEntries) {
	return func(x chamberEntries) {
		for k := range x {
			if k != key {
				delete(x, k)
			}
		}
	}
}

func setEntry(key string, version int, value, alias string) func(chamberEntries) {
	return func(x chamberEntries) { x[key] = chamberEntry{version, value, alias} }
}

// dropFields lets coffer write first, and then chamber rewrite the object and its index: what
// coffer had added is gone from both.
func dropFields(c *chamberBucket) {
	value := c.reader().export("api")["db_url"]
	c.do("write api db_url -", "meanwhile")
	chamberWriter{c.reader(), "alias/app"}.write("api", "db_url", value)
	for _, o := range c.bucket.Objects() {
		if strings.HasPrefix(o.Name, "api/__") && o.Name != apiOps && strings.Contains(string(o.Body), "etag") {
			c.Errorf("%s still has coffer's fields", o.Name)
		}
	}
}

// exactIndexes checks, in the bytes, that each index into which coffer has written says exactly
// what the objects under its alias say, and of which state of them.
func (c *chamberBucket) exactIndexes(service string) {
	c.Helper()
	type entry struct {
		Version   int    `json:"version"`
		Value     string `json:"value"`
		KMSAlias  string `json:"KMSAlias"`
		ETag      string `json:"etag"`
		Created   string `json:"created"`
		CreatedBy string `json:"created_by"`
	}
	name, alias := service+"/__kms_alias_app__latest.json", "alias/app"
	if c.backend == "s3" {
		name, alias = service+"/__latest.json", ""
	}
	want := map[string]entry{}
	for _, o := range c.bucket.Objects() {
		if path.Dir(o.Name) != service || strings.HasPrefix(path.Base(o.Name), "__") || alias != "" && o.KeyARN != c.KMS.ARN(alias) {
			continue
		}
		var s chamberSecret
		parse(c.T, o.Body, &s)
		if v, ok := s.Values[s.newest()]; ok {
			want[path.Base(s.Key)] = entry{v.Version, v.Value, alias, o.ETag, v.Created, v.CreatedBy}
		}
	}

	object, _ := c.bucket.Object(name)
	var file struct {
		Seq    int64                      `json:"seq"`
		Nonce  string                     `json:"nonce"`
		Latest map[string]json.RawMessage `json:"latest"`
		Meta   map[string]entry           `json:"meta"`
	}
	parse(c.T, object.Body, &file)
	got := map[string]entry{}
	for key, raw := range file.Latest {
		e := file.Meta[key]
		if c.backend == "s3" {
			parse(c.T, raw, &e.Value)
		} else {
			parse(c.T, raw, &e)
		}
		e.ETag = strings.Trim(e.ETag, `"`)
		got[key] = e
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.Errorf("%s (-objects +index):\n%s", name, diff)
	}
	if file.Seq < 1 || len(file.Nonce) != 32 {
		c.Errorf("%s has seq %d and nonce %q", name, file.Seq, file.Nonce)
	}
	if object.SSE != map[string]string{"s3": s3test.AES256, "s3-kms": s3test.AWSKMS}[c.backend] {
		c.Errorf("%s is encrypted with %s", name, object.SSE)
	}
}

package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// The documents of chamber, without what Coffer adds to them.
type (
	chamberObject struct {
		Service string                    `json:"service"`
		Key     string                    `json:"key"`
		Values  map[string]chamberVersion `json:"values"`
	}
	chamberVersion struct {
		Created   string `json:"created"`
		CreatedBy string `json:"created_by"`
		Version   int    `json:"version"`
		Value     string `json:"value"`
	}
	chamberIndex struct {
		Latest map[string]chamberEntry `json:"latest"`
	}
	chamberEntry struct {
		Version  int    `json:"version"`
		Value    string `json:"value"`
		KMSAlias string `json:"KMSAlias"`
	}
)

// chamber writes a secret as chamber does: it reads the indexes and the object, then puts
// the object and the whole index without any condition, and without the fields it does not know.
func chamber(ctx context.Context, b bucket.Bucket, t task) error {
	latest := chamberIndex{Latest: map[string]chamberEntry{}}
	for _, alias := range []string{aliasA, aliasB} {
		var x chamberIndex
		if err := read(ctx, b, service+"/"+index.FileName(alias), &x); err != nil {
			return err
		}
		maps.Copy(latest.Latest, x.Latest)
	}
	if e, ok := latest.Latest[t.key]; ok && e.KMSAlias != t.alias {
		return nil // chamber refuses
	}
	name := service + "/" + t.key + ".json"
	o := chamberObject{Service: service, Key: "/" + service + "/" + t.key, Values: map[string]chamberVersion{}}
	if err := read(ctx, b, name, &o); err != nil {
		return err
	}
	version := 1
	for _, n := range slices.Collect(maps.Values(o.Values)) {
		version = max(version, n.Version+1)
	}
	o.Values[strconv.Itoa(version)] = chamberVersion{Created: "2026-01-01T00:00:00Z", CreatedBy: "chamber", Version: version, Value: t.value}
	if err := replace(ctx, b, name, o); err != nil {
		return err
	}
	maps.DeleteFunc(latest.Latest, func(_ string, e chamberEntry) bool { return e.KMSAlias != t.alias })
	latest.Latest[t.key] = chamberEntry{Version: version, Value: t.value, KMSAlias: t.alias}
	return replace(ctx, b, service+"/"+index.FileName(t.alias), latest)
}

func read(ctx context.Context, b bucket.Bucket, name string, into any) error {
	o, err := b.Get(ctx, name)
	if errors.Is(err, bucket.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(o.Body, into)
}

func replace(ctx context.Context, b bucket.Bucket, name string, document any) error {
	body, err := json.Marshal(document)
	if err != nil {
		return err
	}
	_, err = b.Put(ctx, name, body, bucket.PutOptions{KeyAlias: aliasA})
	return err
}

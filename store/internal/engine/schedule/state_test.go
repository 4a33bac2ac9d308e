package schedule

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

// secret is a secret object as this test reads it, without the engine.
type secret struct {
	alias    string // of the key that it is sealed with
	claims   string // the alias that it names
	tag      string
	versions map[int]string
}

func (s *secret) newest() (version int, value string) {
	if s == nil || len(s.versions) == 0 {
		return 0, ""
	}
	version = slices.Max(slices.Collect(maps.Keys(s.versions)))
	return version, s.versions[version]
}

func (s *secret) holds(value string) bool {
	return s != nil && slices.Contains(slices.Collect(maps.Values(s.versions)), value)
}

func parseSecret(o bucket.Object) *secret {
	o = opened(o)
	var f struct {
		Values map[string]struct {
			Value string `json:"value"`
		} `json:"values"`
		Alias string `json:"kms_alias"`
	}
	if err := json.Unmarshal(o.Body, &f); err != nil {
		panic(err)
	}
	s := &secret{claims: f.Alias, tag: string(o.Tag), versions: map[int]string{}}
	for _, alias := range []string{aliasA, aliasB} {
		if isOf(o.Seal.KeyID, alias) {
			s.alias = alias
		}
	}
	for n, v := range f.Values {
		number, err := strconv.Atoi(n)
		if err != nil {
			panic(err)
		}
		s.versions[number] = v.Value
	}
	return s
}

// secrets returns the truth: the secret objects by key.
func secrets(b *membucket.Bucket) map[string]*secret {
	out := map[string]*secret{}
	for name, o := range b.Objects() {
		if key, ok := keyOf(name); ok {
			out[key] = parseSecret(o)
		}
	}
	return out
}

func keyOf(name string) (string, bool) {
	key := strings.TrimSuffix(strings.TrimPrefix(name, service+"/"), ".json")
	return key, !strings.HasPrefix(key, "__")
}

// indexes returns the indexes by alias.
func indexes(b *membucket.Bucket) map[string]*index.Index {
	out := map[string]*index.Index{}
	for _, alias := range []string{aliasA, aliasB} {
		if o, ok := b.Objects()[service+"/"+index.FileName(alias)]; ok {
			x, err := index.Parse(alias, opened(o).Body)
			if err != nil {
				panic(err)
			}
			out[alias] = x
		}
	}
	return out
}

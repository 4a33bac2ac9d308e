package index_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
)

// FuzzParse: whatever the bytes, parsing ends in an index whose encoding says the same, or
// in an error that does not quote them.
func FuzzParse(f *testing.F) {
	fixtures, err := filepath.Glob(filepath.Join("testdata", "*", "*", "__*.json"))
	if err != nil || len(fixtures) == 0 {
		f.Fatalf("%d fixtures, error %v", len(fixtures), err)
	}
	for _, name := range fixtures {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body, false)
		f.Add(body, true)
	}
	for _, body := range []string{
		`{}`, `null`, `{"latest":null}`, `[`, `{"latest":{"k":{"version":1,"value":"v","etag":"\"t\""}},"seq":1,"nonce":"n"}`,
		`{"latest":{"k":"v"},"meta":{"k":{"version":2,"etag":"t","x":1}},"other":{"a":"t"},"gone":{"b":"t"},"y":[]}`,
		`{"latest":{"k":{},"k":{}}}`, `{"latest":{"k":{"value":null,"created":"9999-12-31T23:59:59-23:59"}}}`,
	} {
		f.Add([]byte(body), false)
		f.Add([]byte(body), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, plain bool) {
		alias := "alias/app"
		if plain {
			alias = ""
		}
		x, err := index.Parse(alias, body)
		if err != nil {
			checkParseError(t, err, body)
			return
		}
		encoded, err := x.Encode()
		if err != nil {
			t.Fatalf("what was parsed cannot be encoded: %v", err)
		}
		if len(encoded) > index.MaxSize {
			t.Skip("the encoding is larger than an index may be")
		}
		again, err := index.Parse(alias, encoded)
		if err != nil {
			t.Fatalf("what was encoded cannot be parsed: %v", err)
		}
		for key, e := range x.Entries {
			if y := e.Created.Year(); y < 0 || y > 9999 { // RFC 3339 has no form for it in UTC
				e.Created = again.Entries[key].Created
				x.Entries[key] = e
			}
		}
		if encoded, err = x.Encode(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(x, again, same); diff != "" {
			t.Error("parsed again:", diff)
		}
		twice, err := again.Encode()
		if err != nil || !bytes.Equal(encoded, twice) {
			t.Errorf("the encoding is not stable (error %v)", err)
		}
	})
}

func checkParseError(t *testing.T, err error, body []byte) {
	t.Helper()
	var parse *index.ParseError
	if !errors.As(err, &parse) || parse.Offset < 0 || parse.Offset > int64(len(body)) {
		t.Fatalf("the error is %T: %v", err, err)
	}
	reasons := map[string]bool{
		"a name appears twice": true, "it is not valid JSON": true, "it has an unexpected structure": true, "it cannot be read": true,
		"an index has at most 16 MiB": true,
	}
	if !reasons[parse.Reason] || strings.ContainsAny(err.Error(), "\"\n") {
		t.Errorf("the error tells more than place and kind: %v", err)
	}
}

// FuzzMerge: two indexes and a listing, read from one text, merged in any order.
func FuzzMerge(f *testing.F) {
	f.Add([]byte("k"), []byte("t"), []byte("t"), []byte("u"), uint8(0))
	f.Add([]byte("abcabc"), []byte("tttuuu"), []byte("ttt"), []byte("uuutt"), uint8(7))
	f.Add([]byte{}, []byte{}, []byte{}, []byte{}, uint8(255))
	f.Add([]byte("aabbcc"), []byte("\x00\x00t"), []byte("ttt\x00"), []byte("t"), uint8(42))
	f.Fuzz(func(t *testing.T, keys, listedTags, aTags, bTags []byte, kinds uint8) {
		listed := map[string]string{}
		indexes := []*index.Index{index.New("alias/a"), index.New("alias/b"), index.New("alias/c")}
		for i, k := range keys {
			key := string(k)
			if i < len(listedTags) {
				listed[key] = tagOf(listedTags[i])
			}
			for n, tags := range [][]byte{aTags, bTags} {
				if i >= len(tags) {
					continue
				}
				x, tag := indexes[n], tagOf(tags[i])
				switch (int(kinds) + i*n) % 3 {
				case 0:
					x.Entries[key] = entry(i, "v"+key, tag)
				case 1:
					x.Other[key] = tag
				case 2:
					x.Gone[key] = tag
				}
			}
		}
		checkMerge(t, listed, indexes)
	})
}

func tagOf(b byte) string {
	if b == 0 {
		return ""
	}
	return string(rune(b))
}

// FuzzFileName: whatever the alias, its index is one file of the service that no secret can
// be, and two aliases share it exactly when they differ in nothing but "/" and "_".
func FuzzFileName(f *testing.F) {
	f.Add("app", "ops")
	f.Add("team/one", "team_one")
	f.Add("alias/a", "kms_a__latest.json")
	f.Add("__latest", "latest.json")
	f.Fuzz(func(t *testing.T, a, b string) {
		a, errA := store.NormalizeAlias(a)
		b, errB := store.NormalizeAlias(b)
		if errA != nil || errB != nil || store.IsKeyName(a) || store.IsKeyName(b) {
			return
		}
		file := index.FileName(a)
		if !index.Is(file, false) || index.Is(file, true) || strings.Contains(file, "/") {
			t.Errorf("%s: the file %q", a, file)
		}
		if store.CheckKey(strings.TrimSuffix(file, ".json")) == nil {
			t.Errorf("%s: a secret could have the file %q", a, file)
		}
		if label := index.Label(file); label != strings.ReplaceAll(a, "/", "_") {
			t.Errorf("%s: %q tells the label %q", a, file, label)
		}
		same := strings.ReplaceAll(a, "/", "_") == strings.ReplaceAll(b, "/", "_")
		if shared := file == index.FileName(b); shared != same {
			t.Errorf("%s and %s share a file: %v", a, b, shared)
		}
	})
}

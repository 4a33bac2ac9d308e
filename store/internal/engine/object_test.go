package engine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
)

const secretText = "c4n4ry"

func TestWhatIsNoSecretObjectIsCorrupt(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		at   int64
	}{
		"empty":             {"", 0},
		"not JSON":          {secretText, 0},
		"cut":               {`{"service":"api","key":"/api/k","values":{"1":{"value":"` + secretText, 62},
		"two documents":     {`{"service":"api","key":"/api/k","values":{}}{}`, 44},
		"duplicate version": {`{"service":"api","key":"/api/k","values":{"1":{"value":"a"},"1":{"value":"` + secretText + `"}}}`, 60},
		"duplicate values":  {`{"service":"api","key":"/api/k","values":{},"values":{}}`, 44},
		"another shape":     {`{"service":"api","key":"/api/k","values":["` + secretText + `"]}`, 41},
		"a number":          {`{"service":"api","key":"/api/k","values":{"1":{"value":4711}}}`, 55},
		"another key":       {`{"service":"api","key":"/api/l","values":{}}`, -1},
		"another service":   {`{"service":"ap","key":"/api/k","values":{}}`, -1},
		"no name":           {`{"values":{"1":{"value":"` + secretText + `"}}}`, -1},
		"version 0":         {`{"service":"api","key":"/api/k","values":{"0":{"value":"a"}}}`, -1},
		"version -1":        {`{"service":"api","key":"/api/k","values":{"-1":{"value":"a"}}}`, -1},
		"version 01":        {`{"service":"api","key":"/api/k","values":{"01":{"value":"a"}}}`, -1},
		"version +1":        {`{"service":"api","key":"/api/k","values":{"+1":{"value":"a"}}}`, -1},
		"version one":       {`{"service":"api","key":"/api/k","values":{"one":{"value":"` + secretText + `"}}}`, -1},
		"a huge version":    {`{"service":"api","key":"/api/k","values":{"9223372036854775808":{"value":"a"}}}`, -1},
		"no value":          {`{"service":"api","key":"/api/k","values":{"1":{"version":1}}}`, -1},
		"null":              {`{"service":"api","key":"/api/k","values":{"1":{"value":null}}}`, -1},
	} {
		o, err := parseObject("api", "k", []byte(test.body))
		var corrupt *store.CorruptError
		if !errors.As(err, &corrupt) || o != nil || corrupt.Object != "api/k.json" {
			t.Errorf("%s: %v, error %v", name, o, err)
			continue
		}
		if corrupt.Offset != test.at {
			t.Errorf("%s: byte %d; want %d", name, corrupt.Offset, test.at)
		}
		if strings.Contains(err.Error(), secretText) {
			t.Errorf("%s: the error tells the value: %v", name, err)
		}
	}
}

func TestObjectsThatStandForNothingAreAbsent(t *testing.T) {
	var missing *Document
	if !missing.Absent() || missing.Newest() != 0 {
		t.Error("a missing object is not absent")
	}
	for body, absent := range map[string]bool{
		`{"service":"api","key":"/api/k","values":{},"deleted":true}`:                 true,
		`{"service":"api","key":"/api/k","values":null}`:                              true,
		`{"service":"api","key":"/api/k","values":{"1":{"value":""}},"deleted":true}`: true,
		`{"service":"api","key":"/api/k","values":{"1":{"value":""}}}`:                false,
	} {
		o, err := parseObject("api", "k", []byte(body))
		if err != nil || o.Absent() != absent {
			t.Errorf("%s: absent %v, error %v", body, o.Absent(), err)
		}
	}
}

func TestOverwrote(t *testing.T) {
	v := func(s string) Version { return Version{Value: store.NewValue(s), created: s, createdBy: s} }
	before := &Document{nonce: "n", Versions: map[int]Version{1: v("a"), 2: v("ours")}}
	for name, test := range map[string]struct {
		now  *Document
		want bool
	}{
		"still there":             {&Document{nonce: "m", Versions: map[int]Version{1: v("a"), 2: v("ours"), 3: v("b")}}, false},
		"chamber":                 {&Document{Versions: map[int]Version{1: v("a"), 2: v("theirs")}}, true},
		"put back":                {&Document{nonce: "m", Versions: map[int]Version{1: v("a")}}, true},
		"deleted and made anew":   {&Document{nonce: "m", Versions: map[int]Version{3: v("theirs")}}, false},
		"dropped for its old age": {&Document{nonce: "m", Versions: map[int]Version{103: v("z")}}, false},
	} {
		if got := test.now.overwrote(before, 2); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestBadValueIsNotEncoded(t *testing.T) {
	o := &Document{service: "api", key: "k", Versions: map[int]Version{1: {Value: store.NewValue(secretText + "\xff")}}}
	if _, err := o.encode(); err == nil || strings.Contains(err.Error(), secretText) {
		t.Errorf("error %v", err)
	}
}

func TestNonces(t *testing.T) {
	if a, b := nonce(), nonce(); len(a) != 32 || a == b {
		t.Errorf("nonces %q and %q", a, b)
	}
}

func FuzzObject(f *testing.F) {
	addObjects(f)
	f.Fuzz(func(t *testing.T, service, key string, body []byte) {
		o, err := parseObject(service, key, body)
		if err != nil {
			var corrupt *store.CorruptError
			if !errors.As(err, &corrupt) || corrupt.Offset > int64(len(body)) {
				t.Fatalf("the error is %T: %v", err, err)
			}
			return
		}
		encoded, err := o.encode()
		if err != nil {
			t.Fatalf("what was parsed cannot be encoded: %v", err)
		}
		again, err := parseObject(service, key, encoded)
		if err != nil {
			t.Fatalf("what was encoded cannot be parsed: %v", err)
		}
		twice, err := again.encode()
		if err != nil || !bytes.Equal(encoded, twice) {
			t.Errorf("the encoding is not stable (error %v)", err)
		}
		if len(again.Versions) != len(o.Versions) || again.Newest() != o.Newest() || again.Absent() != o.Absent() || again.Alias != o.Alias || again.nonce != o.nonce {
			t.Error("parsed again, it is another object")
		}
		for n, v := range o.Versions {
			w := again.Versions[n]
			if v.Value != w.Value || v.created != w.created || v.createdBy != w.createdBy {
				t.Errorf("parsed again, version %d is another", n)
			}
		}
		// A version more never drops the newest hundred.
		if n := o.Newest(); n < 1<<62 {
			next := o.add(n+1, Version{Value: store.NewValue("new")})
			if next.Newest() != n+1 || next.Absent() {
				t.Errorf("version %d added, and the newest is %d", n+1, next.Newest())
			}
			for old := range o.Versions {
				if _, kept := next.Versions[old]; kept != (old >= n+1-MaxVersions) {
					t.Error(fmt.Errorf("version %d of %d is kept: %v", old, n+1, kept))
				}
			}
		}
	})
}

func addObjects(f *testing.F) {
	f.Helper()
	fixtures, err := filepath.Glob(filepath.Join("testdata", "s3-kms", "*", "[a-zA-Z]*.json"))
	if err != nil || len(fixtures) == 0 {
		f.Fatalf("%d fixtures, error %v", len(fixtures), err)
	}
	for _, name := range fixtures {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		service := filepath.Base(filepath.Dir(name))
		f.Add(service, strings.TrimSuffix(filepath.Base(name), ".json"), body)
	}
	for _, body := range []string{
		`{}`, `[`, `null`, `{"service":"api","key":"/api/k","values":{}}`,
		`{"service":"api","key":"/api/k","values":{"1":{"value":"v","x":1},"7":{"value":"w","created":"?"}},"kms_alias":"alias/app","nonce":"n","deleted":true,"y":{"b":1,"a":2}}`,
		`{"service":"api","key":"/api/k","values":{"1":{},"1":{}}}`, `{"service":"api","key":"/api/k","values":{"01":{"value":"c4n4ry"}}}`,
	} {
		f.Add("api", "k", []byte(body))
	}
}

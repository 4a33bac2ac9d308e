package sealed_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/sealed"
	"github.com/coffer-secrets/coffer/store/internal/seal"
)

// tinySealer seals by a header "tiny ALIAS NONCE NAME\n" and bytes that are all changed. err is what it
// fails with.
type tinySealer struct{ err error }

const mask = 0x55

func (s tinySealer) Seal(_ context.Context, alias, name string, body []byte) ([]byte, bucket.Seal, error) {
	if s.err != nil {
		return nil, bucket.Seal{}, s.err
	}
	out := bytes.NewBufferString("tiny " + alias + " " + rand.Text() + " " + name + "\n")
	for _, c := range body {
		out.WriteByte(c ^ mask)
	}
	return out.Bytes(), tiny(alias), nil
}

func (s tinySealer) Open(_ context.Context, name string, sealed []byte) ([]byte, bucket.Seal, error) {
	if s.err != nil {
		return nil, bucket.Seal{}, s.err
	}
	header, rest, ok := bytes.Cut(sealed, []byte("\n"))
	fields := strings.Fields(string(header))
	if !ok || len(fields) != 4 || fields[3] != name {
		return nil, bucket.Seal{}, seal.Fault{Err: bucket.ErrTorn, Reason: "copied"}
	}
	body := make([]byte, len(rest))
	for i, c := range rest {
		body[i] = c ^ mask
	}
	return body, tiny(fields[1]), nil
}

func (s tinySealer) Inspect(header []byte) bucket.Seal {
	line, _, _ := bytes.Cut(header, []byte("\n"))
	if fields := strings.Fields(string(line)); len(fields) == 4 && fields[0] == "tiny" {
		return tiny(fields[1])
	}
	return bucket.Seal{}
}

func tiny(alias string) bucket.Seal { return bucket.Seal{Method: "tiny", KeyID: "key of " + alias} }

func TestConformance(t *testing.T) {
	caps := buckettest.Capabilities{Method: "tiny", Aliases: []string{"alias/app", "alias/ops"}}
	buckettest.Run(t, func(*testing.T) bucket.Bucket { return sealed.New(membucket.New(membucket.Options{}), tinySealer{}) }, caps)
	buckettest.RunVersions(t, func(*testing.T) bucket.Bucket {
		return sealed.New(membucket.New(membucket.Options{Versioned: true}), tinySealer{})
	}, caps)
}

func TestTheStorageGetsNoByteInClear(t *testing.T) {
	storage := membucket.New(membucket.Options{})
	b := sealed.New(storage, tinySealer{})
	const canary = "canary-7f3a"
	if _, err := b.Put(t.Context(), "api/a.json", []byte(canary), bucket.PutOptions{KeyAlias: "alias/app"}); err != nil {
		t.Fatal(err)
	}
	o := storage.Objects()["api/a.json"]
	if bytes.Contains(o.Body, []byte(canary)) {
		t.Errorf("stored %q", o.Body)
	}
	if want := storage.KeyID(""); o.Seal.KeyID != want {
		t.Errorf("the storage encrypts under %q, want its default %q", o.Seal.KeyID, want)
	}
	if head, err := b.Head(t.Context(), "api/a.json"); err != nil || head.Seal != tiny("alias/app") || head.Size != int64(len(o.Body)) {
		t.Errorf("Head: %+v, %v", head, err)
	}
}

func TestHeadTellsAnUnsealedObjectFromASealedOne(t *testing.T) {
	storage := membucket.New(membucket.Options{})
	storage.Plant("api/a.json", []byte(`{"value":"clear"}`), bucket.Seal{Method: "AES256"})
	b := sealed.New(storage, tinySealer{})
	if head, err := b.Head(t.Context(), "api/a.json"); err != nil || head.Seal != (bucket.Seal{}) {
		t.Errorf("Head: %+v, %v; want no seal", head, err)
	}
	if _, err := b.Get(t.Context(), "api/a.json"); !errors.Is(err, bucket.ErrTorn) {
		t.Errorf("Get: %v, want %v", err, bucket.ErrTorn)
	}
}

func TestKeysAreNoObjects(t *testing.T) {
	ctx, storage := t.Context(), membucket.New(membucket.Options{Versioned: true})
	const name = "__keys/alias/app.age"
	key := storage.Plant(name, []byte("key"), bucket.Seal{})
	storage.Plant("api/a.json", []byte("a"), bucket.Seal{})
	b := sealed.New(storage, tinySealer{})
	for _, list := range []string{"", "__keys/", "__keys/alias/"} {
		for info, err := range b.Walk(ctx, list) {
			if err != nil || info.Name != "api/a.json" {
				t.Errorf("Walk %q: %+v, %v", list, info, err)
			}
		}
		for info, err := range b.List(ctx, list) {
			t.Errorf("List %q: %+v, %v", list, info, err)
		}
	}
	v := b.(bucket.Versioned)
	for version, err := range v.Versions(ctx, "__keys/alias/") {
		t.Errorf("Versions: %+v, %v", version, err)
	}
	_, get := b.Get(ctx, name)
	_, head := b.Head(ctx, name)
	_, put := b.Put(ctx, name, nil, bucket.PutOptions{})
	_, getVersion := v.GetVersion(ctx, name, "v1")
	for op, err := range map[string]error{
		"get": get, "head": head, "put": put, "get version": getVersion,
		"delete": b.Delete(ctx, name, bucket.If{}), "delete version": v.DeleteVersion(ctx, name, "v1"),
	} {
		if !errors.Is(err, bucket.ErrRefused) {
			t.Errorf("%s: %v, want %v", op, err, bucket.ErrRefused)
		}
	}
	if now := storage.Objects()[name]; now.Tag != key.Tag {
		t.Error("the key has changed")
	}
}

// TestErrorsOfTheSealer: each becomes one about the object. What the sealer says of a key of its own is
// never taken for the state of the object.
func TestErrorsOfTheSealer(t *testing.T) {
	key := func(sentinel error) error {
		return &bucket.Error{Op: "get", Name: "__keys/alias/app.age", Err: sentinel}
	}
	trust := &store.SealError{Object: "__keys/alias/app.age", Want: "a key that is known"}
	for _, test := range []struct {
		err, want error
		name      string // of the error; "" if it isn't a [*bucket.Error]
	}{
		{seal.Fault{Err: bucket.ErrDenied, Code: store.CodeNoIdentity, Reason: "not a member"}, bucket.ErrDenied, "api/a.json"},
		{seal.Fault{Err: bucket.ErrTorn}, bucket.ErrTorn, "api/a.json"},
		{context.Canceled, context.Canceled, "api/a.json"},
		{key(bucket.ErrUnavailable), bucket.ErrUnavailable, "__keys/alias/app.age"},
		{key(bucket.ErrNotFound), bucket.ErrRefused, "__keys/alias/app.age"},
		{key(bucket.ErrChanged), bucket.ErrRefused, "__keys/alias/app.age"},
		{key(bucket.ErrBusy), bucket.ErrUnavailable, "__keys/alias/app.age"},
		{key(bucket.ErrVoid), bucket.ErrRefused, "__keys/alias/app.age"},
		{trust, trust, ""},
	} {
		storage := membucket.New(membucket.Options{Versioned: true})
		storage.Plant("api/a.json", []byte("a"), bucket.Seal{})
		b := sealed.New(storage, tinySealer{test.err})
		_, get := b.Get(t.Context(), "api/a.json")
		_, put := b.Put(t.Context(), "api/a.json", nil, bucket.PutOptions{})
		_, version := b.(bucket.Versioned).GetVersion(t.Context(), "api/a.json", "v1")
		for op, err := range map[string]error{"get": get, "put": put, "get a version of": version} {
			var e *bucket.Error
			if !errors.Is(err, test.want) || errors.As(err, &e) != (test.name != "") || e != nil && (e.Name != test.name || test.name == "api/a.json" && e.Op != op) {
				t.Errorf("%s, %v: %v", op, test.err, err)
			}
		}
		if len(storage.Kept()["api/a.json"]) != 1 {
			t.Errorf("%v: put all the same", test.err)
		}
	}
}

// prepared is a sealer that counts.
type prepared struct {
	tinySealer
	names *[]string
}

func (p prepared) Prepare(_ context.Context, name string) { *p.names = append(*p.names, name) }

func TestASealerIsPreparedBeforeAnObjectIsRequested(t *testing.T) {
	var names []string
	seen := -1
	storage := buckettest.NewFaulty(membucket.New(membucket.Options{}), func(buckettest.Call) buckettest.Fault {
		seen = len(names)
		return buckettest.Fault{}
	})
	b := sealed.New(storage, prepared{names: &names})
	if _, err := b.Get(t.Context(), "api/a.json"); !errors.Is(err, bucket.ErrNotFound) {
		t.Fatal(err)
	}
	if seen != 1 || names[0] != "api/a.json" {
		t.Errorf("at the request %d were prepared: %q", seen, names)
	}
}

func TestAStorageWithoutVersionsOrTagsHasNoneSealed(t *testing.T) {
	b := sealed.New(plain{membucket.New(membucket.Options{})}, tinySealer{})
	if _, ok := b.(bucket.Tagger); ok {
		t.Error("it is a Tagger")
	}
	v := b.(bucket.Versioned)
	_, get := v.GetVersion(t.Context(), "api/a.json", "v1")
	var list error
	for _, list = range v.Versions(t.Context(), "api/") {
	}
	for _, err := range []error{get, list, v.DeleteVersion(t.Context(), "api/a.json", "v1")} {
		if !errors.Is(err, bucket.ErrUnsupported) {
			t.Errorf("error %v, want %v", err, bucket.ErrUnsupported)
		}
	}
	b.(bucket.Rechecker).Recheck() // nothing to do
}

// plain has no more than the methods that every storage has.
type plain struct{ sealed.Storage }

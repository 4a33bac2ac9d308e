package membucket_test

import (
	"errors"
	"testing"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

func TestConformance(t *testing.T) {
	for name, test := range map[string]struct {
		opts membucket.Options
		caps buckettest.Capabilities
	}{
		"kms":    {membucket.Options{}, buckettest.Capabilities{Method: "aws:kms", Aliases: []string{"alias/app", "alias/ops"}}},
		"s3":     {membucket.Options{Method: "AES256", ETags: membucket.MD5ETags}, buckettest.Capabilities{Method: "AES256"}},
		"noseal": {membucket.Options{NoSeal: true, NoConditionalDelete: true}, buckettest.Capabilities{NoConditionalDelete: true}},
	} {
		t.Run(name, func(t *testing.T) {
			buckettest.Run(t, func(*testing.T) bucket.Bucket { return membucket.New(test.opts) }, test.caps)
			buckettest.RunHeaders(t, func(*testing.T) bucket.Bucket { return membucket.New(test.opts) }, test.caps)
		})
	}
}

func TestConformanceOfVersions(t *testing.T) {
	b := membucket.New(membucket.Options{Versioned: true})
	caps := buckettest.Capabilities{Method: "aws:kms", Aliases: []string{"alias/app", "alias/ops"}}
	buckettest.RunVersions(t, func(*testing.T) bucket.Bucket { return b }, caps)
	buckettest.Run(t, func(*testing.T) bucket.Bucket { return b }, caps)
}

// wantCode checks the sentinel and the storage's code of an error.
func wantCode(t *testing.T, err, sentinel error, code string) {
	t.Helper()
	var e *bucket.Error
	if !errors.Is(err, sentinel) || !errors.As(err, &e) || e.Code != code {
		t.Errorf("error %v, want %v with code %s", err, sentinel, code)
	}
}

func TestDeniedKeyStopsGetAndPutButNotHead(t *testing.T) {
	ctx, b := t.Context(), membucket.New(membucket.Options{})
	info, err := b.Put(ctx, "s/a.json", []byte("a"), bucket.PutOptions{KeyAlias: "alias/app"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "arn:aws:kms:us-east-1:123456789012:key/app"; info.Seal.KeyID != want || b.KeyID("alias/app") != want {
		t.Errorf("key %q, want %q", info.Seal.KeyID, want)
	}
	other := b.Client()
	b.DenyKeys(info.Seal.KeyID)

	_, err = b.Get(ctx, "s/a.json")
	wantCode(t, err, bucket.ErrDenied, "AccessDenied")
	_, err = b.Put(ctx, "s/a.json", []byte("b"), bucket.PutOptions{KeyAlias: "alias/app", If: bucket.IfAbsent()})
	wantCode(t, err, bucket.ErrDenied, "AccessDenied")
	if head, err := b.Head(ctx, "s/a.json"); err != nil || head != info {
		t.Errorf("Head: %+v, %v; want %+v", head, err, info)
	}
	if o, err := other.Get(ctx, "s/a.json"); err != nil || string(o.Body) != "a" {
		t.Errorf("another client: %q, %v", o.Body, err)
	}
	b.AllowKeys(info.Seal.KeyID)
	if _, err := b.Get(ctx, "s/a.json"); err != nil {
		t.Errorf("after AllowKeys: %v", err)
	}
}

func TestDisabledKeyIsAFaultForEveryClient(t *testing.T) {
	ctx, b := t.Context(), membucket.New(membucket.Options{})
	b.Plant("s/a.json", []byte("a"), bucket.Seal{Method: "aws:kms", KeyID: "key"})
	b.DisableKeys("key", b.KeyID("alias/app"))
	client := b.Client()

	_, err := client.Get(ctx, "s/a.json")
	wantCode(t, err, bucket.ErrKey, "KMS.DisabledException")
	_, err = client.Put(ctx, "s/b.json", nil, bucket.PutOptions{KeyAlias: "alias/app"})
	wantCode(t, err, bucket.ErrKey, "KMS.DisabledException")
	b.EnableKeys("key")
	if _, err := client.Get(ctx, "s/a.json"); err != nil {
		t.Errorf("after EnableKeys: %v", err)
	}
}

func TestWithoutListingMissingObjectsAreDenied(t *testing.T) {
	ctx, b := t.Context(), membucket.New(membucket.Options{})
	b.Plant("s/__kms_alias_app__latest.json", nil, bucket.Seal{})
	b.DenyListing("s/__kms")

	_, err := b.Get(ctx, "s/a.json")
	wantCode(t, err, bucket.ErrDenied, "AccessDenied")
	_, err = b.Head(ctx, "s/a.json")
	wantCode(t, err, bucket.ErrDenied, "AccessDenied")
	_, err = b.Get(ctx, "s/__kms_alias_ops__latest.json")
	wantCode(t, err, bucket.ErrNotFound, "NoSuchKey")
	n := 0
	for _, err := range b.List(ctx, "s/") {
		n++
		wantCode(t, err, bucket.ErrDenied, "AccessDenied")
	}
	if n != 1 {
		t.Errorf("list s/ yields %d times, want one error", n)
	}
	n = 0
	for _, err := range b.List(ctx, "s/__kms") {
		if n++; err != nil {
			t.Errorf("list s/__kms: %v", err)
		}
	}
	if n != 1 {
		t.Errorf("list s/__kms yields %d objects, want 1", n)
	}
	b.AllowListing()
	_, err = b.Get(ctx, "s/a.json")
	wantCode(t, err, bucket.ErrNotFound, "NoSuchKey")
}

func TestMD5TagsReturnWithTheBytes(t *testing.T) {
	ctx := t.Context()
	for etags, again := range map[membucket.ETags]bool{membucket.UniqueETags: false, membucket.MD5ETags: true} {
		b := membucket.New(membucket.Options{ETags: etags})
		first, err := b.Put(ctx, "s/a.json", []byte("a"), bucket.PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		second, err := b.Put(ctx, "s/a.json", []byte("a"), bucket.PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if (first.Tag == second.Tag) != again {
			t.Errorf("mode %v: tags %q and %q", etags, first.Tag, second.Tag)
		}
	}
}

func TestAliasCanBeRetargeted(t *testing.T) {
	key := "old"
	b := membucket.New(membucket.Options{KeyID: func(string) string { return key }})
	for _, want := range []string{"old", "new"} {
		key = want
		info, err := b.Put(t.Context(), "s/a.json", nil, bucket.PutOptions{KeyAlias: "alias/app"})
		if err != nil || info.Seal.KeyID != want || b.Objects()["s/a.json"].Seal.KeyID != want {
			t.Errorf("sealed with %q (%v), want %q", info.Seal.KeyID, err, want)
		}
	}
}

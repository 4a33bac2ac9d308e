package secretsmanager

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
)

// Other tools keep numbers and more in such secrets: RDS, for one, its port.
func TestMembersOfOtherToolsAreKept(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	s, ctx := open(url), t.Context()
	foreign := `{"port": 5432, "big":12345678901234567890.10, "e":1.50E+2, "tls":true, "none":null, "list":[1, "a"], "o":{"x":1.0}, "password":"p", "not a key":"x", "_chamber_metadata":"{\"password\":{\"version\":3,\"created\":\"2026-01-02T03:04:05Z\",\"created_by\":\"me\",\"note\":\"kept\"},\"gone\":{\"version\":9}}"}`
	create(t, url, api, foreign)
	contents, err := s.Load(ctx, api)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, secret := range contents.Secrets {
		got[secret.ID.Key] = secret.Value.Reveal()
	}
	want := map[string]string{
		"port": "5432", "big": "12345678901234567890.10", "e": "1.50E+2", "tls": "true", "none": "null",
		"list": `[1, "a"]`, "o": `{"x":1.0}`, "password": "p",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(contents.Notices) != 1 || !strings.Contains(contents.Notices[0], `"not a key"`) {
		t.Errorf("notices %q; want one of the name", contents.Notices)
	}
	r, err := s.Write(ctx, id(api, "password"), store.NewValue("q"), store.WriteOptions{})
	if err != nil || r.Meta.Version != 4 {
		t.Fatalf("version %d, error %v; want 4", r.Meta.Version, err)
	}
	if r, err = s.Write(ctx, id(api, "gone"), store.NewValue("back"), store.WriteOptions{}); err != nil || r.Meta.Version != 10 {
		t.Errorf("version %d, error %v; want 10", r.Meta.Version, err)
	}
	if r, err = s.Write(ctx, id(api, "port"), store.NewValue("5432"), store.WriteOptions{SkipUnchanged: true}); err != nil || r.Outcome != store.Unchanged {
		t.Errorf("%s, error %v; want unchanged", r.Outcome, err)
	}
	text := secretText(t, url, api)
	for _, member := range []string{`"port":5432`, `"big":12345678901234567890.10`, `"e":1.50E+2`, `"tls":true`, `"none":null`, `"list":[1,"a"]`, `"o":{"x":1.0}`, `"not a key":"x"`, `\"note\":\"kept\"`} {
		if !strings.Contains(text, member) {
			t.Errorf("%s was not kept: %s", member, text)
		}
	}
	if r, err = s.Write(ctx, id(api, "port"), store.NewValue("5433"), store.WriteOptions{}); err != nil || r.Meta.Version != 2 {
		t.Errorf("version %d, error %v; want 2: what has no metadata is at its first", r.Meta.Version, err)
	}
}

func TestASecretThatDoesNotParseIsCorruptAndStays(t *testing.T) {
	url := serve(t, nil)
	for name, text := range map[string]string{
		"plain text":         canary + " is not JSON",
		"a list":             `["` + canary + `"]`,
		"null":               "null",
		"a string":           `"` + canary + `"`,
		"two of one name":    `{"a":"` + canary + `","a":"other"}`,
		"half a surrogate":   `{"a":"` + canary + `\ud800"}`,
		"more behind it":     `{"a":"` + canary + `"} {}`,
		"metadata no string": `{"a":"` + canary + `","_chamber_metadata":{"` + canary + `":1}}`,
		"metadata no JSON":   `{"a":"` + canary + `","_chamber_metadata":"` + canary + `"}`,
		"metadata twice":     `{"a":"` + canary + `","_chamber_metadata":"{\"a\":{\"version\":1},\"a\":{\"version\":2}}"}`,
	} {
		t.Run(name, func(t *testing.T) {
			api := serviceName(t)
			create(t, url, api, text)
			s, ctx := open(url), t.Context()
			calls := map[string]func() error{
				"load": func() error { _, err := s.Load(ctx, api); return err },
				"read": func() error { _, err := s.Read(ctx, id(api, "a"), store.Latest); return err },
				"write": func() error {
					_, err := s.Write(ctx, id(api, "a"), store.NewValue("x"), store.WriteOptions{})
					return err
				},
				"delete": func() error { _, err := s.Delete(ctx, api, "a"); return err },
			}
			for call, do := range calls {
				err := do()
				var broken *store.CorruptError
				if !errors.As(err, &broken) || !strings.Contains(broken.Object, "secret "+api) || strings.Contains(err.Error(), canary) {
					t.Errorf("%s: error is %v; want a corrupt secret, named and not quoted", call, err)
				}
			}
			if secretText(t, url, api) != text {
				t.Error("the secret was replaced")
			}
		})
	}
}

func TestABinarySecretIsCorrupt(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	if _, err := newClient(url).CreateSecret(t.Context(), &awssm.CreateSecretInput{Name: aws.String(api), SecretBinary: []byte(canary)}); err != nil {
		t.Fatal(err)
	}
	if _, err := open(url).Load(t.Context(), api); !errors.Is(err, store.ErrCorrupt) || strings.Contains(err.Error(), canary) {
		t.Errorf("error is %v; want corrupt", err)
	}
}

func TestAServiceThatWouldBeTooLarge(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	s, ctx := open(url), t.Context()
	half := store.NewValue(canary + strings.Repeat("x", MaxService/2))
	if _, err := s.Write(ctx, id(api, "a"), half, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := s.WriteAll(ctx, api, map[string]store.Value{"b": half, "c": store.NewValue("small")}, store.WriteOptions{})
	if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "the whole service would have 66") ||
		!strings.Contains(err.Error(), "limit is 65536") || strings.Contains(err.Error(), canary) {
		t.Errorf("error is %v; want the limit and the size", err)
	}
	_, err = s.Write(ctx, id(api, "b"), store.NewValue(canary+strings.Repeat("x", MaxService)), store.WriteOptions{})
	if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "the value has 65549 bytes") || strings.Contains(err.Error(), canary) {
		t.Errorf("error is %v; want the limit and the size", err)
	}
	if contents, err := s.Load(ctx, api); err != nil || contents.Listed != 1 {
		t.Errorf("%d listed, error %v; want the old one alone", contents.Listed, err)
	}
	if _, err := s.Load(ctx, strings.Repeat("x", 513)); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("error is %v; want a name that is too long", err)
	}
}

func TestASecretThatRotatesIsNotWritten(t *testing.T) {
	api := serviceName(t)
	url := serve(t, func(operation string, body []byte, moto *server) (int, []byte) {
		if operation != "DescribeSecret" {
			return 0, nil
		}
		status, answer := moto.do(operation, body)
		return status, []byte(strings.Replace(string(answer), "{", `{"RotationEnabled":true,`, 1))
	})
	create(t, url, api, recorded(t))
	s, ctx := open(url), t.Context()
	_, err := s.Write(ctx, id(api, "db_url"), store.NewValue(canary), store.WriteOptions{})
	if !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "rotation is enabled for the secret "+api) {
		t.Errorf("write: error is %v; want a refusal that names the secret", err)
	}
	if _, err := s.Delete(ctx, api, "db_url"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("delete: error is %v; want a refusal", err)
	}
	if contents, err := s.Load(ctx, api); err != nil || contents.Listed != 2 {
		t.Errorf("load: %d listed, error %v; want both", contents.Listed, err)
	}
	r, err := s.Write(ctx, id(api, "db_url"), store.NewValue("sm1"), store.WriteOptions{SkipUnchanged: true})
	if err != nil || r.Outcome != store.Unchanged {
		t.Errorf("%s, error %v; want unchanged, which writes nothing", r.Outcome, err)
	}
}

func TestASecretThatIsScheduledForDeletion(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	create(t, url, api, recorded(t))
	if _, err := newClient(url).DeleteSecret(t.Context(), &awssm.DeleteSecretInput{SecretId: aws.String(api)}); err != nil {
		t.Fatal(err)
	}
	s, ctx := open(url), t.Context()
	for name, err := range map[string]error{
		"load":  second(s.Load(ctx, api)),
		"read":  second(s.Read(ctx, id(api, "db_url"), store.Latest)),
		"write": second(s.Write(ctx, id(api, "db_url"), store.NewValue("x"), store.WriteOptions{})),
	} {
		if !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "scheduled for deletion") {
			t.Errorf("%s: error is %v; want one that says so", name, err)
		}
	}
	if names, err := s.Services(ctx, api); err != nil || len(names) > 0 {
		t.Errorf("services %q, error %v; want none", names, err)
	}
}

func second[T any](_ T, err error) error { return err }

// Terraform makes a secret without a value, and leaves that to others.
func TestASecretWithoutAValueGetsOne(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	create(t, url, api, "")
	s, ctx := open(url), t.Context()
	if contents, err := s.Load(ctx, api); err != nil || contents.Listed != 0 {
		t.Errorf("%d listed, error %v; want none", contents.Listed, err)
	}
	if names, err := s.Services(ctx, api); err != nil || len(names) > 0 {
		t.Errorf("services %q, error %v; want none", names, err)
	}
	r, err := s.Write(ctx, id(api, "k"), store.NewValue("one"), store.WriteOptions{})
	if err != nil || r.Outcome != store.Created || r.Meta.Version != 1 {
		t.Fatalf("%s version %d, error %v; want created", r.Outcome, r.Meta.Version, err)
	}
	if got, err := s.Read(ctx, id(api, "k"), store.Latest); err != nil || got.Value.Reveal() != "one" {
		t.Errorf("error %v, or another value", err)
	}
}

func FuzzDocument(f *testing.F) {
	f.Add(`{"_chamber_metadata":"{\"a\":{\"version\":1}}","a":"b","n":1.0}`)
	f.Add(`{"a":null,"b":[{}],"c":"\u0000\ud83d\ude00"}`)
	f.Add(`{"_chamber_metadata":"null"}`)
	f.Add("null")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDocument("secret fuzz", text)
		if err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("error is %v; want corrupt", err)
			}
			return
		}
		encoded, err := d.encode()
		if err != nil {
			if !errors.Is(err, store.ErrInvalid) {
				t.Errorf("error is %v; want invalid", err)
			}
			return
		}
		again, err := parseDocument("secret fuzz", encoded)
		if err != nil {
			t.Fatalf("what was written does not parse: %v", err)
		}
		keys, _ := d.keys()
		same, _ := again.keys()
		if diff := cmp.Diff(keys, same); diff != "" {
			t.Error(diff)
		}
		for _, key := range keys {
			if d.version(key) != again.version(key) {
				t.Errorf("%q: version %d became %d", key, d.version(key), again.version(key))
			}
		}
		if reencoded, err := again.encode(); err != nil || reencoded != encoded {
			t.Errorf("written twice: error %v, or other bytes", err)
		}
	})
}

package secretsmanager

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/storetest"
)

func TestStoreKeepsTheInterface(t *testing.T) {
	url := serve(t, nil)
	d := newDocument()
	if err := d.set("key", store.NewValue(""), "2026-11-21T20:57:19.674742166Z", author); err != nil {
		t.Fatal(err)
	}
	overhead, err := d.encode()
	if err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, func(*testing.T) store.Store { return open(url) }, storetest.Capabilities{
		MaxValue: MaxService - len(overhead),
		Plant: func(t *testing.T, _ store.Store, id store.ID, value string) {
			chamber{t, newClient(url)}.write(id.Service, id.Key, value)
		},
	})
}

// The recorded secret was written by chamber itself.
func TestReadsWhatChamberWrote(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	create(t, url, api, recorded(t))
	contents, err := open(url).Load(t.Context(), api)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		Key, Value, Created, CreatedBy string
		Version                        int
	}
	var got []row
	for _, s := range contents.Secrets {
		got = append(got, row{s.ID.Key, s.Value.Reveal(), s.Created.Format(time.RFC3339Nano), s.CreatedBy, s.Version})
	}
	const moto = "arn:aws:sts::123456789012:user/moto"
	want := []row{
		{"db_url", "sm1", "2026-11-21T21:46:35.075280705Z", moto, 1},
		{"token", "sm2", "2026-11-21T21:46:35.154855641Z", moto, 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if contents.Listed != 2 || len(contents.Notices) > 0 || len(contents.Hidden) > 0 {
		t.Errorf("%d listed, notices %q, hidden %q", contents.Listed, contents.Notices, contents.Hidden)
	}
}

func recorded(t *testing.T) string {
	t.Helper()
	body, err := os.ReadFile("testdata/chamber-api.json")
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ SecretString string }
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.SecretString
}

func TestMetadataIsNoSecret(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	create(t, url, api, recorded(t))
	s, ctx := open(url), t.Context()
	for _, key := range []string{metadataKey, "_Chamber_Metadata"} {
		if _, err := s.Read(ctx, id(api, key), store.Latest); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("read %s: error is %v; want not found", key, err)
		}
		if _, err := s.History(ctx, id(api, key)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("history of %s: error is %v; want not found", key, err)
		}
		if _, err := s.Delete(ctx, api, key); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("delete %s: error is %v; want not found", key, err)
		}
		for _, preserve := range []bool{false, true} {
			if _, err := s.Write(ctx, id(api, key), store.NewValue("x"), store.WriteOptions{PreserveCase: preserve}); !errors.Is(err, store.ErrInvalid) {
				t.Errorf("write %s: error is %v; want invalid", key, err)
			}
		}
	}
	if secretText(t, url, api) != recorded(t) {
		t.Error("the secret has changed")
	}
}

func TestChamberReadsWhatWeWrote(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	s, c, ctx := open(url), chamber{t, newClient(url)}, t.Context()
	create(t, url, api, recorded(t))
	for _, value := range []string{"two", "three", "four <&> \u2028 \"\\"} {
		if _, err := s.Write(ctx, id(api, "db_url"), store.NewValue(value), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Write(ctx, id(api, "new"), store.NewValue("n"), store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	object, metadata := c.latest(api)
	if object["db_url"] != "four <&> \u2028 \"\\" || object["token"] != "sm2" || object["new"] != "n" {
		t.Errorf("chamber reads %q", object)
	}
	if got := metadata["db_url"]; got != (chamberMeta{moment, author, 4}) {
		t.Errorf("chamber's metadata of db_url: %+v", got)
	}
	if metadata["token"].Version != 1 || metadata["new"].Version != 1 {
		t.Errorf("chamber's metadata: %+v", metadata)
	}
	want := map[int]string{1: "sm1", 2: "two", 3: "three", 4: object["db_url"]}
	if diff := cmp.Diff(want, c.versions(api, "db_url")); diff != "" {
		t.Error(diff)
	}
	if _, err := s.Delete(ctx, api, "token", "db_url"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"new"}, c.keys(api)); diff != "" {
		t.Error(diff)
	}
}

func TestChamberAndWeTakeTurns(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	s, c, ctx := open(url), chamber{t, newClient(url)}, t.Context()
	for version := 1; version <= 6; version += 2 {
		c.write(api, "k", fmt.Sprintf("by chamber %d", version))
		r, err := s.Write(ctx, id(api, "k"), store.NewValue(fmt.Sprintf("by us %d", version+1)), store.WriteOptions{IfVersion: &version})
		if err != nil || r.Meta.Version != version+1 {
			t.Fatalf("version %d, error %v; want %d", r.Meta.Version, err, version+1)
		}
	}
	history, err := s.History(ctx, id(api, "k"))
	if err != nil || len(history) != 6 {
		t.Fatalf("history: %d versions, error %v; want 6", len(history), err)
	}
	for i, m := range history {
		if by := []string{"chamber", author}[i%2]; m.Version != i+1 || m.CreatedBy != by {
			t.Errorf("history[%d]: version %d by %q", i, m.Version, m.CreatedBy)
		}
	}
	if got, err := s.Read(ctx, id(api, "k"), 3); err != nil || got.Value.Reveal() != "by chamber 3" {
		t.Errorf("version 3: error %v, or another value", err)
	}
	if _, err := s.Delete(ctx, api, "k"); err != nil {
		t.Fatal(err)
	}
	c.write(api, "k", "again")
	if got, err := s.Read(ctx, id(api, "k"), store.Latest); err != nil || got.Version != 7 {
		t.Errorf("version %d, error %v; want 7: numbers do not come again", got.Version, err)
	}
}

func TestAServiceIsListedWhileItHoldsSomething(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	s, c, ctx := open(url), chamber{t, newClient(url)}, t.Context()
	create(t, url, api+"-with+plus", `{"a":"b"}`)
	want := func(step string, names ...string) {
		t.Helper()
		got, err := s.Services(ctx, api)
		if diff := cmp.Diff(names, got); err != nil || diff != "" {
			t.Errorf("%s: error %v, %s", step, err, diff)
		}
	}
	c.write(api, "k", "one")
	want("made", api)
	if _, err := s.Delete(ctx, api, "k"); err != nil {
		t.Fatal(err)
	}
	want("emptied")
	c.write(api, "k", "two")
	want("filled by chamber", api)
	if names, err := s.Services(ctx, "no such prefix!"); err != nil || len(names) > 0 {
		t.Errorf("services %q, error %v; want none", names, err)
	}
}

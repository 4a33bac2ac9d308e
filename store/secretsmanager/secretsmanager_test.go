package secretsmanager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
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

func TestADeletedKeyComesBackWithANewHistory(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	s, ctx := open(url), t.Context()
	for _, value := range []string{"one", "two"} {
		if _, err := s.Write(ctx, id(api, "k"), store.NewValue(value), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Delete(ctx, api, "k"); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"three", "four"} {
		if _, err := s.Write(ctx, id(api, "k"), store.NewValue(value), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	history, err := s.History(ctx, id(api, "k"))
	if err != nil || len(history) != 2 || history[0].Version != 3 || history[1].Version != 4 {
		t.Errorf("history %+v, error %v; want versions 3 and 4", history, err)
	}
	if _, err := s.Read(ctx, id(api, "k"), 2); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("version of before: error is %v; want not found", err)
	}
}

// TestNumbersOfDeletedKeysMakeRoom: what is noted of deleted keys does not fill a service up for
// good, and no number comes again all the same.
func TestNumbersOfDeletedKeysMakeRoom(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	deleted := map[string]any{"k": map[string]any{"version": 2, "created": "2026-11-21T20:57:19Z"}, "gone": map[string]any{"version": 41}}
	for i := range 2000 {
		deleted[fmt.Sprintf("branch_%d", i)] = map[string]any{"version": 7}
	}
	metadata, err := json.Marshal(deleted)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{"k": "two", metadataKey: string(metadata)})
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > MaxService || len(text) < MaxService-10_000 {
		t.Fatalf("%d bytes do not make a service that is nearly full", len(text))
	}
	create(t, url, api, string(text))
	s, ctx := open(url), t.Context()
	write := func(key, value string, version int) {
		t.Helper()
		if r, err := s.Write(ctx, id(api, key), store.NewValue(value), store.WriteOptions{}); err != nil || r.Meta.Version != version {
			t.Errorf("%s: version %d, error %v; want version %d", key, r.Meta.Version, err, version)
		}
	}
	write("branch_3", "again", 8) // there is room yet
	write("k", strings.Repeat("x", 20_000), 3)
	write("branch_4", "again", 42) // 7 is forgotten; 41 is above it
	write("gone", "again", 42)
	write("branch_3", "and again", 9)
	if _, err := s.Delete(ctx, api, "gone"); err != nil {
		t.Error(err)
	}
	write("gone", "once more", 43)
	history, err := s.History(ctx, id(api, "gone"))
	if err != nil || len(history) != 1 || history[0].Version != 43 {
		t.Errorf("history %+v, error %v; want version 43 alone", history, err)
	}
	if contents, err := s.Load(ctx, api); err != nil || len(contents.Secrets) != 4 || len(contents.Notices) != 0 {
		t.Errorf("%d secrets, notices %q, error %v", len(contents.Secrets), contents.Notices, err)
	}
	chamber{t, newClient(url)}.write(api, "branch_5", "by chamber")
	write("branch_6", "again", 42) // chamber has kept the number
}

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
		!strings.Contains(err.Error(), "keeps at most 65536") || strings.Contains(err.Error(), canary) {
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
	if !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "the rotation of secret "+api+" is enabled") {
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

func TestHistoryFollowsPages(t *testing.T) {
	api := serviceName(t)
	var mu sync.Mutex
	pages := 0
	// An empty page with a token comes before the first page of every listing.
	url := serve(t, func(operation string, body []byte, moto *server) (int, []byte) {
		if operation != "ListSecretVersionIds" && operation != "ListSecrets" || strings.Contains(string(body), "NextToken") {
			return 0, nil
		}
		mu.Lock()
		defer mu.Unlock()
		pages++
		return http.StatusOK, []byte(`{"SecretList":[],"Versions":[],"NextToken":"0"}`)
	})
	s, ctx := open(url), t.Context()
	for _, value := range []string{"one", "two", "three"} {
		if _, err := s.Write(ctx, id(api, "k"), store.NewValue(value), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if history, err := s.History(ctx, id(api, "k")); err != nil || len(history) != 3 {
		t.Errorf("history: %d versions, error %v; want 3", len(history), err)
	}
	if names, err := s.Services(ctx, api); err != nil || len(names) != 1 {
		t.Errorf("services %q, error %v", names, err)
	}
	if pages != 2 {
		t.Errorf("%d empty pages; want 2", pages)
	}
}

// AWS allows 20 labels to a secret; chamber's put fails when it adds the next.
func TestTheOldestVersionsMakeRoomForLabels(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	s, ctx := open(url), t.Context()
	const writes = 24
	for n := 1; n <= writes; n++ {
		if _, err := s.Write(ctx, id(api, "k"), store.NewValue(fmt.Sprint(n)), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		out, err := newClient(url).DescribeSecret(ctx, &awssm.DescribeSecretInput{SecretId: aws.String(api)})
		if err != nil {
			t.Fatal(err)
		}
		labels := 0
		for _, list := range out.VersionIdsToStages {
			labels += len(list)
		}
		if labels > maxStages {
			t.Fatalf("%d labels after write %d; want at most %d", labels, n, maxStages)
		}
	}
	history, err := s.History(ctx, id(api, "k"))
	if err != nil || len(history) < 15 || history[len(history)-1].Version != writes {
		t.Fatalf("history: %d versions, error %v; want the last 15 or more", len(history), err)
	}
	for i, m := range history {
		if want := writes - len(history) + 1 + i; m.Version != want {
			t.Errorf("history[%d]: version %d; want %d", i, m.Version, want)
		}
		if got, err := s.Read(ctx, id(api, "k"), m.Version); err != nil || got.Value.Reveal() != fmt.Sprint(m.Version) {
			t.Errorf("version %d: error %v, or another value", m.Version, err)
		}
	}
}

// Writers who meet label one version with the same label, and a server may tell that label once
// for each of them.
func TestALabelThatIsToldOftenTakesOnePlace(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	s, ctx := open(url), t.Context()
	write := func(n int) {
		if _, err := s.Write(ctx, id(api, "k"), store.NewValue(fmt.Sprint(n)), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	write(1)
	write(2) // labels the first version CHAMBER1
	c := newClient(url)
	out, err := c.GetSecretValue(ctx, &awssm.GetSecretValueInput{SecretId: aws.String(api)})
	if err != nil {
		t.Fatal(err)
	}
	for range maxStages {
		label := &awssm.UpdateSecretVersionStageInput{SecretId: aws.String(api), VersionStage: aws.String("CHAMBER2"), MoveToVersionId: out.VersionId}
		if _, err := c.UpdateSecretVersionStage(ctx, label); err != nil {
			t.Fatal(err)
		}
	}
	write(3)
	if got, err := s.Read(ctx, id(api, "k"), 1); err != nil || got.Value.Reveal() != "1" {
		t.Errorf("version 1: error %v, or another value", err)
	}
}

const swap = "the move of AWSCURRENT"

// step tells the request that makes a version current from those that move other labels.
func step(operation string, body []byte) string {
	if operation == "UpdateSecretVersionStage" && strings.Contains(string(body), stageCurrent) {
		return swap
	}
	return operation
}

func TestAWriterWhoComesBetween(t *testing.T) {
	moto := serve(t, nil)
	for name, c := range map[string]struct {
		before, at string // the operation before which the other writer comes
		ifVersion  *int
		want       error
	}{
		"unconditional update": {at: swap, before: "one"},
		"conditional update":   {at: swap, before: "one", ifVersion: aws.Int(1), want: store.ErrConflict},
		"before the labels":    {at: "UpdateSecretVersionStage", before: "one", ifVersion: aws.Int(1), want: store.ErrConflict},
		"before the put":       {at: "PutSecretValue", before: "one", ifVersion: aws.Int(1), want: store.ErrConflict},
		"unconditional create": {at: "CreateSecret"},
		"conditional create":   {at: "CreateSecret", ifVersion: aws.Int(0), want: store.ErrConflict},
	} {
		t.Run(name, func(t *testing.T) {
			api := serviceName(t)
			other := chamber{t, newClient(moto)}
			if c.before != "" {
				other.write(api, "k", c.before)
			}
			var once sync.Once
			url := serve(t, func(operation string, body []byte, _ *server) (int, []byte) {
				if step(operation, body) == c.at {
					once.Do(func() { other.write(api, "k", "theirs"); other.write(api, "more", "theirs") })
				}
				return 0, nil
			})
			r, err := open(url).Write(t.Context(), id(api, "k"), store.NewValue("ours"), store.WriteOptions{IfVersion: c.ifVersion})
			if !errors.Is(err, c.want) {
				t.Fatalf("error is %v; want %v", err, c.want)
			}
			object, metadata := other.latest(api)
			want := map[string]string{"k": "theirs", "more": "theirs"}
			if c.want == nil {
				want["k"] = "ours"
				if r.Meta.Version != metadata["k"].Version {
					t.Errorf("version %d; stored as %d", r.Meta.Version, metadata["k"].Version)
				}
			}
			delete(object, metadataKey)
			if diff := cmp.Diff(want, object); diff != "" {
				t.Error(diff)
			}
			for _, value := range other.versions(api, "k") {
				if value == "ours" && c.want != nil {
					t.Error("chamber's history shows the value that was not written")
				}
			}
		})
	}
}

// The value and the labels of a secret are asked for at once: it may be made in between.
func TestASecretThatIsMadeBetweenTwoRequests(t *testing.T) {
	moto := serve(t, nil)
	api := serviceName(t)
	other := chamber{t, newClient(moto)}
	made := make(chan struct{})
	var once sync.Once
	url := serve(t, func(operation string, _ []byte, _ *server) (status int, answer []byte) {
		switch operation {
		case "DescribeSecret":
			once.Do(func() {
				status, answer = http.StatusBadRequest, []byte(`{"__type":"ResourceNotFoundException"}`)
				other.write(api, "more", "theirs")
				close(made)
			})
		case "GetSecretValue":
			<-made
		}
		return status, answer
	})
	if _, err := open(url).Write(t.Context(), id(api, "k"), store.NewValue("ours"), store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	object, _ := other.latest(api)
	delete(object, metadataKey)
	if diff := cmp.Diff(map[string]string{"k": "ours", "more": "theirs"}, object); diff != "" {
		t.Error(diff)
	}
}

// Each store here is a process of its own.
func TestWritersLoseNothingOfOneAnother(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	const writers, rounds = 4, 4
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			s := open(url)
			for n := range rounds {
				key := fmt.Sprintf("key-%d-%d", w, n)
				if _, err := s.Write(t.Context(), id(api, key), store.NewValue(key), store.WriteOptions{}); err != nil {
					t.Error(err)
				}
				if _, err := s.Write(t.Context(), id(api, "shared"), store.NewValue(key), store.WriteOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	contents, err := open(url).Load(t.Context(), api)
	if err != nil || contents.Listed != writers*rounds+1 {
		t.Fatalf("%d listed, error %v; want %d", contents.Listed, err, writers*rounds+1)
	}
	for _, secret := range contents.Secrets {
		switch {
		case secret.ID.Key == "shared" && secret.Version != writers*rounds:
			t.Errorf("shared has version %d; want %d", secret.Version, writers*rounds)
		case secret.ID.Key != "shared" && secret.Value.Reveal() != secret.ID.Key:
			t.Errorf("%s has another value", secret.ID)
		}
	}
}

func TestALostAnswerIsLookedUp(t *testing.T) {
	for name, c := range map[string]struct {
		operation string
		apply     bool   // the change is made before its answer is lost
		repeat    bool   // and then made once more, as the SDK does
		refused   string // or refused as if another one had made it
		after     string // what chamber writes then
		blind     bool   // nothing can be read afterwards
		want      error
	}{
		"create, stored":                 {operation: "CreateSecret", apply: true},
		"create, not stored":             {operation: "CreateSecret", want: store.ErrUnavailable},
		"create, cannot be told":         {operation: "CreateSecret", apply: true, blind: true, want: store.ErrUnknown},
		"create, stored and moved on":    {operation: "CreateSecret", apply: true, after: "other"},
		"create, stored and repeated":    {operation: "CreateSecret", apply: true, repeat: true},
		"create, stored and refused":     {operation: "CreateSecret", apply: true, refused: "ResourceExistsException"}, // by servers that know no tokens
		"swap, stored":                   {operation: swap, apply: true},
		"swap, repeated, cannot be told": {operation: swap, apply: true, repeat: true, blind: true, want: store.ErrUnknown},
		"swap, stored and repeated":      {operation: swap, apply: true, repeat: true},
		"swap, not stored":               {operation: swap, want: store.ErrUnavailable},
		"swap, cannot be told":           {operation: swap, apply: true, blind: true, want: store.ErrUnknown},
		"swap, stored and moved on":      {operation: swap, apply: true, after: "other"},
		"swap, stored and overwritten":   {operation: swap, apply: true, after: "k", want: store.ErrUnknown},
		"put":                            {operation: "PutSecretValue", apply: true, want: store.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			moto, api := serve(t, nil), serviceName(t)
			other := chamber{t, newClient(moto)}
			if c.operation != "CreateSecret" {
				other.write(api, "old", "one")
			}
			lost := false
			url := serve(t, func(operation string, body []byte, moto *server) (int, []byte) {
				switch {
				case step(operation, body) == c.operation && !lost:
					lost = true
					if c.apply {
						_, _ = moto.do(operation, body)
					}
					if c.after != "" {
						other.write(api, c.after, "theirs")
					}
					if c.refused != "" {
						return http.StatusBadRequest, refusal(c.refused, "")
					}
					if c.repeat {
						return moto.do(operation, body)
					}
					return http.StatusInternalServerError, refusal("InternalServiceError", "")
				case lost && c.blind && operation == "GetSecretValue":
					return http.StatusInternalServerError, refusal("InternalServiceError", "")
				}
				return 0, nil
			})
			r, err := open(url).Write(t.Context(), id(api, "k"), store.NewValue(canary), store.WriteOptions{})
			if !errors.Is(err, c.want) || c.want == nil && (r.Outcome != store.Created || r.Meta.Version != 1) {
				t.Errorf("%s version %d, error %v; want error %v", r.Outcome, r.Meta.Version, err, c.want)
			}
		})
	}
}

// Whatever is refused for whatever reason is told as that, and never as something missing.
func TestRefusalsAreNeverNotFound(t *testing.T) {
	for code, want := range map[string]error{
		"AccessDeniedException":       store.ErrDenied,
		"ThrottlingException":         store.ErrUnavailable,
		"InternalServiceError":        store.ErrUnavailable,
		"DecryptionFailure":           store.ErrConfiguration,
		"ExpiredTokenException":       store.ErrConfiguration,
		"UnrecognizedClientException": store.ErrConfiguration,
		"InvalidRequestException":     store.ErrConflict,
		"UnknownOperationException":   store.ErrUnsupported,
	} {
		t.Run(code, func(t *testing.T) {
			s, ctx, k := open(serve(t, refusing(code))), t.Context(), id("svc", "k")
			for name, err := range map[string]error{
				"read":         second(s.Read(ctx, k, store.Latest)),
				"read version": second(s.Read(ctx, k, 3)),
				"load":         second(s.Load(ctx, "svc")),
				"history":      second(s.History(ctx, k)),
				"services":     second(s.Services(ctx, "")),
				"write":        second(s.Write(ctx, k, store.NewValue(canary), store.WriteOptions{})),
				"delete":       second(s.Delete(ctx, "svc", "k")),
			} {
				var typed *store.Error
				if !errors.Is(err, want) || errors.Is(err, store.ErrNotFound) || !errors.As(err, &typed) {
					t.Errorf("%s: error is %v; want %v", name, err, want)
				}
			}
		})
	}
}

func TestEachPermissionThatAWriteLacksIsTold(t *testing.T) {
	moto := serve(t, nil)
	for _, operation := range []string{"DescribeSecret", "PutSecretValue", "UpdateSecretVersionStage", "CreateSecret"} {
		t.Run(operation, func(t *testing.T) {
			api := serviceName(t)
			if operation != "CreateSecret" {
				create(t, moto, api, recorded(t))
			}
			s := open(serve(t, refusing("AccessDeniedException", operation)))
			_, err := s.Write(t.Context(), id(api, "db_url"), store.NewValue(canary), store.WriteOptions{})
			if !errors.Is(err, store.ErrDenied) || !strings.Contains(err.Error(), "secretsmanager:"+operation) || strings.Contains(err.Error(), canary) {
				t.Errorf("error is %v; want denied %s", err, operation)
			}
			if operation != "CreateSecret" && secretText(t, moto, api) != recorded(t) {
				t.Error("the secret has changed")
			}
		})
	}
	t.Run("a new secret needs no DescribeSecret", func(t *testing.T) {
		s := open(serve(t, refusing("AccessDeniedException", "DescribeSecret")))
		r, err := s.Write(t.Context(), id(serviceName(t), "k"), store.NewValue("one"), store.WriteOptions{})
		if err != nil || r.Outcome != store.Created {
			t.Errorf("%s, error %v; want created", r.Outcome, err)
		}
	})
}

func TestAPutsRefusalNeverTellsTheValue(t *testing.T) {
	moto := serve(t, nil)
	for _, operation := range []string{"CreateSecret", "PutSecretValue"} {
		for code, want := range map[string]error{
			"ValidationException":       store.ErrInvalid,
			"InvalidParameterException": store.ErrInvalid,
			"LimitExceededException":    store.ErrConflict,
			"EncryptionFailure":         store.ErrConfiguration,
		} {
			t.Run(operation+"/"+code, func(t *testing.T) {
				api := serviceName(t)
				if operation == "PutSecretValue" {
					create(t, moto, api, recorded(t))
				}
				s := open(serve(t, func(op string, _ []byte, _ *server) (int, []byte) {
					if op != operation {
						return 0, nil
					}
					message := "refused"
					if want == store.ErrInvalid {
						message = "Value '" + canary + "' at 'secretString' failed to satisfy constraint"
					}
					return http.StatusBadRequest, refusal(code, message)
				}))
				_, err := s.Write(t.Context(), id(api, "k"), store.NewValue(canary), store.WriteOptions{})
				if !errors.Is(err, want) || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), code) {
					t.Errorf("error is %v; want %v without the value", err, want)
				}
			})
		}
	}
}

func TestTagsAreRefused(t *testing.T) {
	o := store.WriteOptions{Tags: map[string]string{"owner": "me"}}
	s := open("http://127.0.0.1:1") // no request is made
	if _, err := s.Write(t.Context(), id("svc", "k"), store.NewValue("x"), o); !errors.Is(err, store.ErrUnsupported) {
		t.Errorf("error is %v; want unsupported", err)
	}
}

func TestNoServerAndNoCredentials(t *testing.T) {
	if _, err := open("http://127.0.0.1:1").Load(t.Context(), "svc"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("no server: error is %v; want unavailable", err)
	}
	client := awssm.New(awssm.Options{Region: "us-east-1", Credentials: aws.CredentialsProviderFunc(
		func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("no credentials here")
		})})
	if _, err := New(client, Options{}).Load(t.Context(), "svc"); !errors.Is(err, store.ErrConfiguration) {
		t.Errorf("no credentials: error is %v; want configuration", err)
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

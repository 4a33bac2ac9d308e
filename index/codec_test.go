package index_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
)

func encode(t *testing.T, x *index.Index) []byte {
	t.Helper()
	body, err := x.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func parse(t *testing.T, alias, body string) *index.Index {
	t.Helper()
	x, err := index.Parse(alias, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// sorted returns JSON with the names of all objects in order.
func sorted(t *testing.T, body []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestChamberIndexKeepsItsShape(t *testing.T) {
	for file, alias := range map[string]string{
		"s3-kms/api/__kms_alias_app__latest.json":           "alias/app",
		"s3-kms/api/__kms_alias_ops__latest.json":           "alias/ops",
		"s3-kms/imported/__kms_alias_app__latest.json":      "alias/app",
		"s3-kms/many-versions/__kms_alias_app__latest.json": "alias/app",
		"s3-kms/shared/__kms_alias_team_one__latest.json":   "alias/team/one",
	} {
		body, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		x := parse(t, alias, string(body))
		if owner, foreign := x.Foreign(); foreign {
			t.Errorf("%s belongs to %s", file, owner)
		}
		if len(x.Unverifiable()) != len(x.Entries) || len(x.Entries) == 0 {
			t.Errorf("%s: %d of %d entries cannot be verified; want all", file, len(x.Unverifiable()), len(x.Entries))
		}
		if got, want := sorted(t, encode(t, x)), sorted(t, body); got != want {
			t.Errorf("%s: rewritten as it is: %s; want %s", file, got, want)
		}
	}
}

func TestChamberReadsWhatWeWrite(t *testing.T) {
	x := index.New("alias/app")
	x.Entries["db_url"] = index.Entry{
		Version: 7, Value: store.NewValue("p <&> \u2028 é"), Alias: "alias/app", Tag: "9b2c",
		Created: time.Date(2026, 11, 21, 20, 57, 19, 674742166, time.UTC), CreatedBy: "arn:me",
	}
	x.Other["x"], x.Gone["y"], x.Seq, x.Nonce = "t1", "t2", 3, "n"
	// chamber's own types: github.com/segmentio/chamber v3, store/s3storeKMS.go.
	var chamber struct {
		Latest map[string]struct {
			Version  int    `json:"version"`
			Value    string `json:"value"`
			KMSAlias string
		} `json:"latest"`
	}
	body := encode(t, x)
	if err := json.Unmarshal(body, &chamber); err != nil {
		t.Fatal(err)
	}
	if e := chamber.Latest["db_url"]; len(chamber.Latest) != 1 || e.Version != 7 || e.Value != "p <&> \u2028 é" || e.KMSAlias != "alias/app" {
		t.Errorf("chamber reads %+v", chamber.Latest)
	}
	want := `{"gone":{"y":"t2"},"latest":{"db_url":{"KMSAlias":"alias/app","created":"2026-11-21T20:57:19.674742166Z","created_by":"arn:me","etag":"9b2c","value":"p \u003c\u0026\u003e \u2028 é","version":7}},"nonce":"n","other":{"x":"t1"},"seq":3}`
	if got := sorted(t, body); got != want {
		t.Errorf("encoded: %s\nwant:    %s", got, want)
	}
}

func TestPlainIndexKeepsChambersShape(t *testing.T) {
	body, err := os.ReadFile(filepath.Join("testdata", "s3", "api", "__latest.json"))
	if err != nil {
		t.Fatal(err)
	}
	x := parse(t, "", string(body))
	if got := x.Entries["token"].Value.Reveal(); len(x.Entries) != 2 || got != "t2" || len(x.Unverifiable()) != 2 {
		t.Errorf("%d entries, token %q, %d unverifiable", len(x.Entries), got, len(x.Unverifiable()))
	}
	e := x.Entries["token"]
	e.Version, e.Tag, e.CreatedBy, e.Created = 2, "t", "me", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	x.Entries["token"] = e
	x.Seq, x.Nonce = 1, "n"
	var chamber struct {
		Latest map[string]string `json:"latest"`
	}
	rewritten := encode(t, x)
	if err := json.Unmarshal(rewritten, &chamber); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"db_url": "postgres://plain-s3", "token": "t2"}, chamber.Latest); diff != "" {
		t.Error("chamber reads:", diff)
	}
	if diff := cmp.Diff(x, parse(t, "", string(rewritten)), same); diff != "" {
		t.Error("read again:", diff)
	}
}

func TestMetaWithoutEntryIsNoEntry(t *testing.T) {
	x := parse(t, "", `{"latest":{"a":"v"},"meta":{"a":{"version":3,"etag":"t","value":"of no meaning"},"b":{"version":1,"etag":"t"}}}`)
	if e := x.Entries["a"]; len(x.Entries) != 1 || e.Value.Reveal() != "v" || e.Version != 3 || e.Tag != "t" {
		t.Errorf("%d entries; a is version %d with tag %q", len(x.Entries), e.Version, e.Tag)
	}
}

func TestMissingPartsAreEmpty(t *testing.T) {
	for _, body := range []string{`{}`, `{"latest":null}`, `{"latest":{}}`, `null`, ` {"latest":{},"other":null,"gone":null,"meta":null}` + "\n"} {
		for _, alias := range []string{"alias/app", ""} {
			if x := parse(t, alias, body); len(x.Entries)+len(x.Other)+len(x.Gone) != 0 || x.Seq != 0 {
				t.Errorf("Parse(%q, %s): %+v", alias, body, x)
			}
		}
	}
}

func TestAnEntryWithoutValueVouchesForNothing(t *testing.T) {
	for alias, bodies := range map[string][]string{
		"alias/app": {`{"latest":{"k":{"version":1,"etag":"t"}}}`, `{"latest":{"k":{"version":1,"etag":"t","value":null}}}`, `{"latest":{"k":null}}`},
		"":          {`{"latest":{"k":null},"meta":{"k":{"version":1,"etag":"t"}}}`},
	} {
		for _, body := range bodies {
			if _, ok := parse(t, alias, body).Verified("k", "t"); ok {
				t.Errorf("%s: verified", body)
			}
		}
	}
	if _, ok := parse(t, "alias/app", `{"latest":{"k":{"version":1,"etag":"t","value":""}}}`).Verified("k", "t"); !ok {
		t.Error("an empty value is not verified")
	}
}

func TestTagsAreComparedWithoutQuotes(t *testing.T) {
	for _, etag := range []string{`\"9b2c\"`, `9b2c`, `W/\"9b2c\"`} {
		x := parse(t, "alias/app", `{"latest":{"k":{"version":1,"value":"v","etag":"`+etag+`"}},"other":{"o":"`+etag+`"},"gone":{"g":"`+etag+`"}}`)
		if _, ok := x.Verified("k", "9b2c"); !ok || !x.Elsewhere("o", "9b2c") || !x.Elsewhere("g", "9b2c") {
			t.Errorf("etag %s is not 9b2c: %+v", etag, x)
		}
	}
}

func TestUnknownFieldsAreKept(t *testing.T) {
	for alias, body := range map[string]string{
		"alias/app": `{"latest":{"k":{"version":1,"value":"v","lease":{"z":1,"a":[2,null]}}},"seq":1,"nonce":"n","zone":"eu","Latest":"another name"}`,
		"":          `{"latest":{"k":"v"},"meta":{"k":{"version":1,"lease":5}},"seq":1,"nonce":"n","zone":{"a":1}}`,
	} {
		if got, want := sorted(t, encode(t, parse(t, alias, body))), sorted(t, []byte(body)); got != want {
			t.Errorf("rewritten: %s; want %s", got, want)
		}
	}
}

func TestEncodingIsCompactAndSorted(t *testing.T) {
	x := parse(t, "alias/app", `{ "latest" : { "b": {"value":"<","version":1}, "a":{"version":2,"value":"v"} } }`)
	if got, want := string(encode(t, x)), `{"latest":{"a":{"version":2,"value":"v"},"b":{"version":1,"value":"<"}}}`; got != want {
		t.Errorf("encoded: %s; want %s", got, want)
	}
}

func TestValueThatIsNotTextCannotBeEncoded(t *testing.T) {
	for _, alias := range []string{"alias/app", ""} {
		x := index.New(alias)
		x.Entries["k"] = index.Entry{Version: 1, Value: store.NewValue("canary\xff")}
		if _, err := x.Encode(); err == nil {
			t.Error("it is replaced in silence")
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("the error tells the value: %v", err)
		}
	}
}

// canary stands in documents that do not parse; no error may quote it.
const canary = "c4n4ry-v4lue"

func TestWhatIsNoIndexIsAParseError(t *testing.T) {
	deep := strings.Repeat(`{"`+canary+`":`, 20_000) + "1" + strings.Repeat("}", 20_000)
	for name, test := range map[string]struct {
		body string
		at   int64 // -1: anywhere
	}{
		"empty":                {"", -1},
		"cut":                  {`{"latest":{"k":{"version":1,"value":"` + canary, -1},
		"not JSON":             {canary, 0},
		"two documents":        {`{"latest":{}} {"` + canary + `":1}`, 14},
		"trailing":             {`{"latest":{}}` + canary, 13},
		"list":                 {`["` + canary + `"]`, -1},
		"string":               {`"` + canary + `"`, -1},
		"duplicate key":        {`{"latest":{"` + canary + `":{"version":1,"value":"a"},"` + canary + `":{"version":2,"value":"b"}}}`, -1},
		"duplicate latest":     {`{"latest":{},"latest":{"` + canary + `":{}}}`, 13},
		"duplicate value":      {`{"latest":{"k":{"value":"a","value":"` + canary + `"}}}`, -1},
		"duplicate unknown":    {`{"x":1,"x":"` + canary + `"}`, -1},
		"duplicate deep":       {`{"x":{"y":[{"` + canary + `":1,"` + canary + `":1}]}}`, -1},
		"latest is a list":     {`{"latest":["` + canary + `"]}`, -1},
		"latest is text":       {`{"latest":"` + canary + `"}`, -1},
		"value is a number":    {`{"latest":{"k":{"version":1,"value":12345678901}}}`, -1},
		"entry is a number":    {`{"latest":{"` + canary + `":12345678901}}`, -1},
		"version is text":      {`{"latest":{"k":{"version":"` + canary + `","value":"v"}}}`, -1},
		"version is a half":    {`{"latest":{"k":{"version":1.5,"value":"` + canary + `"}}}`, -1},
		"version is too large": {`{"latest":{"k":{"version":99999999999999999999,"value":"` + canary + `"}}}`, -1},
		"not UTF-8":            {`{"latest":{"k":{"version":1,"value":"` + canary + "\xff" + `"}}}`, -1},
		"half a surrogate":     {`{"latest":{"k":{"version":1,"value":"` + canary + `\ud800"}}}`, -1},
		"control character":    {`{"latest":{"k":{"version":1,"value":"` + canary + "\n" + `"}}}`, -1},
		"deep nesting":         {deep, -1},
		"comment":              {`{"latest":{}/*` + canary + `*/}`, -1},
	} {
		for _, alias := range []string{"alias/app", ""} {
			x, err := index.Parse(alias, []byte(test.body))
			var parse *index.ParseError
			if !errors.As(err, &parse) || x != nil {
				t.Errorf("%s (alias %q): %v, error %v", name, alias, x, err)
				continue
			}
			if parse.Offset < 0 || parse.Offset > int64(len(test.body)) || test.at >= 0 && parse.Offset != test.at {
				t.Errorf("%s: byte %d; want %d", name, parse.Offset, test.at)
			}
			if text := err.Error(); strings.Contains(text, canary) || strings.Contains(text, "12345678901") {
				t.Errorf("%s: the error quotes the document: %s", name, text)
			}
		}
	}
}

func TestIndexHasAtMost16MiB(t *testing.T) {
	body := append([]byte(`{"latest":{}}`), bytes.Repeat([]byte(" "), index.MaxSize)...)
	if _, err := index.Parse("alias/app", body[:index.MaxSize]); err != nil {
		t.Errorf("16 MiB: %v", err)
	}
	var parse *index.ParseError
	if _, err := index.Parse("alias/app", body[:index.MaxSize+1]); !errors.As(err, &parse) || parse.Offset != index.MaxSize {
		t.Errorf("one byte more: %v", err)
	}
}

func TestTimesThatAreNoneAreZero(t *testing.T) {
	for _, created := range []string{"", "yesterday", "2026-13-01T00:00:00Z", "1700000000"} {
		x := parse(t, "alias/app", `{"latest":{"k":{"version":1,"value":"v","created":"`+created+`"}}}`)
		if e := x.Entries["k"]; !e.Created.IsZero() || e.Value.Reveal() != "v" {
			t.Errorf("created %q: %v", created, e.Created)
		}
	}
	x := parse(t, "alias/app", `{"latest":{"k":{"version":1,"value":"v","created":"2026-01-02T03:04:05.5+02:00"}}}`)
	if got := x.Entries["k"].Created; !got.Equal(time.Date(2026, 1, 2, 1, 4, 5, 5e8, time.UTC)) || got.Location() != time.UTC {
		t.Errorf("created %v", got)
	}
}

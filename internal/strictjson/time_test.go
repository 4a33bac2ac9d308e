package strictjson_test

import (
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/strictjson"
)

func TestEveryTimeThatIsReadCanBeWritten(t *testing.T) {
	for text, want := range map[string]string{
		"2026-05-04T03:02:01.5Z":          "2026-05-04T03:02:01.5Z",
		"2026-05-04T03:02:01+02:00":       "2026-05-04T01:02:01Z",
		"9999-12-31T23:59:59Z":            "9999-12-31T23:59:59Z",
		"9999-12-31T23:59:59-00:01":       "", // of the year 10000
		"9999-12-31T23:59:59.9-23:59":     "",
		"0000-01-01T00:00:00Z":            "0000-01-01T00:00:00Z",
		"0000-01-01T00:00:00+00:01":       "", // of the year before
		"0001-01-01T00:00:00Z":            "", // the zero time
		"":                                "",
		"yesterday":                       "",
		"2026-13-01T00:00:00Z":            "",
		"10000-01-01T00:00:00Z":           "",
		"2026-05-04 03:02:01 +0000 UTC":   "",
		"2026-05-04T03:02:01Z and more":   "",
		"2026-05-04T03:02:01.123456789Z":  "2026-05-04T03:02:01.123456789Z",
		"2026-05-04T03:02:01.1234567891Z": "2026-05-04T03:02:01.123456789Z",
	} {
		got := strictjson.ParseTime(text)
		if _, err := got.MarshalJSON(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		written := strictjson.FormatTime(got)
		if written != want {
			t.Errorf("%q is written as %q, want %q", text, written, want)
		}
		if !strictjson.ParseTime(written).Equal(got) || got.Location() != time.UTC {
			t.Errorf("%q comes back as another time", text)
		}
	}
}

package survey_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/survey"
)

const (
	json     = `{"latest":{}}`
	team     = "age-encryption.org/v1\n-> coffer-alias alias%2Fapp 0 0 0\n"
	envelope = "age-encryption.org/v1\n-> aws-kms 0 0\n"
	ofAlias  = "/__kms_alias_app__latest.json"
)

func kind(format string, aliases bool) store.BackendFormat {
	return store.BackendFormat{Format: format, Aliases: aliases}
}

var (
	isTeam     = kind(bucket.FormatTeam, true)
	isEnvelope = kind(bucket.FormatKMS, true)
	isKMS      = kind(bucket.FormatJSON, true)
	isPlain    = kind(bucket.FormatJSON, false)
)

func TestABucketTellsWhoseItIs(t *testing.T) {
	for name, test := range map[string]struct {
		objects map[string]string
		own     store.BackendFormat
		have    store.BackendFormat // the zero value: it may be used
	}{
		"empty":                        {nil, isTeam, store.BackendFormat{}},
		"s3-kms as s3-age":             {map[string]string{"api/a.json": json, "api" + ofAlias: json}, isTeam, isKMS},
		"s3 as s3-kms":                 {map[string]string{"api/a.json": json, "api/__latest.json": json}, isKMS, isPlain},
		"s3-age as s3-envelope":        {map[string]string{"api/a.json": team, "api" + ofAlias: team, "__keys/alias/app.age": "age"}, isEnvelope, isTeam},
		"s3-envelope as s3-kms":        {map[string]string{"api/a.json": envelope, "api" + ofAlias: envelope}, isKMS, isEnvelope},
		"its own":                      {map[string]string{"api/a.json": team, "api" + ofAlias: team}, isTeam, store.BackendFormat{}},
		"its own beside another's":     {map[string]string{"api/a.json": json, "api" + ofAlias: json, "web/a.json": envelope, "web" + ofAlias: envelope}, isEnvelope, store.BackendFormat{}},
		"a team's beside another's":    {map[string]string{"api/a.json": json, "api" + ofAlias: json, "__keys/alias/app.age": "age"}, isTeam, store.BackendFormat{}},
		"an index without secrets":     {map[string]string{"api" + ofAlias: json}, isTeam, store.BackendFormat{}},
		"files of another program":     {map[string]string{"data/a.json": json, "a.json": json, "b": ""}, isTeam, store.BackendFormat{}},
		"an index that begins oddly":   {map[string]string{"api/a.json": json, "api" + ofAlias: "%"}, isTeam, store.BackendFormat{}},
		"one of its own, the last":     {many(60, envelope, "z"), isKMS, store.BackendFormat{}},
		"sixty of another":             {many(60, envelope, ""), isTeam, isEnvelope},
		"a service within a service":   {map[string]string{"team/api/a.json": json, "team/api" + ofAlias: json}, isTeam, isKMS},
		"a name of the root directory": {map[string]string{"__kms_alias_app__latest.json": json, "a.json": json}, isTeam, store.BackendFormat{}},
	} {
		t.Run(name, func(t *testing.T) {
			b := &counting{Bucket: filled(t, test.objects)}
			err := survey.Other(t.Context(), b, survey.Store{Bucket: "b", BackendFormat: test.own})
			var other *store.OtherBackendError
			switch {
			case test.have == store.BackendFormat{}:
				if err != nil {
					t.Error(err)
				}
			case !errors.As(err, &other) || other.Have != test.have || other.Want != test.own || other.Bucket != "b" || !errors.Is(err, store.ErrConfiguration):
				t.Errorf("%#v; want %v", err, test.have)
			}
			if b.read > 20 {
				t.Errorf("%d indexes were read", b.read)
			}
		})
	}
}

// many are services with an index each, of one kind; that of own is JSON.
func many(n int, body, own string) map[string]string {
	all := map[string]string{}
	for i := range n {
		all[fmt.Sprintf("s%02d/a.json", i)], all[fmt.Sprintf("s%02d", i)+ofAlias] = body, body
	}
	if own != "" {
		all[own+"/a.json"], all[own+ofAlias] = json, json
	}
	return all
}

// A bucket of a million objects is listed no further than its beginning.
func TestASurveyIsBounded(t *testing.T) {
	b := &counting{Bucket: filled(t, nil), listed: 1_000_000}
	if err := survey.Other(t.Context(), b, survey.Store{BackendFormat: isTeam}); err != nil || b.given > 5001 {
		t.Errorf("%v; %d names were listed", err, b.given)
	}
}

// Who may not look is told nothing: the commands themselves say what is denied.
func TestASurveyThatIsDeniedSaysNothing(t *testing.T) {
	objects := map[string]string{"api/a.json": team, "api" + ofAlias: team}
	for _, b := range []*counting{{Bucket: filled(t, objects), denied: "list"}, {Bucket: filled(t, objects), denied: "read"}} {
		if err := survey.Other(t.Context(), b, survey.Store{BackendFormat: isKMS}); err != nil {
			t.Errorf("%s: %v", b.denied, err)
		}
	}
	b := &counting{Bucket: filled(t, objects), denied: "read", method: "aws:kms"} // the server's key is denied, and its name isn't
	var other *store.OtherBackendError
	if err := survey.Other(t.Context(), b, survey.Store{BackendFormat: isTeam}); !errors.As(err, &other) || other.Have != isKMS {
		t.Errorf("%v", err)
	}
}

func filled(t *testing.T, objects map[string]string) *membucket.Bucket {
	t.Helper()
	b := membucket.New(membucket.Options{})
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		if _, err := b.Put(t.Context(), name, []byte(objects[name]), bucket.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// counting is a bucket that counts what is read, denies some, and lists names without end.
type counting struct {
	*membucket.Bucket
	denied string
	method string
	listed int
	given  int
	read   int
}

func (b *counting) Walk(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	if b.denied == "list" {
		return func(yield func(bucket.Info, error) bool) {
			yield(bucket.Info{}, &bucket.Error{Op: "list", Err: bucket.ErrDenied})
		}
	}
	if b.listed == 0 {
		return b.Bucket.Walk(ctx, prefix)
	}
	return func(yield func(bucket.Info, error) bool) {
		for n := range b.listed {
			if b.given++; !yield(bucket.Info{Name: fmt.Sprintf("data/%07d", n)}, nil) {
				return
			}
		}
	}
}

func (b *counting) ReadHeader(ctx context.Context, name string, n int) (bucket.Info, []byte, error) {
	b.read++
	if b.denied == "read" {
		return bucket.Info{}, nil, &bucket.Error{Op: "head", Name: name, Err: bucket.ErrDenied}
	}
	return b.Bucket.ReadHeader(ctx, name, n)
}

func (b *counting) Head(ctx context.Context, name string) (bucket.Info, error) {
	if b.denied == "read" && b.method == "" {
		return bucket.Info{}, &bucket.Error{Op: "head", Name: name, Err: bucket.ErrDenied}
	}
	info, err := b.Bucket.Head(ctx, name)
	info.Seal.Method = b.method
	return info, err
}

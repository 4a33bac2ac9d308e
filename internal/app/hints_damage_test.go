package app

import (
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
)

func TestDamageIsSentToTheDoctorOnlyWhereThereIsOne(t *testing.T) {
	t.Parallel()
	for object, want := range map[string]string{
		"secret plain":                         "another program wrote it",
		"secret team/api, version 1":           "another program wrote it",
		"api/db_password.json":                 "coffer doctor api shows",
		"team/api/db_password.json":            "coffer doctor team/api shows",
		"api/__kms_alias_app__latest.json":     "coffer doctor --fix api rebuilds",
		"/team/api/__kms_alias_b__latest.json": "coffer doctor --fix team/api rebuilds",
	} {
		for _, err := range []error{
			&store.CorruptError{Object: object, Offset: -1, Reason: "it is not valid JSON"},
			&store.StorageError{Op: "get", Object: object, Kind: store.ErrCorrupt},
		} {
			if got := hint(err); !strings.HasPrefix(got, want) {
				t.Errorf("%T %s: %q, want %q", err, object, got, want)
			}
		}
	}
}

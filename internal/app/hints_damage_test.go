package app

import (
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
)

func TestDamageIsSentToTheDoctorOnlyWhereThereIsOne(t *testing.T) {
	t.Parallel()
	for object, want := range map[string]struct{ read, unread string }{ // if it could be decrypted, and if not
		"secret plain":                         {"another program wrote it", "another program wrote it"},
		"secret team/api, version 1":           {"another program wrote it", "another program wrote it"},
		"api/db_password.json":                 {"coffer doctor api shows", "coffer doctor api shows"},
		"team/api/db_password.json":            {"coffer doctor team/api shows", "coffer doctor team/api shows"},
		"api/__kms_alias_app__latest.json":     {"coffer doctor --fix api rebuilds", "coffer doctor api shows"},
		"/team/api/__kms_alias_b__latest.json": {"coffer doctor --fix team/api rebuilds", "coffer doctor team/api shows"},
	} {
		for _, c := range []struct {
			err  error
			want string
		}{
			{&store.CorruptError{Object: object, Offset: -1, Reason: "it is not valid JSON"}, want.read},
			{&store.StorageError{Op: "get", Object: object, Kind: store.ErrCorrupt}, want.unread},
		} {
			if got := hint(c.err); !strings.HasPrefix(got, c.want) {
				t.Errorf("%T %s: %q, want %q", c.err, object, got, c.want)
			}
		}
	}
}

// What is encrypted with a key has had that key: nobody is told that a write makes it.
func TestAMissingKeyIsRestoredNotMade(t *testing.T) {
	t.Parallel()
	for op, want := range map[string]string{"get": "restore the object from a backup", "put": "the first write under the alias"} {
		if got := hint(&store.StorageError{Op: op, Object: "api/a.json", Kind: store.ErrDenied, Code: store.CodeNoTeamKey}); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", op, got, want)
		}
	}
}

package app

import "testing"

// After a wait that ended, the command that shows what became of a change works on its backend.
func TestTheCommandToLookWithIsOfTheBackend(t *testing.T) {
	for _, test := range []struct{ backend, name, want string }{
		{"s3-kms", "api/db_url", "coffer history api db_url"},
		{"s3-kms", "team/api/db_url", "coffer history team/api db_url"},
		{"s3-kms", "PutBucketPolicy acme", "coffer doctor"},
		{"ssm", "api/db_url", "coffer history api db_url"},
		{"ssm", "api/a, /api/b", "coffer list api"}, // DeleteParameters
		{"secretsmanager", "api", "coffer list api"},
		{"secretsmanager", "team/api", "coffer list team/api"},
	} {
		if got := commandToCheck([]string{test.name}, &Settings{Backend: Setting{Value: test.backend}}); got != test.want {
			t.Errorf("%s on %s: %q, want %q", test.name, test.backend, got, test.want)
		}
	}
}

package store_test

import (
	"testing"

	"github.com/coffer-secrets/coffer/store"
)

func TestNearestIsTheMostSimilarName(t *testing.T) {
	for _, c := range []struct {
		name       string
		candidates []string
		want       string
	}{
		{"histroy", []string{"audit", "history", "share"}, "history"}, // audit comes before it, and is not similar
		{"histroy", []string{"history", "audit"}, "history"},
		{"db_ulr", []string{"a", "db_uri", "db_url"}, "db_url"}, // two letters swapped are one change
		{"ab", []string{"ac", "aa"}, "aa"},                      // of equals the first in order
		{"DB_URL", []string{"db_url2"}, "db_url2"},
		{"token", []string{"password"}, ""},
		{"x", nil, ""},
	} {
		if got := store.Nearest(c.name, c.candidates); got != c.want {
			t.Errorf("nearest to %q of %q: %q, want %q", c.name, c.candidates, got, c.want)
		}
	}
}

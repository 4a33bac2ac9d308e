package environ

import (
	"errors"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
)

func TestNameMakesAVariableOfAKey(t *testing.T) {
	for _, c := range []struct{ key, prefix, want string }{
		{"db_url", "", "DB_URL"},
		{"db-url", "", "DB_URL"},
		{"db.url", "", "DB_URL"},
		{"DbUrl9", "", "DBURL9"},
		{"2fa", "", "_2FA"},
		{"2fa", "app_", "app_2FA"},
		{"key", "9", "_9KEY"},
		{"_", "", "_"},
		{"-", "", "_"},
		{"x", "TF_VAR_", "TF_VAR_X"},
	} {
		got, err := Name(c.key, c.prefix)
		if err != nil || got != c.want {
			t.Errorf("Name(%q, %q) = %q, %v; want %q", c.key, c.prefix, got, err, c.want)
		}
	}
}

func TestNameRefusesWhatNoVariableCanBeCalled(t *testing.T) {
	for _, c := range []struct{ key, prefix string }{
		{"", ""},
		{"", "APP_"},
		{"a=b", ""},
		{"a b", ""},
		{"a\n", ""},
		{"a\x00", ""},
		{"straße", ""},
		{"ı", ""}, // upper case by Unicode: I
		{"ok", "a-"},
	} {
		got, err := Name(c.key, c.prefix)
		var bad *NameError
		if !errors.As(err, &bad) || !errors.Is(err, store.ErrInvalid) || got != "" {
			t.Errorf("Name(%q, %q) = %q, %v; want a NameError", c.key, c.prefix, got, err)
		} else if strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("the error %q carries a control character", err)
		}
	}
}

func FuzzName(f *testing.F) {
	for _, seed := range [][2]string{{"db-url", ""}, {"2fa", ""}, {"2fa", "app_"}, {"a=b", ""}, {"", "P"}, {"\xff", ""}, {"x\n", ""}, {"ſ", "K"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, key, prefix string) {
		name, err := Name(key, prefix)
		if (err == nil) != validName(name) {
			t.Fatalf("Name(%q, %q) = %q, %v", key, prefix, name, err)
		}
		if err != nil {
			return
		}
		if again, err := Name(name, ""); err == nil && prefix == "" && again != name {
			t.Fatalf("Name(%q) = %q, and of that %q", key, name, again)
		}
	})
}

// validName says the rule over again, without the pattern.
func validName(name string) bool {
	const first = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	return name != "" && strings.Trim(name, first+"0123456789") == "" &&
		strings.IndexByte(first, name[0]) >= 0 && strings.IndexFunc(name, func(r rune) bool {
		return !strings.ContainsRune(first+"0123456789", r)
	}) < 0
}

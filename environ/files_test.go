package environ

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
)

// passIn builds the environment of two services and passes some of their secrets in files.
func passIn(t *testing.T, pattern string, rules Rules, layers ...Layer) (Environment, []Notice, error) {
	t.Helper()
	env, _, err := Build([]string{"HOME=/h", "TLS_KEY_FILE=/old", "TLS_KEY=old"}, layers, rules)
	if err != nil {
		t.Fatal(err)
	}
	return env.PassInFiles(pattern, rules, func(v Variable) (string, error) { return "/run/" + v.Name, nil })
}

func TestASecretInAFileHasItsPathInAVariableAndNoOther(t *testing.T) {
	for pattern, want := range map[string][]string{
		"tls_key": {"HOME=/h", "TLS_CERT=2", "TLS_KEY_FILE=/run/TLS_KEY", "URL=4"},
		"TLS_KEY": {"HOME=/h", "TLS_CERT=2", "TLS_KEY_FILE=/run/TLS_KEY", "URL=4"},
		"tls_*":   {"HOME=/h", "TLS_CERT_FILE=/run/TLS_CERT", "TLS_KEY_FILE=/run/TLS_KEY", "URL=4"},
	} {
		env, notices, err := passIn(t, pattern, Rules{}, layer("api", "tls_key=1", "tls_cert=2"), layer("web", "url=4"))
		if diff := cmp.Diff(want, env.Strings()); diff != "" || err != nil || len(notices) > 0 {
			t.Errorf("%s: %v, %v\n%s", pattern, notices, err, diff)
		}
		if len(env.Secrets()) != 3 {
			t.Errorf("%s: of three secrets the environment knows %v", pattern, env.Secrets())
		}
	}
}

func TestWhatCanNotBePassedInAFileIsRefused(t *testing.T) {
	var unmatched *UnmatchedError
	if _, _, err := passIn(t, "tls_*", Rules{}, layer("api", "url=1")); !errors.As(err, &unmatched) {
		t.Errorf("without such a key: %v", err)
	}
	var bad *PatternError
	if _, _, err := passIn(t, "[", Rules{}, layer("api", "url=1")); !errors.As(err, &bad) {
		t.Errorf("with a bad pattern: %v", err)
	}
	var clash *ClashError
	if _, _, err := passIn(t, "tls_key", Rules{}, layer("api", "tls_key=1", "tls_key_file=2")); !errors.As(err, &clash) || clash.Name != "TLS_KEY_FILE" {
		t.Errorf("with a secret of the same name: %v", err)
	}
	if _, _, err := passIn(t, "malloc", Rules{AllowEnv: []string{"MALLOC"}}, layer("api", "malloc="+canary)); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("for the C library: %v", err)
	}
	if _, notices, err := passIn(t, "ssl_cert", Rules{}, layer("api", "ssl_cert=1")); err != nil || len(notices) != 1 || notices[0].Kind != Dangerous || notices[0].Names[0] != "SSL_CERT_FILE" {
		t.Errorf("a variable that says whom a program trusts: %v, %v", notices, err)
	}
	env, _, err := Build(nil, []Layer{layer("api", "a_1=1", "a_2=2"), layer("web", "b=1")}, Rules{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := env.SelectOne("a_*"); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("two secrets for one file: %v", err)
	}
	if v, err := env.SelectOne("B"); err != nil || v.Service != "web" {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestTheLimitsOfTheSystemHoldForThePathNotForTheFile(t *testing.T) {
	const size = 1 << 20
	env, _, err := passIn(t, "tls_key", Rules{}, layer("api", "tls_key="+strings.Repeat("x", size)+"\x00"))
	if err != nil {
		t.Fatal(err)
	}
	if err := Check("/bin/x", []string{"x"}, env, Limits{Bytes: 1 << 10, Units: 1 << 10, Total: 1 << 12}); err != nil {
		t.Error(err)
	}
	part := Variable{Service: "api", Key: "pw", Value: store.NewValue(strings.Repeat("x", size))}
	if err := Check("/bin/x", []string{"x"}, Environment{part}, Limits{Bytes: 1 << 10, Total: 1 << 12}); err != nil {
		t.Errorf("a part of another value: %v", err)
	}
	if got := (Environment{part}).Strings(); len(got) > 0 {
		t.Errorf("a part of another value is passed: %d variables", len(got))
	}
}

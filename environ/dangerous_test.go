package environ

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
)

func TestBuildRefusesNamesThatRunOtherCode(t *testing.T) {
	for _, key := range []string{
		"ld_preload", "LD_LIBRARY_PATH", "ld-audit", "dyld_insert_libraries", "gconv_path", "locpath",
		"bash_env", "env", "ifs", "shellopts", "ps4", "path",
		"comspec", "pathext", "psmodulepath", "windir", "prompt_command", "ps1", "zdotdir", "bashopts", "cdpath",
		"glibc_tunables", "malloc_trace", "malloc-perturb.", "mallocstacklogging", "_rjem_malloc_conf",
		"nlspath", "getconf_dir", "hostaliases", "res_options", "resolv_host_conf", "localdomain", "tzdir",
	} {
		parent := []string{"PATH=/bin"}
		env, notices, err := Build(parent, []Layer{layer("api", key+"="+canary)}, Rules{})
		var dangerous *DangerousError
		if !errors.As(err, &dangerous) || dangerous.Key != key || !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: error is %v", key, err)
			continue
		}
		if strings.Contains(texts(env, notices, err), canary) {
			t.Errorf("%s: a value shows", key)
		}
		if _, notices, err := Build(parent, []Layer{layer("api", key+"=v")}, Rules{AllowEnv: []string{dangerous.Name}}); err != nil || len(notices) != 0 {
			t.Errorf("%s, allowed: %v, %v", key, notices, err)
		}
	}
	for _, key := range []string{"environment", "ps41", "pathname", "my_path", "xld_preload", "ld"} {
		if _, _, err := Build(nil, []Layer{layer("api", key+"=v")}, Rules{}); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestADangerousNameIsSeenBehindAPrefix(t *testing.T) {
	_, _, err := Build(nil, []Layer{layer("api", "preload=x")}, Rules{Prefix: "Ld_"})
	var dangerous *DangerousError
	if !errors.As(err, &dangerous) || dangerous.Name != "Ld_PRELOAD" {
		t.Errorf("error is %v", err)
	}
}

func TestBuildNoticesNamesThatSteerSomePrograms(t *testing.T) {
	keys := []string{
		"aws_endpoint_url_s3", "dotnet_startup_hooks", "git_ssh_command", "https_proxy", "java_tool_options",
		"kubeconfig", "node_options", "perl5lib", "pythonpath", "rubyopt", "ssl_cert_file", "_java_options", "jdk_java_options",
		"classpath", "cor_profiler", "coreclr_enable_profiling", "openssl_conf", "curl_home", "ssh_askpass", "lua_init", "asan_options",
		"home", "shell", "tmpdir", "lessopen", "godebug", "phprc", "node_path", "perllib",
	}
	for _, key := range keys {
		env, notices, err := Build(nil, []Layer{layer("api", key+"="+canary)}, Rules{})
		if err != nil || len(env) != 1 || len(notices) != 1 || notices[0].Kind != Dangerous || notices[0].Names[0] != strings.ToUpper(key) {
			t.Errorf("%s: %v, %v, %v", key, env, notices, err)
		}
		if strings.Contains(texts(env, notices, err), canary) {
			t.Errorf("%s: a value shows", key)
		}
	}
	_, notices, err := Build([]string{"PYTHONPATH=/p"}, []Layer{layer("api", "node_options=1")}, Rules{AllowEnv: []string{"NODE_OPTIONS"}})
	if err != nil || len(notices) != 0 {
		t.Errorf("inherited and allowed: %v, %v", notices, err)
	}
}

// On Windows Path and PATH are one variable: execve would pass both, and which one counts is chance.
func TestNamesAreComparedWithoutCaseWhereTheSystemDoes(t *testing.T) {
	strict := "fill"
	for name, c := range map[string]struct {
		parent []string
		layers []Layer
		rules  Rules
		want   []string
	}{
		"a secret takes the place of the parent's": {[]string{"Token=old", "x=1"}, []Layer{layer("a", "token=new")}, Rules{}, []string{"x=1", "TOKEN=new"}},
		"the parent's last one is kept":            {[]string{"Token=1", "TOKEN=2"}, nil, Rules{}, []string{"TOKEN=2"}},
		"coffer's own are not passed on":           {[]string{"Coffer_Retries=1", "x=1"}, nil, Rules{}, []string{"x=1"}},
		"credentials are taken out":                {[]string{"Aws_Session_Token=1", "x=1"}, nil, Rules{NoAWS: true}, []string{"x=1"}},
		"prefixes are taken out":                   {[]string{"Chamber_x=1", "x=1"}, nil, Rules{StripPrefixes: []string{"chamber_"}}, []string{"x=1"}},
		"a strict variable is filled":              {[]string{"Token=fill"}, []Layer{layer("a", "token=new")}, Rules{Strict: &strict}, []string{"TOKEN=new"}},
		"a dangerous name is allowed":              {nil, []Layer{layer("a", "comspec=x")}, Rules{AllowEnv: []string{"ComSpec"}}, []string{"COMSPEC=x"}},
		"the later service wins":                   {nil, []Layer{layer("a", "x=1"), layer("b", "X=2")}, Rules{}, []string{"X=2"}},
	} {
		c.rules.FoldCase = true
		env, _, err := Build(c.parent, c.layers, c.rules)
		if diff := cmp.Diff(c.want, env.Strings()); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	if env, _, err := Build([]string{"Token=old"}, []Layer{layer("a", "token=new")}, Rules{}); err != nil || len(env) != 2 {
		t.Errorf("elsewhere they are two: %v, %v", env.Strings(), err)
	}
}

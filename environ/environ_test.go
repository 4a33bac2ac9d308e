package environ

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
)

// canary is in every value that no text may show.
const canary = "canary-7f3a"

// layer makes a layer of key=value strings.
func layer(service string, secrets ...string) Layer {
	l := Layer{Service: service}
	for _, s := range secrets {
		key, value, _ := strings.Cut(s, "=")
		l.Vars = append(l.Vars, Var{Key: key, Value: store.NewValue(value)})
	}
	return l
}

// texts are all that a person would see of a result.
func texts(env Environment, notices []Notice, err error) string {
	return fmt.Sprint(env, notices, err) + fmt.Sprintf("%+v %#v %+v %#v", env, env, notices, err)
}

func TestBuildAddsSecretsToTheParentsEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		parent []string
		layers []Layer
		rules  Rules
		want   []string
	}{
		"nothing":                           {nil, nil, Rules{}, []string{}},
		"parent first":                      {[]string{"Z=1", "A=2"}, []Layer{layer("api", "k=v", "b=w")}, Rules{}, []string{"Z=1", "A=2", "B=w", "K=v"}},
		"secret replaces":                   {[]string{"DB=old", "HOME=/h"}, []Layer{layer("api", "db=new")}, Rules{}, []string{"HOME=/h", "DB=new"}},
		"names keep case":                   {[]string{"db=old"}, []Layer{layer("api", "db=new")}, Rules{}, []string{"db=old", "DB=new"}},
		"value is kept whole":               {[]string{"A=b=c", "E="}, []Layer{layer("api", "k=x=y\n z ", "e2=")}, Rules{}, []string{"A=b=c", "E=", "E2=", "K=x=y\n z "}},
		"parent has a name twice":           {[]string{"A=1", "B=2", "A=3"}, nil, Rules{}, []string{"A=3", "B=2"}},
		"parent's malformed entries":        {[]string{"", "novalue", "=x", "=C:=C:\\dir", "f%%=() { :; }"}, nil, Rules{}, []string{"=C:=C:\\dir", "f%%=() { :; }"}},
		"pristine":                          {[]string{"HOME=/h"}, []Layer{layer("api", "k=v")}, Rules{Pristine: true}, []string{"K=v"}},
		"prefix":                            {nil, []Layer{layer("api", "db-url=v", "2fa=w")}, Rules{Prefix: "app_"}, []string{"app_2FA=w", "app_DB_URL=v"}},
		"only":                              {nil, []Layer{layer("api", "db_url=1", "db_user=2", "smtp=3")}, Rules{Only: []string{"DB_*"}}, []string{"DB_URL=1", "DB_USER=2"}},
		"except":                            {nil, []Layer{layer("api", "db_url=1", "DB_USER=2", "smtp=3")}, Rules{Except: []string{"*_u[rs]*"}}, []string{"SMTP=3"}},
		"only and except":                   {nil, []Layer{layer("api", "db_url=1", "db_user=2")}, Rules{Only: []string{"db_*"}, Except: []string{"*_user"}}, []string{"DB_URL=1"}},
		"skip takes names, not globs":       {nil, []Layer{layer("api", "a=1", "ab=2")}, Rules{Skip: []string{"A"}}, []string{"AB=2"}},
		"skip lets bad names be":            {nil, []Layer{layer("api", "bad name=1", "path=2", "ok=3")}, Rules{Skip: []string{"bad name", "path"}}, []string{"OK=3"}},
		"coffer's own are not inherited":    {[]string{"COFFER_BUCKET=b", "COFFER=c", "CHAMBER_X=d"}, nil, Rules{}, []string{"COFFER=c", "CHAMBER_X=d"}},
		"more prefixes stripped":            {[]string{"COFFER_BUCKET=b", "CHAMBER_X=d"}, nil, Rules{StripPrefixes: []string{"CHAMBER_"}}, []string{}},
		"no AWS credentials":                {[]string{"AWS_SECRET_ACCESS_KEY=s", "AWS_SESSION_TOKEN=t", "AWS_PROFILE=p", "AWS_REGION=r"}, nil, Rules{NoAWS: true}, []string{"AWS_REGION=r"}},
		"a secret may be an AWS credential": {[]string{"AWS_ACCESS_KEY_ID=mine"}, []Layer{layer("api", "aws_access_key_id=its")}, Rules{NoAWS: true}, []string{"AWS_ACCESS_KEY_ID=its"}},
		"later service wins":                {nil, []Layer{layer("api", "k=1"), layer("worker", "k=2")}, Rules{}, []string{"K=2"}},
		"allowed by name":                   {[]string{"PATH=/bin"}, []Layer{layer("api", "path=/opt")}, Rules{AllowEnv: []string{"PATH"}}, []string{"PATH=/opt"}},
	} {
		t.Run(name, func(t *testing.T) {
			env, _, err := Build(c.parent, c.layers, c.rules)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, env.Strings()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSecretsAreTheVariablesThatWereNotInherited(t *testing.T) {
	env, _, err := Build([]string{"HOME=/h"}, []Layer{layer("api", "b=2", "a=1")}, Rules{})
	if err != nil {
		t.Fatal(err)
	}
	got := env.Secrets()
	if len(got) != 2 || got[0].Name != "A" || got[0].Service != "api" || got[0].Key != "a" || got[1].Name != "B" {
		t.Errorf("secrets are %v", got)
	}
	if len(env) != 3 || !env[0].Inherited() || env[1].Inherited() {
		t.Errorf("the environment changed: %v", env)
	}
}

func TestBuildRefusesTwoKeysInOneVariable(t *testing.T) {
	env, notices, err := Build(nil, []Layer{layer("api", "db_url="+canary, "db-url="+canary, "db.url="+canary, "ok=1")}, Rules{})
	var clash *ClashError
	if !errors.As(err, &clash) || !errors.Is(err, store.ErrInvalid) {
		t.Fatalf("error is %v", err)
	}
	if diff := cmp.Diff(&ClashError{"api", "DB_URL", []string{"db-url", "db.url", "db_url"}}, clash); diff != "" {
		t.Error(diff)
	}
	if env != nil || strings.Contains(texts(env, notices, err), canary) {
		t.Errorf("result %v, error %v", env, err)
	}
}

func TestBuildNoticesOnceWhatLaterServicesReplace(t *testing.T) {
	_, notices, err := Build(nil, []Layer{layer("a", "x=1"+canary, "y=1", "own=1"), layer("b", "x=2"+canary, "y=1"), layer("c", "x=3"), layer("c", "y=4")}, Rules{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Notice{{
		Kind:  Replaced,
		Text:  `set by more than one service (the last one is used): X ("c" over "b"), Y ("c" over "b")`,
		Names: []string{"X", "Y"},
	}}
	if diff := cmp.Diff(want, notices); diff != "" {
		t.Error(diff)
	}
}

func TestTheSameServiceTwiceIsNoReplacement(t *testing.T) {
	env, notices, err := Build(nil, []Layer{layer("a", "x=1"), layer("a", "x=1")}, Rules{})
	if err != nil || len(notices) != 0 || len(env) != 1 {
		t.Errorf("%v, %v, %v", env, notices, err)
	}
}

func TestBuildNamesEveryProblemAtOnce(t *testing.T) {
	_, _, err := Build(nil, []Layer{layer("api", "ld_preload="+canary, "bad\x1bkey="+canary), layer("w", "a-b="+canary, "a_b="+canary)}, Rules{})
	var (
		name      *NameError
		clash     *ClashError
		dangerous *DangerousError
		all       Problems
	)
	if !errors.As(err, &name) || !errors.As(err, &clash) || !errors.As(err, &dangerous) || !errors.As(err, &all) || len(all) != 3 {
		t.Fatalf("error is %v", err)
	}
	if name.Service != "api" || !errors.Is(err, store.ErrInvalid) {
		t.Errorf("error is %#v", err)
	}
	if text := err.Error(); strings.Contains(text, canary) || strings.ContainsAny(text, "\x1b\n") {
		t.Errorf("the text is %q", text)
	}
}

func TestKeepGoingLeavesBadSecretsOut(t *testing.T) {
	env, notices, err := Build(nil, []Layer{layer("api", "ld_preload=1", "b d=2", "a-b=3", "a_b=4", "ok=5")}, Rules{KeepGoing: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"OK=5"}, env.Strings()); diff != "" {
		t.Error(diff)
	}
	for _, n := range notices {
		if n.Kind != LeftOut || !errors.Is(n.Err, store.ErrInvalid) || n.Text == "" {
			t.Errorf("notice %+v", n)
		}
	}
	if len(notices) != 3 {
		t.Errorf("%d notices: %v", len(notices), notices)
	}
}

func TestPatternsThatFitNothingAreNoticed(t *testing.T) {
	rules := Rules{Only: []string{"db*", "nope*"}, Except: []string{"zip"}, Skip: []string{"gone", "DB"}, AllowUnmatched: true}
	_, notices, err := Build(nil, []Layer{layer("api", "db=1")}, rules)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range notices {
		if n.Kind != Unmatched {
			t.Errorf("notice %+v", n)
		}
		got = append(got, n.Text)
	}
	want := []string{`no key matches the pattern "nope*"`, `no key matches the pattern "zip"`, `no key matches the name "gone"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAPatternToSelectThatFitsNothingIsRefused(t *testing.T) {
	for _, only := range []string{"nope*", "d", "db?"} {
		env, _, err := Build([]string{"A=1"}, []Layer{layer("api", "db=1")}, Rules{Only: []string{"db", only}})
		var missed *UnmatchedError
		if !errors.As(err, &missed) || !errors.Is(err, store.ErrNotFound) || missed.Pattern != only || env != nil {
			t.Errorf("%s: %v, %v", only, env, err)
		}
	}
}

// The rule for a key: exactly that name, else the only one that differs in case.
func TestANameToSelectIsLookedUpAsASecretIs(t *testing.T) {
	twins := []Layer{layer("api", "key=1", "KEY=2", "Other=3")}
	for name, test := range map[string]struct {
		rules Rules
		want  string // "" if the name can mean both
	}{
		"only the exact one":    {Rules{Only: []string{"KEY"}}, "KEY=2"},
		"except the exact one":  {Rules{Except: []string{"KEY", "other"}}, "KEY=1"},
		"skip the exact one":    {Rules{Skip: []string{"key", "OTHER"}}, "KEY=2"},
		"only one in case":      {Rules{Only: []string{"oTHER"}}, "OTHER=3"},
		"only either of two":    {Rules{Only: []string{"Key"}}, ""},
		"skip either of two":    {Rules{Skip: []string{"Key"}}, ""},
		"except either of two":  {Rules{Except: []string{"Key"}}, ""},
		"a glob fits all of it": {Rules{Only: []string{"O*"}}, "OTHER=3"},
	} {
		env, _, err := Build(nil, twins, test.rules)
		switch {
		case test.want == "" && !errors.Is(err, store.ErrAmbiguousName):
			t.Errorf("%s: %v, %v", name, env.Strings(), err)
		case test.want != "" && (err != nil || strings.Join(env.Strings(), " ") != test.want):
			t.Errorf("%s: %v, %v; want %s", name, env.Strings(), err, test.want)
		}
	}
}

func TestMalformedPatternsAreRefused(t *testing.T) {
	for _, rules := range []Rules{{Only: []string{"ok", "[a"}}, {Except: []string{`x\`}}} {
		_, _, err := Build(nil, []Layer{layer("api", "db=1")}, rules)
		var bad *PatternError
		if !errors.As(err, &bad) || !errors.Is(err, store.ErrInvalid) {
			t.Errorf("error is %v", err)
		}
	}
}

func TestAnEnvironmentNeverPrintsItself(t *testing.T) {
	env, notices, err := Build([]string{"TOKEN=" + canary}, []Layer{layer("api", "k="+canary)}, Rules{})
	if err != nil {
		t.Fatal(err)
	}
	if text := texts(env, notices, err); strings.Contains(text, canary) || !strings.Contains(text, "TOKEN") {
		t.Errorf("text is %s", text)
	}
}

func FuzzBuild(f *testing.F) {
	f.Add("HOME=/h\x1fA=1\x1fA=2\x1f=C:=x\x1fnovalue", "db-url\x1fdb.url\x1f2fa", "k\x1fdb_url", "", "", uint8(0))
	f.Add("A=mark\x1fPATH=/b", "a\x1fpath", "a", "x_", "a*", uint8(0xff))
	f.Add("a=mark", "=\x1f\x00\x1fé", "\xff", "=", "[", uint8(2))
	f.Add("K=1\x1fCOFFER_X=2", "k\x1fK", "k", "", "", uint8(1))
	f.Fuzz(func(t *testing.T, parent, keys1, keys2, prefix, pattern string, flags uint8) {
		split := func(s string) []string { return strings.Split(s, "\x1f") }
		keysOf := func(service, keys string) Layer {
			l := Layer{Service: service}
			for _, key := range split(keys) {
				l.Vars = append(l.Vars, Var{Key: key, Value: store.NewValue(canary)})
			}
			return l
		}
		rules := Rules{Prefix: prefix, Pristine: flags&1 != 0, KeepGoing: flags&2 != 0, NoAWS: flags&4 != 0}
		if flags&8 != 0 {
			rules.Except = []string{pattern}
		}
		if flags&16 != 0 {
			rules.Strict = strict("mark")
		}
		env, notices, err := Build(split(parent), []Layer{keysOf("one", keys1), keysOf("two", keys2)}, rules)
		if err != nil {
			if !errors.Is(err, store.ErrInvalid) && !errors.Is(err, store.ErrAmbiguousName) || env != nil {
				t.Fatalf("%v with error %v", env, err)
			}
		}
		if !strings.Contains(parent+keys1+keys2+prefix+pattern, canary) && strings.Contains(texts(env, notices, err), canary) {
			t.Fatalf("a value shows: %v %v", notices, err)
		}
		seen := map[string]bool{}
		for i, entry := range env.Strings() {
			name := env[i].Name
			if seen[name] || name == "" || !strings.HasPrefix(entry, name+"=") {
				t.Fatalf("%q is there twice or has no name", name)
			}
			seen[name] = true
			switch secret := !env[i].Inherited(); {
			case secret && (!validName(name) || refused(name)):
				t.Fatalf("%q was let through", name)
			case !secret && (rules.Pristine || strings.HasPrefix(name, ownPrefix)):
				t.Fatalf("%q was inherited", name)
			}
		}
	})
}

func BenchmarkBuild(b *testing.B) {
	var parent []string
	l := Layer{Service: "api"}
	for i := range 1000 {
		parent = append(parent, fmt.Sprintf("VARIABLE_%d=value", i))
		l.Vars = append(l.Vars, Var{Key: fmt.Sprintf("key-%d", i), Value: store.NewValue("value")})
	}
	for b.Loop() {
		if _, _, err := Build(parent, []Layer{l}, Rules{}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestSelectKeepsBadNamesAndDropsWhatIsNotChosen(t *testing.T) {
	got, notices, err := Select([]Layer{layer("api", "ld_preload=1", "a-b=2", "a.b=3", "no=4"), layer("web", "no=5")}, Rules{Except: []string{"N*"}, Skip: []string{"gone"}})
	if err != nil || len(got) != 2 || got[0].Service != "api" || len(got[0].Vars) != 3 || len(got[1].Vars) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	if len(notices) != 1 || notices[0].Kind != Unmatched {
		t.Errorf("notices %v", notices)
	}
	if _, _, err := Select(nil, Rules{Only: []string{"["}}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("error is %v", err)
	}
}

func TestPatternsMayNameKeysThatWereLeftOutAlready(t *testing.T) {
	api := layer("api", "a=1", "Twin=2")
	api.LeftOut = []string{"gone", "twin"}
	got, notices, err := Select([]Layer{api}, Rules{Except: []string{"g*", "twin"}, Skip: []string{"GONE"}})
	if err != nil || len(notices) != 0 || len(got[0].Vars) != 2 { // Twin is another key than twin
		t.Errorf("%v, notices %v, error %v", got, notices, err)
	}
	if got, _, err := Select([]Layer{api}, Rules{Only: []string{"a", "gone"}, Except: []string{"gone"}}); err != nil || len(got[0].Vars) != 1 {
		t.Errorf("%v, error %v", got, err)
	}
}

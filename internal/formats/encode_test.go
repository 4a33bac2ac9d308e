package formats

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
)

func TestExportIsChambers(t *testing.T) {
	files, err := filepath.Glob("testdata/chamber/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			pairs, err := Decode(strings.NewReader(string(content(t, file))), "json", Options{})
			if err != nil {
				t.Fatal(err)
			}
			slices.Reverse(pairs) // the order of writing is ours
			if diff := cmp.Diff(string(content(t, file)), string(encode(t, "json", pairs, Options{}))); diff != "" {
				t.Errorf("json (-chamber +coffer):\n%s", diff)
			}
			env := strings.TrimSuffix(file, ".json") + ".env"
			if strings.HasSuffix(file, "s3_api.json") {
				return // chamber's env was not recorded for it
			}
			if diff := cmp.Diff(string(content(t, env)), string(encode(t, "shell", pairs, Options{}))); diff != "" {
				t.Errorf("env (-chamber +coffer):\n%s", diff)
			}
		})
	}
}

func TestEachFormatLooksAsDocumented(t *testing.T) {
	pairs := []Pair{
		{"tf_var_region", store.NewValue("eu-west-1")},
		{"dot.key", store.NewValue("a 'b'\n${c}é")},
		{"db-url", store.NewValue(`p@$$ "w"`)},
	}
	plain := []Pair{{"db-url", store.NewValue("x y\nz")}, {"2fa", store.NewValue(`a"b`)}}
	for _, test := range []struct {
		format string
		pairs  []Pair
		want   string
	}{
		{"json", pairs, `{"db-url":"p@$$ \"w\"","dot.key":"a 'b'\n${c}é","tf_var_region":"eu-west-1"}` + "\n"},
		{"yaml", pairs, "db-url: \"p@$$ \\\"w\\\"\"\n\"dot.key\": \"a 'b'\\n${c}é\"\ntf_var_region: \"eu-west-1\"\n"},
		{"shell", pairs, "export DB_URL='p@$$ \"w\"'\nexport DOT_KEY='a '\"'\"'b'\"'\"'\n${c}é'\nexport TF_VAR_REGION=eu-west-1\n"},
		{"dotenv", plain, "_2FA='a\"b'\nDB_URL=\"x y\\nz\"\n"},
		{"csv", pairs, "db-url,\"p@$$ \"\"w\"\"\"\ndot.key,\"a 'b'\n${c}é\"\ntf_var_region,eu-west-1\n"},
		{"java-properties", pairs, "db-url = p@$$ \"w\"\ndot.key = a 'b'\\n${c}\\u00E9\ntf_var_region = eu-west-1\n"},
		{"tfvars", pairs, "db_url = \"p@$$ \\\"w\\\"\"\ndot_key = \"a 'b'\\n$${c}é\"\nregion = \"eu-west-1\"\n"},
		{"toml", pairs, "db-url = 'p@$$ \"w\"'\n'dot.key' = \"a 'b'\\n${c}é\"\ntf_var_region = 'eu-west-1'\n"},
		{"systemd", plain, "_2FA=\"a\\\"b\"\nDB_URL=\"x y\nz\"\n"},
		{"github-mask", plain, "::add-mask::a\"b\n::add-mask::x y\n::add-mask::z\n"},
		{"k8s", plain, "apiVersion: \"v1\"\nkind: \"Secret\"\nmetadata:\n  name: \"app\"\ntype: \"Opaque\"\ndata:\n  \"2fa\": \"YSJi\"\n  db-url: \"eCB5Cno=\"\n"},
	} {
		t.Run(test.format, func(t *testing.T) {
			if diff := cmp.Diff(test.want, string(encode(t, test.format, test.pairs, single))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestNoSecretsMakeAFileThatReadsAsNone(t *testing.T) {
	for _, format := range ImportNames() {
		pairs, err := Decode(strings.NewReader(string(encode(t, format, nil, Options{}))), format, Options{})
		if err != nil || len(pairs) != 0 {
			t.Errorf("%s: %d pairs, %v", format, len(pairs), err)
		}
	}
}

func TestKeysThatMeetInOneNameAreRefused(t *testing.T) {
	pairs := []Pair{{"db_url", store.NewValue("1")}, {"db-url", store.NewValue("2")}}
	for _, format := range []string{"dotenv", "shell", "docker", "systemd", "github-env", "gitlab", "tfvars"} {
		err := Encode(new(strings.Builder), format, pairs, single)
		var meet *NameError
		if !errors.As(err, &meet) || meet.Keys != [2]string{"db-url", "db_url"} {
			t.Errorf("%s: %v", format, err)
		}
	}
	twice := []Pair{{"a", store.NewValue("1")}, {"a", store.NewValue("2")}}
	for _, format := range Names() {
		var meet *NameError
		if err := Encode(new(strings.Builder), format, twice, single); !errors.As(err, &meet) {
			t.Errorf("%s takes a key twice: %v", format, err)
		}
	}
}

func TestEncodeRefusesWithoutWritingAnything(t *testing.T) {
	canary := "canary-7f3a"
	long := strings.Repeat("x", 64<<10)
	for _, test := range []struct{ format, key, value string }{
		{"docker", "k", canary + "\n"},
		{"docker", "k", canary + "\r"},
		{"docker", "k", long},
		{"gitlab", "k", canary + "\nx"},
		{"gitlab", "k", canary + " "},
		{"gitlab", "k", "$" + canary},
		{"gitlab", "k", "%x%" + canary},
		{"gitlab", "k", long[:5118]},
		{"dotenv", "k", canary + "\r\n"},
		{"dotenv", "k", canary + "${x}"},
		{"dotenv", "k", canary + "\n'\""},
		{"dotenv", "k", canary + `'\#`},
		{"tfvars", "k", canary + "e\u0301"},
		{"github-env", "k", canary + "\r"},
		{"github-env", "node_options", canary},
		{"github-env", "github_token", canary},
		{"github-env", "runner.temp", canary},
		{"k8s", strings.Repeat("k", 254), canary},
		{"k8s", "..k", canary},
		{"k8s", "k", strings.Repeat("x", 1<<20+1)},
		{"json", "k", canary + "\xff"},
		{"shell", "k", canary + "\x00"},
	} {
		var b strings.Builder
		err := Encode(&b, test.format, []Pair{{"a", store.NewValue("fine")}, {test.key, store.NewValue(test.value)}}, single)
		var refusal *ValueError
		if !errors.As(err, &refusal) || refusal.Key != test.key || !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s %.30s: %v", test.format, test.key, err)
			continue
		}
		if b.Len() > 0 {
			t.Errorf("%s wrote %d bytes and then refused", test.format, b.Len())
		}
		if strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error quotes the value", test.format)
		}
	}
}

func TestLimitsAreExact(t *testing.T) {
	for _, test := range []struct {
		format string
		size   int
	}{{"docker", 64<<10 - 1 - len("K=")}, {"gitlab", 5<<10 - 1 - len("K=\n")}, {"k8s", 1 << 20}} {
		if !carries(t, test.format, "k", strings.Repeat("x", test.size)) {
			t.Errorf("%s refuses %d bytes", test.format, test.size)
		}
		if carries(t, test.format, "k", strings.Repeat("x", test.size+1)) {
			t.Errorf("%s takes %d bytes", test.format, test.size+1)
		}
	}
}

func TestDockerReadsTheLongestLineThatIsCarried(t *testing.T) {
	needs(t, "docker")
	consumers := consumers()
	i := slices.IndexFunc(consumers, func(c consumer) bool { return c.format == "docker" })
	docker := consumers[i]
	docker.keys = numbered
	docker.check(t, []string{strings.Repeat("x", maxDockerLine-len("KEY_0000="))})
}

func TestNamesOfKeys(t *testing.T) {
	pair := []Pair{{"9db.Url-x", store.NewValue("v")}}
	for _, test := range []struct {
		format string
		o      Options
		want   string
	}{
		{"docker", Options{}, "_9DB_URL_X=v\n"},
		{"docker", Options{PreserveCase: true}, "_9db_Url_x=v\n"},
		{"docker", Options{Prefix: "APP_"}, "APP_9DB_URL_X=v\n"},
		{"docker", Options{Prefix: "app_", PreserveCase: true}, "app_9db_Url_x=v\n"},
		{"tfvars", Options{}, "_9db_Url_x = \"v\"\n"},
	} {
		if got := string(encode(t, test.format, pair, test.o)); got != test.want {
			t.Errorf("%s %+v: %q, want %q", test.format, test.o, got, test.want)
		}
	}
	var b strings.Builder
	if err := Encode(&b, "docker", pair, Options{Prefix: "A B"}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a prefix that no variable can have: %v", err)
	}
	if got := string(encode(t, "tfvars", []Pair{{"tf_var_", store.NewValue("v")}}, Options{})); got != "tf_var_ = \"v\"\n" {
		t.Errorf("a key that is only the prefix: %q", got)
	}
}

func TestKubernetesSecretsNeedAName(t *testing.T) {
	for _, name := range []string{"", "App", "a/b", "-a", "a..b", "a\nb", strings.Repeat("a", 254)} {
		if err := Encode(new(strings.Builder), "k8s", nil, Options{Name: name}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("name %.20q: %v", name, err)
		}
	}
	encode(t, "k8s", nil, Options{Name: "a-1.b"})
}

func TestEveryLineOfEveryValueIsMasked(t *testing.T) {
	all := values()
	got := masks(t, string(encode(t, "github-mask", pairsOf(all, numbered), Options{})))
	want := map[string]bool{}
	for _, v := range all {
		for line := range strings.SplitSeq(strings.ReplaceAll(v, "\r", "\n"), "\n") {
			if strings.TrimSpace(line) != "" {
				want[line] = true
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%.2000s", diff)
	}
}

func TestHeredocDelimitersAreNeverTheSame(t *testing.T) {
	pairs := pairsOf([]string{"a", "b", "a"}, numbered)
	seen := map[string]bool{}
	for range 2 {
		for line := range strings.Lines(string(encode(t, "github-env", pairs, Options{}))) {
			if _, delimiter, found := strings.Cut(line, "<<"); found {
				if seen[delimiter] || len(delimiter) < 26 {
					t.Errorf("delimiter %q", delimiter)
				}
				seen[delimiter] = true
			}
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d delimiters", len(seen))
	}
}

func TestFormatsAreFoundByNameAliasAndFileName(t *testing.T) {
	for path, want := range map[string]string{
		"a.json": "json", "a.YAML": "yaml", "a/b.yml": "yaml", ".env": "dotenv", "prod.env": "dotenv", ".env.local": "dotenv",
		".ENV": "dotenv", "a/.env.production": "dotenv", ".envrc": "dotenv", "deploy/env": "dotenv", "environment": "", "my.envrc": "",
		"a.toml": "toml", "a.csv": "csv", "a.tsv": "tsv", "a.properties": "java-properties", "a.tfvars": "tfvars", "a": "", "a.txt": "", "-": "",
	} {
		if got := ByName(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	for _, name := range []string{"properties", "Java-Properties", "JSON", "yml", "kubernetes"} {
		if err := Encode(new(strings.Builder), name, nil, single); err != nil {
			t.Error(err)
		}
	}
	if err := Encode(new(strings.Builder), "xml", nil, single); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "gitlab") {
		t.Errorf("an unknown format: %v", err)
	}
	if _, err := Decode(strings.NewReader(""), "shell", Options{}); !errors.Is(err, store.ErrInvalid) || strings.Contains(err.Error(), "gitlab") {
		t.Errorf("a format that is written only: %v", err)
	}
}
